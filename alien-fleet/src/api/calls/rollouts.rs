//! Rollouts.

use alien_core::adapter::read_json;
use alien_core::rollout::{Plan, PlanBuilder, Rollout};
use alien_core::{Error, Result, StackName};

use crate::api::acting::Acting;
use crate::api::body::{At, DOCUMENT, Given, SMALL};
use crate::api::failure::{Answer, Json, form, refused};
use crate::api::forms::{AsSent, Begin, Begun};
use crate::operate::{Order, Status};
use crate::rollout_id::RolloutId;

pub(in crate::api) async fn list(Acting(fleet): Acting, At(product): At<StackName>) -> Answer<Vec<Status>> {
    Ok(Json(fleet.rollouts(&product).await?))
}

pub(in crate::api) async fn begin(
    Acting(fleet): Acting,
    At(product): At<StackName>,
    Given(given): Given<Begin<AsSent<Plan>>, DOCUMENT>,
) -> Answer<Begun> {
    let rollout = fleet.roll_out(&product, given.release, &read(&given.plan)?).await?;
    Ok(Json(Begun { rollout }))
}

pub(in crate::api) async fn plan(
    Acting(fleet): Acting,
    At(product): At<StackName>,
    Given(given): Given<Begin<AsSent<Plan>>, DOCUMENT>,
) -> Answer<Rollout> {
    Ok(Json(fleet.planned(&product, given.release, &read(&given.plan)?).await?))
}

pub(in crate::api) async fn status(
    Acting(fleet): Acting,
    At((product, number)): At<(StackName, u32)>,
) -> Answer<Status> {
    Ok(Json(fleet.status(&RolloutId::new(product, number)).await?))
}

pub(in crate::api) async fn order(
    Acting(fleet): Acting,
    At((product, number)): At<(StackName, u32)>,
    Given(order): Given<Order, SMALL>,
) -> Answer<()> {
    Ok(Json(fleet.order(&RolloutId::new(product, number), &order).await?))
}

/// Reads a plan, with all its problems.
fn read(plan: &AsSent<Plan>) -> Result<Plan> {
    let plan: PlanBuilder = read_json(plan.get().as_bytes()).map_err(|error| refused(form("plan", error)))?;
    plan.build().map_err(Error::from)
}
