//! The rollout's own row: its plan, its phase, and how many deployments stand where.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{Plan, PlanBuilder};
use super::row::Row;
use super::sequence::{Sequence, Twin};
use super::tally::Tally;
use super::version::Version;
use crate::form_version::FormVersion;

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It has not begun.
    Planned,
    /// Deployments of the present wave are updated.
    Open,
    /// All of the present wave are updated, and some are watched.
    Baking,
    /// The present wave is over, and an approval is awaited.
    Gate,
    /// Every wave is over.
    Done,
    /// Nothing further is updated.
    Halted,
    /// What was updated is brought to the twin.
    Reverting,
    /// What was updated is brought to the twin, or it is told why not.
    Reverted,
    /// A newer release took its place.
    Superseded,
    /// An operator ended it.
    Cancelled,
}

impl Phase {
    /// Whether waves are opened in it.
    pub(super) const fn is_rolling(self) -> bool {
        matches!(self, Self::Open | Self::Baking | Self::Gate)
    }

    /// Whether nothing more is begun in it.
    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Reverted | Self::Superseded | Self::Cancelled)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Planned => "planned",
            Self::Open => "open",
            Self::Baking => "baking",
            Self::Gate => "awaiting an approval",
            Self::Done => "done",
            Self::Halted => "halted",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Why a rollout is paused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum PauseReason {
    /// An operator said so, for this reason.
    Asked(String),
    /// So many of a wave are unreachable.
    Unreachable {
        /// How many.
        count: u32,
        /// Of how many.
        of: u32,
    },
    /// A wave ended without one good outcome: nothing shows that the release works.
    NoneGood {
        /// The number of the wave.
        wave: u32,
    },
}

/// Why a rollout was halted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum HaltReason {
    /// An operator said so, for this reason.
    Asked(String),
    /// So many outcomes are bad.
    Bad {
        /// How many.
        bad: u32,
        /// Of how many that are good or bad.
        counted: u32,
    },
}

/// The rollout's own row. With it and the row of one deployment, every event about that deployment can be folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Head {
    version: Version,
    pub(super) release: Sequence,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) twin: Option<Twin>,
    plan: Plan,
    pub(super) phase: Phase,
    pub(super) wave: u32,
    waves: Vec<Tally>,
    /// How many a worker has, by account.
    claimed: BTreeMap<String, u32>,
    /// For how long it has been running, without the pauses, until `since`.
    ran: SignedDuration,
    /// Since when it has been running; `None` while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// When the present wave was opened, or the revert began, in the time that it has been running for.
    pub(super) opened: SignedDuration,
    pub(super) pauses: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paused: Option<PauseReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) halted: Option<HaltReason>,
    /// The first wave that is reverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reverting: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) superseded: Option<Sequence>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) approved: BTreeSet<u32>,
    /// How many unreachable ones of the present wave an operator has accepted by going on.
    pub(super) excused: u32,
    /// The wave without a good outcome that an operator has accepted by going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted: Option<u32>,
    pub(super) over: bool,
}

impl Head {
    pub(super) fn new(release: Sequence, twin: Option<Twin>, plan: Plan) -> Self {
        let waves = vec![Tally::default(); plan.waves() as usize];
        Self {
            version: FormVersion,
            release,
            twin,
            plan,
            phase: Phase::Planned,
            wave: 0,
            waves,
            claimed: BTreeMap::new(),
            ran: SignedDuration::ZERO,
            since: None,
            opened: SignedDuration::ZERO,
            pauses: 0,
            paused: None,
            halted: None,
            reverting: None,
            superseded: None,
            approved: BTreeSet::new(),
            excused: 0,
            accepted: None,
            over: false,
        }
    }

    /// The release that is rolled out.
    #[must_use]
    pub const fn release(&self) -> Sequence {
        self.release
    }

    /// Its twin.
    #[must_use]
    pub const fn twin(&self) -> Option<Twin> {
        self.twin
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the rollout stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The number of the wave that was opened last.
    #[must_use]
    pub const fn wave(&self) -> u32 {
        self.wave
    }

    /// How many deployments of each wave stand where.
    #[must_use]
    pub fn waves(&self) -> &[Tally] {
        &self.waves
    }

    /// Why it is paused; `None` if it is not.
    #[must_use]
    pub const fn paused(&self) -> Option<&PauseReason> {
        self.paused.as_ref()
    }

    /// How often it was paused: the number of the present pause, or of the last one.
    #[must_use]
    pub const fn pauses(&self) -> u32 {
        self.pauses
    }

    /// Why it was halted; `None` if it was not.
    #[must_use]
    pub const fn halted(&self) -> Option<&HaltReason> {
        self.halted.as_ref()
    }

    /// Whether every outcome is told, and nothing more will happen.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// For how long it has been running, pauses left out. Times of watching are counted in it, so that a pause stops them.
    #[must_use]
    pub fn running(&self, now: Timestamp) -> SignedDuration {
        let since = self.since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
        self.ran.saturating_add(since.max(SignedDuration::ZERO))
    }

    pub(super) fn start_clock(&mut self, now: Timestamp) {
        self.since = Some(now);
    }

    pub(super) fn stop_clock(&mut self, now: Timestamp) {
        (self.ran, self.since) = (self.running(now), None);
    }

    /// When it will have been running for so long; `None` while it is paused.
    pub(super) fn reaches(&self, running: SignedDuration) -> Option<Timestamp> {
        let left = running.saturating_sub(self.ran).max(SignedDuration::ZERO);
        self.since.map(|since| since.saturating_add(left).unwrap_or(Timestamp::MAX))
    }

    pub(super) fn is_patient(&self, now: Timestamp) -> bool {
        self.running(now).saturating_sub(self.opened) < self.options().patience
    }

    pub(super) const fn options(&self) -> &PlanBuilder {
        self.plan.options()
    }

    pub(super) fn enter(&mut self, row: &Row) {
        if let Some(tally) = self.waves.get_mut(row.wave as usize) {
            tally.add(row);
        }
    }

    /// Counts a row that has changed.
    pub(super) fn recount(&mut self, before: &Row, now: &Row) {
        if let Some(tally) = self.waves.get_mut(now.wave as usize) {
            tally.remove(before);
            tally.add(now);
        }
        match (before.lease(), now.lease()) {
            (None, Some(_)) => *self.claimed.entry(now.account.clone()).or_default() += 1,
            (Some(_), None) => {
                if let Some(count) = self.claimed.get_mut(&now.account) {
                    *count = count.saturating_sub(1);
                }
                self.claimed.retain(|_, count| *count > 0);
            }
            _ => {}
        }
    }

    /// How many a worker has, in all.
    #[must_use]
    pub fn claimed(&self) -> u32 {
        self.claimed.values().sum()
    }

    pub(super) fn claimed_in(&self, account: &str) -> u32 {
        self.claimed.get(account).copied().unwrap_or_default()
    }

    /// How many may be claimed at once.
    pub(super) fn parallel(&self) -> u32 {
        self.options().parallel.of(self.sum(|tally| tally.all))
    }

    /// The tally of the present wave.
    pub(super) fn present(&self) -> Tally {
        self.waves.get(self.wave as usize).cloned().unwrap_or_default()
    }

    pub(super) fn sum(&self, each: impl Fn(&Tally) -> u32) -> u32 {
        self.waves.iter().map(each).sum()
    }

    /// How many are still to be reverted.
    pub(super) fn owed(&self) -> u32 {
        let first = self.reverting.unwrap_or(u32::MAX);
        self.waves.iter().skip(first as usize).map(Tally::owed).sum()
    }

    /// Whether this row is to be reverted, and is not yet.
    pub(super) fn owes(&self, row: &Row) -> bool {
        self.reverting.is_some_and(|first| row.wave >= first) && row.touched && row.reverted.is_none()
    }
}
