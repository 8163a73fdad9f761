//! `alien fleet heartbeat`: the health of every deployment.

use alien_core::rollout::Sight;
use alien_core::{DeploymentId, Error, ErrorKind, Exit};
use alien_fleet::api::Client;
use alien_fleet::{Listed, Seen};
use futures_util::stream::{self, StreamExt as _};
use schemars::JsonSchema;
use serde::Serialize;

use super::listing::{health, seen};
use super::open::{self, Absent};
use crate::args::fleet::HeartbeatArgs;
use crate::args::{Format, Shown};
use crate::output::{self, Failure};

/// How many deployments are looked at at once.
const WIDTH: usize = 16;

/// The health of a deployment: an entry of the result of `alien fleet heartbeat`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeploymentBeat")]
pub(crate) struct Beat {
    /// The deployment.
    deployment: DeploymentId,
    /// The cloud and the account it is in.
    account: String,
    /// `healthy`, `sick`, `unreachable`, `not seen`, `not seen yet` or `revoked`.
    health: &'static str,
    /// The reason.
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
}

pub(super) async fn heartbeat(args: &HeartbeatArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::calling(&args.fleet, Absent::Refuse).await?;
    let mut beats = Vec::new();
    for product in reached.products(args.product.as_ref()).await? {
        let listed = reached.client.deployments(&product).await?;
        if args.last {
            let kept = reached.client.health().await?;
            beats.extend(listed.iter().map(|listed| beat(listed, health(kept.get(&listed.id)))));
        } else {
            let looks = listed.iter().map(|listed| look(&reached.client, listed));
            let looks: Vec<_> = looks.collect();
            beats.extend(stream::iter(looks).buffered(WIDTH).collect::<Vec<_>>().await);
        }
    }
    shown.result(&beats, |beats| text(beats))?;
    let ill = beats.iter().filter(|beat| beat.health != "healthy").count();
    if ill == 0 {
        Ok(())
    } else {
        Err(Failure::ended(Exit::Drift, format_args!("error: not healthy: {ill} of {}", beats.len())))
    }
}

async fn look(client: &Client, listed: &Listed) -> Beat {
    let seen_of = |seen: Seen| match seen {
        Seen::Heartbeat(heartbeat) => Ok(heartbeat),
        Seen::Error(error) => Err(error),
    };
    let sight = match client.heartbeat(listed.id).await {
        Ok(beats) => Sight::of(beats.into_iter().map(|beat| (beat.resource, seen_of(beat.seen)))),
        Err(error) => out_of_sight(&error),
    };
    beat(listed, seen(&sight))
}

fn out_of_sight(error: &Error) -> Sight {
    match error.kind() {
        ErrorKind::Revoked => Sight::Revoked(error.to_string()),
        ErrorKind::TimedOut => Sight::Unreachable(error.to_string()),
        _ => Sight::Fault(error.to_string()),
    }
}

fn beat(listed: &Listed, (health, why): (&'static str, String)) -> Beat {
    Beat { deployment: listed.id, account: listed.account.clone(), health, why }
}

fn text(beats: &[Beat]) -> String {
    let rows = beats.iter().map(|Beat { deployment, account, health, why }| {
        vec![deployment.to_string(), account.clone(), (*health).to_owned(), why.clone()]
    });
    output::table(Format::Table, &["deployment", "account", "health", "why"], rows.collect())
}
