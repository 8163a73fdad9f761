//! A world that is simulated: workers that crash and come late, deployments that are sick, break or do not answer, events
//! that arrive twice and in another order, clocks that jump.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::DeploymentId;
use alien_core::rollout::*;
use jiff::SignedDuration;

use super::fleet::{Fleet, id, ill, refusal};

/// How a deployment takes the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Works,
    Fails,
    FallsSick,
    WasSick,
    Hides,
}

impl Nature {
    fn of(number: u8, how_bad: u8) -> Self {
        match number % 16 {
            0..2 if how_bad > 0 => Self::Fails,
            2..4 if how_bad > 1 => Self::FallsSick,
            4 => Self::WasSick,
            5 => Self::Hides,
            _ => Self::Works,
        }
    }
}

/// A worker with what it believes to have.
#[derive(Debug, Clone)]
struct Job {
    deployment: DeploymentId,
    fence: u64,
    twin: bool,
    steps: usize,
}

/// A fleet, and who works on it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) fleet: Fleet,
    natures: BTreeMap<DeploymentId, Nature>,
    jobs: Vec<Option<Job>>,
    history: Vec<Event>,
    revision: u64,
    /// Who makes calls on which deployment, by its fence: at most one whose fence is the row's.
    pub(super) calls: u32,
}

/// One step of a world, drawn by chance: what is done, and to whom.
pub(super) type Draw = (u8, u8);

const WORKERS: u8 = 4;

impl World {
    pub(super) fn new(fleet: Fleet, how_bad: u8) -> Self {
        let rows = fleet.rollout.rows().keys();
        let natures = rows.zip(0_u8..).map(|(id, number)| (*id, Nature::of(number.wrapping_mul(7), how_bad))).collect();
        Self { fleet, natures, jobs: vec![None; WORKERS.into()], history: Vec::new(), revision: 0, calls: 0 }
    }

    fn send(&mut self, event: Event) -> Vec<Action> {
        let actions = self.fleet.send(&event);
        self.history.push(event);
        actions
    }

    fn sick(&self, deployment: DeploymentId, twin: bool) -> BTreeMap<alien_core::ResourceId, String> {
        match self.natures[&deployment] {
            Nature::FallsSick if !twin => ill("api"),
            Nature::WasSick => ill("old"),
            _ => BTreeMap::new(),
        }
    }

    /// One of the things that happen in a world.
    pub(super) fn step(&mut self, (what, whom): Draw) {
        let worker = usize::from(whom % WORKERS);
        match what % 32 {
            0..12 => self.work(worker, whom),
            12..20 => self.do_what_is_due(worker, whom),
            // It crashes, and forgets what it had.
            20 => self.jobs[worker] = None,
            30 => {
                // An agent that was silent, if there was one.
                let deployment = self.any(whom);
                let (fence, until) =
                    (self.fleet.rollout.rows()[&deployment].fence(), self.fleet.now + SignedDuration::from_mins(5));
                let step = if whom < 128 {
                    Step::Back { owner: "agent".parse().unwrap(), until }
                } else {
                    Step::End(Ended::Done)
                };
                self.send(Event::Work { deployment, fence, step });
            }
            21..23 => {
                if let Some(late) = self.history.iter().rev().nth(whom.into()).cloned() {
                    self.fleet.send(&late);
                }
            }
            23..26 => self.pass(i64::from(whom)),
            26 => self.pass(600 + 60 * i64::from(whom)),
            27 => self.operate(whom),
            28 => {
                self.revision += 1;
                let standing = Standing::new(self.revision);
                let standing = match whom % 5 {
                    0 => standing.held("a demo"),
                    1 => standing.awaiting_approval("a form"),
                    2 if whom > 250 => standing.revoked("by mail"),
                    3 if whom > 200 => standing.pinned(1.into()),
                    _ => standing,
                };
                let deployment = self.any(whom);
                self.send(Event::Standing { deployment, standing });
            }
            29 => {
                // Somebody who does not ask what is due.
                let deployment = self.any(whom);
                let event = self.fleet.event_for(deployment, Task::Claim);
                self.start(worker, event);
            }
            _ => drop(self.send(Event::Tick)),
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.fleet.now += SignedDuration::from_secs(seconds);
        self.send(Event::Tick);
    }

    fn any(&self, whom: u8) -> DeploymentId {
        id(u32::from(whom) % self.fleet.rollout.rows().len() as u32)
    }

    fn operate(&mut self, whom: u8) {
        let pauses = self.fleet.rollout.head().pauses();
        let wave = self.fleet.rollout.head().wave();
        let event = match whom {
            0..60 => Event::Pause { pause: pauses + 1, why: "wait".to_owned() },
            60..170 => Event::Resume { pause: pauses },
            170..240 => Event::Approve { wave },
            240..246 => Event::Halt { why: "a call from a customer".to_owned() },
            246..249 => Event::Revert(Scope::All),
            249..252 => Event::Revert(Scope::Wave),
            252 => Event::Cancel,
            _ => Event::Resume { pause: pauses.saturating_sub(1) },
        };
        self.send(event);
    }

    /// A worker without a job takes something that is due, and a worker with one goes on with it.
    fn do_what_is_due(&mut self, worker: usize, whom: u8) {
        let due = self.fleet.due();
        let Some((deployment, task)) = due.get(usize::from(whom) % due.len().max(1)).copied() else { return };
        let mut event = self.fleet.event_for(deployment, task);
        if let Event::Look { sight, .. } = &mut event {
            *sight = match (whom, self.natures[&deployment]) {
                (0..12, _) => Sight::Fault("throttled".to_owned()),
                (12..20, _) | (_, Nature::Hides) => Sight::Unreachable("no answer".to_owned()),
                _ => Sight::Seen(self.sick(deployment, self.fleet.rollout.rows()[&deployment].outcome().is_some())),
            };
        }
        self.start(worker, event);
    }

    fn start(&mut self, worker: usize, event: Event) {
        for action in self.send(event) {
            if let Action::Go(work) = action {
                let (deployment, fence, twin) = (work.deployment, work.fence, work.pass == Pass::Twin);
                self.jobs[worker] = Some(Job { deployment, fence, twin, steps: 0 });
            }
        }
    }

    fn work(&mut self, worker: usize, whom: u8) {
        let Some(mut job) = self.jobs[worker].take() else { return self.do_what_is_due(worker, whom) };
        let Job { deployment, fence, twin, steps } = job;
        let nature = self.natures[&deployment];
        let step = match (steps, whom) {
            (_, 0..8) => Step::End(Ended::Fault { why: "429".to_owned(), again: None }),
            (_, 8..12) => Step::Renew,
            (0, _) if nature == Nature::Hides && whom < 200 => Step::End(Ended::Unreachable("no answer".to_owned())),
            (0, 12) => Step::End(Ended::AdminOnly("a network".to_owned())),
            // The customer's agent has it, and its policy may not let it begin.
            (1, 13..60) => Step::Hand { until: self.fleet.now + SignedDuration::from_mins(i64::from(whom % 8)) },
            (1, 60..64) => {
                let why = Why::Approval("the customer's".to_owned());
                let until = whom.is_multiple_of(2).then(|| self.fleet.now + SignedDuration::from_mins(30));
                Step::End(Ended::Waits { why, until })
            }
            (2, 20..30) => Step::Hand { until: self.fleet.now + SignedDuration::from_mins(5) },
            (0, _) => {
                let sick: BTreeSet<_> = self.sick(deployment, true).into_keys().collect();
                Step::Begin { sick }
            }
            (1, _) => Step::Send,
            (_, 12..20) => Step::End(Ended::Uncertain),
            _ if nature == Nature::Fails && !twin => Step::End(Ended::Failed(ill("api"))),
            _ if nature == Nature::WasSick && whom < 60 => Step::End(Ended::Failed(ill("old"))),
            _ => Step::End(Ended::Done),
        };
        let is_end = matches!(step, Step::End(_));
        let is_renewal = matches!(step, Step::Renew | Step::Hand { .. });
        let actions = self.send(Event::Work { deployment, fence, step });
        if refusal(&actions).is_none() && !is_end {
            job.steps += usize::from(!is_renewal);
            if job.steps == 2 {
                self.calls += 1;
                let others =
                    self.jobs.iter().flatten().filter(|other| other.deployment == deployment && other.steps == 2);
                let current = others.filter(|other| other.fence == self.fleet.rollout.rows()[&deployment].fence());
                assert_eq!(current.count(), 0, "two make calls under one fence");
            }
            self.jobs[worker] = Some(job);
        }
    }
}
