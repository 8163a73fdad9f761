//! Records that several programs write, and releases of one deployment by several managers.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use alien_conformance::world::{Case, World};
use alien_core::{
    Code, Deployment, DeploymentId, Error, ErrorKind, Function, FunctionUpdate, Live, Manager, Profile, RecordStore,
    RecordsInMemory, Release, Result, Stack,
};
use async_trait::async_trait;

use crate::in_process::InProcess;

/// Two functions, `one` and `two`, of this code.
pub(crate) fn two(code: &[u8]) -> Release {
    let mut stack = Stack::builder("two");
    for id in ["one", "two"] {
        stack.live(id, Function::new(Code::zip(code), "code").with_memory_bounds(128..=2048));
    }
    stack.profile("code", Profile::new());
    Release::new(stack.build().unwrap(), [Arc::from(code)].into_iter().collect()).unwrap()
}

/// A deployment of `two`, and where its record is kept.
pub(crate) async fn kept(world: &InProcess) -> (Case<'_, InProcess>, Arc<RecordsInMemory>, DeploymentId) {
    let first = two(b"first");
    let case = Case::new(world, "two", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    let store = Arc::new(RecordsInMemory::new());
    store.save(&deployment).await.unwrap();
    (case, store, deployment.id)
}

pub(crate) async fn open(world: &InProcess, store: &Arc<RecordsInMemory>, id: DeploymentId) -> Manager {
    Manager::open(world.vendor(world.calling()), store.clone(), id).await.unwrap()
}

pub(crate) async fn record(store: &RecordsInMemory, id: DeploymentId) -> Deployment {
    store.load(id).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn whoever_read_the_record_before_another_wrote_it_is_told_of_the_other() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let read = record(&store, id).await;
    assert_eq!(read.revision, 1);
    assert_eq!(store.save(&read).await.unwrap().revision, 2);
    let error = store.save(&read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("this process has changed the record since it was read (revision 2)"), "{error}");
    assert_eq!(store.list().await.unwrap(), [id]);
    let unknown = DeploymentId::new();
    assert_eq!(store.load(unknown).await.unwrap(), None);
    let error = Manager::open(world.vendor(world.calling()), store.clone(), unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Where all is as a release says, no lease is taken and nothing is written.
#[tokio::test(start_paused = true)]
async fn a_release_that_changes_nothing_leaves_the_record_as_it_was() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let manager = open(&world, &store, id).await;
    assert!(manager.release(&two(b"first")).await.is_ok());
    assert_eq!(record(&store, id).await.revision, 1);
    assert!(manager.release(&two(b"second")).await.is_ok());
    assert!(record(&store, id).await.revision > 1);
}

/// R2: the second manager is told of the first, and changes nothing.
#[tokio::test(start_paused = true)]
async fn a_release_in_progress_keeps_others_away() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let (one, two_) = (open(&world, &store, id).await, open(&world, &store, id).await);
    world.account.throttle_every(2);
    let (second, third) = (two(b"second"), two(b"third"));
    let late = async {
        // The first has begun.
        while record(&store, id).await.in_flight.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let refused = two_.release(&third).await;
        let refusal = refused.refusal().unwrap();
        assert_eq!(refusal.kind(), ErrorKind::Locked);
        assert!(refusal.message().contains("is rolled out by ann since"), "{refusal}");
        assert!(refusal.message().contains("wait for it to end"), "{refusal}");
    };
    let (released, ()) = tokio::join!(async { one.release(&second).by("ann").await }, late);
    assert!(released.is_ok(), "{released:?}");
    world.account.throttle_every(0);
    let now = record(&store, id).await;
    assert_eq!((&now.stack, &now.in_flight), (second.stack(), &None));
    assert!(two_.release(&third).await.is_ok());
    assert_eq!(record(&store, id).await.stack, *third.stack());
}

/// Releases of one manager are one after the other, and each is whole.
#[tokio::test(start_paused = true)]
async fn releases_of_one_manager_wait_for_each_other() {
    let world = InProcess::new();
    let (case, store, id) = kept(&world).await;
    let manager = open(&world, &store, id).await;
    let (second, third) = (two(b"second"), two(b"third"));
    let (one, other) = tokio::join!(async { manager.release(&second).await }, async { manager.release(&third).await });
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    let now = record(&store, id).await;
    assert_eq!(now.stack, *third.stack());
    let plan = case.admin.plan(&third).previous(&now).await.unwrap();
    assert!(plan.is_empty() && plan.steps.iter().all(|step| step.vendors.is_none()), "{plan}");
}

/// What is interrupted is told from what is in progress by its lease, and is done again by the next.
#[tokio::test(start_paused = true)]
async fn a_release_that_was_killed_is_uncertain_when_its_lease_has_ended() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let second = two(b"second");
    {
        let killed = open(&world, &store, id).await;
        let mut release = std::pin::pin!(killed.release(&second).into_future());
        let mut context = Context::from_waker(Waker::noop());
        // Until it has changed something, and not to its end.
        let before = world.account.asked().len();
        while world.account.asked()[before..].iter().all(|asked| asked.right.permission != "code.set") {
            assert!(release.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(record(&store, id).await.in_flight.unwrap().resources.len(), 2);
    }
    let next = open(&world, &store, id).await;
    let refused = next.release(&second).await;
    assert_eq!(refused.refusal().unwrap().kind(), ErrorKind::Locked, "{refused:?}");
    // Back to the first, which the record has and the cloud has no more: when the lease has ended, or at once for
    // whoever knows better.
    tokio::time::advance(Duration::from_secs(61)).await;
    let released = next.release(&two(b"first")).await;
    assert_eq!(released.outcomes().filter(|(_, outcome)| outcome.name() == "updated").count(), 2, "{released:?}");
    let now = record(&store, id).await;
    assert_eq!((now.in_flight, now.uncertain.len()), (None, 0));
}

/// A store that cannot be written from some point on, as a full disk.
#[derive(Debug)]
struct Full {
    records: RecordsInMemory,
    left: std::sync::Mutex<usize>,
}

#[async_trait]
impl RecordStore for Full {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        self.records.load(id).await
    }

    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        {
            let mut left = self.left.lock().unwrap();
            *left = left.checked_sub(1).ok_or_else(|| Error::new(ErrorKind::Unavailable, "no space left on device"))?;
        }
        self.records.save(record).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        self.records.list().await
    }
}

/// Whichever write is lost, what was done is told, and the next release brings record and cloud together.
#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_written_is_told_and_nothing_is_lost() {
    for writes in 1..6 {
        let world = InProcess::new();
        let (_, kept, id) = kept(&world).await;
        let store = Arc::new(Full { records: RecordsInMemory::new(), left: std::sync::Mutex::new(writes) });
        let mut first = record(&kept, id).await;
        first.revision = 0;
        store.save(&first).await.unwrap();
        let manager = Manager::open(world.vendor(world.calling()), store.clone(), id).await.unwrap();
        let second = two(b"second");
        let released = manager.release(&second).await;
        if writes == 1 {
            assert_eq!(released.refusal().unwrap().kind(), ErrorKind::Unavailable, "nothing was begun: {released:?}");
        } else if !released.is_ok() {
            assert!(released.outcomes().all(|(_, outcome)| outcome.is_ok()), "{released:?}");
            let error = released.into_result().unwrap_err();
            assert!(
                error.to_string().contains("no space left on device; everything is as the release says"),
                "{error}"
            );
        }
        *store.left.lock().unwrap() = usize::MAX;
        tokio::time::advance(Duration::from_secs(61)).await;
        let next = Manager::open(world.vendor(world.calling()), store.clone(), id).await.unwrap();
        let released = next.release(&second).await;
        assert!(released.is_ok(), "after {writes} writes: {released:?}");
        let now = store.load(id).await.unwrap().unwrap();
        assert_eq!(
            (&now.stack, now.uncertain.len(), now.in_flight),
            (second.stack(), 0, None),
            "after {writes} writes"
        );
    }
}

/// A release takes no longer sessions than it needs: one for looking, one for updating, however often it is done.
#[tokio::test(start_paused = true)]
async fn a_thousand_updates_open_a_session_for_each_purpose() {
    let world = InProcess::new();
    let (case, _, _) = kept(&world).await;
    let deployment = case.up(&two(b"first"), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let one = manager.find::<Function, Live>("one").unwrap();
    for n in 0..1000_u32 {
        manager.update(&one, FunctionUpdate::new().with_memory_mib(128 + n)).await.unwrap();
    }
    let opened = calls.operations().iter().filter(|call| **call == "identity.assume").count();
    assert_eq!(opened, 2);
    // An hour later both are opened anew.
    tokio::time::advance(Duration::from_secs(3600)).await;
    manager.update(&one, FunctionUpdate::new().with_memory_mib(512)).await.unwrap();
    let opened = calls.operations().iter().filter(|call| **call == "identity.assume").count();
    assert_eq!(opened, 2);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_one_resource_leaves_what_another_manager_released() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let (one, other) = (open(&world, &store, id).await, open(&world, &store, id).await);
    let second = two(b"second");
    other.release(&second).await.into_result().unwrap();
    // This manager read the record before that.
    let handle = one.find::<Function, Live>("one").unwrap();
    one.update(&handle, FunctionUpdate::new().with_memory_mib(256)).await.unwrap();
    let now = record(&store, id).await.stack;
    assert_eq!(now.resource("two"), second.stack().resource("two"));
    assert_eq!(now.resource("one").unwrap().code(), second.stack().resource("one").unwrap().code());
    assert_ne!(now.resource("one"), second.stack().resource("one"), "it has other memory");
}
