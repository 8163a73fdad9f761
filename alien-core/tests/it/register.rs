//! What is checked of a record that came back, and what the cloud is asked for to let the vendor in.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::life;
use alien_conformance::world::{Calls, Case, World, release};
use alien_core::adapter::{Assume, AssumeRequest, AssumedSession, Change, Impersonator, Proof, Purpose, Subject};
use alien_core::memory::{Clients, Fault, Memory, Right};
use alien_core::{
    Call, Code, Deployment, DeploymentId, Error, ErrorKind, Function, FunctionUpdate, Impersonate, Live, Manager,
    Queue, Release, Result, Set, Stack,
};
use async_trait::async_trait;

use crate::in_process::{InProcess, first};

/// A way in that lets nobody in, and remembers what was asked for: whether it was narrowed, and to what.
#[derive(Debug, Clone)]
struct Shut(Arc<Mutex<Vec<Asked>>>, ErrorKind);

impl Default for Shut {
    fn default() -> Self {
        Self(Arc::default(), ErrorKind::Denied)
    }
}

type Asked = (bool, Vec<(Subject, Set)>);

#[async_trait]
impl Assume<Memory> for Shut {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        "identity.assume"
    }

    fn wrong_proofs(&self) -> &'static [Proof] {
        &[]
    }

    fn propagation(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn assume(&self, request: &AssumeRequest<Memory>) -> Result<AssumedSession<Clients>> {
        let grants = request.grants.grants.iter().map(|grant| (grant.subject, grant.set)).collect();
        self.0.lock().unwrap().push((request.narrowed, grants));
        Err(Error::new(self.1, "it is shut"))
    }
}

async fn deployed(world: &InProcess) -> (Case<'_, InProcess>, Deployment) {
    let stack = life::product(&first(world));
    let case = Case::new(world, "back", stack.clone());
    let deployment = case.up(&release(&stack, &[first(world)]), None).await.unwrap();
    (case, deployment)
}

/// The cloud is asked to let a session for updates do no more than that takes; one that watches holds what it is granted.
#[tokio::test(start_paused = true)]
async fn a_session_for_an_update_is_narrowed_by_the_cloud_as_well() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let shut = Shut::default();
    let vendor = Impersonator::<Memory, _>::new(shut.clone(), world.calling());
    let stack = &deployment.stack;
    let api = Subject::Resource(stack.position("api").unwrap());
    let start = tokio::time::Instant::now();
    for purpose in [Purpose::Watch, Purpose::Update([stack.resource("api").unwrap().id().clone()].into())] {
        assert_eq!(vendor.session(&deployment, &purpose).await.unwrap_err().kind(), ErrorKind::Revoked);
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "what was registered is known everywhere: a denial is a denial");
    let asked = shut.0.lock().unwrap().clone();
    let [(false, watch), (true, update)] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(watch.iter().all(|(_, set)| matches!(set, Set::Heartbeat | Set::Logs | Set::Dispatch)), "{watch:?}");
    assert_eq!(*update, [(api, Set::Heartbeat), (api, Set::Management)]);
}

/// What creates and deletes one resource cannot be divided. Where the cloud cannot narrow a session so far, the library
/// alone does.
#[tokio::test(start_paused = true)]
async fn a_session_that_creates_is_narrowed_by_the_library_alone_where_the_cloud_cannot() {
    let world = InProcess::new();
    let mut stack = Stack::builder("back");
    for id in ["jobs", "more"] {
        let queue = stack.live(id, Queue::new());
        stack.extend(&queue, [Queue::PROVISION, Queue::RECONFIGURE]);
    }
    let stack = stack.build().unwrap();
    let case = Case::new(&world, "back", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let id = stack.resource("jobs").unwrap().id();
    let [watch, update, create] =
        [Purpose::Watch, Purpose::Update([id.clone()].into()), Purpose::Provision(id.clone())];
    for (purpose, fails, asked) in [
        (&watch, ErrorKind::TooLarge, &[false][..]),
        (&update, ErrorKind::TooLarge, &[true]),
        (&create, ErrorKind::TooLarge, &[true, false]),
        (&create, ErrorKind::Input, &[true]),
    ] {
        let shut = Shut(Arc::default(), fails);
        let vendor = Impersonator::<Memory, _>::new(shut.clone(), world.calling());
        assert_eq!(vendor.session(&deployment, purpose).await.unwrap_err().kind(), fails);
        let narrowed: Vec<bool> = shut.0.lock().unwrap().iter().map(|(narrowed, _)| *narrowed).collect();
        assert_eq!(narrowed, asked, "{purpose:?} {fails:?}");
        if *purpose == create {
            let jobs = Subject::Resource(stack.position("jobs").unwrap());
            let of_jobs = [Set::Heartbeat, Set::Management, Set::Provision, Set::Reconfigure].map(|set| (jobs, set));
            let held: BTreeSet<_> = shut.0.lock().unwrap()[0].1.iter().copied().collect();
            assert_eq!(held, of_jobs.into(), "of this resource, and nothing of another");
        }
    }
    let calls = Calls::default();
    let vendor = world.vendor(world.calling().with_recorder(calls.recorder()));
    vendor.session(&deployment, &create).await.unwrap();
    assert_eq!(calls.operations(), ["identity.assume"]);
}

/// Just after a set-up, what was granted may not be known everywhere: that is waited out once, as long as the cloud takes.
#[tokio::test(start_paused = true)]
async fn what_was_just_granted_is_waited_for_when_a_record_is_registered() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let shut = Shut::default();
    let vendor = Impersonator::<Memory, _>::new(shut.clone(), world.calling());
    let start = tokio::time::Instant::now();
    let error = vendor.register(&case.invitation, &deployment).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Revoked, "{error}");
    // The budget of a call, and what the cloud takes.
    assert!((700..=720).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());

    // The identity is known, and what it may do is not yet.
    let right = Right { permission: "thing.get".to_owned(), on: deployment.resources["jobs"].clone() };
    world.account.without(&right);
    let late = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.give_back(&deployment).await;
    };
    let vendor = world.vendor(world.calling());
    let (registered, ()) = tokio::join!(vendor.register(&case.invitation, &deployment), late);
    registered.unwrap();
    world.account.without(&right);
    let error = vendor.register(&case.invitation, &deployment).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Denied, Some("jobs")), "{error}");
}

/// What was granted may take minutes to be known. A cloud that does not answer is no sign of that.
#[tokio::test(start_paused = true)]
async fn a_cloud_that_does_not_answer_is_not_waited_for_as_what_was_just_granted() {
    for (kind, seconds) in [(ErrorKind::Unavailable, 60..=120), (ErrorKind::Unreachable, 0..=5)] {
        let world = InProcess::new();
        let (case, deployment) = deployed(&world).await;
        let vendor = Impersonator::<Memory, _>::new(Shut(Arc::default(), kind), world.calling());
        let start = tokio::time::Instant::now();
        let error = vendor.register(&case.invitation, &deployment).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(seconds.contains(&start.elapsed().as_secs()), "{kind:?}: {:?}", start.elapsed());
    }
}

/// An update has several calls, and nobody knows which of them were done: it is not begun again with another session.
#[tokio::test(start_paused = true)]
async fn an_update_that_is_refused_midway_is_not_begun_again() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    world.account.without(&Right { permission: "code.set".to_owned(), on: deployment.resources["api"].clone() });
    let error = manager.update(&api, FunctionUpdate::new().with_zip(*b"second")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert_eq!(
        calls.operations(),
        ["identity.assume", "thing.get", "identity.assume", "identity.give", "code.set", "identity.assume"]
    );
    assert!(manager.deployment().uncertain.contains(api.id()));
}

#[tokio::test(start_paused = true)]
async fn an_update_to_another_kind_is_never_begun() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let calls = Calls::default();
    let vendor = world.vendor(world.calling().with_recorder(calls.recorder()));
    let [api, worker] = ["api", "worker"].map(|id| deployment.stack.resource(id).unwrap());
    let session = vendor.session(&deployment, &Purpose::Update([api.id().clone()].into())).await.unwrap();
    let change = Change { resource: worker.clone(), zip: None, previous_zip: None, again: true, runs: None };
    let error = session.update(api.id(), &change).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Unsupported, Some("api")), "{error}");
    assert_eq!(calls.operations(), ["identity.assume"]);
}

/// A record is a file: what it says is not taken for what follows from it.
#[tokio::test(start_paused = true)]
async fn a_record_of_something_else_is_refused_before_any_call() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let calls = Calls::default();
    let vendor = world.vendor(world.calling().with_recorder(calls.recorder()));
    let another = |change: fn(&mut Deployment)| {
        let mut record = deployment.clone();
        change(&mut record);
        record
    };
    for (told, record) in [
        ("the record is of a deployment on other, and this is memory", another(|it| it.cloud = "other".to_owned())),
        (
            "the record names the identity `identity/admin`, and its target's is `identity/back-management-4`",
            another(|it| it.identity = "identity/admin".to_owned()),
        ),
    ] {
        let error = vendor.session(&record, &Purpose::Watch).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Input, told));
    }
    assert_eq!(calls.operations(), [""; 0]);
}

/// A session is for all that it was opened by, and for nothing else that a record says.
#[tokio::test(start_paused = true)]
async fn a_session_is_shared_by_records_that_say_the_same_of_it() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let vendor = world.vendor(world.calling());
    let session = async |change: fn(&mut Deployment)| {
        let mut record = deployment.clone();
        change(&mut record);
        vendor.session(&record, &Purpose::Watch).await.unwrap().serial()
    };
    let first = session(|_| {}).await;
    let begun = session(|record| record.uncertain = record.resources.keys().cloned().collect()).await;
    let kept = session(|record| record.retired = vec![record.stack.clone()]).await;
    assert_eq!((begun, kept), (first, first), "an update that is begun opens no session for those who watch");
    let mut others = vec![first];
    others.push(session(|record| record.resources.values_mut().for_each(|id| id.push('x'))).await);
    others.push(session(|record| record.identity_id = Some("chosen".to_owned())).await);
    others.push(session(|record| record.stack = Stack::builder("other").build().unwrap()).await);
    others.sort_unstable();
    others.dedup();
    assert_eq!(others.len(), 4, "{others:?}");
}

/// What has expired goes, and beyond 10,000 the one that was not used for the longest time.
#[tokio::test(start_paused = true)]
async fn no_more_sessions_are_kept_than_there_is_room_for() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let vendor = Impersonator::<Memory, _>::new(Shut::default(), world.calling());
    let other = || {
        let mut record = deployment.clone();
        record.id = DeploymentId::new();
        record
    };
    for _ in 0..100 {
        vendor.session(&other(), &Purpose::Watch).await.unwrap_err();
    }
    assert_eq!(vendor.cached(), 100);
    tokio::time::advance(Duration::from_secs(61)).await;
    vendor.session(&deployment, &Purpose::Watch).await.unwrap_err();
    assert_eq!(vendor.cached(), 1, "of the others, nobody has a session that is open");
    for _ in 0..10_100 {
        vendor.session(&other(), &Purpose::Watch).await.unwrap_err();
    }
    assert_eq!(vendor.cached(), 10_000);
}

/// A session that ends in the middle of an update is replaced, and the update is done as a whole.
#[tokio::test(start_paused = true)]
async fn a_release_that_outlasts_its_session_goes_on_in_another() {
    // After the first call of the update, which changes nothing, and after the second, which does.
    for last in ["identity.give", "code.set"] {
        let world = InProcess::new();
        let (_, deployment) = deployed(&world).await;
        let (calls, account, ended) = (Calls::default(), world.account.clone(), AtomicBool::new(false));
        let recorded = calls.recorder();
        let ends = move |call: &Call| {
            recorded(call);
            if call.operation == last && !ended.swap(true, Ordering::Relaxed) {
                account.end_sessions();
            }
        };
        let vendor = world.vendor(world.calling().with_recorder(Arc::new(ends)));
        let manager = Manager::new(vendor, deployment.clone());
        let next = deployment.stack.with_code("api", Code::zip(b"second")).unwrap();
        let next = Release::partial(next, [Arc::from(*b"second")].into_iter().collect());
        let released = manager.release(&next).await;
        assert!(released.is_ok(), "{last}: {released:?}");
        let entered = calls.operations().iter().filter(|call| **call == "identity.assume").count();
        assert_eq!(entered, 3, "{last}: to look, to update, and to update again");
        assert_eq!(manager.deployment().stack, *next.stack());
    }
}

/// R4: a command that may have arrived is not sent again by the library, whatever is wrong.
#[tokio::test(start_paused = true)]
async fn a_command_is_sent_once() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.heartbeat(&api).await.unwrap();
    let sent = || world.account.asked().iter().filter(|asked| asked.right.permission == "code.invoke").count();
    world.account.fail_at(0, Fault::AnswerLost);
    let error = manager.dispatch(&api, b"once").await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent(), sent()), (ErrorKind::Unavailable, true, 1), "{error}");
    // What certainly did not arrive is sent again, also in another session.
    world.account.fail_at(0, Fault::Throttled);
    assert_eq!((manager.dispatch(&api, b"again").await.unwrap(), sent()), (b"again".to_vec(), 3));
    world.account.end_sessions();
    assert_eq!((manager.dispatch(&api, b"later").await.unwrap(), sent()), (b"later".to_vec(), 5));
    // Nobody waits longer than was asked for.
    world.account.throttle_every(1);
    let late = manager.dispatch(&api, b"late").deadline(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!((late.kind(), late.was_sent()), (ErrorKind::TimedOut, true), "{late}");
}

/// Of several updates, each has its own outcome, and what is known of it is in the record.
#[tokio::test(start_paused = true)]
async fn a_release_that_fails_in_part_has_an_outcome_for_every_resource() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let mut form = serde_json::to_value(&deployment.stack).unwrap();
    for resource in form["resources"].as_array_mut().unwrap() {
        match resource["id"].as_str() {
            Some("api") => resource["code"] = serde_json::to_value(Code::zip(b"broken")).unwrap(),
            Some("worker") => resource["environment"] = serde_json::json!({ "DAY": "2" }),
            _ => {}
        }
    }
    let next = Stack::from_json(&form.to_string()).unwrap();
    let (manager, _) = case.manager(&deployment);
    let next = Release::partial(next, [Arc::from(*b"broken")].into_iter().collect());
    let released = manager.release(&next).await;
    let names = released.outcomes().map(|(id, outcome)| format!("{id} {}", outcome.name())).collect::<Vec<_>>();
    let unchanged = |id: &str| format!("{id} unchanged");
    let [api, worker] = ["api put-back", "worker updated"].map(str::to_owned);
    let ids = ["cache", "data", "jobs", "ledger", "mailer", "net"];
    assert_eq!(names, [api].into_iter().chain(ids.map(unchanged)).chain([worker]).collect::<Vec<_>>());
    let error = released.into_result().unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Failed, Some("api")), "{error}");
    let now = manager.deployment();
    assert_eq!(now.uncertain, [].into(), "what each of them runs is known");
    assert_eq!(now.stack.resource("worker"), next.stack().resource("worker"));
    assert_eq!(now.stack.resource("api"), deployment.stack.resource("api"));
}
