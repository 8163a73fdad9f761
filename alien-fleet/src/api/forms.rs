//! What calls take and answer, beyond what the fleet itself has. The server reads documents as they were sent (`RawValue`),
//! so that all their problems are told; the client writes them from what they are.

use std::borrow::Cow;
use std::marker::PhantomData;

use alien_core::rollout::Sequence;
use alien_core::{CommandId, Deployment, Images, StackName};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::deployments::Listed;
use crate::publish::RevertTo;
use crate::rollout_id::RolloutId;
use crate::tokens::{Token, TokenText};
use crate::watch::Watched;

/// A document as it was sent, so that all its problems are told. `T` is what it is read as.
pub(super) struct AsSent<T> {
    text: Box<RawValue>,
    read_as: PhantomData<fn() -> T>,
}

impl<T> AsSent<T> {
    /// The document's text.
    pub(super) fn get(&self) -> &str {
        self.text.get()
    }
}

impl<'de, T> Deserialize<'de> for AsSent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: Deserialize::deserialize(deserializer)?, read_as: PhantomData })
    }
}

impl<T: JsonSchema> JsonSchema for AsSent<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// `POST /v1/releases`
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Publish")]
pub(super) struct Publish<S> {
    pub(super) stack: S,
    #[serde(default)]
    pub(super) images: Images,
    #[serde(default)]
    pub(super) revert_to: RevertTo,
}

/// `POST /v1/checks`
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Check")]
pub(super) struct Check<S> {
    pub(super) stack: S,
}

/// `POST /v1/rollouts/{product}`, and `…/plans`
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Begin")]
pub(super) struct Begin<P> {
    pub(super) release: Sequence,
    pub(super) plan: P,
}

/// What `POST /v1/rollouts/{product}` answers.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Begun {
    pub(super) rollout: RolloutId,
}

/// `POST /v1/deployments`
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Register")]
pub(super) struct Register<I, R> {
    pub(super) invitation: I,
    pub(super) record: R,
    /// The public key of its agent, in PEM, where it pulls its releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent_key: Option<String>,
}

/// `PUT /v1/deployments/{id}`
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Add")]
pub(super) struct Add<R> {
    pub(super) record: R,
}

/// What `GET /v1/deployments/{id}` answers.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Shown {
    pub(super) deployment: Listed,
    pub(super) record: Deployment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) health: Option<Watched>,
}

/// What `POST /v1/tokens` answers.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Made {
    pub(super) token: Token,
    pub(super) text: TokenText,
}

/// `?product=`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfProduct {
    pub(super) product: StackName,
}

/// `?after=&limit=`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    #[serde(default)]
    pub(super) after: u64,
    #[schemars(range(min = 1, max = 1000))]
    pub(super) limit: Option<usize>,
}

/// `?after=`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    pub(super) after: u64,
}

/// `?since=&limit=`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    pub(super) since: Option<Timestamp>,
    #[schemars(range(min = 1, max = 1000))]
    pub(super) limit: Option<usize>,
}

/// `?id=`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ById {
    pub(super) id: Option<CommandId>,
}
