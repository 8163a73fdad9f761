//! A rollout and its clock, with short names for what happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alien_core::DeploymentId;
use alien_core::rollout::*;
use jiff::{SignedDuration, Timestamp};

use super::laws::Laws;

/// A rollout of release 3, twin 4, to deployments that run release 1, under the laws that always hold.
#[derive(Debug, Clone)]
pub(super) struct Fleet {
    pub(super) rollout: Rollout,
    pub(super) now: Timestamp,
    pub(super) laws: Laws,
}

pub(super) const RELEASE: u64 = 3;

pub(super) fn id(number: u32) -> DeploymentId {
    DeploymentId::from(uuid::Uuid::from_u128(u128::from(number)))
}

pub(super) fn twin() -> Option<Twin> {
    Some(Twin { sequence: Sequence::from(4), content: Sequence::from(1) })
}

pub(super) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Deployments 0 and on, two to an account.
pub(super) fn members(count: u32) -> Vec<Member> {
    (0..count).map(|number| Member::new(id(number), format!("account-{}", number / 2)).running(1.into())).collect()
}

/// The time at which every test begins.
pub(super) fn morning() -> Timestamp {
    "2026-11-27T08:00:00Z".parse().unwrap()
}

pub(super) fn ill(resource: &str) -> BTreeMap<alien_core::ResourceId, String> {
    BTreeMap::from([(resource.parse().unwrap(), "does not start".to_owned())])
}

pub(super) fn well() -> Sight {
    Sight::Seen(BTreeMap::new())
}

pub(super) fn begin() -> Step {
    Step::Begin { sick: BTreeSet::new() }
}

impl Fleet {
    pub(super) fn new(plan: &Plan, members: Vec<Member>) -> Self {
        let rollout = Rollout::new(RELEASE.into(), twin(), plan.clone(), members).unwrap();
        Self { rollout, now: morning(), laws: Laws::new(plan) }
    }

    /// A rollout that has begun.
    pub(super) fn started(plan: &Plan, members: Vec<Member>) -> Self {
        let mut fleet = Self::new(plan, members);
        fleet.told(&Event::Start);
        fleet
    }

    /// Folds an event, and gives what follows.
    pub(super) fn send(&mut self, event: &Event) -> Vec<Action> {
        let (after, actions) = next(&self.rollout, event, self.now);
        self.laws.hold(&self.rollout, event, self.now, &after, &actions);
        self.rollout = after;
        actions
    }

    /// Folds an event that is not refused.
    pub(super) fn told(&mut self, event: &Event) -> Vec<Action> {
        let actions = self.send(event);
        assert_eq!(refusal(&actions), None, "{event:?}");
        actions
    }

    /// Folds an event that is refused, and gives the reason.
    pub(super) fn refused(&mut self, event: &Event) -> Refusal {
        let actions = self.send(event);
        refusal(&actions).unwrap_or_else(|| panic!("{event:?} was not refused: {actions:?}"))
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += SignedDuration::try_from(time).unwrap();
    }

    pub(super) fn row(&self, number: u32) -> &Row {
        &self.rollout.rows()[&id(number)]
    }

    pub(super) fn phase(&self) -> Phase {
        self.rollout.head().phase()
    }

    pub(super) fn claim_of(&self, number: u32) -> Event {
        let (deployment, fence) = (id(number), self.row(number).fence());
        Event::Claim { deployment, fence, owner: "worker".parse().unwrap() }
    }

    pub(super) fn work_of(&self, number: u32, step: Step) -> Event {
        Event::Work { deployment: id(number), fence: self.row(number).fence(), step }
    }

    pub(super) fn look_of(&self, number: u32, sight: Sight) -> Event {
        let Stage::Baking { look, .. } = self.row(number).stage() else {
            panic!("deployment {number} is not watched: {:?}", self.row(number));
        };
        Event::Look { deployment: id(number), fence: self.row(number).fence(), look: *look, sight }
    }

    pub(super) fn claim(&mut self, number: u32) -> Work {
        let event = self.claim_of(number);
        let actions = self.told(&event);
        let Some(Action::Go(work)) = actions.first() else { panic!("{actions:?}") };
        work.clone()
    }

    pub(super) fn work(&mut self, number: u32, step: Step) -> Vec<Action> {
        let event = self.work_of(number, step);
        self.told(&event)
    }

    pub(super) fn look(&mut self, number: u32, sight: Sight) -> Vec<Action> {
        let event = self.look_of(number, sight);
        self.told(&event)
    }

    pub(super) fn close(&mut self, number: u32) -> Vec<Action> {
        self.told(&Event::Close { deployment: id(number) })
    }

    pub(super) fn close_any(&mut self, deployment: DeploymentId) {
        self.told(&Event::Close { deployment });
    }

    pub(super) fn pause(&mut self) -> Vec<Action> {
        let pause = self.rollout.head().pauses() + 1;
        self.told(&Event::Pause { pause, why: "wait".to_owned() })
    }

    pub(super) fn resume(&mut self) -> Vec<Action> {
        self.told(&Event::Resume { pause: self.rollout.head().pauses() })
    }

    pub(super) fn stand(&mut self, number: u32, standing: Standing) -> Vec<Action> {
        self.told(&Event::Standing { deployment: id(number), standing })
    }

    /// A worker claims it, and is about to make its first call.
    pub(super) fn send_to(&mut self, number: u32) {
        self.claim(number);
        self.work(number, begin());
        self.work(number, Step::Send);
    }

    /// A worker updates it, with this end.
    pub(super) fn update(&mut self, number: u32, ended: Ended) -> Vec<Action> {
        self.send_to(number);
        self.work(number, Step::End(ended))
    }

    /// It is watched by this many looks, 5 minutes apart, that find it well.
    pub(super) fn bake(&mut self, number: u32, looks: u32) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..looks {
            self.wait(minutes(5));
            actions = self.look(number, well());
        }
        actions
    }

    /// It is updated, and good.
    pub(super) fn make_good(&mut self, number: u32) {
        self.update(number, Ended::Done);
        self.bake(number, 2);
        assert_eq!(self.row(number).outcome(), Some(&Outcome::Good));
    }

    /// Everybody who is watched is good.
    pub(super) fn make_rest_good(&mut self) {
        for (deployment, _) in self.rollout.rows().clone() {
            while let Stage::Baking { look, .. } = *self.rollout.rows()[&deployment].stage() {
                self.wait(minutes(5));
                let fence = self.rollout.rows()[&deployment].fence();
                self.told(&Event::Look { deployment, fence, look, sight: well() });
            }
        }
    }

    pub(super) fn make_bad(&mut self, number: u32) -> Vec<Action> {
        let actions = self.update(number, Ended::Failed(ill("api")));
        assert_eq!(self.row(number).outcome(), Some(&Outcome::Bad(Why::Failed(ill("api")))));
        actions
    }

    pub(super) fn why(&self, number: u32) -> Option<Why> {
        self.rollout.why(id(number), self.now)
    }

    pub(super) fn due(&self) -> Vec<(DeploymentId, Task)> {
        let due: Vec<_> = self.rollout.due(self.now).collect();
        let reach = self.rollout.head().reach(self.now);
        for (deployment, task) in &due {
            let position = self.rollout.rows()[deployment].position().unwrap();
            let is_found =
                reach.iter().any(|reach| reach.queue == position.queue && reach.places.contains(&position.at));
            assert!(is_found, "{task:?} is due, and {position:?} is not in {reach:?}");
        }
        due
    }

    /// The event for what is due, as a worker to whom all goes well would tell it.
    pub(super) fn event_for(&self, deployment: DeploymentId, task: Task) -> Event {
        let fence = self.rollout.rows()[&deployment].fence();
        match task {
            Task::Claim => Event::Claim { deployment, fence, owner: "calm".parse().unwrap() },
            Task::Look { look } => Event::Look { deployment, fence, look, sight: well() },
            Task::Expire => Event::Expire { deployment, fence },
            Task::Close => Event::Close { deployment },
        }
    }

    /// Nothing fails any more, and operators answer: everything comes to its end.
    pub(super) fn calm_down(&mut self) {
        let mut idle = 0;
        while !self.rollout.head().is_over() {
            let before = self.rollout.clone();
            for (deployment, task) in self.due() {
                let event = self.event_for(deployment, task);
                let actions = self.send(&event);
                let Some(Action::Go(Work { fence, .. })) = actions.first() else { continue };
                for step in [begin(), Step::Send, Step::End(Ended::Done)] {
                    let event = Event::Work { deployment, fence: *fence, step };
                    self.send(&event);
                }
            }
            let head = self.rollout.head();
            if head.paused().is_some() {
                self.resume();
            }
            match self.phase() {
                Phase::Planned => drop(self.told(&Event::Start)),
                Phase::Gate => drop(self.told(&Event::Approve { wave: self.rollout.head().wave() })),
                Phase::Halted => drop(self.told(&Event::Cancel)),
                _ => {}
            }
            let due = self.rollout.next_due(self.now);
            idle = if before == self.rollout { idle + 1 } else { 0 };
            assert!(idle < 3, "stuck, and due at {due:?} of {}: {:#?}", self.now, self.rollout);
            self.now = due.unwrap_or(self.now).max(self.now);
            self.send(&Event::Tick);
        }
        assert_eq!(self.due(), [], "what is over has nothing to do");
        self.laws.everything_was_told(&self.rollout);
    }
}

pub(super) fn refusal(actions: &[Action]) -> Option<Refusal> {
    actions.iter().find_map(|action| match action {
        Action::Refused(refusal) => Some(refusal.clone()),
        _ => None,
    })
}

/// The words of a list of actions, for short comparisons.
pub(super) fn words(actions: &[Action]) -> Vec<String> {
    let words = actions.iter().map(|action| match action {
        Action::Go(_) => "go".to_owned(),
        Action::Refused(why) => format!("refused: {why}"),
        Action::Tell { outcome, .. } => outcome.to_string(),
        Action::Became { phase, wave } => format!("{phase} {wave}"),
        Action::Paused(_) => "paused".to_owned(),
        Action::Resumed => "resumed".to_owned(),
        Action::Halted(_) => "halted".to_owned(),
        Action::Over(phase) => format!("over: {phase}"),
    });
    words.collect()
}
