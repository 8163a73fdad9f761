//! What happens to a rollout, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{HaltReason, PauseReason, Phase};
use super::member::Standing;
use super::row::Pass;
use super::sequence::Sequence;
use super::why::{Outcome, Why};
use crate::deployment::DeploymentId;
use crate::name::{ResourceId, RunId};

/// Which of what was updated is reverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The present wave.
    Wave,
    /// All waves.
    All,
}

/// Something that happens. Each can arrive late or twice: it is refused, or changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Event {
    /// Time has passed.
    Tick,
    /// The rollout begins.
    Start,
    /// An operator pauses the rollout. `pause` is the number of the pause: one more than [`Head::pauses`](super::Head::pauses).
    Pause {
        /// The number of the pause.
        pause: u32,
        /// The operator's reason.
        why: String,
    },
    /// An operator ends this pause.
    Resume {
        /// The number of the pause.
        pause: u32,
    },
    /// An operator halts the rollout: nothing further is updated.
    Halt {
        /// The operator's reason.
        why: String,
    },
    /// An operator reverts what was updated.
    Revert(Scope),
    /// An operator approves what comes after this wave.
    Approve {
        /// The number of the wave.
        wave: u32,
    },
    /// A newer release takes the place of this one.
    Supersede {
        /// The newer release.
        by: Sequence,
    },
    /// An operator ends the rollout. What was updated stays as it is.
    Cancel,
    /// The pin, the holds or the window of a deployment are others now.
    Standing {
        /// The deployment.
        deployment: DeploymentId,
        /// What holds now.
        standing: Standing,
    },
    /// A worker asks for a deployment.
    Claim {
        /// The deployment.
        deployment: DeploymentId,
        /// The fence that the worker saw in the row. If another has claimed the deployment since, the claim is refused.
        fence: u64,
        /// The worker.
        owner: RunId,
    },
    /// A worker tells how far it is with a deployment, under the fence of its claim.
    Work {
        /// The deployment.
        deployment: DeploymentId,
        /// The fence of the claim.
        fence: u64,
        /// How far it is.
        step: Step,
    },
    /// Somebody has looked at a deployment that was updated.
    Look {
        /// The deployment.
        deployment: DeploymentId,
        /// The fence in the row.
        fence: u64,
        /// The number of the look.
        look: u32,
        /// What was seen.
        sight: Sight,
    },
    /// The lease of a worker has ended.
    Expire {
        /// The deployment.
        deployment: DeploymentId,
        /// The fence of the claim.
        fence: u64,
    },
    /// A deployment that nothing more is done for gets its outcome.
    Close {
        /// The deployment.
        deployment: DeploymentId,
    },
}

impl Event {
    /// The deployment whose row it may change. It changes no other row but the rollout's own.
    #[must_use]
    pub const fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Self::Standing { deployment, .. }
            | Self::Claim { deployment, .. }
            | Self::Work { deployment, .. }
            | Self::Look { deployment, .. }
            | Self::Expire { deployment, .. }
            | Self::Close { deployment } => Some(*deployment),
            Self::Tick
            | Self::Start
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Halt { .. }
            | Self::Revert(_)
            | Self::Approve { .. }
            | Self::Supersede { .. }
            | Self::Cancel => None,
        }
    }
}

/// How far a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Step {
    /// It goes on, and needs its lease longer.
    Renew,
    /// It has looked at the deployment, and has noted in its record that an update begins.
    Begin {
        /// The resources that are sick before the update.
        sick: BTreeSet<ResourceId>,
    },
    /// It hands the deployment to the customer's agent, after [`Begin`](Self::Begin). Each later report of the agent that the update
    /// goes on is such a step, too, with a later time. An agent that reports nothing until then is unreachable.
    Hand {
        /// When the agent must have reported again.
        until: Timestamp,
    },
    /// The agent to which it was handed, and which has begun, is back after it was silent for too long. Nobody has begun anything since, so
    /// it goes on, as after [`Hand`](Self::Hand).
    Back {
        /// The agent.
        owner: RunId,
        /// When the agent must have reported again.
        until: Timestamp,
    },
    /// It is about to make its first call.
    Send,
    /// It has ended.
    End(Ended),
}

/// How the work on a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Ended {
    /// It runs the release.
    Done,
    /// The cloud refused the update of these resources, or they did not start with it.
    Failed(BTreeMap<ResourceId, String>),
    /// What was sent may have been done. It is looked at, and the update is repeated.
    Uncertain,
    /// The manager had a fault of its own (it was throttled, its store did not answer, another was at work there): this
    /// never counts against the release.
    Fault {
        /// What it was.
        why: String,
        /// When to try again; `None` for the plan's time.
        again: Option<Timestamp>,
    },
    /// The deployment could not be reached.
    Unreachable(String),
    /// The customer revoked the access.
    Revoked(String),
    /// Only the customer's admin can set what the release changes.
    AdminOnly(String),
    /// The customer's own rules do not let it begin: no call was made. The reason is a window, a hold, an approval or what only the
    /// admin can set.
    Waits {
        /// Why.
        why: Why,
        /// When to try again; `None` if that follows from the deployment's next [standing](Event::Standing) alone.
        until: Option<Timestamp>,
    },
}

/// What a look at a deployment saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Sight {
    /// It was reached, and these resources are sick: none, if it is well.
    Seen(BTreeMap<ResourceId, String>),
    /// It could not be reached.
    Unreachable(String),
    /// The manager had a fault of its own, and saw nothing.
    Fault(String),
    /// The customer revoked the access.
    Revoked(String),
}

/// What follows from an event. Save it together with the rollout: it is told once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Action {
    /// The worker who claimed the deployment has it.
    Go(Work),
    /// The event was refused, for this reason.
    Refused(Refusal),
    /// The outcome of a deployment is known.
    Tell {
        /// The deployment.
        deployment: DeploymentId,
        /// Its outcome.
        outcome: Outcome,
    },
    /// The rollout is in another phase.
    Became {
        /// The phase.
        phase: Phase,
        /// The last wave that was opened.
        wave: u32,
    },
    /// The rollout is paused.
    Paused(PauseReason),
    /// The rollout goes on.
    Resumed,
    /// The rollout was halted.
    Halted(HaltReason),
    /// Every outcome is told, and nothing more will happen.
    Over(Phase),
}

/// What a worker does with a deployment that it claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Work {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The fence, which every event of the worker carries.
    pub fence: u64,
    /// When the claim ends, unless it is renewed.
    pub until: Timestamp,
    /// The release to roll out.
    pub release: Sequence,
    /// Whether that is the twin.
    pub pass: Pass,
    /// Whether an earlier update may have been done: everything is set anew, whatever the record says.
    pub is_uncertain: bool,
}

/// Why an event was refused. It changed nothing, except that a deployment may now carry the reason why it waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Refusal {
    /// It is late, or was told before: its fence or number is an old one.
    Late,
    /// The lease has ended; claim the deployment again.
    LeaseOver,
    /// It is too early.
    Early,
    /// It does not follow from where the deployment or the rollout stands.
    OutOfStep,
    /// The deployment waits, for this reason.
    Waits(Why),
    /// The rollout has ended in this phase.
    Over(Phase),
    /// No row of the deployment is loaded.
    NoRow,
    /// The release has no twin.
    NoTwin,
    /// A release that is not newer does not take the place of this one.
    NotNewer,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it is late: another event came before it"),
            Self::LeaseOver => f.write_str("the lease has ended; claim the deployment again"),
            Self::Early => f.write_str("it is too early"),
            Self::OutOfStep => f.write_str("it does not follow from where the rollout stands"),
            Self::Waits(why) => write!(f, "the deployment waits: {why}"),
            Self::Over(phase) => write!(f, "the rollout is {phase}"),
            Self::NoRow => f.write_str("no row of the deployment is loaded"),
            Self::NoTwin => f.write_str("the release has no twin to go back to"),
            Self::NotNewer => f.write_str("the release is not newer than this one and its twin"),
        }
    }
}
