//! How calls are made: waits, looks that are repeated, and what is put back.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_conformance::life;
use alien_conformance::world::{Case, World, quickly, release};
use alien_core::adapter::{CallContext, Cloud, DeploymentContext, Gate, Operation, last, or_undo};
use alien_core::memory::{Memory, Scope};
use alien_core::{CallConfig, Error, ErrorKind, Result, Retry};

use crate::in_process::{InProcess, first};

/// What the admin makes calls with.
fn admins_gate(world: &InProcess, config: CallConfig) -> Gate<Memory> {
    let gate = gate(world, config.clone());
    let context = DeploymentContext::<Memory>::of(&gate.deployment().record().unwrap()).unwrap();
    let grants = context.permissions().provisioning.clone();
    Gate::new(Arc::new(context), grants, config)
}

/// What the vendor makes calls with.
fn gate(world: &InProcess, config: CallConfig) -> Gate<Memory> {
    let stack = life::product(&first(world));
    let case = Case::new(world, "calls", stack.clone());
    let (id, target) = (case.invitation.id, case.target.clone());
    let context = Arc::new(DeploymentContext::<Memory>::new(id, target, release(&stack, &[first(world)])));
    let grants = context.permissions().management.clone();
    Gate::new(context, grants, config)
}

fn get() -> &'static Operation<Scope> {
    Memory::operations().needing("thing.get")[0]
}

/// A cloud, or whoever stands between, can ask for any wait: what is longer than the budget is not waited for.
#[tokio::test(start_paused = true)]
async fn an_absurd_wait_is_not_waited_for_and_breaks_nothing() {
    let world = InProcess::new();
    let start = tokio::time::Instant::now();
    let endless = Retry { first: Duration::MAX, most: Duration::MAX, budget: Duration::from_secs(120) };
    for config in [world.calling(), world.calling().with_retry(endless)] {
        let gate = gate(&world, config);
        let api = gate.deployment().subject("api").unwrap();
        for wait in [Duration::from_secs(u64::MAX), Duration::MAX, Duration::from_secs(121)] {
            let attempt =
                || async { Err::<(), _>(Error::new(ErrorKind::Throttled, "no").with_retry_after(Some(wait))) };
            let error = gate.call(api, &[get()], attempt).await.unwrap_err();
            assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(wait)));
        }
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_look_is_repeated_until_it_breaks_off_or_the_budget_is_spent() {
    let world = InProcess::new();
    let gate = gate(&world, quickly(world.clock.clone(), Duration::from_secs(1)));
    let subject = gate.deployment().subject("api").unwrap();
    let cx = CallContext { clients: &(), gate: &gate, subject };
    let looked = AtomicUsize::new(0);
    let there = |looks: usize| {
        looked.store(0, Ordering::Relaxed);
        let looked = &looked;
        move || async move {
            let gone = looked.fetch_add(1, Ordering::Relaxed) >= looks;
            if gone { Err(Error::new(ErrorKind::NotFound, "gone")) } else { Ok(()) }
        }
    };
    let start = tokio::time::Instant::now();
    cx.until_gone(Duration::from_secs(60), there(0)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    // At first soon, and then every three seconds: 0.2, 0.4, 0.8, 1.6, 3, 3.
    cx.until_gone(Duration::from_secs(60), there(6)).await.unwrap();
    assert_eq!((start.elapsed(), looked.load(Ordering::Relaxed)), (Duration::from_secs(9), 7));
    let start = tokio::time::Instant::now();
    let error = cx.until_gone(Duration::from_secs(9), there(usize::MAX)).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::TimedOut, "after 9 seconds it is still being deleted"));
    assert_eq!(start.elapsed(), Duration::from_secs(9));
    // The vendor's permission to look may have gone with the thing; the admin's cannot.
    let denied = || async { Err::<(), _>(Error::new(ErrorKind::Denied, "no")) };
    cx.until_gone(Duration::ZERO, denied).await.unwrap();
    assert_eq!(cx.found(denied().await).unwrap(), None);
    let gate = admins_gate(&world, quickly(world.clock.clone(), Duration::from_secs(1)));
    let admins = CallContext { clients: &(), gate: &gate, subject };
    assert_eq!(admins.until_gone(Duration::MAX, denied).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(admins.found(denied().await).unwrap_err().kind(), ErrorKind::Denied);
    assert!(cx.is_vendors() && !admins.is_vendors());
    let found = cx.until(Duration::ZERO, || async { Ok(ControlFlow::<_, String>::Break(7)) });
    assert_eq!(found.await.unwrap(), 7, "there is always one look");
}

/// Only what the cloud certainly did not take, or what does not work, is put back.
#[tokio::test]
async fn what_was_there_before_is_put_back_where_what_was_sent_does_not_work() {
    let undone = AtomicUsize::new(0);
    let sent = |kind| Err::<(), _>(Error::new(kind, "it is not taken"));
    let undo = |result: Result<()>| {
        let undone = &undone;
        async move {
            undone.fetch_add(1, Ordering::Relaxed);
            result
        }
    };
    for kind in [ErrorKind::Failed, ErrorKind::Rejected, ErrorKind::TooLarge] {
        let error = or_undo(sent(kind), undo(Ok(())), "code").await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, "it is not taken; the previous code was put back"));
    }
    let second = Error::new(ErrorKind::Unavailable, "no answer");
    let error = or_undo(sent(ErrorKind::Failed), undo(Err(second)), "code").await.unwrap_err();
    assert_eq!(error.message(), "it is not taken; the previous code could not be put back: no answer");
    assert_eq!(undone.swap(0, Ordering::Relaxed), 4);
    // Nobody knows whether these were done.
    for kind in
        [ErrorKind::TimedOut, ErrorKind::Unavailable, ErrorKind::Denied, ErrorKind::Expired, ErrorKind::Internal]
    {
        assert_eq!(or_undo(sent(kind), undo(Ok(())), "code").await.unwrap_err().message(), "it is not taken");
    }
    or_undo(Ok(()), undo(Ok(())), "code").await.unwrap();
    assert_eq!(undone.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_context_names_its_subject_in_full_and_in_short() {
    let world = InProcess::new();
    let gate = gate(&world, world.calling());
    let [api, jobs] = ["api", "jobs"].map(|id| gate.deployment().subject(id).unwrap());
    let cx = CallContext { clients: &(), gate: &gate, subject: api };
    assert_eq!(
        (cx.full_name(Scope::Thing).unwrap(), cx.name(Scope::Thing).unwrap()),
        ("function/calls-api-5", "calls-api-5")
    );
    let other = cx.about(jobs);
    assert_eq!((other.subject, other.resource().unwrap().id().as_str()), (jobs, "jobs"));
    assert_eq!(other.name(Scope::Thing).unwrap(), "calls-jobs-5");
    assert_eq!(other.full_name(Scope::Identity).unwrap_err().kind(), ErrorKind::Internal, "a queue has none");
    for (name, short) in [("a/b:c", "c"), ("a:b/c", "c"), ("plain", "plain"), ("a/", "")] {
        assert_eq!(last(name), short, "{name}");
    }
}

/// What an adapter remembers for a run, it finds again in every call of the run, and in no other run.
#[tokio::test(start_paused = true)]
async fn all_calls_of_a_run_have_the_same_run_and_those_of_another_do_not() {
    let world = InProcess::new();
    let [one, other] = [gate(&world, world.calling()), gate(&world, world.calling())];
    assert!(one.run().ptr_eq(&one.clone().run()) && !one.run().ptr_eq(&other.run()));
    let run = one.run();
    assert!(run.upgrade().is_some());
    drop(one);
    assert!(run.upgrade().is_none(), "what is remembered may go when the run has ended");
}

/// Only a call that must not be made twice says that it may have been done.
#[tokio::test(start_paused = true)]
async fn what_may_be_made_twice_never_says_that_it_was_sent() {
    let world = InProcess::new();
    let gate = gate(&world, quickly(world.clock.clone(), Duration::from_secs(1)));
    let api = gate.deployment().subject("api").unwrap();
    for (kind, may_be_done) in [
        (ErrorKind::Unavailable, true),
        (ErrorKind::TimedOut, true),
        (ErrorKind::Denied, false),
        (ErrorKind::Throttled, false),
    ] {
        let attempt = || async move { Err::<(), _>(Error::new(kind, "no")) };
        assert!(!gate.call(api, &[get()], attempt).await.unwrap_err().was_sent(), "{kind:?}");
        assert_eq!(gate.call_once(api, &[get()], attempt).await.unwrap_err().was_sent(), may_be_done, "{kind:?}");
    }
}
