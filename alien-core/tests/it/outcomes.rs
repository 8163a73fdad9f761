//! What becomes of a release: progress, deadlines, what is known in the end, and releases that are dropped on the way.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use alien_conformance::world::{Case, World};
use alien_core::memory::{BROKEN, Fault};
use alien_core::{
    Artifacts, Code, ErrorKind, Function, FunctionUpdate, Health, Live, Manager, Outcome, Profile, Release, Released,
    Stack,
};
use futures_util::FutureExt as _;

use crate::in_process::InProcess;

/// Two functions, `one` and `two`, of this code.
fn two(code: &[u8]) -> Release {
    let mut stack = Stack::builder("two");
    for id in ["one", "two"] {
        stack.live(id, Function::new(Code::zip(code), "code").with_variable("A", "1").with_variable("B", "2"));
    }
    stack.profile("code", Profile::new());
    Release::new(stack.build().unwrap(), [Arc::from(code)].into_iter().collect()).unwrap()
}

async fn deployed(world: &InProcess) -> (Case<'_, InProcess>, Manager) {
    let first = two(b"first");
    let case = Case::new(world, "two", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    (case, manager)
}

fn names(released: &Released) -> Vec<&'static str> {
    released.outcomes().map(|(_, outcome)| outcome.name()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_update_tells_its_beginning_and_its_end() {
    let world = InProcess::new();
    let (_, manager) = deployed(&world).await;
    let next = two(b"second");
    let next = Release::new(
        next.stack().with_code("two", Code::zip(BROKEN)).unwrap(),
        [Arc::from(*b"second"), Arc::from(BROKEN)].into_iter().collect(),
    )
    .unwrap();
    let told = Mutex::new(Vec::new());
    let released = manager.release(&next).progress(|event| told.lock().unwrap().push(event.to_string())).await;
    assert_eq!(names(&released), ["updated", "put-back"]);
    let mut told = told.into_inner().unwrap();
    told.sort();
    let expected =
        ["failed two (function)", "updated one (function)", "updating one (function)", "updating two (function)"];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn of_several_that_fail_the_error_names_each() {
    let world = InProcess::new();
    let (_, manager) = deployed(&world).await;
    let error = manager.release(&two(BROKEN)).await.into_result().unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Failed, Some("one")));
    assert!(error.to_string().contains("; also `two`: the new code does not work"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_may_not_be_is_refused_as_a_whole_before_any_call() {
    let world = InProcess::new();
    let (_, manager) = deployed(&world).await;
    let asked = world.account.asked().len();
    let mut other = Stack::builder("other");
    other.live("one", Function::new(Code::zip(b"first"), "code"));
    other.profile("code", Profile::new());
    let other = Release::partial(other.build().unwrap(), Artifacts::default());
    let lacking = Release::partial(two(b"second").stack().clone(), Artifacts::default());
    for (next, why) in [
        (other, "`name`: this is a stack of `other`, and the deployment is of `two`"),
        (lacking, "`one`: no file has the digest of its zip"),
    ] {
        let released = manager.release(&next).await;
        assert!(released.refusal().unwrap().to_string().contains(why), "{released:?}");
        assert_eq!((released.is_ok(), released.outcomes().count()), (false, 0));
        assert_eq!(released.into_result().unwrap_err().kind(), ErrorKind::Input);
    }
    assert_eq!(world.account.asked().len(), asked, "nothing was called");
    assert!(manager.deployment().uncertain.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_to_be_done_is_done_again() {
    let world = InProcess::new();
    let (_, manager) = deployed(&world).await;
    // The vendor is let in; then the program is cut off before its first answer.
    world.account.fail_at(4, Fault::KilledAfter);
    let released = manager.release(&two(b"second")).await;
    assert_eq!(names(&released), ["unknown", "unknown"]);
    assert_eq!(manager.deployment().uncertain.len(), 2);
    world.account.restart();
    assert_eq!(names(&manager.release(&two(b"second")).await), ["updated", "updated"]);
    assert!(manager.deployment().uncertain.is_empty());
    assert_eq!(names(&manager.release(&two(b"second")).await), ["unchanged", "unchanged"]);
}

/// Where the vendor is not let in, nothing was done, and the record says so.
#[tokio::test(start_paused = true)]
async fn what_was_never_begun_is_not_uncertain() {
    let world = InProcess::new();
    let (case, manager) = deployed(&world).await;
    let deployment = manager.deployment();
    case.admin.revoke(&deployment).await.unwrap();
    let released = manager.release(&two(b"second")).await;
    assert_eq!(names(&released), ["not-updated", "not-updated"]);
    for (_, outcome) in released.outcomes() {
        assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Revoked);
    }
    assert_eq!(manager.deployment(), deployment);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_release_and_says_what_had_begun() {
    let world = InProcess::new();
    let (_, manager) = deployed(&world).await;
    let none = manager.release(&two(b"second")).deadline(Duration::ZERO).await;
    assert_eq!(names(&none), ["not-updated", "not-updated"]);
    // The cloud asks to be called less often for as long as it takes.
    world.account.throttle_every(1);
    let late = manager.release(&two(b"second")).deadline(Duration::from_secs(5)).await;
    for (_, outcome) in late.outcomes() {
        assert!(
            matches!(outcome, Outcome::NotUpdated(error) | Outcome::Unknown(error) if error.kind() == ErrorKind::TimedOut),
            "{outcome:?}"
        );
    }
    world.account.throttle_every(0);
    let released = manager.release(&two(b"second")).deadline(Duration::from_secs(60)).await;
    assert_eq!(names(&released), ["updated", "updated"]);
}

/// After every point at which a program may drop it, the next release brings everything to where it should be.
#[tokio::test(start_paused = true)]
async fn a_release_may_be_dropped_at_any_point() {
    let mut ended = false;
    for polls in 1..200 {
        let world = InProcess::new();
        let (case, manager) = deployed(&world).await;
        let (first, second) = (two(b"first"), two(b"second"));
        {
            let mut release = std::pin::pin!(manager.release(&second).into_future());
            let mut context = Context::from_waker(Waker::noop());
            ended = (0..polls).any(|_| matches!(release.poll_unpin(&mut context), Poll::Ready(_)));
        }
        let kept = manager.deployment();
        let next = Manager::new(world.vendor(world.calling()), kept);
        let released = next.release(&first).await;
        assert!(released.is_ok(), "after {polls} polls: {released:?}");
        let now = next.deployment();
        assert!(now.uncertain.is_empty() && now.stack == *first.stack(), "after {polls} polls");
        for id in ["one", "two"] {
            let function = next.find::<Function, Live>(id).unwrap();
            assert_eq!(next.heartbeat(&function).await.unwrap().health, Health::Healthy);
        }
        // What the account runs is what the record says.
        let plan = case.admin.plan(&first).previous(&now).await.unwrap();
        assert!(plan.is_empty(), "after {polls} polls:\n{plan}");
        if ended {
            break;
        }
    }
    assert!(ended, "no release came to its end");
}

#[tokio::test(start_paused = true)]
async fn an_update_sets_variables_and_removes_them() {
    let world = InProcess::new();
    let (_, manager) = deployed(&world).await;
    let one = manager.find::<Function, Live>("one").unwrap();
    let update = FunctionUpdate::new().with_variable("B", "3").without_variable("A").without_variable("NONE");
    manager.update(&one, update).await.unwrap();
    let stack = manager.deployment().stack;
    let environment = stack.resource("one").unwrap().settings().compute().unwrap().environment.clone();
    assert_eq!(environment, [("B".to_owned(), "3".to_owned())].into());
    let two = stack.resource("two").unwrap().settings().compute().unwrap().environment.len();
    assert_eq!(two, 2, "the other function has what it had");
}
