//! Reasons: why a deployment waits, and why its outcome is not good.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sequence::Sequence;
use crate::name::ResourceId;

/// Why a deployment waits, or why its outcome is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// The rollout has not begun.
    Planned,
    /// Its wave has not begun.
    Wave(u32),
    /// A wave before it is over, and awaits an approval.
    Gate(u32),
    /// The rollout is paused.
    Paused,
    /// The rollout was halted.
    Halted,
    /// As many as the plan allows are being updated.
    Parallel,
    /// As many as the plan allows are being updated in its account.
    Account,
    /// Its window opens then.
    Window(Timestamp),
    /// It is held, for this reason.
    Held(String),
    /// Its customer has not approved yet.
    Approval(String),
    /// Only its customer's admin can set what the release changes.
    AdminOnly(String),
    /// Its customer revoked the access.
    Revoked(String),
    /// It is pinned to this release.
    Pinned(Sequence),
    /// It could not be reached.
    Unreachable(String),
    /// The manager had a fault of its own: it was throttled, or its store did not answer.
    Manager(String),
    /// The one who updated it did not come back. It is looked at, and the update is repeated.
    Interrupted,
    /// The update of these resources failed.
    Failed(BTreeMap<ResourceId, String>),
    /// These resources are sick, and were well before.
    Sick(BTreeMap<ResourceId, String>),
    /// The update of these resources failed, and they were sick before it: this says nothing about the release.
    SickBefore(BTreeMap<ResourceId, String>),
    /// It ran something older than the twin's content, and the plan does not say that it goes to the twin.
    Older(Option<Sequence>),
    /// A newer release took its place.
    Superseded(Sequence),
    /// The rollout was cancelled.
    Cancelled,
    /// The rollout is done.
    Done,
}

impl Why {
    /// Whether it waits for its customer or an operator, so that no wave waits for it.
    pub(super) const fn is_parked(&self) -> bool {
        matches!(self, Self::Window(_) | Self::Held(_) | Self::Approval(_) | Self::AdminOnly(_))
    }

    /// Whether it is out of sight: neither failed nor seen to work.
    pub(super) const fn is_blind(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |resources: &BTreeMap<ResourceId, String>| {
            let each = resources.iter().map(|(id, why)| format!("`{id}`: {why}"));
            each.collect::<Vec<_>>().join("; ")
        };
        match self {
            Self::Planned => f.write_str("the rollout has not begun"),
            Self::Wave(wave) => write!(f, "wave {wave} has not begun"),
            Self::Gate(wave) => write!(f, "wave {wave} awaits an approval"),
            Self::Paused => f.write_str("the rollout is paused"),
            Self::Halted => f.write_str("the rollout was halted"),
            Self::Parallel => f.write_str("as many as allowed are being updated"),
            Self::Account => f.write_str("as many as allowed are being updated in its account"),
            Self::Window(opens) => write!(f, "its window opens at {opens}"),
            Self::Held(why) => write!(f, "held: {why}"),
            Self::Approval(why) => write!(f, "awaits the customer's approval: {why}"),
            Self::AdminOnly(why) => write!(f, "awaits the customer's admin: {why}"),
            Self::Revoked(why) => write!(f, "the customer revoked the access: {why}"),
            Self::Pinned(to) => write!(f, "pinned to release {to}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Manager(why) => write!(f, "a fault of the manager: {why}"),
            Self::Interrupted => f.write_str("the update was interrupted"),
            Self::Failed(resources) => write!(f, "failed: {}", list(resources)),
            Self::Sick(resources) => write!(f, "sick since the update: {}", list(resources)),
            Self::SickBefore(resources) => write!(f, "failed, and was sick before: {}", list(resources)),
            Self::Older(Some(ran)) => write!(f, "it ran release {ran}, which is older than what the twin holds"),
            Self::Older(None) => f.write_str("it is not known to have run what the twin holds"),
            Self::Superseded(by) => write!(f, "superseded by release {by}"),
            Self::Cancelled => f.write_str("the rollout was cancelled"),
            Self::Done => f.write_str("the rollout is done"),
        }
    }
}

/// What became of a deployment in a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Outcome {
    /// It was updated, and works as before or better.
    Good,
    /// The release failed on it.
    Bad(Why),
    /// It was updated, or may have been, and it is not known how it is.
    Unknown(Why),
    /// It was not touched.
    NotTried(Why),
    /// It was brought to the twin, and works as before or better.
    Reverted,
    /// It should have been brought to the twin, and was not: it is bad still.
    NotReverted(Why),
}

impl Outcome {
    /// The reason, if there is one to tell.
    #[must_use]
    pub const fn why(&self) -> Option<&Why> {
        match self {
            Self::Good | Self::Reverted => None,
            Self::Bad(why) | Self::Unknown(why) | Self::NotTried(why) | Self::NotReverted(why) => Some(why),
        }
    }
}

/// As `good`, or `not tried: ` with the reason.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Good => "good",
            Self::Bad(_) => "bad",
            Self::Unknown(_) => "unknown",
            Self::NotTried(_) => "not tried",
            Self::Reverted => "reverted",
            Self::NotReverted(_) => "bad, not reverted",
        };
        f.write_str(word)?;
        self.why().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}
