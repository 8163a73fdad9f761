//! Two managers and an admin at work on one deployment, interleaved by chance. Who watches sees whether one comes into the
//! way of another; in the end the record tells what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_core::adapter::{Purpose, Runs};
use alien_core::{
    Clock, Deployment, DeploymentId, Error, ErrorKind, Event, Function, Manager, Profile, RecordStore, RecordsInMemory,
    Release, Result, Stack, Stage,
};
use async_trait::async_trait;

use crate::seed::Chance;
use crate::world::{Case, World, release};

/// What one of them does next.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A release of this number.
    Release(u8),
    /// A release that is dropped after so many milliseconds.
    Dropped(u8, u64),
    /// A release whose record cannot be written for so many milliseconds, after its first change of it.
    Away(u8, u64),
    /// A set-up with the first stack.
    Up,
    /// A revocation, and a set-up that gives the access again.
    Revoked,
    /// A set-up that takes back what was released.
    Reset,
    /// A pause, in milliseconds.
    Pause(u64),
}

/// What two managers and an admin do at the same time.
#[derive(Debug, Clone)]
pub struct Round {
    managers: [Vec<Step>; 2],
    admin: Vec<Step>,
}

impl Round {
    /// Steps by chance, some of which take minutes.
    #[must_use]
    pub fn long(chance: &mut Chance) -> Self {
        let mut manager = || {
            let steps = 0..chance.usize(1..5);
            let step = |_| match chance.usize(..5) {
                0 | 1 => Step::Release(chance.u8(1..9)),
                2 => Step::Dropped(chance.u8(1..9), chance.u64(..20_000)),
                3 => Step::Away(chance.u8(1..9), chance.u64(60_000..120_000)),
                _ => Step::Pause(chance.u64(..90_000)),
            };
            steps.map(step).collect()
        };
        let managers = [manager(), manager()];
        Self { managers, admin: (0..chance.usize(..4)).map(|_| admins(chance, 1000)).collect() }
    }

    /// A few steps by chance that take seconds.
    #[must_use]
    pub fn short(chance: &mut Chance) -> Self {
        let mut manager = || {
            let step = |_| match chance.usize(..3) {
                0 | 1 => Step::Release(chance.u8(1..4)),
                _ => Step::Pause(chance.u64(..300)),
            };
            (0..2).map(step).collect()
        };
        let managers = [manager(), manager()];
        Self { managers, admin: vec![admins(chance, 300)] }
    }
}

fn admins(chance: &mut Chance, longest: u64) -> Step {
    match chance.usize(..5) {
        0 | 1 => Step::Up,
        2 => Step::Revoked,
        3 => Step::Reset,
        _ => Step::Pause(chance.u64(..longest)),
    }
}

/// Whatever is refused because another is at work is tried again later, as a person would. So is what failed because the
/// cloud or the store was slow or away.
fn is_others(kind: ErrorKind) -> bool {
    use ErrorKind::{Conflict, Input, Locked, Revoked, Throttled, TimedOut, Unavailable};
    matches!(kind, Locked | Conflict | Revoked | Input | Unavailable | Throttled | TimedOut)
}

/// What those who are at work see of each other: whoever watches writes down what must never be.
#[derive(Debug, Default)]
struct Watch {
    seen: Mutex<Seen>,
    programs: AtomicU32,
}

#[derive(Debug, Default)]
struct Seen {
    /// Who has begun to update a resource, and has not ended.
    updating: BTreeMap<String, u32>,
    /// Whose record cannot be written, so that another takes over in the middle.
    away: BTreeSet<u32>,
    /// Whose runs these are.
    owners: BTreeMap<String, u32>,
    wrong: Vec<String>,
}

/// A program, which keeps its record where the others do.
#[derive(Debug)]
struct Program {
    number: u32,
    watch: Arc<Watch>,
    store: Arc<RecordsInMemory>,
    clock: Arc<dyn Clock>,
    /// For how long the record cannot be written, after its first change.
    away: Option<Duration>,
    since: Mutex<Option<jiff::Timestamp>>,
}

impl Program {
    /// Of two updates of one resource, the one has ended when the other begins.
    fn event(&self, event: &Event) {
        if !matches!(&*event.kind, "function" | "container") {
            return;
        }
        let seen = &mut *self.watch.seen.lock().unwrap();
        if event.stage.is_end() {
            seen.updating.retain(|subject, who| *subject != event.subject || *who != self.number);
            return;
        }
        let before = seen.updating.insert(event.subject.clone(), self.number);
        if let (Stage::Updating, Some(other)) = (event.stage, before.filter(|other| !seen.away.contains(other))) {
            seen.wrong.push(format!("{} begins to update `{}`, and {other} has not ended", self.number, event.subject));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.watch.seen.lock().unwrap().updating.retain(|_, who| *who != self.number);
    }
}

#[async_trait]
impl RecordStore for Program {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        self.clock.sleep(Duration::from_millis(10)).await;
        self.store.load(id).await
    }

    /// Nobody writes over what another has written, nor while another has a lease that has not ended.
    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        self.clock.sleep(Duration::from_millis(10)).await;
        let now = self.clock.now();
        let since = *self.since.lock().unwrap();
        if let (Some(away), Some(since)) = (self.away, since)
            && Duration::try_from(now.duration_since(since)).unwrap() < away
        {
            return Err(Error::new(ErrorKind::Unavailable, "the store is away"));
        }
        let before = self.store.load(record.id).await?;
        let saved = self.store.save(record).await?;
        let Some(before) = before else { return Ok(saved) };
        let seen = &mut *self.watch.seen.lock().unwrap();
        if before.revision != record.revision {
            seen.wrong.push(format!("{} wrote over revision {}, which it had not read", self.number, before.revision));
        }
        let held = before.in_flight.as_ref().filter(|held| held.until > now);
        if let Some(other) = held.filter(|held| seen.owners.get(held.owner.as_str()) != Some(&self.number)) {
            seen.wrong.push(format!("{} wrote, and another had the lease: {other}", self.number));
        }
        if let Some(own) = record.in_flight.as_ref().filter(|own| !seen.owners.contains_key(own.owner.as_str())) {
            seen.owners.insert(own.owner.to_string(), self.number);
            if self.away.is_some() {
                seen.away.insert(self.number);
                *self.since.lock().unwrap() = Some(now);
            }
        }
        Ok(saved)
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        self.store.list().await
    }
}

/// A deployment on which two managers and an admin are at work.
pub struct Work<'w, W: World> {
    case: Case<'w, W>,
    releases: Vec<Release>,
    store: Arc<RecordsInMemory>,
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    id: DeploymentId,
}

impl<W: World> std::fmt::Debug for Work<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("case", &self.case).finish_non_exhaustive()
    }
}

impl<'w, W: World> Work<'w, W> {
    /// Sets up a deployment of two live functions.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn begin(world: &'w W, prefix: &str) -> Self {
        let numbered = |number: u8| {
            let code = world.code(&format!("r{number}"));
            let mut stack = Stack::builder("two");
            for id in ["one", "two"] {
                stack.live(id, Function::new(code.code(), "code").with_memory_bounds(128..=2048));
            }
            stack.profile("code", Profile::new());
            release(&stack.build().unwrap(), &[code])
        };
        let releases: Vec<Release> = (0..10).map(numbered).collect();
        let case = Case::new(world, prefix, releases[0].stack().clone());
        let deployment = case.up(&releases[0], None).await.unwrap();
        let store = Arc::new(RecordsInMemory::new());
        store.save(&deployment).await.unwrap();
        let clock = world.calling().clock;
        Self { case, releases, store, clock, watch: Arc::default(), id: deployment.id }
    }

    fn program(&self, away: Option<Duration>) -> Arc<Program> {
        let number = self.watch.programs.fetch_add(1, Ordering::Relaxed);
        let (watch, store, clock) = (Arc::clone(&self.watch), Arc::clone(&self.store), Arc::clone(&self.clock));
        Arc::new(Program { number, watch, store, clock, away, since: Mutex::default() })
    }

    async fn manager(&self, program: &Arc<Program>) -> Manager {
        let world = self.case.world;
        Manager::open(world.vendor(world.calling()), program.clone(), self.id).await.unwrap()
    }

    async fn release(&self, number: u8, away: Option<Duration>) {
        let program = self.program(away);
        let manager = self.manager(&program).await;
        let release = &self.releases[usize::from(number)];
        let released = manager.release(release).progress(|event| program.event(event)).await;
        if let Some(refusal) = released.refusal() {
            assert!(is_others(refusal.kind()), "{refusal}");
        }
    }

    async fn manage(&self, steps: &[Step]) {
        for step in steps {
            match *step {
                Step::Release(number) => self.release(number, None).await,
                Step::Away(number, millis) => self.release(number, Some(Duration::from_millis(millis))).await,
                Step::Dropped(number, after) => {
                    let _ = tokio::time::timeout(Duration::from_millis(after), self.release(number, None)).await;
                }
                Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Step::Up | Step::Revoked | Step::Reset => {}
            }
        }
    }

    async fn set_up(&self, reset: bool) -> Result<()> {
        let program = self.program(None);
        let record = self.record().await;
        let plan = self.case.admin.plan(&self.releases[0]).previous(&record);
        let plan = if reset { plan.reset_live().await } else { plan.await };
        let plan = plan?;
        let applied = self.case.admin.apply(&plan).keep_in(program.clone()).progress(|event| program.event(event));
        applied.await.map(drop)
    }

    async fn administrate(&self, steps: &[Step]) {
        for step in steps {
            let done = match *step {
                Step::Up => self.set_up(false).await,
                Step::Reset => self.set_up(true).await,
                Step::Revoked => match self.case.admin.revoke(&self.record().await).await {
                    Ok(()) => self.set_up(false).await,
                    Err(error) => Err(error),
                },
                Step::Pause(millis) => {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    Ok(())
                }
                Step::Release(_) | Step::Dropped(..) | Step::Away(..) => Ok(()),
            };
            if let Err(error) = done {
                assert!(is_others(error.kind()), "{error}");
            }
        }
    }

    async fn record(&self) -> Deployment {
        self.store.load(self.id).await.unwrap().unwrap()
    }

    /// Does what all do at the same time.
    ///
    /// # Panics
    ///
    /// If one comes into the way of another, or the record says that something runs that does not.
    pub async fn carry_out(&self, round: &Round) {
        let [one, other] = &round.managers;
        tokio::join!(self.manage(one), self.manage(other), self.administrate(&round.admin));
        let wrong = std::mem::take(&mut self.watch.seen.lock().unwrap().wrong);
        assert!(wrong.is_empty(), "{round:?}: {wrong:#?}");
        self.the_record_tells_what_runs(round).await;
    }

    /// What runs is what the record says of it, or the record says that it does not know. While the access is revoked, nobody
    /// can look.
    async fn the_record_tells_what_runs(&self, round: &Round) {
        let record = self.record().await;
        let world = self.case.world;
        let session = match world.vendor(world.calling()).session(&record, &Purpose::Watch).await {
            Err(error) if error.kind() == ErrorKind::Revoked => return,
            session => session.unwrap(),
        };
        for resource in record.stack.resources() {
            let compared = session.compare(resource).await.unwrap();
            assert!(matches!(compared.runs, Runs::Settings(_)));
            let begun = record.in_flight.iter().any(|in_flight| in_flight.resources.contains(resource.id()));
            let is_known = !begun && !record.uncertain.contains(resource.id());
            assert!(!is_known || compared.unrecorded.is_none(), "{round:?}: {}: {compared:?}", resource.id());
        }
    }

    /// Sets up again, and releases: everything is as it should be then. Whatever was dropped is taken over.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub async fn end(&self, round: &Round) {
        let program = self.program(None);
        let record = self.record().await;
        let plan = self.case.admin.plan(&self.releases[0]).previous(&record).await.unwrap();
        let applied = self.case.admin.apply(&plan).keep_in(self.store.clone()).take_over().await;
        assert!(applied.is_ok(), "{round:?}: {applied:?}");
        self.the_record_tells_what_runs(round).await;
        let last = &self.releases[9];
        let released = self.manager(&program).await.release(last).await;
        assert!(released.is_ok(), "{round:?}: {released:?}");
        let now = self.record().await;
        assert_eq!((&now.stack, now.uncertain.len(), now.in_flight.is_none()), (last.stack(), 0, true), "{round:?}");
        self.the_record_tells_what_runs(round).await;
    }
}

/// A few rounds on one deployment, of steps that are short.
///
/// # Panics
///
/// If one comes into the way of another, or in the end the record does not tell what runs.
pub async fn a_few_rounds_end_with_a_record_that_tells_what_runs<W: World>(world: &W) {
    let mut chance = crate::seed::chance();
    let work = Work::begin(world, "two").await;
    for _ in 0..3 {
        let round = Round::short(&mut chance);
        work.carry_out(&round).await;
        work.end(&round).await;
    }
}
