//! Claims of two runs at once, where a write takes its time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::world::{Case, World as _, release};
use alien_core::memory::{Fault, Right};
use alien_core::{Admin, Call, ErrorKind, Function, Layer, Plan, Profile, Release, Stack};
use tokio::time::{Instant, sleep};

use crate::in_process::{InProcess, first};

/// How a run ended, and when it worked: from the first thing that it told until it ended.
struct Ran {
    result: alien_core::Result<()>,
    worked: Option<(Instant, Instant)>,
}

impl Ran {
    async fn of(admin: &Admin, plan: &Plan) -> Self {
        let begin = Mutex::new(None);
        let told = |_: &_| {
            begin.lock().unwrap().get_or_insert_with(Instant::now);
        };
        let result = admin.apply(plan).progress(told).await.map(drop);
        let end = Instant::now();
        let worked = begin.into_inner().unwrap().map(|begin| (begin, end));
        Self { result, worked }
    }
}

/// Functions, each of which runs as an identity of its own.
fn functions(world: &InProcess, ids: &[&str]) -> Release {
    let mut stack = Stack::builder("late");
    for &id in ids {
        stack.live(id, Function::new(first(world).code(), id));
        stack.profile(id, Profile::new());
    }
    release(&stack.build().unwrap(), &[first(world)])
}

/// Two runs that create an identity and wait until it is known, of which the second begins a second later. The write of the
/// first one's claim arrives after `delay`.
async fn two(delay: Duration) -> [Ran; 2] {
    let world = InProcess::new();
    let (small, more) = (functions(&world, &["one"]), functions(&world, &["one", "two"]));
    let case = Case::new(&world, "late", small.stack().clone());
    let deployment = case.up(&small, None).await.unwrap();
    let plan = case.admin.plan(&more).previous(&deployment).await.unwrap();
    let others = world.admin(case.invitation.id, case.target.clone(), world.calling());
    world.account.set_settling(Duration::from_secs(90));
    // A run looks at the identity and at the claim, and then writes its own.
    world.account.fail_at(2, Fault::Delayed(delay));
    let second = async {
        sleep(Duration::from_secs(1)).await;
        Ran::of(&others, &plan).await
    };
    let (first, second) = tokio::join!(Ran::of(&case.admin, &plan), second);
    [first, second]
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_written_late_does_not_make_two_winners() {
    for delay in [0, 3000, 5500, 8000, 14_000, 20_000, 30_000].map(Duration::from_millis) {
        let [first, second] = two(delay).await;
        let results = (&first.result, &second.result);
        assert!(first.result.is_ok() != second.result.is_ok(), "{delay:?}: {results:?}");
        if let (Some((begin, end)), Some((others_begin, others_end))) = (first.worked, second.worked) {
            assert!(end < others_begin || others_end < begin, "{delay:?}: both work at once: {results:?}");
        }
    }
}

/// The second run has made sure of its claim, and works when the first one's is written over it.
#[tokio::test(start_paused = true)]
async fn a_run_whose_claim_was_written_late_waits_until_the_other_run_has_seen_it() {
    let start = Instant::now();
    let [first, second] = two(Duration::from_secs(8)).await;
    assert!(first.result.is_ok(), "{:?}", first.result);
    assert_eq!(second.result.unwrap_err().kind(), ErrorKind::Locked);
    let ((begin, _), (others_begin, others_end)) = (first.worked.unwrap(), second.worked.unwrap());
    assert!(others_begin < others_end && others_end < begin, "the second began, and ended before the first began");
    assert!(
        begin - start < Duration::from_secs(90),
        "no longer than a run takes to renew its claim: {:?}",
        begin - start
    );
}

/// A deployment of one function, a plan to add another, and an admin to apply it with, whose first write of the claim is
/// throttled for so long.
async fn throttled(world: &InProcess, lasts: Duration) -> (Admin, Plan) {
    let (small, more) = (functions(world, &["one"]), functions(world, &["one", "two"]));
    let case = Case::new(world, "late", small.stack().clone());
    let deployment = case.up(&small, None).await.unwrap();
    let plan = case.admin.plan(&more).previous(&deployment).await.unwrap();
    let (account, looks) = (world.account.clone(), AtomicUsize::new(0));
    // A run looks at the identity and at the claim, and then writes its own.
    let watch = move |call: &Call| {
        if call.operation == "identity.get" && looks.fetch_add(1, Ordering::Relaxed) == 1 {
            account.throttle_every(1);
            let account = account.clone();
            tokio::spawn(async move {
                sleep(lasts).await;
                account.throttle_every(0);
            });
        }
    };
    let how = world.calling().with_recorder(Arc::new(watch));
    (world.admin(case.invitation.id, case.target.clone(), how), plan)
}

/// A write is tried for as long as a run pauses after it, and then begun again with a look: it is never sent late.
#[tokio::test(start_paused = true)]
async fn a_claim_that_cannot_be_written_for_a_moment_is_looked_at_and_written_again() {
    let world = InProcess::new();
    let (admin, plan) = throttled(&world, Duration::from_secs(6)).await;
    let start = Instant::now();
    admin.apply(&plan).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(30), "nobody's claim was written over: {:?}", start.elapsed());
}

/// Whoever takes over asks nobody, and so writes the claim as patiently as anything else, once.
#[tokio::test(start_paused = true)]
async fn who_takes_over_and_cannot_write_the_claim_is_told_why() {
    let world = InProcess::new();
    let (admin, plan) = throttled(&world, Duration::from_secs(100)).await;
    admin.apply(&plan).take_over().await.unwrap();

    let world = InProcess::new();
    let (admin, plan) = throttled(&world, Duration::from_secs(1000)).await;
    let start = Instant::now();
    let error = admin.apply(&plan).take_over().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    assert!(start.elapsed() <= Duration::from_secs(120), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_admin_who_may_not_write_the_claim_is_told_so_at_once() {
    let world = InProcess::new();
    let (small, more) = (functions(&world, &["one"]), functions(&world, &["one", "two"]));
    let case = Case::new(&world, "late", small.stack().clone());
    let deployment = case.up(&small, None).await.unwrap();
    let plan = case.admin.plan(&more).previous(&deployment).await.unwrap();
    let rendered = alien_core::render(more.stack(), &case.target).unwrap();
    let mut rights = rendered.documents.layers.principals(Layer::Provisioning)[0].rights.clone();
    let write = Right { permission: "identity.set".to_owned(), on: deployment.identity.clone() };
    rights.retain(|right| *right != write);
    world.account.limit_admin(rights);
    let before = world.account.asked().len();
    let error = case.admin.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let asked = world.account.asked().split_off(before);
    assert_eq!(asked.iter().filter(|asked| asked.right == write).count(), 1, "{asked:?}");
}
