//! What calls take and answer, beyond what the fleet itself has. The server reads documents as they were sent (`RawValue`),
//! so that all their problems are told; the client writes them from what they are.

use alien_core::rollout::Sequence;
use alien_core::{CommandId, Deployment, Error, Images, StackName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployments::Listed;
use crate::publish::RevertTo;
use crate::rollouts::RolloutId;
use crate::tokens::{Token, TokenText};
use crate::watch::Watched;

/// `POST /v1/releases`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Publish<S> {
    pub(super) stack: S,
    #[serde(default)]
    pub(super) images: Images,
    #[serde(default)]
    pub(super) revert_to: RevertTo,
}

/// `POST /v1/checks`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check<S> {
    pub(super) stack: S,
}

/// `POST /v1/rollouts/{product}`, and `…/plans`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin<P> {
    pub(super) release: Sequence,
    pub(super) plan: P,
}

/// What `POST /v1/rollouts/{product}` answers.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) rollout: RolloutId,
}

/// `POST /v1/deployments`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Register<I, R> {
    pub(super) invitation: I,
    pub(super) record: R,
    /// The public key of its agent, in PEM, where it pulls its releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent_key: Option<String>,
}

/// `PUT /v1/deployments/{id}`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add<R> {
    pub(super) record: R,
}

/// What `GET /v1/deployments/{id}` answers.
#[derive(Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) deployment: Listed,
    pub(super) record: Deployment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) health: Option<Watched>,
}

/// What `POST /v1/tokens` answers.
#[derive(Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) token: Token,
    pub(super) text: TokenText,
}

/// `?product=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfProduct {
    pub(super) product: StackName,
}

/// `?after=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    #[serde(default)]
    pub(super) after: u64,
    pub(super) limit: Option<usize>,
}

/// `?after=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    pub(super) after: u64,
}

/// `?since=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    pub(super) since: Option<Timestamp>,
    pub(super) limit: Option<usize>,
}

/// `?id=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ById {
    pub(super) id: Option<CommandId>,
}

/// The last line of a stream that failed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failed {
    pub(super) error: Error,
}
