//! What a store keeps of the agent of a deployment.

use alien_core::rollout::Pass;
use alien_core::{CommandId, DeploymentId, StackName};
use alien_release::agent::{Nonce, Report, Wanted};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rollout_id::RolloutId;
use crate::store::{Key, Table};

/// What is known of the agent of a deployment. Its public key is in the deployment's own entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct KeptAgent {
    version: u32,
    /// The product of the deployment.
    pub(crate) product: StackName,
    /// The counter of the last message: the next one has a higher one.
    pub(crate) counter: u64,
    /// The random numbers of requests for a token that would still be in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) nonces: Vec<Used>,
    /// When it asked last, as of a while ago: a manager writes it only now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Timestamp>,
    /// What it reported last, and when that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) report: Option<Reported>,
    /// What it has begun last, and so what it should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wanted: Option<Wanted>,
    /// What a worker handed to it, while its outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handed: Option<Handed>,
    /// What it is asked and has not taken yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requests: Vec<CommandId>,
}

/// A random number that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Used {
    pub(crate) nonce: Nonce,
    /// When the request was made.
    pub(crate) time: Timestamp,
}

/// A report, and when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reported {
    pub(crate) at: Timestamp,
    pub(crate) report: Report,
}

/// A deployment that a worker handed to its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Handed {
    pub(crate) rollout: RolloutId,
    pub(crate) pass: Pass,
    pub(crate) wanted: Wanted,
    /// How long the agent may be silent.
    pub(crate) silence: SignedDuration,
}

impl KeptAgent {
    pub(crate) const fn new(product: StackName) -> Self {
        Self {
            version: 1,
            product,
            counter: 0,
            nonces: Vec::new(),
            seen: None,
            report: None,
            wanted: None,
            handed: None,
            requests: Vec::new(),
        }
    }

    pub(crate) fn key(id: DeploymentId) -> Key {
        Key::new(Table::Agent, "", id.to_string())
    }

    /// What it should run.
    pub(crate) fn release(&self) -> Option<&Wanted> {
        self.handed.as_ref().map(|handed| &handed.wanted).or(self.wanted.as_ref())
    }

    /// When it was heard of last.
    pub(crate) fn heard(&self) -> Option<Timestamp> {
        self.seen.max(self.report.as_ref().map(|reported| reported.at))
    }
}

/// Since when managers answer agents without a break, and when one said so last. While none does, a silent agent says nothing of
/// itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Managers {
    version: u32,
    pub(crate) since: Timestamp,
    pub(crate) at: Timestamp,
}

impl Managers {
    pub(crate) fn key() -> Key {
        Key::new(Table::Agent, "managers", "answering")
    }

    /// A manager answers, now. `longest` is how long none may have said so before that counts as a break.
    pub(crate) fn now(before: Option<Self>, now: Timestamp, longest: SignedDuration) -> Self {
        let goes_on = before.filter(|before| now.duration_since(before.at) <= longest);
        let since = goes_on.map_or(now, |before| before.since);
        let at = goes_on.map_or(now, |before| before.at.max(now));
        Self { version: 1, since, at }
    }
}
