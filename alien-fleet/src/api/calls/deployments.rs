//! Deployments: what holds for each, how it is, its logs, commands.

use std::collections::BTreeMap;

use alien_core::{
    CommandId, Deployment, DeploymentId, Error, ErrorKind, Invitation, LogLine, Problem, Problems, ResourceId, Result,
    Rule,
};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::events::bounded;
use crate::api::acting::Acting;
use crate::api::body::{At, COMMAND, DOCUMENT, Given, Raw, SMALL, With};
use crate::api::describe::{Answers, Draft};
use crate::api::failure::{Answer, Failure, Json, refused};
use crate::api::forms::{Add, AsSent, ById, OfProduct, Register, Shown, Since};
use crate::contact::Beat;
use crate::deployments::{Listed, Setting};
use crate::watch::Watched;

pub(in crate::api) async fn list(
    Acting(fleet): Acting,
    With(OfProduct { product }): With<OfProduct>,
) -> Answer<Vec<Listed>> {
    Ok(Json(fleet.deployments(&product).await?))
}

pub(in crate::api) async fn register(
    Acting(fleet): Acting,
    Given(given): Given<Register<AsSent<Invitation>, AsSent<Deployment>>, DOCUMENT>,
) -> Answer<Listed> {
    let (invitation, record) = both(&given.invitation, &given.record)?;
    Ok(Json(fleet.register(&invitation, &record, given.agent_key.as_deref()).await?))
}

pub(in crate::api) async fn add(
    Acting(fleet): Acting,
    At(id): At<DeploymentId>,
    Given(given): Given<Add<AsSent<Deployment>>, DOCUMENT>,
) -> Answer<Listed> {
    let record = Deployment::from_json(given.record.get()).map_err(Error::from)?;
    if record.id != id {
        let what = format!("the record is of deployment {}, and was sent as that of {id}", record.id);
        let problem = Problem::error(Rule::Form, what, "send it under its own id".to_owned()).at("record");
        return Err(refused(problem).into());
    }
    Ok(Json(fleet.add(&record).await?))
}

pub(in crate::api) async fn show(Acting(fleet): Acting, At(id): At<DeploymentId>) -> Answer<Shown> {
    let (deployment, record) = fleet.deployment(id).await?;
    Ok(Json(Shown { deployment, record, health: fleet.watched(id).await? }))
}

pub(in crate::api) async fn remove(Acting(fleet): Acting, At(id): At<DeploymentId>) -> Answer<()> {
    Ok(Json(fleet.remove(id).await?))
}

pub(in crate::api) async fn set(
    Acting(fleet): Acting,
    At(id): At<DeploymentId>,
    Given(setting): Given<Setting, SMALL>,
) -> Answer<Listed> {
    Ok(Json(fleet.set(id, setting).await?))
}

pub(in crate::api) async fn health(Acting(fleet): Acting) -> Answer<BTreeMap<DeploymentId, Watched>> {
    Ok(Json(fleet.health().await?))
}

pub(in crate::api) async fn heartbeat(Acting(fleet): Acting, At(id): At<DeploymentId>) -> Answer<Vec<Beat>> {
    Ok(Json(fleet.heartbeat(id).await?))
}

pub(in crate::api) async fn logs(
    Acting(fleet): Acting,
    At((id, resource)): At<(DeploymentId, ResourceId)>,
    With(Since { since, limit }): With<Since>,
) -> Answer<Vec<LogLine>> {
    Ok(Json(fleet.logs(id, &resource, since, bounded(limit)?).await?))
}

/// Sends a command. Its body and its answer are bytes.
pub(in crate::api) async fn dispatch(
    Acting(fleet): Acting,
    At((deployment, function)): At<(DeploymentId, ResourceId)>,
    With(ById { id }): With<ById>,
    Raw(body): Raw<COMMAND>,
) -> Result<Octets, Failure> {
    let answer = fleet.dispatch(deployment, &function, id.unwrap_or_else(CommandId::new), &body).await?;
    if answer.len() > COMMAND {
        let what = format!("the answer has {} bytes, more than {COMMAND}", answer.len());
        return Err(Error::new(ErrorKind::TooLarge, what).with_sent().at(function.as_str()).into());
    }
    Ok(Octets(answer))
}

/// Bytes, as they are.
pub(in crate::api) struct Octets(Vec<u8>);

impl IntoResponse for Octets {
    fn into_response(self) -> Response {
        let bytes = [(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
        (bytes, Body::from(self.0)).into_response()
    }
}

impl Answers for Result<Octets, Failure> {
    fn describe(draft: &mut Draft<'_>) {
        let bytes = json!({ "type": "string", "maxLength": COMMAND });
        draft.answers(200, "The bytes that the function answered.", "application/octet-stream", bytes);
    }
}

/// Reads both documents of a registration, with the problems of both.
fn both(invitation: &AsSent<Invitation>, record: &AsSent<Deployment>) -> Result<(Invitation, Deployment)> {
    let all = |problems: &Problems| problems.as_slice().to_vec();
    match (Invitation::from_json(invitation.get()), Deployment::from_json(record.get())) {
        (Ok(invitation), Ok(record)) => Ok((invitation, record)),
        (Err(first), Err(second)) => Err([all(&first), all(&second)].concat().into()),
        (Err(problems), _) | (_, Err(problems)) => Err(problems.into()),
    }
}
