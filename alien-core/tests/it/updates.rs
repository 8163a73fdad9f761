//! What is sent in a release and what becomes of it, where sessions fail, stores fail, and somebody else is faster.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::world::{Calls, Case, World};
use alien_core::adapter::{
    Change, CodeForms, Command, Comparison, Created, InFlight, LogPage, LogQuery, Manage, Purpose, Removal,
};
use alien_core::memory::{BROKEN, Right};
use alien_core::rollout::Sequence;
use alien_core::{
    Clock, Code, Deployment, DeploymentId, Error, ErrorKind, Frozen, Function, FunctionUpdate, Handle, Health,
    Heartbeat, Impersonate, Invitation, Kind, Live, Manager, Problem, RecordStore, RecordsInMemory, Release, Released,
    Resource, ResourceId, Result, Stack, Storage,
};
use async_trait::async_trait;
use jiff::Timestamp;

use crate::in_process::InProcess;
use crate::records::two;
use crate::redeploy::digest as digest_of;

/// Sessions of which updates fail in this order, take this long, and may be of so many resources at most.
#[derive(Debug)]
struct Scripted {
    inner: Arc<dyn Impersonate>,
    fails: Mutex<VecDeque<ErrorKind>>,
    lasts: Duration,
    most: usize,
    again: Mutex<Vec<bool>>,
}

impl Scripted {
    fn new(world: &InProcess, fails: &[ErrorKind]) -> Self {
        let inner = world.vendor(world.calling());
        let fails = Mutex::new(fails.iter().copied().collect());
        Self { inner, fails, lasts: Duration::ZERO, most: usize::MAX, again: Mutex::default() }
    }
}

#[derive(Debug)]
struct ScriptedSession(Arc<dyn Manage>, Arc<Scripted>);

/// The same for whoever holds it by reference.
#[derive(Debug, Clone)]
struct Vendor(Arc<Scripted>);

#[async_trait]
impl Impersonate for Vendor {
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>> {
        if let Purpose::Update(ids) = purpose
            && ids.len() > self.0.most
        {
            return Err(Error::new(ErrorKind::TooLarge, "the description is too large"));
        }
        let session = self.0.inner.session(deployment, purpose).await?;
        Ok(Arc::new(ScriptedSession(session, Arc::clone(&self.0))))
    }

    async fn replace(&self, deployment: &Deployment, purpose: &Purpose, stale: u64) -> Result<Arc<dyn Manage>> {
        let session = self.0.inner.replace(deployment, purpose, stale).await?;
        Ok(Arc::new(ScriptedSession(session, Arc::clone(&self.0))))
    }

    async fn register(&self, invitation: &Invitation, deployment: &Deployment) -> Result<()> {
        self.0.inner.register(invitation, deployment).await
    }

    fn code(&self, kind: Kind) -> Option<CodeForms> {
        self.0.inner.code(kind)
    }

    fn refused(&self, deployment: &Deployment, next: &Stack) -> Result<Vec<Problem>> {
        self.0.inner.refused(deployment, next)
    }

    fn clock(&self) -> &dyn Clock {
        self.0.inner.clock()
    }
}

#[async_trait]
impl Manage for ScriptedSession {
    fn serial(&self) -> u64 {
        self.0.serial()
    }

    fn expires(&self) -> Timestamp {
        self.0.expires()
    }

    async fn heartbeat(&self, id: &ResourceId) -> Result<Heartbeat> {
        self.0.heartbeat(id).await
    }

    async fn compare(&self, wanted: &Resource) -> Result<Comparison> {
        self.0.compare(wanted).await
    }

    async fn mark(&self, id: &ResourceId) -> Result<Option<Sequence>> {
        self.0.mark(id).await
    }

    async fn update(&self, id: &ResourceId, change: &Change) -> Result<Option<String>> {
        self.1.again.lock().unwrap().push(change.again);
        let fails = self.1.fails.lock().unwrap().pop_front();
        tokio::time::sleep(self.1.lasts).await;
        match fails {
            Some(kind) => Err(Error::new(kind, "it fails")),
            None => self.0.update(id, change).await,
        }
    }

    async fn redeploy(&self, id: &ResourceId) -> Result<()> {
        self.0.redeploy(id).await
    }

    async fn create(&self, id: &ResourceId, release: &str, zip: Option<Arc<[u8]>>) -> Result<Created> {
        self.0.create(id, release, zip).await
    }

    async fn delete(&self, id: &ResourceId) -> Result<Removal> {
        self.0.delete(id).await
    }

    async fn logs(&self, id: &ResourceId, query: &LogQuery) -> Result<LogPage> {
        self.0.logs(id, query).await
    }

    async fn dispatch(&self, id: &ResourceId, command: &Command) -> Result<Vec<u8>> {
        self.0.dispatch(id, command).await
    }
}

async fn deployed(world: &InProcess) -> (Case<'_, InProcess>, Deployment) {
    let first = two(b"first");
    let case = Case::new(world, "two", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    (case, deployment)
}

/// A release of other code for one of the two.
fn of_one(deployment: &Deployment, id: &str, code: &[u8]) -> Release {
    let stack = deployment.stack.with_code(id, Code::zip(code)).unwrap();
    Release::partial(stack, [Arc::from(code)].into_iter().collect())
}

fn names(released: &Released) -> Vec<&'static str> {
    released.outcomes().map(|(_, outcome)| outcome.name()).collect()
}

fn handle(manager: &Manager, id: &str) -> Handle<Function, Live> {
    manager.find::<Function, Live>(id).unwrap()
}

/// How often this was asked for of this resource.
fn asked(world: &InProcess, permission: &str, on: &str) -> usize {
    let right = Right { permission: permission.to_owned(), on: on.to_owned() };
    world.account.asked().iter().filter(|asked| asked.right == right).count()
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_an_update_follows_from_how_it_fails() {
    for (kind, outcome) in [
        // The library refused it before any call.
        (ErrorKind::NotGranted, "not-updated"),
        (ErrorKind::Unsupported, "not-updated"),
        (ErrorKind::Input, "not-updated"),
        (ErrorKind::Unavailable, "unknown"),
        (ErrorKind::TimedOut, "unknown"),
        (ErrorKind::Denied, "unknown"),
        (ErrorKind::Failed, "unknown"),
    ] {
        let world = InProcess::new();
        let (_, deployment) = deployed(&world).await;
        let vendor = Vendor(Arc::new(Scripted::new(&world, &[kind, kind])));
        let manager = Manager::new(Arc::new(vendor), deployment);
        let released = manager.release(&two(b"second")).await;
        assert_eq!(names(&released), [outcome; 2], "{kind:?}: {released:?}");
        let uncertain = manager.deployment().uncertain.len();
        assert_eq!(uncertain, if outcome == "unknown" { 2 } else { 0 }, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_description_is_too_large_is_opened_for_each_resource_alone() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let vendor = Vendor(Arc::new(Scripted { most: 1, ..Scripted::new(&world, &[]) }));
    let manager = Manager::new(Arc::new(vendor), deployment);
    let released = manager.release(&two(b"second")).await;
    assert_eq!(names(&released), ["updated"; 2], "{released:?}");
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_session_ended_is_sent_once_more_as_a_whole() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let scripted = Arc::new(Scripted::new(&world, &[ErrorKind::Expired]));
    let manager = Manager::new(Arc::new(Vendor(Arc::clone(&scripted))), deployment.clone());
    let released = manager.release(&of_one(&deployment, "one", b"second")).await;
    assert!(released.is_ok(), "{released:?}");
    assert_eq!(*scripted.again.lock().unwrap(), [false, true]);
}

/// A session is replaced where the cloud refuses it, and for nothing else.
#[tokio::test(start_paused = true)]
async fn code_that_does_not_work_opens_no_other_session() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (manager, calls) = case.manager(&deployment);
    let error = manager.update(&handle(&manager, "one"), FunctionUpdate::new().with_zip(BROKEN)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert_eq!(calls.operations().iter().filter(|call| **call == "identity.assume").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_in_a_new_session_is_not_asked_for_again() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    world.account.without(&Right { permission: "thing.get".to_owned(), on: deployment.resources["one"].clone() });
    let (manager, calls) = case.manager(&deployment);
    let one = handle(&manager, "one");
    assert_eq!(manager.heartbeat(&one).await.unwrap().health, Health::Denied);
    assert_eq!(calls.operations(), ["identity.assume", "thing.get", "identity.assume", "thing.get"]);
    assert_eq!(manager.heartbeat(&one).await.unwrap().health, Health::Denied);
    assert_eq!(calls.operations(), ["thing.get"], "the session is as new as it was");
}

/// A resource at which nobody could look, and that is not to change, is not said to be as it should.
#[tokio::test(start_paused = true)]
async fn what_nobody_could_look_at_is_told_and_left() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let one = deployment.resources["one"].clone();
    world.account.without(&Right { permission: "thing.get".to_owned(), on: one.clone() });
    let sent = asked(&world, "code.set", &one);
    let (manager, _) = case.manager(&deployment);
    let released = manager.release(&of_one(&deployment, "two", b"second")).await;
    assert_eq!(names(&released), ["not-updated", "updated"], "{released:?}");
    let (_, outcome) = released.outcomes().next().unwrap();
    assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Denied);
    assert!(!released.is_ok());
    let now = manager.deployment();
    assert_eq!((asked(&world, "code.set", &one), now.uncertain.len()), (sent, 0));
    assert_ne!(now.stack, deployment.stack, "what was updated is in the record");
    // What is not recorded is sent without a look, and a size needs no zip. That it works is not known then.
    let update = FunctionUpdate::new().with_memory_mib(256);
    let error = manager.update(&handle(&manager, "one"), update).await.unwrap_err();
    assert_eq!((error.kind(), asked(&world, "code.settings", &one)), (ErrorKind::Denied, 2), "once by the set-up");
    assert_eq!(manager.deployment().uncertain.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_runs_already_is_not_sent_and_gets_into_the_record() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (ann, bob) = (case.manager(&deployment).0, case.manager(&deployment).0);
    let released = ann.release(&two(b"second")).await;
    assert!(released.is_ok() && released.unrecorded().next().is_none(), "{released:?}");
    let sent = asked(&world, "code.set", &deployment.resources["one"]);
    // The other has the record as it was.
    let released = bob.release(&two(b"second")).await;
    assert_eq!(names(&released), ["unchanged"; 2], "{released:?}");
    assert_eq!(released.unrecorded().count(), 2, "{released:?}");
    assert_eq!(asked(&world, "code.set", &deployment.resources["one"]), sent);
    assert_eq!(bob.deployment().stack, *two(b"second").stack());
}

/// Where only a part of a release succeeds, what was found to run as it says is in the record as well.
#[tokio::test(start_paused = true)]
async fn what_was_found_to_run_is_recorded_also_where_another_update_fails() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (ann, bob) = (case.manager(&deployment).0, case.manager(&deployment).0);
    ann.release(&of_one(&deployment, "one", b"second")).await.into_result().unwrap();
    let next = of_one(&deployment, "one", b"second").stack().with_code("two", Code::zip(BROKEN)).unwrap();
    let next = Release::partial(next, [Arc::from(*b"second"), Arc::from(BROKEN)].into_iter().collect());
    let released = bob.release(&next).await;
    assert_eq!(names(&released), ["unchanged", "put-back"], "{released:?}");
    let now = bob.deployment();
    assert_eq!(now.stack, *of_one(&deployment, "one", b"second").stack());
}

/// Of code in several forms, the one that the cloud runs is sent and compared; the record keeps them all.
#[tokio::test(start_paused = true)]
async fn of_code_in_several_forms_the_one_that_the_cloud_runs_is_updated() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (manager, _) = case.manager(&deployment);
    let digest = format!("sha256:{}", "1".repeat(64));
    let both = Code::zip(b"second").with_image("registry.example.com/one", &digest).unwrap();
    let stack = deployment.stack.with_code("one", both.clone()).unwrap();
    let next = Release::partial(stack, [Arc::from(*b"second")].into_iter().collect());
    assert_eq!(names(&manager.release(&next).await), ["updated", "unchanged"]);
    let ran = manager.heartbeat(&handle(&manager, "one")).await.unwrap().runs.unwrap();
    assert_eq!(
        (ran.code.as_str(), ran.release.as_deref()),
        (digest_of(b"second").as_str(), Some(next.stack().digest()))
    );
    assert_eq!(manager.deployment().stack.resource("one").unwrap().code(), Some(&both));
    assert_eq!(names(&manager.release(&next).await), ["unchanged"; 2]);
}

/// The cloud runs something else than the record says, so what the record says must be sent.
#[tokio::test(start_paused = true)]
async fn a_release_back_to_what_is_recorded_needs_its_zip_where_something_else_runs() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (ann, bob) = (case.manager(&deployment).0, case.manager(&deployment).0);
    ann.release(&two(b"second")).await.into_result().unwrap();
    let lacking = Release::partial(deployment.stack.clone(), alien_core::Artifacts::default());
    let released = bob.release(&lacking).await;
    let refusal = released.refusal().unwrap().to_string();
    assert!(refusal.contains("`one`: no file has the digest of its zip"), "{refusal}");
    assert_eq!(bob.deployment(), deployment, "nothing was begun");
    assert!(bob.release(&two(b"first")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_update_of_one_resource_leaves_the_other_uncertain() {
    let world = InProcess::new();
    let (case, mut deployment) = deployed(&world).await;
    deployment.uncertain = deployment.resources.keys().cloned().collect();
    let (manager, _) = case.manager(&deployment);
    let update = FunctionUpdate::new().with_zip(*b"second").with_memory_mib(256);
    manager.update(&handle(&manager, "one"), update).await.unwrap();
    assert_eq!(manager.deployment().uncertain, ["two".parse().unwrap()].into());
}

/// What ran before is put back, whether or not the record knew of it.
/// Nobody knows what an update did that was interrupted, whatever a look shows: it is sent again, as a whole, and what
/// becomes of that is what the record says.
#[tokio::test(start_paused = true)]
async fn what_is_uncertain_is_sent_again_also_where_it_seems_to_run() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    case.manager(&deployment).0.release(&of_one(&deployment, "one", b"second")).await.into_result().unwrap();
    let mut uncertain = deployment.clone();
    uncertain.uncertain = ["one".parse().unwrap()].into();
    let vendor = Vendor(Arc::new(Scripted::new(&world, &[ErrorKind::Unavailable])));
    let manager = Manager::new(Arc::new(vendor), uncertain.clone());
    let next = of_one(&deployment, "one", b"second");
    let lacking = Release::partial(next.stack().clone(), alien_core::Artifacts::default());
    let refusal = manager.release(&lacking).await.refusal().unwrap().to_string();
    assert!(refusal.contains("`one`: no file has the digest of its zip"), "{refusal}");
    let released = manager.release(&next).await;
    assert_eq!(names(&released), ["unknown", "unchanged"], "{released:?}");
    assert_eq!(manager.deployment(), uncertain, "it was begun again, and has not ended");
    assert_eq!(names(&manager.release(&next).await), ["updated", "unchanged"]);
    assert_eq!((manager.deployment().stack, manager.deployment().uncertain), (next.stack().clone(), [].into()));
    // As the record says, and uncertain: its zip is needed all the same.
    let manager = Manager::new(world.vendor(world.calling()), uncertain.clone());
    let lacking = Release::partial(deployment.stack.clone(), alien_core::Artifacts::default());
    let refusal = manager.release(&lacking).await.refusal().unwrap().to_string();
    assert!(refusal.contains("`one`: no file has the digest of its zip"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn what_is_put_back_is_what_ran() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (ann, bob) = (case.manager(&deployment).0, case.manager(&deployment).0);
    ann.release(&two(b"second")).await.into_result().unwrap();
    assert_eq!(names(&bob.release(&two(BROKEN)).await), ["put-back"; 2]);
    let ran = |beat: Heartbeat| beat.runs.unwrap().release;
    let seen = ann.heartbeat(&handle(&ann, "one")).await.unwrap();
    assert_eq!(seen.health, Health::Healthy);
    assert_eq!(ran(seen).as_deref(), Some(two(b"second").stack().digest()), "its record tells what runs");
    let seen = bob.heartbeat(&handle(&bob, "one")).await.unwrap();
    assert_eq!(ran(seen), None, "the other's record has never known it");
    // Where an update had begun, nobody knows what ran: what is recorded is put back, so that it is known again.
    let mut uncertain = deployment.clone();
    uncertain.uncertain = deployment.resources.keys().cloned().collect();
    let (third, _) = case.manager(&uncertain);
    assert_eq!(names(&third.release(&two(BROKEN)).await), ["put-back"; 2]);
    let seen = third.heartbeat(&handle(&third, "one")).await.unwrap();
    assert_eq!((ran(seen).as_deref(), third.deployment().uncertain.len()), (Some(deployment.stack.digest()), 0));
}

/// Also the number of its release comes back with it.
#[tokio::test(start_paused = true)]
async fn the_number_of_what_is_put_back_is_that_of_what_ran() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (ann, _) = case.manager(&deployment);
    let marks = || async {
        let marks =
            ann.marks().await.into_iter().map(|(id, mark)| (id.to_string(), mark.unwrap().map(Sequence::number)));
        marks.collect::<Vec<_>>()
    };
    ann.release(&two(b"second")).numbered(Sequence::from(7)).await.into_result().unwrap();
    let both = [("one".to_owned(), Some(7)), ("two".to_owned(), Some(7))];
    assert_eq!(marks().await, both);
    assert_eq!(names(&ann.release(&two(BROKEN)).numbered(Sequence::from(9)).await), ["put-back"; 2]);
    assert_eq!(marks().await, both);
    // One is set again by another release, and the other is left.
    let deployment = ann.deployment();
    let released = ann.release(&of_one(&deployment, "one", b"third")).numbered(Sequence::from(11)).await;
    assert_eq!(names(&released), ["updated", "unchanged"]);
    assert_eq!(marks().await, [("one".to_owned(), Some(11)), ("two".to_owned(), Some(7))]);
}

/// A handle is of the resource's kind and lifecycle, or there is none.
#[tokio::test(start_paused = true)]
async fn a_handle_is_refused_where_kind_or_lifecycle_is_another() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (manager, _) = case.manager(&deployment);
    let told = |error: Error| (error.kind(), error.message().to_owned());
    let frozen = told(manager.find::<Function, Frozen>("one").unwrap_err());
    assert_eq!(frozen, (ErrorKind::Input, "it is a live function, not a frozen function".to_owned()));
    let storage = told(manager.find::<Storage, Live>("one").unwrap_err());
    assert_eq!(storage, (ErrorKind::Input, "it is a live function, not a live storage".to_owned()));
    let none = told(manager.find::<Function, Live>("three").unwrap_err());
    assert_eq!(none, (ErrorKind::Input, "the deployment has no such resource".to_owned()));
    assert_eq!(deployment.resource(&"one".parse().unwrap()).unwrap(), "function/two-one-3");
    let error = deployment.resource(&"three".parse().unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Input, Some("three")));
}

// ---- The record, and whoever else writes it. -------------------------------------------------------------------------

/// A store that can be broken for a while, and in which another program writes just before one of our writes.
#[derive(Debug, Default)]
struct Moody {
    records: RecordsInMemory,
    is_broken: AtomicBool,
    meddles: Mutex<Option<fn(&mut Deployment)>>,
}

#[async_trait]
impl RecordStore for Moody {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        self.records.load(id).await
    }

    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "no space left on device"));
        }
        let meddle = self.meddles.lock().unwrap().take();
        if let Some(meddle) = meddle {
            let mut other = self.records.load(record.id).await?.unwrap();
            meddle(&mut other);
            self.records.save(&other).await?;
        }
        self.records.save(record).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        self.records.list().await
    }
}

async fn stored(world: &InProcess) -> (Arc<Moody>, DeploymentId) {
    let (_, deployment) = deployed(world).await;
    let store = Arc::new(Moody::default());
    store.save(&deployment).await.unwrap();
    (store, deployment.id)
}

async fn record(store: &Moody, id: DeploymentId) -> Deployment {
    store.load(id).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_another_program_wrote_meanwhile_stays_in_the_record() {
    let world = InProcess::new();
    let (store, id) = stored(&world).await;
    let manager = Manager::open(world.vendor(world.calling()), store.clone(), id).await.unwrap();
    *store.meddles.lock().unwrap() = Some(|record| record.retired.push(record.stack.clone()));
    manager.release(&two(b"second")).await.into_result().unwrap();
    let now = record(&store, id).await;
    assert_eq!((now.retired.len(), &now.stack), (1, two(b"second").stack()));
}

/// Between the look and the first write, another program has released the other function: that stays as it is.
#[tokio::test(start_paused = true)]
async fn an_update_of_one_resource_does_not_undo_what_another_program_releases_meanwhile() {
    let world = InProcess::new();
    let (store, id) = stored(&world).await;
    let manager = Manager::open(world.vendor(world.calling()), store.clone(), id).await.unwrap();
    let sent = asked(&world, "code.set", "function/two-two-3");
    *store.meddles.lock().unwrap() =
        Some(|record| record.stack = record.stack.with_code("two", Code::zip(b"second")).unwrap());
    let update = FunctionUpdate::new().with_memory_mib(256);
    manager.update(&handle(&manager, "one"), update).await.unwrap();
    let now = record(&store, id).await;
    let code = |id: &str| now.stack.resource(id).unwrap().code().cloned().unwrap();
    assert_eq!((code("one"), code("two")), (Code::zip(b"first"), Code::zip(b"second")));
    assert_eq!(asked(&world, "code.set", "function/two-two-3"), sent);
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_when_it_says() {
    let world = InProcess::new();
    let (store, id) = stored(&world).await;
    let vendor = world.vendor(world.calling());
    let mut held = record(&store, id).await;
    let now = vendor.clock().now();
    held.in_flight = Some(InFlight {
        owner: "another".parse().unwrap(),
        by: "ann".to_owned(),
        since: now,
        until: now + Duration::from_secs(60),
        release: String::new(),
        resources: ["one".parse().unwrap()].into(),
        fence: None,
    });
    store.save(&held).await.unwrap();
    let manager = Manager::open(vendor, store.clone(), id).await.unwrap();
    tokio::time::advance(Duration::from_secs(59)).await;
    let refused = manager.release(&two(b"second")).await;
    assert_eq!(refused.refusal().unwrap().kind(), ErrorKind::Locked, "{refused:?}");
    tokio::time::advance(Duration::from_secs(1)).await;
    let released = manager.release(&two(b"second")).await;
    assert_eq!(names(&released), ["updated"; 2], "{released:?}");
}

/// In a rollout, a claim has a fencing number: the lease of one that is over is not waited for.
#[tokio::test(start_paused = true)]
async fn a_lease_gives_way_to_a_claim_with_a_higher_fence() {
    let world = InProcess::new();
    let (store, id) = stored(&world).await;
    let vendor = world.vendor(world.calling());
    let now = vendor.clock().now();
    let lease = |fence| InFlight {
        owner: "another".parse().unwrap(),
        by: "a worker".to_owned(),
        since: now,
        until: now + Duration::from_secs(60),
        release: String::new(),
        resources: ["one".parse().unwrap()].into(),
        fence,
    };
    let manager = Manager::open(vendor, store.clone(), id).await.unwrap();
    for fence in [None, Some(7), Some(8)] {
        let mut held = record(&store, id).await;
        held.in_flight = Some(lease(fence));
        store.save(&held).await.unwrap();
        let refused = manager.release(&two(b"second")).fenced(7).await;
        assert_eq!(refused.refusal().map(alien_core::Error::kind), Some(ErrorKind::Locked), "{fence:?}: {refused:?}");
    }
    let mut held = record(&store, id).await;
    held.in_flight = Some(lease(Some(6)));
    store.save(&held).await.unwrap();
    let released = manager.release(&two(b"second")).fenced(7).await;
    assert_eq!(names(&released), ["updated"; 2], "{released:?}");
    assert_eq!(record(&store, id).await.in_flight, None);
}

/// A release that lasts renews its lease; whoever takes it over ends it, and is told nothing wrong of what it did.
#[tokio::test(start_paused = true)]
async fn a_release_that_lasts_keeps_its_lease_until_somebody_takes_over() {
    let world = InProcess::new();
    let (store, id) = stored(&world).await;
    let lasting = Scripted { lasts: Duration::from_secs(300), ..Scripted::new(&world, &[]) };
    let slow = Manager::open(Arc::new(Vendor(Arc::new(lasting))), store.clone(), id).await.unwrap();
    let other = Manager::open(world.vendor(world.calling()), store.clone(), id).await.unwrap();
    let (second, third) = (two(b"second"), two(b"third"));
    let late = async {
        // The store fails for one renewal, and works again before the lease ends.
        tokio::time::sleep(Duration::from_secs(30)).await;
        store.is_broken.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(20)).await;
        store.is_broken.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(100)).await;
        let refused = other.release(&third).await;
        assert_eq!(refused.refusal().unwrap().kind(), ErrorKind::Locked, "{refused:?}");
        let taken = other.release(&third).take_over().await;
        assert!(taken.is_ok(), "{taken:?}");
    };
    let start = tokio::time::Instant::now();
    let release = async { (slow.release(&second).await, start.elapsed()) };
    let ((released, ended), ()) = tokio::join!(release, late);
    assert_eq!(names(&released), ["unknown"; 2], "{released:?}");
    assert_eq!(released.unsaved().unwrap().kind(), ErrorKind::Locked, "{released:?}");
    assert!((150..180).contains(&ended.as_secs()), "at the next renewal: {ended:?}");
    assert_eq!(released.into_result().unwrap_err().kind(), ErrorKind::Locked);
    let now = record(&store, id).await;
    assert_eq!((&now.stack, now.in_flight, now.uncertain.len()), (third.stack(), None, 0));
}

/// What the one who took over is doing is not uncertain for the one who has lost the lease.
#[tokio::test(start_paused = true)]
async fn a_release_that_lost_its_lease_leaves_that_of_the_other_alone() {
    let world = InProcess::new();
    let (store, id) = stored(&world).await;
    let lasting = || Scripted { lasts: Duration::from_secs(300), ..Scripted::new(&world, &[]) };
    let open = async || Manager::open(Arc::new(Vendor(Arc::new(lasting()))), store.clone(), id).await.unwrap();
    let (slow, other) = (open().await, open().await);
    let (second, third) = (two(b"second"), two(b"third"));
    let late = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        other.release(&third).by("bob").take_over().await
    };
    let lost = async {
        let released = slow.release(&second).await;
        (released, slow.deployment())
    };
    let ((released, seen), taken) = tokio::join!(lost, late);
    assert_eq!(names(&released), ["unknown"; 2], "{released:?}");
    let in_flight = seen.in_flight.unwrap();
    assert_eq!((in_flight.by.as_str(), in_flight.resources.len()), ("bob", 2));
    assert!(taken.is_ok(), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_never_stored_says_no_revision() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let text = serde_json::to_string(&deployment).unwrap();
    assert!(!text.contains("revision") && !text.contains("writer"), "{text}");
    let stored = RecordsInMemory::new().save(&deployment).await.unwrap();
    assert!(serde_json::to_string(&stored).unwrap().contains("\"revision\":1"));
    let calls = Calls::default();
    let manager = Manager::new(world.vendor(world.calling().with_recorder(calls.recorder())), stored.clone());
    assert_eq!(manager.deployment(), stored);
}
