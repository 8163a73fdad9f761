//! What an agent tells of its deployment. It is a closed schema: nothing else leaves the customer's network.

use std::collections::BTreeMap;

use alien_core::adapter::FormVersion;
use alien_core::rollout::Sequence;
use alien_core::{AgentVersion, DeploymentId, ErrorKind, Health, Problem, ResourceId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds;
use super::signed::{Message, sealed, too_long};
use super::version::Version;
use crate::verify::RefusalKind;

/// The longest text of a cloud's own.
const LONGEST_TEXT: usize = 256;

/// `POST /v1/agent/report`: how a deployment is, and how far its agent is with a release. Signed by the agent's key.
///
/// Texts of the cloud's own are in it only where the customer allows them, at most 256 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Report {
    version: Version,
    /// The deployment.
    pub deployment: DeploymentId,
    /// A number that is higher than that of every message before.
    pub counter: u64,
    /// The version of the agent.
    pub agent: AgentVersion,
    /// The release that runs; `None` if none was rolled out by the agent yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Sequence>,
    /// What the agent does.
    pub state: State,
    /// How the last attempt ended; `None` if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Attempt>,
    /// How each resource is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<ResourceId, Condition>,
}

/// What an agent does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum State {
    /// It watches.
    Idle,
    /// It does not begin a release for now.
    Waiting {
        /// The release.
        release: Sequence,
        /// The number of the attempt.
        fence: u64,
        /// Why.
        why: Waits,
    },
    /// It is ready for its first call, and begins as soon as the manager has taken this report without a [`Hold`].
    Beginning {
        /// The release.
        release: Sequence,
        /// The number of the attempt.
        fence: u64,
    },
    /// It makes calls.
    Updating {
        /// The release.
        release: Sequence,
        /// The number of the attempt.
        fence: u64,
    },
}

/// Why an agent does not begin a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Waits {
    /// Its customer has not approved the release yet.
    Approval,
    /// Its customer lets it update at certain times.
    Window {
        /// The next of them, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opens: Option<Timestamp>,
    },
    /// Only the customer's admin can set what the release changes.
    AdminOnly,
    /// The release needs a newer agent.
    AgentTooOld {
        /// The least version.
        least: AgentVersion,
    },
    /// It is older than what the deployment has begun before.
    BelowFloor,
    /// What the manager named is not what the repository signs, or not now.
    Refused(RefusalKind),
}

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Attempt {
    /// The release.
    pub release: Sequence,
    /// The number of the attempt.
    pub fence: u64,
    /// How it ended.
    pub ended: Ended,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Ended {
    /// The release runs.
    Done,
    /// The cloud refused the update of these resources, or they did not start with it.
    Failed(BTreeMap<ResourceId, Condition>),
    /// It did not work for a reason that says nothing of the release.
    Fault(#[serde(serialize_with = "kinds::sent")] ErrorKind),
    /// The cloud does not answer.
    Unreachable,
    /// The customer took the agent's access away.
    Revoked,
    /// Only the customer's admin can set what the release changes.
    AdminOnly,
}

/// How a resource is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Condition {
    /// Its health; `None` if it was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The kind of the error, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "kinds::sent_if_any")]
    pub error: Option<ErrorKind>,
    /// The cloud's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Condition {
    /// The condition of a resource that was seen.
    #[must_use]
    pub const fn seen(health: Health) -> Self {
        Self { health: Some(health), error: None, text: None }
    }

    /// The condition of a resource with which something failed.
    #[must_use]
    pub const fn failed(error: ErrorKind) -> Self {
        Self { health: None, error: Some(error), text: None }
    }

    /// Adds the cloud's own words, where the customer allows them. What is beyond 256 bytes is cut.
    #[must_use]
    pub fn because(mut self, text: &str) -> Self {
        let end = text.floor_char_boundary(LONGEST_TEXT);
        self.text = Some(text.get(..end).unwrap_or_default().to_owned());
        self
    }
}

impl Report {
    /// Creates the report of an agent that watches, and has seen nothing yet.
    #[must_use]
    pub fn new(deployment: DeploymentId, counter: u64, agent: AgentVersion) -> Self {
        let (state, resources) = (State::Idle, BTreeMap::new());
        Self { version: FormVersion, deployment, counter, agent, runs: None, state, outcome: None, resources }
    }

    /// Sets the release that runs.
    #[must_use]
    pub const fn running(mut self, release: Sequence) -> Self {
        self.runs = Some(release);
        self
    }

    /// Sets what the agent does.
    #[must_use]
    pub fn doing(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Sets how the last attempt ended.
    #[must_use]
    pub fn ended(mut self, attempt: Attempt) -> Self {
        self.outcome = Some(attempt);
        self
    }

    /// Leaves out the cloud's own words.
    #[must_use]
    pub fn without_texts(mut self) -> Self {
        let failed = match &mut self.outcome {
            Some(Attempt { ended: Ended::Failed(failed), .. }) => Some(failed),
            _ => None,
        };
        let failed = failed.into_iter().flat_map(BTreeMap::values_mut);
        self.resources.values_mut().chain(failed).for_each(|condition| condition.text = None);
        self
    }

    /// Leaves out the cloud's own words if the report has more than [`Message::MOST`] bytes with them. Without them, one of the largest
    /// stack has fewer.
    #[must_use]
    pub fn fitted(self) -> Self {
        let length = serde_json::to_vec(&self).map_or(usize::MAX, |json| json.len());
        if length <= Self::MOST { self } else { self.without_texts() }
    }

    /// Sets how a resource is.
    #[must_use]
    pub fn with(mut self, resource: ResourceId, condition: Condition) -> Self {
        self.resources.insert(resource, condition);
        self
    }
}

impl sealed::Sealed for Report {}

impl Message for Report {
    const CONTEXT: &'static str = "alien/agent/report";
    const MOST: usize = 512 << 10;
    const NAME: &'static str = "a report";

    fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    fn problems(&self) -> Vec<Problem> {
        let failed = match &self.outcome {
            Some(Attempt { ended: Ended::Failed(failed), .. }) => Some(failed),
            _ => None,
        };
        let all = [("resources", Some(&self.resources)), ("outcome.ended.failed", failed)];
        let all = all.into_iter().filter_map(|(at, found)| Some((at, found?)));
        let long = all.flat_map(|(at, conditions)| {
            conditions.iter().filter_map(move |(id, condition)| {
                let length = condition.text.as_ref()?.len();
                (length > LONGEST_TEXT).then(|| too_long(&format!("{at}.{id}.text"), length, LONGEST_TEXT))
            })
        });
        long.collect()
    }
}

/// What the manager answers to the report of an agent that is [`Beginning`](State::Beginning), if it is not to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hold {
    version: Version,
    /// Why.
    pub hold: String,
}

impl Hold {
    /// Creates the answer.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self { version: FormVersion, hold: why.into() }
    }
}
