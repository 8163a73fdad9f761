//! New instances of what runs, and writes that somebody else has come before.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use alien_conformance::world::{Case, World};
use alien_core::memory::{self, BROKEN, Fault, Right};
use alien_core::{
    CallConfig, Code, Deployment, ErrorKind, Function, Handle, Live, Manager, Outcome, RecordStore, RecordsInMemory,
    Release, Released, Stack,
};

use crate::in_process::InProcess;
use crate::records::{kept, open, record, two};

fn one(manager: &Manager) -> Handle<Function, Live> {
    manager.find("one").unwrap()
}

/// The name of `one` in the account.
fn name(deployment: &Deployment) -> String {
    deployment.resources["one"].clone()
}

pub(crate) fn digest(zip: &[u8]) -> String {
    Code::zip(zip).only().unwrap().digest().to_owned()
}

#[tokio::test(start_paused = true)]
async fn new_instances_run_what_ran_and_the_record_is_as_it_was() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let manager = open(&world, &store, id).await;
    let before = record(&store, id).await;
    let [one_, two_] = ["one", "two"].map(|id| before.resources[id].clone());
    let revisions = |world: &InProcess| [world.account.revision(&one_), world.account.revision(&two_)];
    let [was, other] = revisions(&world);
    manager.redeploy(&one(&manager)).await.unwrap();
    assert_eq!(revisions(&world), [was + 1, other], "the other one runs on");
    let mut after = record(&store, id).await;
    (after.revision, after.writer) = (before.revision, before.writer.clone());
    assert_eq!(after, before);
    // What was seen before the new instances began is no longer the state of it, and the next release looks anew.
    assert!(manager.release(&two(b"second")).await.is_ok());
}

/// What runs is started anew, also where the record knows nothing of it.
#[tokio::test(start_paused = true)]
async fn what_runs_is_started_anew_and_not_what_the_record_says() {
    let world = InProcess::new();
    let (case, store, id) = kept(&world).await;
    let stale = record(&store, id).await;
    let manager = open(&world, &store, id).await;
    assert!(manager.release(&two(b"second")).await.is_ok());
    let (manager, calls) = case.manager(&stale);
    manager.redeploy(&one(&manager)).await.unwrap();
    assert_eq!(calls.operations(), ["identity.assume", "thing.get", "code.settings", "thing.get"]);
    let runs = manager.heartbeat(&one(&manager)).await.unwrap().runs.unwrap();
    assert_eq!(runs.code, digest(b"second"));
    assert_eq!(manager.deployment(), stale);
}

#[tokio::test(start_paused = true)]
async fn new_instances_that_do_not_work_are_told_and_leave_nothing_uncertain() {
    let world = InProcess::new();
    let first = two(BROKEN);
    let case = Case::new(&world, "two", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let error = manager.redeploy(&one(&manager)).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Failed, Some("one")), "{error}");
    assert!(error.message().contains("the new instances do not work: its code does not start"), "{error}");
    assert_eq!(manager.deployment(), deployment);
    // The cloud lets the vendor in, and not this.
    let right = Right { permission: "code.settings".to_owned(), on: name(&deployment) };
    world.account.without(&right);
    let error = manager.redeploy(&one(&manager)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert_eq!(manager.deployment(), deployment);
}

#[tokio::test(start_paused = true)]
async fn it_takes_turns_with_releases() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let (releasing, other) = (open(&world, &store, id).await, open(&world, &store, id).await);
    let second = two(b"second");
    {
        let mut release = std::pin::pin!(releasing.release(&second).into_future());
        let mut context = Context::from_waker(Waker::noop());
        while record(&store, id).await.in_flight.is_none() {
            assert!(release.as_mut().poll(&mut context).is_pending());
        }
        let refused = other.redeploy(&one(&other)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
        release.await.into_result().unwrap();
    }
    // And the other way round.
    let asked = world.account.asked().len();
    let mut redeploy = std::pin::pin!(other.redeploy(&one(&other)).by("ann").into_future());
    let mut context = Context::from_waker(Waker::noop());
    while record(&store, id).await.in_flight.is_none() || world.account.asked().len() == asked {
        assert!(redeploy.as_mut().poll(&mut context).is_pending());
    }
    let refused = releasing.release(&two(b"third")).await;
    let refusal = refused.refusal().unwrap();
    assert_eq!(refusal.kind(), ErrorKind::Locked);
    assert!(refusal.message().contains("by ann, who starts new instances of `one`, since"), "{refusal}");
    redeploy.await.unwrap();
    assert!(releasing.release(&two(b"third")).await.is_ok());
}

/// Wherever it is dropped, nothing is uncertain: code and settings are what they were.
#[tokio::test(start_paused = true)]
async fn it_may_be_dropped_at_any_point() {
    let mut ended = false;
    for polls in 1..100 {
        let world = InProcess::new();
        let (case, _, id) = kept(&world).await;
        let deployment = case.up(&two(b"first"), None).await.unwrap();
        let store = Arc::new(RecordsInMemory::new());
        store.save(&deployment).await.unwrap();
        let manager = open(&world, &store, id).await;
        {
            let mut redeploy = std::pin::pin!(manager.redeploy(&one(&manager)).into_future());
            let mut context = Context::from_waker(Waker::noop());
            ended = (0..polls).any(|_| redeploy.as_mut().poll(&mut context).is_ready());
        }
        assert!(manager.deployment().in_flight.is_none(), "after {polls} polls");
        tokio::time::advance(Duration::from_secs(61)).await;
        let next = open(&world, &store, id).await;
        next.redeploy(&one(&next)).await.unwrap();
        let now = record(&store, id).await;
        assert_eq!((now.uncertain.len(), now.in_flight, &now.stack), (0, None, &deployment.stack), "{polls} polls");
        if ended {
            break;
        }
    }
    assert!(ended, "it never came to its end");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_and_says_that_they_may_still_begin() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let manager = open(&world, &store, id).await;
    world.account.throttle_every(1);
    let late = manager.redeploy(&one(&manager)).deadline(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!((late.kind(), late.was_sent()), (ErrorKind::TimedOut, true), "{late}");
    world.account.throttle_every(0);
    manager.redeploy(&one(&manager)).deadline(Duration::from_secs(5)).await.unwrap();
    let now = record(&store, id).await;
    assert_eq!((now.uncertain.len(), now.in_flight), (0, None));
}

/// A lost answer is not taken for another's change.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_no_change_of_somebody_elses() {
    for call in 0..8 {
        let world = InProcess::new();
        let (_, store, id) = kept(&world).await;
        let manager = open(&world, &store, id).await;
        world.account.fail_at(call, Fault::AnswerLost);
        let released = manager.release(&two(b"second")).await;
        assert!(released.is_ok(), "at call {call}: {released:?}");
        world.account.fail_at(call, Fault::AnswerLost);
        manager.redeploy(&one(&manager)).await.unwrap();
    }
}

/// Sets the code of `one` as another program, right after the calls of an operation.
fn another(world: &InProcess, name: String, after: &'static str) -> CallConfig {
    let (account, done) = (world.account.clone(), AtomicBool::new(false));
    world.calling().with_recorder(Arc::new(move |call| {
        if call.operation == after && call.subject == "one" && !done.swap(true, Ordering::SeqCst) {
            let mut saved = serde_json::to_value(account.save()).unwrap();
            let thing = &mut saved["things"][&name];
            thing["code"] = format!("Zip({:?})", digest(b"theirs")).into();
            thing["revision"] = (thing["revision"].as_u64().unwrap() + 1).into();
            account.load(serde_json::from_value(saved).unwrap());
        }
    }))
}

async fn runs_theirs(manager: &Manager) -> bool {
    let runs = manager.heartbeat(&one(manager)).await.unwrap().runs.unwrap();
    runs.code == digest(b"theirs")
}

fn outcome(released: &Released) -> &Outcome {
    released.outcomes().find(|(id, _)| id.as_str() == "one").unwrap().1
}

#[tokio::test(start_paused = true)]
async fn an_update_is_refused_where_somebody_else_came_in_between() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let deployment = record(&store, id).await;
    // Between the look and the first write.
    let how = another(&world, name(&deployment), "thing.get");
    let manager = Manager::new(memory::vendor(&world.config(how)), deployment.clone());
    let released = manager.release(&two(b"second")).await;
    let Outcome::NotUpdated(error) = outcome(&released) else { panic!("{released:?}") };
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.message().contains("somebody else has changed it since it was looked at"), "{error}");
    assert!(runs_theirs(&manager).await, "what the other did is left");
    let now = manager.deployment();
    assert_eq!((now.uncertain.len(), now.stack.resource("one")), (0, deployment.stack.resource("one")));
    // A look and another release bring it where it should be.
    let released = manager.release(&two(b"second")).await;
    assert!(released.is_ok(), "{released:?}");
    assert!(!runs_theirs(&manager).await);
}

#[tokio::test(start_paused = true)]
async fn where_somebody_else_came_after_the_first_write_it_is_unknown_and_not_put_back() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let deployment = record(&store, id).await;
    let how = another(&world, name(&deployment), "code.set");
    let manager = Manager::new(memory::vendor(&world.config(how)), deployment);
    // Code and settings, one after the other.
    let mut form = serde_json::to_value(two(b"second").stack()).unwrap();
    form["resources"][0]["memoryMib"] = 1024.into();
    let next = Stack::from_json(&form.to_string()).unwrap();
    let next = Release::new(next, [Arc::from(*b"second")].into_iter().collect()).unwrap();
    let released = manager.release(&next).await;
    let Outcome::Unknown(error) = outcome(&released) else { panic!("{released:?}") };
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Conflict, true), "{error}");
    assert!(runs_theirs(&manager).await, "what the other did is left");
    assert_eq!(manager.deployment().uncertain.len(), 1);
    assert!(manager.release(&next).await.is_ok());
    assert!(manager.deployment().uncertain.is_empty());
}

#[tokio::test(start_paused = true)]
async fn broken_code_over_which_somebody_else_has_written_is_not_put_back() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let deployment = record(&store, id).await;
    let how = another(&world, name(&deployment), "code.set");
    let manager = Manager::new(memory::vendor(&world.config(how)), deployment);
    let released = manager.release(&two(BROKEN)).await;
    let Outcome::Unknown(error) = outcome(&released) else { panic!("{released:?}") };
    assert_eq!((error.kind(), error.is_put_back()), (ErrorKind::Failed, false), "{error}");
    assert!(error.message().contains("could not be put back"), "{error}");
    let runs = manager.heartbeat(&one(&manager)).await.unwrap().runs.unwrap();
    assert_eq!(runs.code, digest(b"theirs"), "what the other did is left");
}

#[tokio::test(start_paused = true)]
async fn new_instances_are_refused_where_somebody_else_came_in_between() {
    let world = InProcess::new();
    let (_, store, id) = kept(&world).await;
    let deployment = record(&store, id).await;
    let how = another(&world, name(&deployment), "thing.get");
    let manager = Manager::new(memory::vendor(&world.config(how)), deployment.clone());
    let error = manager.redeploy(&one(&manager)).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Conflict, false), "{error}");
    assert!(runs_theirs(&manager).await);
    assert_eq!(manager.deployment(), deployment);
    manager.redeploy(&one(&manager)).await.unwrap();
}
