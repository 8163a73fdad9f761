//! How many deployments of a wave stand where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::row::{Pass, Row, Stage};
use super::why::{Outcome, Why};

/// How many deployments of a wave stand where. The rollout's own row keeps them, so that no event needs the rows of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Tally {
    /// All of the wave.
    pub all: u32,
    /// Those that wait for their turn, or to be tried again.
    pub waiting: u32,
    /// Those that wait for their window, their customer or an operator.
    pub parked: u32,
    /// Those that a worker has.
    pub claimed: u32,
    /// Those that are watched.
    pub baking: u32,
    /// Good outcomes.
    pub good: u32,
    /// Bad outcomes.
    pub bad: u32,
    /// Unknown outcomes.
    pub unknown: u32,
    /// Those that were not tried.
    pub not_tried: u32,
    /// Those that are out of sight at present, whatever their outcome.
    pub unreachable: u32,
    /// Those that may run the release, or did.
    pub touched: u32,
    /// Those that a revert has ended for.
    pub reverted: u32,
}

impl Tally {
    /// How many have no outcome of the release.
    #[must_use]
    pub const fn unsettled(&self) -> u32 {
        self.all.saturating_sub(self.good + self.bad + self.unknown + self.not_tried)
    }

    /// How many are still to be reverted, if this wave is.
    pub(super) const fn owed(&self) -> u32 {
        self.touched.saturating_sub(self.reverted)
    }

    pub(super) fn add(&mut self, row: &Row) {
        self.count(row, |number| *number += 1);
    }

    pub(super) fn remove(&mut self, row: &Row) {
        self.count(row, |number| *number = number.saturating_sub(1));
    }

    fn count(&mut self, row: &Row, each: fn(&mut u32)) {
        each(&mut self.all);
        match (row.pass, &row.stage) {
            (_, Stage::Claimed(_) | Stage::Begun(_) | Stage::Updating(_)) => each(&mut self.claimed),
            (Pass::Release, Stage::Waiting { why, .. }) => {
                each(if why.as_ref().is_some_and(Why::is_parked) { &mut self.parked } else { &mut self.waiting });
            }
            (Pass::Release, Stage::Baking { .. }) => each(&mut self.baking),
            (Pass::Release, Stage::Settled) | (Pass::Twin, _) => {}
        }
        match row.outcome {
            Some(Outcome::Good) => each(&mut self.good),
            Some(Outcome::Bad(_)) => each(&mut self.bad),
            Some(Outcome::Unknown(_)) => each(&mut self.unknown),
            Some(Outcome::NotTried(_) | Outcome::Reverted | Outcome::NotReverted(_)) => each(&mut self.not_tried),
            None => {}
        }
        if row.is_blind() {
            each(&mut self.unreachable);
        }
        if row.touched {
            each(&mut self.touched);
        }
        if row.reverted.is_some() {
            each(&mut self.reverted);
        }
    }
}
