//! Where the rows of deployments wait, for a store that finds those that are due without reading all.

use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::head::{Head, Phase};
use super::row::{Row, Stage};
use super::why::Why;

/// The queue in which a row waits. It says how the rows in it are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// A worker has it: ordered by the end of the lease, in milliseconds since 1970.
    Leased,
    /// It is to be tried again: ordered by when, in milliseconds since 1970.
    Delayed,
    /// It waits for its turn: ordered by its wave.
    Turn,
    /// It waits for its customer or an operator: ordered by its wave.
    Parked,
    /// It is watched: ordered by the next look, in milliseconds of the time that the rollout has been running for.
    Baking,
    /// It has an outcome and may run the release, so it may be reverted: ordered by its wave.
    Updated,
}

impl Queue {
    /// A number for it, from 0 on, which stays the same in later versions.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Leased => 0,
            Self::Delayed => 1,
            Self::Turn => 2,
            Self::Parked => 3,
            Self::Baking => 4,
            Self::Updated => 5,
        }
    }
}

/// Where a row waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Position {
    /// Its queue.
    pub queue: Queue,
    /// Its place in the queue.
    pub at: i64,
}

/// The rows of a queue between two places.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reach {
    /// The queue.
    pub queue: Queue,
    /// The places.
    pub places: RangeInclusive<i64>,
}

impl Row {
    /// Where it waits; `None` if nothing more is done for it. A store keeps it beside the row, in an index.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let at = |queue, at| Some(Position { queue, at });
        let wave = i64::from(self.wave);
        match &self.stage {
            Stage::Claimed(lease) | Stage::Begun(lease) | Stage::Updating(lease) => {
                at(Queue::Leased, lease.until.as_millisecond())
            }
            Stage::Waiting { due: Some(due), .. } => at(Queue::Delayed, due.as_millisecond()),
            Stage::Waiting { why, due: None } if why.as_ref().is_some_and(Why::is_parked) => at(Queue::Parked, wave),
            Stage::Waiting { .. } => at(Queue::Turn, wave),
            Stage::Baking { next, .. } => at(Queue::Baking, millis(*next)),
            Stage::Settled if self.touched && self.reverted.is_none() => at(Queue::Updated, wave),
            Stage::Settled => None,
        }
    }
}

impl Head {
    /// Where the rows are that can be due now. Every row for which [`Rollout::due`](super::Rollout::due) has something is
    /// there; others may be there too.
    ///
    /// ```
    /// # use alien_core::{DeploymentId, rollout::*};
    /// # let members = vec![Member::new(DeploymentId::new(), "account")];
    /// # let now = "2026-11-27T08:00:00Z".parse()?;
    /// let mut rollout = Rollout::new(Sequence::from(3), None, Plan::builder().build()?, members)?;
    /// rollout.apply(&Event::Start, now);
    /// for (deployment, _) in rollout.due(now) {
    ///     let position = rollout.rows()[&deployment].position().unwrap();
    ///     let reach = rollout.head().reach(now);
    ///     assert!(reach.iter().any(|reach| reach.queue == position.queue && reach.places.contains(&position.at)));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reach(&self, now: Timestamp) -> Vec<Reach> {
        let mut reach = vec![up_to(Queue::Leased, now.as_millisecond())];
        let is_closing = self.phase.is_final() || self.phase == Phase::Reverting;
        let is_paused = self.paused.is_some();
        if is_closing {
            reach.extend([Queue::Delayed, Queue::Turn, Queue::Parked].map(all));
        } else if self.phase.is_rolling() {
            // What will not be updated at all gets its outcome also during a pause.
            reach.extend([up_to(Queue::Delayed, now.as_millisecond()), up_to(Queue::Turn, self.wave.into())]);
        }
        if is_closing && self.phase != Phase::Done {
            reach.push(all(Queue::Baking));
        } else if !is_paused {
            reach.push(up_to(Queue::Baking, millis(self.running(now))));
        }
        if let Some(first) = self.reverting {
            reach.push(Reach { queue: Queue::Updated, places: first.into()..=i64::MAX });
        }
        reach
    }

    /// How many more deployments may be claimed now; `None` if none is claimed any more, and what is due needs no room.
    #[must_use]
    pub fn room(&self) -> Option<u32> {
        (!self.phase.is_final()).then(|| self.parallel().saturating_sub(self.claimed()))
    }

    /// When something can be due next of a row at this position, if no event comes before; `None` if only an event
    /// makes it due.
    #[must_use]
    pub fn when(&self, position: Position) -> Option<Timestamp> {
        let time = |millis| Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        match position.queue {
            Queue::Leased | Queue::Delayed => Some(time(position.at)),
            Queue::Baking => self.reaches(SignedDuration::from_millis(position.at)),
            Queue::Turn | Queue::Parked | Queue::Updated => None,
        }
    }
}

const fn all(queue: Queue) -> Reach {
    Reach { queue, places: i64::MIN..=i64::MAX }
}

const fn up_to(queue: Queue, last: i64) -> Reach {
    Reach { queue, places: i64::MIN..=last }
}

/// Whole milliseconds, rounded down: a row is then found at its time, or a little before.
fn millis(time: SignedDuration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
