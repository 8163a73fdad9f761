//! How a rollout ended, as an exit code.

use alien_core::Exit;
use alien_core::rollout::{HaltReason, Head, PauseReason, Phase};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::Failure;

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ending {
    /// It is done, and nothing is bad or unknown.
    Good,
    /// It is done, and something is bad or unknown.
    Bad,
    /// It was halted.
    Halted,
    /// It was reverted.
    Reverted,
    /// A newer release took its place.
    Superseded,
    /// An operator ended it.
    Cancelled,
}

impl Ending {
    /// How it ended; `None` while something may happen without an operator.
    pub(super) fn of(head: &Head) -> Option<Self> {
        let total = Total::of(head);
        match head.phase() {
            Phase::Halted => (total.claimed + total.baking == 0).then_some(Self::Halted),
            _ if !head.is_over() => None,
            Phase::Done if total.bad + total.unknown == 0 => Some(Self::Good),
            Phase::Done => Some(Self::Bad),
            Phase::Reverted => Some(Self::Reverted),
            Phase::Superseded => Some(Self::Superseded),
            Phase::Cancelled => Some(Self::Cancelled),
            Phase::Planned | Phase::Open | Phase::Baking | Phase::Gate | Phase::Reverting => None,
        }
    }

    /// How a program that followed it ends.
    pub(super) const fn exit(self) -> Exit {
        match self {
            Self::Good => Exit::Done,
            Self::Bad => Exit::RolloutBad,
            Self::Halted => Exit::RolloutHalted,
            Self::Reverted => Exit::RolloutReverted,
            Self::Superseded | Self::Cancelled => Exit::RolloutEnded,
        }
    }

    /// The result of a command that followed the rollout to this end.
    pub(super) fn result(self, told: String) -> Result<(), Failure> {
        match self.exit() {
            Exit::Done => Ok(()),
            exit => Err(Failure::Ended(exit, told)),
        }
    }
}

/// How many deployments of all waves stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Total {
    pub(super) all: u32,
    pub(super) good: u32,
    pub(super) bad: u32,
    pub(super) unknown: u32,
    pub(super) not_tried: u32,
    pub(super) baking: u32,
    #[serde(rename = "updating")]
    pub(super) claimed: u32,
    pub(super) waiting: u32,
    pub(super) parked: u32,
    pub(super) reverted: u32,
}

impl Total {
    pub(super) fn of(head: &Head) -> Self {
        head.waves().iter().fold(Self::default(), |sum, wave| Self {
            all: sum.all + wave.all,
            good: sum.good + wave.good,
            bad: sum.bad + wave.bad,
            unknown: sum.unknown + wave.unknown,
            not_tried: sum.not_tried + wave.not_tried,
            baking: sum.baking + wave.baking,
            claimed: sum.claimed + wave.claimed,
            waiting: sum.waiting + wave.waiting,
            parked: sum.parked + wave.parked,
            reverted: sum.reverted + wave.reverted,
        })
    }
}

/// Where a rollout stands, in words: `paused: a customer complained`.
pub(super) fn standing(head: &Head) -> String {
    let phase = match head.phase() {
        Phase::Gate => format!("wave {} awaits an approval", head.wave()),
        Phase::Open | Phase::Baking => format!("wave {} is {}", head.wave(), head.phase()),
        phase => phase.to_string(),
    };
    let halted = head.halted().map(|reason| match reason {
        HaltReason::Asked(why) => format!("halted: {why}"),
        HaltReason::Bad { bad, counted } => format!("halted: {bad} bad of {counted}"),
    });
    let paused = head.paused().map(|reason| match reason {
        PauseReason::Asked(why) => format!("paused: {why}"),
        PauseReason::Unreachable { count, of } => format!("paused: {count} of {of} are unreachable"),
        PauseReason::NoneGood { wave } => format!("paused: wave {wave} ended without one that is good"),
    });
    let phase = (head.phase() != Phase::Halted).then_some(phase);
    phase.into_iter().chain(halted).chain(paused).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alien_core::rollout::{Ended, Event, Rollout, Scope, Sight, Task};
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::fleet::example::{end, rollout, updated};

    /// Looks at what is watched, and updates what is due, until nothing more is.
    fn to_the_end(rollout: &mut Rollout, mut now: Timestamp) -> Timestamp {
        for _ in 0..100 {
            now = updated(rollout, now);
            let tasks: Vec<_> = rollout.due(now).collect();
            for (deployment, task) in tasks {
                let fence = rollout.rows().get(&deployment).unwrap().fence();
                let sight = Sight::Seen(BTreeMap::new());
                let _ = match task {
                    Task::Look { look } => rollout.apply(&Event::Look { deployment, fence, look, sight }, now),
                    Task::Close => rollout.apply(&Event::Close { deployment }, now),
                    Task::Claim | Task::Expire => Vec::new(),
                };
            }
            now += SignedDuration::from_secs(30);
        }
        now
    }

    fn ending(rollout: &Rollout) -> (Option<Ending>, Option<Exit>) {
        let ending = Ending::of(rollout.head());
        (ending, ending.map(Ending::exit))
    }

    fn failed() -> Ended {
        Ended::Failed(BTreeMap::from([("api".parse().unwrap(), "its code does not start".to_owned())]))
    }

    #[test]
    fn every_end_has_its_exit_code() {
        let (mut good, now) = rollout(3);
        assert_eq!(ending(&good), (None, None));
        to_the_end(&mut good, now);
        assert_eq!(ending(&good), (Some(Ending::Good), Some(Exit::Done)));

        let (mut bad, now) = rollout(3);
        let now = end(&mut bad, now, &failed());
        let _ = bad.apply(&Event::Tick, now);
        assert_eq!(standing(bad.head()), "wave 0 is open; paused: wave 0 ended without one that is good");
        let _ = bad.apply(&Event::Resume { pause: 1 }, now);
        to_the_end(&mut bad, now);
        assert_eq!(ending(&bad), (Some(Ending::Bad), Some(Exit::RolloutBad)));
        let _ = bad.apply(&Event::Revert(Scope::All), now);
        assert_eq!(ending(&bad), (None, None), "it is being reverted");
        to_the_end(&mut bad, now + SignedDuration::from_hours(1));
        assert_eq!(ending(&bad), (Some(Ending::Reverted), Some(Exit::RolloutReverted)));

        let (mut cancelled, now) = rollout(3);
        let mut superseded = cancelled.clone();
        let _ = cancelled.apply(&Event::Cancel, now);
        let _ = superseded.apply(&Event::Supersede { by: 5.into() }, now);
        for (rollout, expected) in [(&mut cancelled, Ending::Cancelled), (&mut superseded, Ending::Superseded)] {
            to_the_end(rollout, now);
            assert_eq!(ending(rollout), (Some(expected), Some(Exit::RolloutEnded)));
        }
    }

    #[test]
    fn a_halted_rollout_has_ended_when_nothing_is_updated_or_watched_any_more() {
        let (mut rollout, now) = rollout(3);
        let now = updated(&mut rollout, now);
        let _ = rollout.apply(&Event::Halt { why: "it is broken".to_owned() }, now);
        assert_eq!(ending(&rollout), (None, None));
        assert_eq!(standing(rollout.head()), "halted: it is broken");
        to_the_end(&mut rollout, now);
        assert_eq!(ending(&rollout), (Some(Ending::Halted), Some(Exit::RolloutHalted)));
    }

    #[test]
    fn an_end_that_is_not_good_is_told() {
        assert!(Ending::Good.result("done".to_owned()).is_ok());
        let failure = Ending::Halted.result("it was halted".to_owned()).unwrap_err();
        assert_eq!((failure.exit(), failure.to_string().as_str()), (Exit::RolloutHalted, "it was halted"));
    }
}
