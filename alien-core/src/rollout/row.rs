//! The row of a deployment: where it stands in a rollout.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::member::{Member, Standing};
use super::sequence::Sequence;
use super::version::Version;
use super::why::{Outcome, Why};
use crate::form_version::FormVersion;
use crate::name::{ResourceId, RunId};

/// What a worker brings a deployment to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// The release.
    Release,
    /// The twin of the release.
    Twin,
}

/// The claim of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lease {
    /// The worker.
    #[schemars(with = "String")]
    pub owner: RunId,
    /// When the claim ends, unless it is renewed.
    pub until: Timestamp,
    /// Whether the worker has handed the deployment to the customer's agent, who carries the update out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed: bool,
}

/// Where a deployment stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Stage {
    /// It waits to be claimed.
    #[serde(rename_all = "camelCase")]
    Waiting {
        /// Its own reason to wait; `None` if it waits for its turn alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Why>,
        /// Not before then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
    },
    /// A worker has it.
    Claimed(Lease),
    /// Its record says that an update begins. No call was made.
    Begun(Lease),
    /// Calls are made.
    Updating(Lease),
    /// It is updated, and watched.
    #[serde(rename_all = "camelCase")]
    Baking {
        /// Since when, in the time that the rollout has been running for.
        since: SignedDuration,
        /// When the next look is due, in the same time.
        next: SignedDuration,
        /// The number of the next look.
        look: u32,
        /// How many looks found it well.
        well: u32,
        /// How many of the last looks found it sick.
        sick: u32,
        /// How many of the last looks did not reach it.
        blind: u32,
    },
    /// Its outcome is known.
    Settled,
}

/// The row of a deployment in a rollout. It can be kept apart from the rollout's own row: an event changes one of them
/// and the rollout's own, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Row {
    version: Version,
    pub(super) wave: u32,
    pub(super) account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ran: Option<Sequence>,
    pub(super) fence: u64,
    pub(super) standing: Standing,
    pub(super) pass: Pass,
    pub(super) stage: Stage,
    /// How often in a row it was not reached, or its update was interrupted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) tries: u32,
    /// Whether it may run the release, or did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) touched: bool,
    /// Whether an update began that is not known to have ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) uncertain: bool,
    /// What was sick before the release touched it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) before: BTreeSet<ResourceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reverted: Option<Outcome>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Row {
    pub(super) fn new(member: Member, wave: u32) -> Self {
        Self {
            version: FormVersion,
            wave,
            account: member.account,
            ran: member.ran,
            fence: member.fence,
            standing: member.standing,
            pass: Pass::Release,
            stage: Stage::Waiting { why: None, due: None },
            tries: 0,
            touched: false,
            uncertain: false,
            before: BTreeSet::new(),
            outcome: None,
            reverted: None,
        }
    }

    /// The number of its wave.
    #[must_use]
    pub const fn wave(&self) -> u32 {
        self.wave
    }

    /// The account it is in.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The fence of its last claim. Whoever has an older one is refused.
    #[must_use]
    pub const fn fence(&self) -> u64 {
        self.fence
    }

    /// What a worker brings it to, or brought it to last.
    #[must_use]
    pub const fn pass(&self) -> Pass {
        self.pass
    }

    /// Where it stands.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Whether an update of it began that is not known to have ended.
    #[must_use]
    pub const fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    /// Its outcome of the release; `None` if it has none yet.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Its outcome of the revert; `None` if it has none yet, or is not reverted.
    #[must_use]
    pub const fn reverted(&self) -> Option<&Outcome> {
        self.reverted.as_ref()
    }

    /// The claim of the worker who has it.
    #[must_use]
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.stage {
            Stage::Claimed(lease) | Stage::Begun(lease) | Stage::Updating(lease) => Some(lease),
            Stage::Waiting { .. } | Stage::Baking { .. } | Stage::Settled => None,
        }
    }

    /// Why it waits, if that is its own reason.
    pub(super) const fn waits(&self) -> Option<&Why> {
        match &self.stage {
            Stage::Waiting { why, .. } => why.as_ref(),
            _ => None,
        }
    }

    pub(super) fn wait(&mut self, why: Option<Why>, due: Option<Timestamp>) {
        self.stage = Stage::Waiting { why, due };
    }

    /// Ends the present pass. An outcome is never replaced.
    pub(super) fn settle(&mut self, verdict: Verdict) {
        let (slot, outcome) = match (self.pass, verdict) {
            (Pass::Release, Verdict::Good) => (&mut self.outcome, Outcome::Good),
            (Pass::Release, Verdict::Bad(why)) => (&mut self.outcome, Outcome::Bad(why)),
            (Pass::Release, Verdict::Open(why)) if self.touched => (&mut self.outcome, Outcome::Unknown(why)),
            (Pass::Release, Verdict::Open(why)) => (&mut self.outcome, Outcome::NotTried(why)),
            (Pass::Twin, Verdict::Good) => (&mut self.reverted, Outcome::Reverted),
            (Pass::Twin, Verdict::Bad(why) | Verdict::Open(why)) => (&mut self.reverted, Outcome::NotReverted(why)),
        };
        slot.get_or_insert(outcome);
        self.stage = Stage::Settled;
    }

    /// Whether it is neither failed nor seen to work: out of sight.
    pub(super) fn is_blind(&self) -> bool {
        let blind_looks = matches!(self.stage, Stage::Baking { blind, .. } if blind > 0);
        let outcome = self.outcome.as_ref().and_then(Outcome::why);
        let interrupted = matches!(self.outcome, Some(Outcome::Unknown(Why::Interrupted)));
        let why = self.waits().or(outcome);
        self.pass == Pass::Release && (blind_looks || interrupted || why.is_some_and(Why::is_blind))
    }
}

/// How a pass ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad(Why),
    /// Neither good nor bad: it was not tried, or it is not known how it is.
    Open(Why),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::DeploymentId;

    #[test]
    fn an_outcome_is_never_replaced() {
        let mut row = Row::new(Member::new(DeploymentId::new(), "account"), 0);
        row.settle(Verdict::Good);
        row.settle(Verdict::Bad(Why::Interrupted));
        assert_eq!(row.outcome(), Some(&Outcome::Good));
        row.pass = Pass::Twin;
        row.settle(Verdict::Open(Why::Interrupted));
        row.settle(Verdict::Good);
        assert_eq!(row.reverted(), Some(&Outcome::NotReverted(Why::Interrupted)));
    }
}
