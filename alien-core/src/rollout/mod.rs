//! A release on its way to many deployments: a canary, waves, watching, halting, going back.
//!
//! This is a state machine and nothing else. [`next`] gives from a [`Rollout`], an [`Event`] and the time another rollout
//! and what follows from it. It reads no clock, waits for nothing, and draws no random number: the same events give the
//! same rollout, in one process, over the rows of a database, or replayed by a workflow engine.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use std::time::Duration;
//! use alien_core::{DeploymentId, rollout::*};
//! use jiff::{SignedDuration, Timestamp};
//!
//! // A canary of one, then half of all, then the rest. Each is watched for 10 minutes.
//! let plan = Plan::builder()
//!     .canary(1)
//!     .then_percent([50, 100])
//!     .bake(Duration::from_secs(600))
//!     .halt_at_share(2, 50)
//!     .build()?;
//! let fleet = (0..6).map(|_| Member::new(DeploymentId::new(), "account").running(Sequence::from(1)));
//! let mut rollout = Rollout::new(Sequence::from(3), None, plan, fleet.collect())?;
//!
//! let mut now: Timestamp = "2026-11-27T08:00:00Z".parse()?;
//! let (mut waves, mut outcomes) = (Vec::new(), Vec::new());
//! let mut tell = |rollout: &mut Rollout, event: Event, now: Timestamp| {
//!     let (after, actions) = next(rollout, &event, now);
//!     *rollout = after;
//!     for action in actions {
//!         match action {
//!             Action::Became { phase: Phase::Open, wave } => waves.push(wave),
//!             Action::Tell { outcome, .. } => outcomes.push(outcome.to_string()),
//!             _ => {}
//!         }
//!     }
//! };
//!
//! // A world in which every update works.
//! tell(&mut rollout, Event::Start, now);
//! while !rollout.head().is_over() {
//!     for (deployment, task) in rollout.due(now).collect::<Vec<_>>() {
//!         let fence = rollout.rows()[&deployment].fence();
//!         match task {
//!             Task::Claim => {
//!                 tell(&mut rollout, Event::Claim { deployment, fence, owner: "worker-1".parse()? }, now);
//!                 // Had the claim been refused, these would be refused too: their fence would be another.
//!                 let fence = fence + 1;
//!                 for step in [Step::Begin { sick: BTreeSet::new() }, Step::Send, Step::End(Ended::Done)] {
//!                     tell(&mut rollout, Event::Work { deployment, fence, step }, now);
//!                 }
//!             }
//!             Task::Look { look } => {
//!                 let sight = Sight::Seen(BTreeMap::new());
//!                 tell(&mut rollout, Event::Look { deployment, fence, look, sight }, now);
//!             }
//!             Task::Expire => tell(&mut rollout, Event::Expire { deployment, fence }, now),
//!             Task::Close => tell(&mut rollout, Event::Close { deployment }, now),
//!         }
//!     }
//!     now += SignedDuration::from_mins(1);
//! }
//! assert_eq!(rollout.head().phase(), Phase::Done);
//! assert_eq!(waves, [0, 1, 2]);
//! assert_eq!(outcomes, ["good"; 6]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Over a database
//!
//! The rollout's own row ([`Head`]) counts how many deployments stand where, so an event needs that row and the one of the
//! deployment it is about, and changes nothing else. Lock the head, load both, put them together by
//! [`Rollout::from_rows`], fold one event or several, and save them together with the [`Action`]s: these are told once.
//! [`Rollout::due`] says what each loaded row is due for. Keep each row's [`Row::position`] in an index:
//! [`Head::reach`] says where in it the rows are that can be due. Take the time from the database, so that all managers
//! have the same.
//!
//! # What keeps it right
//!
//! * Every claim has a fence, higher than the one before. Who comes with an older one is refused.
//! * A worker asks twice before its first call, by [`Step::Begin`] and [`Step::Send`]: a pause, a halt, a newer release or a
//!   hold that came meanwhile takes the deployment from it.
//! * A deployment that pulls its releases is handed to the customer's agent by [`Step::Hand`], and nobody waits for it: its lease ends
//!   when the agent has been silent for too long. Then it is unreachable. If it had begun and comes back before anything else is begun, it
//!   goes on by [`Step::Back`], and how it ended counts.
//! * An update whose worker did not come back is uncertain: it is looked at and repeated.
//! * Only what is sick after the update and was not before counts. The manager's own faults never do, and who is
//!   unreachable is counted apart.
//! * An outcome is told where it comes to be, and never replaced: one for the release, and one for the revert.

mod advance;
mod due;
mod ended;
mod event;
mod head;
mod member;
mod plan;
mod queue;
mod row;
mod sequence;
mod sight;
mod state;
mod step;
mod tally;
mod version;
mod why;
mod window;
mod window_text;

use jiff::Timestamp;

pub use due::Task;
pub use event::{Action, Ended, Event, Refusal, Scope, Sight, Step, Work};
pub use head::{HaltReason, Head, PauseReason, Phase};
pub use member::{Member, Standing};
pub use plan::{Amount, Canary, OnHalt, Plan, PlanBuilder, Wave};
pub use queue::{Position, Queue, Reach};
pub use row::{Lease, Pass, Row, Stage};
pub use sequence::{Sequence, Twin};
pub use state::Rollout;
pub use tally::Tally;
pub use why::{Outcome, Why};
pub use window::{Window, Zone};

/// Gives the rollout after an event, and what follows from it. An event that is refused is told by
/// [`Action::Refused`].
#[must_use]
pub fn next(rollout: &Rollout, event: &Event, now: Timestamp) -> (Rollout, Vec<Action>) {
    let mut after = rollout.clone();
    let actions = after.apply(event, now);
    (after, actions)
}
