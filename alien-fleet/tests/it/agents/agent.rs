//! A simulated agent: it asks, begins what it may, and reports. It carries releases out on the reference cloud, as an agent does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_core::memory;
use alien_core::rollout::{self, Sequence};
use alien_core::{
    AgentVersion, Artifacts, CallConfig, Clock, Deployment, DeploymentId, ErrorKind, Manager, Release, Result,
};
use alien_fleet::{Agents, Fleet, Poll};
use alien_release::SigningKey;
use alien_release::agent::{
    Attempt, Bearer, Condition, Desired, ETag, Ended, Hold, Report, Signed, State, TokenRequest, Waits, Wanted,
};

use super::{HOST, PRINCIPAL};
use crate::world::{World, product};

/// How often it asks.
const EVERY: Duration = Duration::from_secs(30);

pub(super) struct Agent {
    pub(super) id: DeploymentId,
    pub(super) key: SigningKey,
    /// The managers, of which it asks one after the other.
    pub(super) managers: Mutex<Vec<Agents>>,
    manager: Manager,
    fleet: Fleet,
    clock: Arc<dyn Clock>,
    pub(super) state: Mutex<Memory>,
}

/// What it remembers.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) counter: u64,
    pub(super) bearer: Option<Bearer>,
    etag: Option<ETag>,
    pub(super) desired: Option<Desired>,
    /// The number of the last attempt.
    fence: u64,
    runs: Option<Sequence>,
    outcome: Option<Attempt>,
    /// Why its customer does not let it begin, and whether that is what it reported last.
    pub(super) waits: Option<Waits>,
    waited: bool,
    /// Whether it is cut off.
    pub(super) is_cut_off: bool,
    /// Why it was told not to begin.
    pub(super) holds: Vec<String>,
    /// How the resources were in the last report, and when that was.
    reported: Option<BTreeMap<alien_core::ResourceId, Condition>>,
    told: Option<jiff::Timestamp>,
    asked: usize,
}

const ZIPS: [&[u8]; 4] = [b"first", b"second", b"third", memory::BROKEN];

impl Agent {
    pub(super) fn new(world: &World, agents: &Agents, key: SigningKey, record: Deployment) -> Self {
        let config = world.config.clone().with_agent(PRINCIPAL.parse().unwrap());
        let config = config.with_calls(CallConfig::new(Arc::clone(&world.clock)));
        let id = record.id;
        let manager = Manager::new(memory::agent(&config), record);
        let (fleet, clock) = (world.fleet.clone(), Arc::clone(&world.clock));
        let managers = Mutex::new(vec![agents.clone()]);
        Self { id, key, managers, manager, fleet, clock, state: Mutex::default() }
    }

    pub(super) fn next(&self) -> Agents {
        let managers = self.managers.lock().unwrap();
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        managers[state.asked % managers.len()].clone()
    }

    pub(super) fn signed_request(&self) -> Signed<TokenRequest> {
        Signed::of(&TokenRequest::new(self.id, self.clock.now(), HOST).unwrap(), &self.key).unwrap()
    }

    /// Asks for a bearer, and keeps it.
    pub(super) async fn token(&self) -> Result<Bearer> {
        let token = self.next().token(&self.signed_request()).await?;
        let mut state = self.state.lock().unwrap();
        state.counter = state.counter.max(token.counter);
        state.bearer = Some(token.bearer.clone());
        Ok(token.bearer)
    }

    pub(super) async fn bearer(&self) -> Result<Bearer> {
        let kept = self.state.lock().unwrap().bearer.clone();
        match kept {
            Some(bearer) => Ok(bearer),
            None => self.token().await,
        }
    }

    pub(super) fn report(&self) -> Report {
        let mut state = self.state.lock().unwrap();
        state.counter += 1;
        let mut report = Report::new(self.id, state.counter, AgentVersion::new(1, 0, 0));
        report.runs = state.runs;
        report.outcome.clone_from(&state.outcome);
        report
    }

    pub(super) fn signed(&self, report: &Report) -> Signed<Report> {
        Signed::of(report, &self.key).unwrap()
    }

    /// Reports what it does, with the health of every resource.
    pub(super) async fn tell(&self, doing: State) -> Result<Option<Hold>> {
        let waited = matches!(doing, State::Waiting { .. });
        let mut report = self.report().doing(doing);
        report.resources = self.look().await;
        let bearer = self.bearer().await?;
        let answer = self.next().report(&bearer, &self.signed(&report)).await?;
        let mut state = self.state.lock().unwrap();
        (state.reported, state.waited) = (Some(report.resources), waited);
        state.told = Some(self.clock.now());
        Ok(answer)
    }

    async fn look(&self) -> BTreeMap<alien_core::ResourceId, Condition> {
        let beats = self.manager.heartbeats().await.into_iter();
        beats
            .map(|(id, beat)| {
                (id, beat.map_or_else(|error| Condition::failed(error.kind()), |beat| Condition::seen(beat.health)))
            })
            .collect()
    }

    /// Asks what to run.
    pub(super) async fn poll(&self) -> Result<Desired> {
        let bearer = self.bearer().await?;
        let last = self.state.lock().unwrap().etag;
        match self.next().desired(&bearer, last).await {
            Ok(Poll::Unchanged(_)) => Ok(self.state.lock().unwrap().desired.clone().unwrap()),
            Ok(Poll::Desired(etag, json)) => {
                let desired = Desired::from_json(json.as_bytes())?;
                assert_eq!(desired.etag(), etag);
                let mut state = self.state.lock().unwrap();
                (state.etag, state.desired) = (Some(etag), Some(desired.clone()));
                Ok(desired)
            }
            Err(error) => {
                if error.kind() == ErrorKind::Credentials {
                    self.state.lock().unwrap().bearer = None;
                }
                Err(error)
            }
        }
    }

    /// Asks, and does what there is to do.
    pub(super) async fn turn(&self) -> Result<()> {
        if self.state.lock().unwrap().is_cut_off {
            return Ok(());
        }
        let desired = self.poll().await?;
        let (fence, waits) = {
            let state = self.state.lock().unwrap();
            (state.fence, state.waits.clone())
        };
        if let Some(wanted) = desired.release.filter(|wanted| wanted.fence > fence)
            && desired.hold.is_none()
        {
            match waits {
                Some(why) => drop(self.tell(waiting(&wanted, why)).await?),
                None => self.attempt(&wanted).await?,
            }
            return Ok(());
        }
        let found = self.look().await;
        let is_same = self.state.lock().unwrap().reported.as_ref() == Some(&found);
        let (waited, told) = {
            let state = self.state.lock().unwrap();
            (state.waited, state.told)
        };
        if waited && waits.is_some() {
            return Ok(());
        }
        // Every change is told, and every ten minutes that there is none.
        let is_due = told.is_none_or(|told| self.clock.now().duration_since(told).as_mins() >= 10);
        if !is_same || waited || is_due {
            self.tell(State::Idle).await?;
        }
        Ok(())
    }

    /// Begins a release, if it may.
    async fn attempt(&self, wanted: &Wanted) -> Result<()> {
        let (release, fence) = (wanted.release, wanted.fence);
        if let Some(hold) = self.tell(State::Beginning { release, fence }).await? {
            self.state.lock().unwrap().holds.push(hold.hold);
            return Ok(());
        }
        let released = self.manager.release(&self.release(release).await).fenced(fence).await;
        let ended = match rollout::Ended::of(&released, self.clock.now()) {
            rollout::Ended::Done => Ended::Done,
            rollout::Ended::Failed(failed) => {
                let failed = failed.into_keys().map(|id| (id, Condition::failed(ErrorKind::Failed)));
                Ended::Failed(failed.collect())
            }
            rollout::Ended::Revoked(_) => Ended::Revoked,
            rollout::Ended::AdminOnly(_) => Ended::AdminOnly,
            rollout::Ended::Unreachable(_) => Ended::Unreachable,
            other => panic!("{other:?}"),
        };
        {
            let mut state = self.state.lock().unwrap();
            if ended == Ended::Done {
                state.runs = Some(release);
            }
            (state.fence, state.outcome) = (fence, Some(Attempt { release, fence, ended }));
        }
        // What was done is told, however long that takes.
        while self.tell(State::Idle).await.is_err() {
            self.state.lock().unwrap().bearer = None;
            self.clock.sleep(Duration::from_secs(5)).await;
        }
        Ok(())
    }

    /// What the repository has of a release.
    async fn release(&self, sequence: Sequence) -> Release {
        let published = self.fleet.published(&product(), sequence).await.unwrap();
        let zips = ZIPS.into_iter().map(Arc::from).collect::<Artifacts>();
        Release::new(published.stack().clone(), zips).unwrap()
    }

    /// Lives for ever.
    pub(super) async fn live(&self) {
        loop {
            // Whatever fails is tried again at the next turn.
            let _ = self.turn().await;
            self.clock.sleep(EVERY).await;
        }
    }

    pub(super) fn cut_off(&self, is_cut_off: bool) {
        self.state.lock().unwrap().is_cut_off = is_cut_off;
    }

    /// What runs of the function.
    pub(super) async fn runs(&self) -> String {
        let api = self.manager.find::<alien_core::Function, alien_core::Live>("api").unwrap();
        self.manager.heartbeat(&api).await.unwrap().runs.unwrap().code
    }
}

fn waiting(wanted: &Wanted, why: Waits) -> State {
    State::Waiting { release: wanted.release, fence: wanted.fence, why }
}
