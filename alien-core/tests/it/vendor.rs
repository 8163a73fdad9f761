//! What the vendor does, on the in-process cloud: exactness, the gate, sessions, updates, logs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_conformance::life;
use alien_conformance::world::{Calls, Case, World, release};
use alien_core::adapter::{Change, Cloud, Command, DeploymentContext, Gate, Operation, Purpose};
use alien_core::memory::{self, Memory, Right, Trust};
use alien_core::{ErrorKind, Frozen, Function, FunctionUpdate, Health, Live, Resource, Stack, Storage};
use futures_util::TryStreamExt;
use futures_util::future::join_all;

use crate::in_process::{InProcess, first};

#[tokio::test(start_paused = true)]
async fn every_grant_is_needed_and_none_is_missing() {
    life::every_grant_is_needed_and_none_is_missing(&InProcess::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_opened_once_for_all_who_ask_and_renewed_by_one_of_them() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "many", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let resources = manager.resources();
    let beats = || join_all((0..100).map(|n| manager.heartbeat(&resources[n % resources.len()])));
    let opened = |calls: &Calls| calls.operations().iter().filter(|call| **call == "identity.assume").count();
    assert!(beats().await.iter().all(Result::is_ok));
    assert_eq!(opened(&calls), 1, "100 callers at once");
    // Shortly before its end it is renewed, by one.
    tokio::time::advance(Duration::from_secs(3600 - 200)).await;
    assert!(beats().await.iter().all(Result::is_ok));
    assert_eq!(opened(&calls), 1);
    // Ended by the cloud before its time: all are refused, and one renews.
    world.account.end_sessions();
    assert!(beats().await.iter().all(Result::is_ok));
    assert_eq!(opened(&calls), 1);
}

#[tokio::test(start_paused = true)]
async fn a_release_costs_the_fewest_calls_that_can_do_it() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "few", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_zip(*b"second")).await.unwrap();
    // To get in and look; to get in for this update; to name the identity the code runs under, which is a call of its own
    // here; the code; to see it work.
    let first = ["identity.assume", "thing.get", "identity.assume", "identity.give", "code.set", "thing.get"];
    assert_eq!(calls.operations(), first);
    manager.update(&api, FunctionUpdate::new().with_memory_mib(512)).await.unwrap();
    assert_eq!(calls.operations(), ["thing.get", "code.settings"], "the sessions are open");
    manager.update(&api, FunctionUpdate::new().with_memory_mib(512)).await.unwrap();
    assert_eq!(calls.operations(), ["thing.get"]);
}

#[tokio::test(start_paused = true)]
async fn code_that_does_not_work_is_taken_back_and_the_record_stays() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "broken", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let error = manager.update(&api, FunctionUpdate::new().with_zip(*b"broken")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("its code does not start; the previous code was put back"), "{error}");
    let now = manager.deployment();
    assert_eq!(now.stack, deployment.stack);
    assert!(error.is_put_back() && now.uncertain.is_empty(), "what runs is known");
    assert_eq!(manager.heartbeat(&api).await.unwrap().health, Health::Healthy);
    let (manager, calls) = case.manager(&now);
    manager.update(&api, first(&world).update()).await.unwrap();
    assert_eq!(calls.operations(), ["identity.assume", "thing.get"], "it runs that code");
    assert_eq!(manager.deployment(), deployment);
}

/// A failure is shared by those who waited for it, and a session that is refused is not replaced at every call.
#[tokio::test(start_paused = true)]
async fn many_who_wait_for_a_session_do_not_fail_one_after_another() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "crowd", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    case.admin.revoke(&deployment).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let resources = manager.resources();
    let beats = join_all((0..100).map(|n| manager.heartbeat(&resources[n % resources.len()]))).await;
    assert!(beats.iter().all(|beat| beat.as_ref().unwrap_err().kind() == ErrorKind::Revoked));
    assert_eq!(calls.operations(), ["identity.assume"]);

    case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    world.account.without(&Right { permission: "thing.get".to_owned(), on: deployment.resources["data"].clone() });
    let data = manager.find::<Storage, Frozen>("data").unwrap();
    for _ in 0..20 {
        assert_eq!(manager.heartbeat(&data).await.unwrap().health, Health::Denied);
    }
    let entered = calls.operations().iter().filter(|call| **call == "identity.assume").count();
    assert_eq!(entered, 2, "the first, and one to see whether the vendor is still let in");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_says_what_is_missing_and_what_is_denied() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "beat", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let data = manager.find::<Storage, Frozen>("data").unwrap();
    let right = Right { permission: "thing.get".to_owned(), on: deployment.resources["data"].clone() };
    world.account.without(&right);
    let beat = manager.heartbeat(&data).await.unwrap();
    assert_eq!(beat.health, Health::Denied);
    assert!(beat.reason.contains("it needs thing.get: the customer's admin grants it by setting up again"), "{beat:?}");
    world.give_back(&deployment).await;
    world.account.remove(&deployment.resources["data"]);
    assert_eq!(manager.heartbeat(&data).await.unwrap().health, Health::Missing);
}

#[tokio::test(start_paused = true)]
async fn a_log_is_read_page_by_page_to_its_end() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "pages", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    for n in 0..2500 {
        manager.dispatch(&api, n.to_string().as_bytes()).await.unwrap();
    }
    let _ = calls.take();
    let lines: Vec<_> = manager.logs(&api).since(jiff::Timestamp::UNIX_EPOCH).read().try_collect().await.unwrap();
    let expected: Vec<String> = (0..2500).map(|n| format!("command {n}")).collect();
    assert_eq!(lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(calls.operations(), ["logs.read"; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_trusts_without_proof_is_not_registered() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "probe", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let mut open = world.account.document(&deployment.identity).unwrap();
    open.trusts = Some(Trust::Vendor("vendor".to_owned(), "wrong".to_owned()));
    world.account.set_document(&deployment.identity, open);
    // What the vendor presents is the wrong proof, which this identity takes.
    let vendor = memory::vendor(&world.config(world.calling()).with_vendor("vendor", "wrong"));
    let error = vendor.register(&case.invitation, &deployment).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert!(error.to_string().contains("accepts the vendor with a wrong proof"), "{error}");
    let honest = world.vendor(world.calling());
    assert_eq!(honest.register(&case.invitation, &deployment).await.unwrap_err().kind(), ErrorKind::Revoked);
}

/// The gate alone: no session, no cloud, only grants.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_granted_is_never_made() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "gate", stack.clone());
    let context = Arc::new(DeploymentContext::<Memory>::new(
        case.invitation.id,
        case.target.clone(),
        release(&stack, &[first(&world)]),
    ));
    let calls = Calls::default();
    let how = world.calling().with_recorder(calls.recorder());
    let caller = Gate::new(Arc::clone(&context), context.permissions().management.clone(), how);
    let made = AtomicUsize::new(0);
    let attempt = || async {
        made.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    for (id, row, granted) in [
        ("api", row("code.set"), true),
        ("ledger", row("code.set"), false),
        ("ledger", row("thing.get"), true),
        ("data", row("data.read"), false),
        ("api", row("thing.delete"), false),
    ] {
        let before = made.load(Ordering::Relaxed);
        let result = caller.call(context.subject(id).unwrap(), &[row], attempt).await;
        assert_eq!(made.load(Ordering::Relaxed) - before, usize::from(granted), "{} on {id}", row.permission);
        assert_eq!(result.is_ok(), granted);
        if let Err(error) = result {
            assert_eq!((error.kind(), error.resource()), (ErrorKind::NotGranted, Some(id)), "{error}");
        }
    }
    // A call that needs several permissions needs all of them.
    let both = [row("thing.get"), row("code.set")];
    assert!(caller.call(context.subject("ledger").unwrap(), &both, attempt).await.is_err());
    assert_eq!(calls.take().iter().filter(|call| call.failure == Some(ErrorKind::NotGranted)).count(), 4);
}

/// What the cloud asks for is waited, what nobody knows the outcome of is not done twice, and the budget is the end of it.
#[tokio::test(start_paused = true)]
async fn retries_wait_as_long_as_they_are_told_and_no_longer_than_they_may() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "retry", stack.clone());
    let context = Arc::new(DeploymentContext::<Memory>::new(
        case.invitation.id,
        case.target.clone(),
        release(&stack, &[first(&world)]),
    ));
    let caller = Gate::new(Arc::clone(&context), context.permissions().management.clone(), world.calling());
    let api = context.subject("api").unwrap();
    let get = [row("thing.get")];
    let made = AtomicUsize::new(0);
    let failing = |kind, wait: Option<Duration>, times: usize| {
        let made = &made;
        made.store(0, Ordering::Relaxed);
        move || async move {
            let number = made.fetch_add(1, Ordering::Relaxed);
            let error = alien_core::Error::new(kind, "not now").with_retry_after(wait);
            if number < times { Err(error) } else { Ok(()) }
        }
    };
    let start = tokio::time::Instant::now();
    caller.call(api, &get, failing(ErrorKind::Throttled, Some(Duration::from_secs(30)), 2)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(60), "{:?}", start.elapsed());
    // Longer than the budget of two minutes is not waited for at all.
    let start = tokio::time::Instant::now();
    let told = failing(ErrorKind::Throttled, Some(Duration::from_secs(600)), 2);
    assert_eq!(caller.call(api, &get, told).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!((start.elapsed(), made.load(Ordering::Relaxed)), (Duration::ZERO, 1));
    let start = tokio::time::Instant::now();
    let never = failing(ErrorKind::Unavailable, None, usize::MAX);
    assert_eq!(caller.call(api, &get, never).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(start.elapsed() <= Duration::from_secs(120) && made.load(Ordering::Relaxed) > 50, "{:?}", start.elapsed());
    for (kind, attempts) in [(ErrorKind::Unavailable, 1), (ErrorKind::Throttled, 2), (ErrorKind::Denied, 1)] {
        let _ = caller.call_once(api, &get, failing(kind, None, 1)).await;
        assert_eq!(made.load(Ordering::Relaxed), attempts, "{kind:?}");
    }
}

/// Taking a right from the code is the customer's admin's as well: nobody else can.
#[tokio::test(start_paused = true)]
async fn a_release_that_takes_permissions_back_is_not_said_to_be_done() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "less", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let mut form = serde_json::to_value(&stack).unwrap();
    form["permissions"]["profiles"]["execution"]["cache"] = serde_json::json!(["kv/data-read"]);
    let less = Stack::from_json(&form.to_string()).unwrap();
    let (manager, calls) = case.manager(&deployment);
    let error = manager.release(&release(&less, &[first(&world)])).await.into_result().unwrap_err();
    assert!(error.to_string().contains("`cache`: runtime-execution loses `kv/data-write`"), "{error}");
    assert_eq!(calls.operations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_session_does_what_it_was_opened_for_and_nothing_else() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "purpose", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let vendor = world.vendor(world.calling());
    let (api, worker) = (stack.resource("api").unwrap(), stack.resource("worker").unwrap());
    let change = |resource: &Resource| Change {
        resource: resource.clone(),
        zip: None,
        previous_zip: None,
        again: true,
        runs: None,
    };
    let update = vendor.session(&deployment, &Purpose::Update([api.id().clone()].into())).await.unwrap();
    update.update(api.id(), &change(api)).await.unwrap();
    let refused = update.update(worker.id(), &change(worker)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotGranted, "it is live, and not what the session is for: {refused}");
    assert_eq!(update.dispatch(api.id(), &Command::new(*b"{}")).await.unwrap_err().kind(), ErrorKind::NotGranted);
    let watch = vendor.session(&deployment, &Purpose::Watch).await.unwrap();
    assert_eq!(watch.update(api.id(), &change(api)).await.unwrap_err().kind(), ErrorKind::NotGranted);
    assert_eq!(watch.dispatch(api.id(), &Command::new(*b"{}")).await.unwrap(), b"{}");
}

/// The row of a permission in the table of the cloud in this process.
fn row(permission: &str) -> &'static Operation<memory::Scope> {
    Memory::operations().needing(permission)[0]
}
