//! What the customer lets the vendor create and delete: what is missing, killed on the way, somebody else's, or not agreed.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use alien_conformance::agreed;
use alien_conformance::world::{Case, World};
use alien_core::memory::BROKEN;
use alien_core::{
    Artifacts, Call, ChangeKind, Code, Data, Deployment, ErrorKind, Function, FunctionUpdate, Kv, Live, Manager,
    Profile, Queue, Release, Released, Remedy, ResourceId, Stack, Who,
};
use futures_util::FutureExt as _;

use crate::in_process::InProcess;

#[tokio::test(start_paused = true)]
async fn what_the_customer_lets_the_vendor_is_created_and_deleted() {
    agreed::what_the_customer_lets_the_vendor_is_created_and_deleted(&InProcess::new()).await;
}

#[tokio::test(start_paused = true)]
async fn every_grant_to_create_or_delete_is_needed() {
    agreed::every_grant_to_create_or_delete_is_needed(&InProcess::new()).await;
}

const CODE: &[u8] = b"code";

/// A function that stays, and a function and a queue that the vendor may create and delete.
fn whole(code: &[u8]) -> Release {
    let mut stack = Stack::builder("agreed");
    stack.live("keep", Function::new(Code::zip(code), "code"));
    let helper = stack.live("helper", Function::new(Code::zip(CODE), "helper"));
    let jobs = stack.live("jobs", Queue::new());
    stack.extend(&helper, [Function::PROVISION]);
    stack.extend(&jobs, [Queue::PROVISION]);
    stack.profile("code", Profile::new());
    stack.profile("helper", Profile::new().on(&jobs, [Queue::DATA_READ]));
    released(stack.build().unwrap(), code)
}

/// The same without what the vendor may delete.
fn less(code: &[u8]) -> Release {
    let mut stack = Stack::builder("agreed");
    stack.live("keep", Function::new(Code::zip(code), "code"));
    stack.profile("code", Profile::new());
    released(stack.build().unwrap(), code)
}

fn released(stack: Stack, code: &[u8]) -> Release {
    let artifacts: Artifacts = [Arc::from(CODE), Arc::from(code)].into_iter().collect();
    Release::new(stack, artifacts).unwrap()
}

fn jobs() -> ResourceId {
    "jobs".parse().unwrap()
}

async fn deployed(world: &InProcess) -> (Case<'_, InProcess>, Deployment, Manager) {
    let first = whole(CODE);
    let case = Case::new(world, "agreed", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    (case, deployment, manager)
}

fn outcome<'r>(released: &'r Released, id: &str) -> &'r str {
    released.outcomes().find(|(found, _)| found.as_str() == id).unwrap().1.name()
}

/// Polls a release so often, and drops it. Returns whether it has ended.
fn dropped_after(polls: usize, manager: &Manager, release: &Release) -> bool {
    let mut rolling = std::pin::pin!(manager.release(release).delete_data(jobs()).into_future());
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| matches!(rolling.poll_unpin(&mut context), Poll::Ready(_)))
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_at_any_point_is_finished_by_the_next_release_and_nothing_is_orphaned() {
    for (start_with_less, next_is_less) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut ended = false;
        for polls in 0..200 {
            let world = InProcess::new();
            let before = world.account.names();
            let (case, _, manager) = deployed(&world).await;
            if start_with_less {
                let released = manager.release(&less(CODE)).delete_data(jobs()).await;
                assert!(released.is_ok(), "{released}");
            }
            let (begun, next) = if start_with_less { (whole(CODE), less(CODE)) } else { (less(CODE), whole(CODE)) };
            ended = dropped_after(polls, &manager, &begun);
            let next = if next_is_less == start_with_less { next } else { begun };
            let manager = Manager::new(world.vendor(world.calling()), manager.deployment());
            let released = manager.release(&next).delete_data(jobs()).await;
            assert!(released.is_ok(), "after {polls} polls: {released}");
            let now = manager.deployment();
            assert_eq!((&now.stack, now.uncertain.len()), (next.stack(), 0), "after {polls} polls");
            assert_eq!(now.agreed.is_some(), next.stack().resources().len() == 1, "after {polls} polls");
            let there = world.account.names().iter().filter(|name| name.starts_with("queue/")).count();
            assert_eq!(there, usize::from(next.stack().resource("jobs").is_some()), "after {polls} polls");
            case.admin.destroy(&now).data(Data::Delete).await.unwrap();
            assert_eq!(world.account.names(), before, "after {polls} polls");
            if ended {
                break;
            }
        }
        assert!(ended, "no release came to its end");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deleted_is_created_again_by_a_release() {
    let world = InProcess::new();
    let (case, deployment, manager) = deployed(&world).await;
    for id in ["helper", "jobs"] {
        world.account.remove(deployment.resource(&id.parse().unwrap()).unwrap());
    }
    let released = manager.release(&whole(CODE)).await;
    assert_eq!(["helper", "jobs", "keep"].map(|id| outcome(&released, id)), ["created", "created", "unchanged"]);
    let waits: Vec<_> = released.waits().map(|(id, _)| id.as_str()).collect();
    assert_eq!(waits, ["helper", "jobs"], "only the admin writes that they are finished");
    assert!(released.to_string().contains("helper: created; the customer's admin sets up again for what only"));
    let plan = case.admin.plan(&whole(CODE)).previous(&manager.deployment()).await.unwrap();
    assert!(plan.to_string().contains("update  helper (function): an earlier run did not finish it"), "{plan}");
    assert_eq!(manager.deployment().agreed, None, "the customer's cloud has all that was agreed");
}

/// What is created is created with the bytes of the release.
#[tokio::test(start_paused = true)]
async fn code_that_is_created_is_what_the_release_brings() {
    let world = InProcess::new();
    let (_, deployment, manager) = deployed(&world).await;
    world.account.remove(&deployment.resources["helper"]);
    let stack = whole(CODE).stack().with_code("helper", Code::zip(BROKEN)).unwrap();
    let released = manager.release(&self::released(stack, BROKEN)).await;
    assert_eq!(outcome(&released, "helper"), "created", "{released}");
    let helper = manager.find::<Function, Live>("helper").unwrap();
    assert_eq!(manager.heartbeat(&helper).await.unwrap().reason, "its code does not start");
}

/// Code is compared, and what the vendor may create is looked for: nothing else is looked at.
#[tokio::test(start_paused = true)]
async fn a_release_looks_at_what_it_may_have_to_change_and_at_nothing_else() {
    let world = InProcess::new();
    let (case, deployment, _) = deployed(&world).await;
    let (manager, calls) = case.manager(&deployment);
    let looked = || {
        let mut looked: Vec<String> = calls.take().into_iter().map(|call| call.subject).collect();
        looked.sort();
        looked
    };
    assert!(manager.release(&whole(CODE)).await.is_ok());
    let identity = "the identity that trusts the vendor";
    assert_eq!(looked(), ["helper", "helper", "jobs", "keep", identity]);
    let keep = manager.find::<Function, Live>("keep").unwrap();
    manager.update(&keep, FunctionUpdate::new().with_memory_mib(512)).await.unwrap();
    assert_eq!(looked(), ["keep"], "it has this size");
}

/// Nobody knows whether a call that failed was done: the next release looks, and creates what is not there.
#[tokio::test(start_paused = true)]
async fn what_may_have_been_created_is_uncertain_until_the_next_release() {
    let world = InProcess::new();
    let (case, deployment, _) = deployed(&world).await;
    let name = deployment.resource(&jobs()).unwrap().to_owned();
    world.account.remove(&name);
    let (account, missed) = (world.account.clone(), AtomicUsize::new(0));
    // It is missed when it is looked for, and again just before it is created.
    let watch = move |call: &Call| {
        let is_missed = call.failure == Some(ErrorKind::NotFound);
        if is_missed && missed.fetch_add(1, Ordering::Relaxed) == 1 {
            account.throttle_every(1);
        }
    };
    let manager = Manager::new(world.vendor(world.calling().with_recorder(Arc::new(watch))), deployment);
    let released = manager.release(&whole(CODE)).await;
    assert_eq!(["helper", "jobs", "keep"].map(|id| outcome(&released, id)), ["unchanged", "unknown", "unchanged"]);
    assert_eq!(manager.deployment().uncertain, [jobs()].into());
    assert!(!world.account.names().contains(&name));
    world.account.restart();
    let (again, _) = case.manager(&manager.deployment());
    assert_eq!(outcome(&again.release(&whole(CODE)).await, "jobs"), "created");
    assert_eq!(again.deployment().uncertain, [].into());
}

/// Some clouds keep the permission to look on the thing itself, and it is gone with it.
#[tokio::test(start_paused = true)]
async fn what_is_created_and_may_not_be_looked_at_waits_for_its_permissions() {
    let world = InProcess::new();
    let (_, deployment, manager) = deployed(&world).await;
    let name = deployment.resource(&jobs()).unwrap().to_owned();
    world.account.remove(&name);
    world.take_away(&deployment, "thing.get", std::slice::from_ref(&name)).await;
    let released = manager.release(&whole(CODE)).await;
    assert_eq!(outcome(&released, "jobs"), "created", "{released}");
    let waits: Vec<_> = released.waits().collect();
    assert!(matches!(waits[..], [(_, what)] if what.contains("permissions of everyone who uses it")), "{released}");
    assert!(world.account.names().contains(&name));
    // Where it exists and may not be looked at, nothing is done, and the denial is told.
    let released = manager.release(&whole(CODE)).await;
    assert_eq!(outcome(&released, "jobs"), "not-updated", "{released}");
    assert!(released.into_result().unwrap_err().to_string().contains("thing.get"));
    world.give_back(&deployment).await;
    assert!(manager.release(&whole(CODE)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_thing_of_that_name_is_left_alone() {
    let world = InProcess::new();
    let (_, deployment, manager) = deployed(&world).await;
    let name = deployment.resource(&jobs()).unwrap();
    world.account.remove(name);
    world.account.add_foreign(name);
    let released = manager.release(&less(CODE)).delete_data(jobs()).await;
    let (_, told) = released.outcomes().find(|(id, _)| **id == jobs()).unwrap();
    assert_eq!((told.name(), told.error().unwrap().kind()), ("not-updated", ErrorKind::NotOwned), "{released}");
    assert!(world.account.names().iter().any(|found| found == name));
    assert!(manager.deployment().stack.resource("jobs").is_some(), "the record keeps what was not deleted");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_while_something_else_is_not_as_the_release_says() {
    let world = InProcess::new();
    let (_, deployment, manager) = deployed(&world).await;
    let released = manager.release(&less(BROKEN)).delete_data(jobs()).await;
    assert_eq!(["helper", "jobs", "keep"].map(|id| outcome(&released, id)), ["not-updated", "not-updated", "put-back"]);
    assert!(released.to_string().contains("deleted when everything else is as the release says"), "{released}");
    assert_eq!(manager.deployment().stack, deployment.stack);
    // The next release that works deletes them.
    let released = manager.release(&less(b"next")).delete_data(jobs()).await;
    assert_eq!(["helper", "jobs", "keep"].map(|id| outcome(&released, id)), ["deleted", "deleted", "updated"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_customer_did_not_agree_to_waits_for_the_admin_by_name() {
    let world = InProcess::new();
    let (_, deployment, manager) = deployed(&world).await;
    let refusal = |released: Released| released.refusal().unwrap().clone();
    let asked = world.account.asked().len();

    // What holds data is named.
    let error = refusal(manager.release(&less(CODE)).await);
    assert_eq!(
        (error.problems()[0].subject.as_deref(), error.problems()[0].remedy),
        (Some("jobs"), Some(Remedy::DeleteData))
    );
    // A resource that is not extended, and one that the customer does not know.
    let mut other = Stack::builder("agreed");
    let helper = other.live("helper", Function::new(Code::zip(CODE), "helper"));
    let more = other.live("more", Queue::new());
    other.extend(&helper, [Function::PROVISION]).extend(&more, [Queue::PROVISION]);
    other.profile("helper", Profile::new());
    let error = refusal(manager.release(&released(other.build().unwrap(), CODE)).delete_data(jobs()).await);
    for told in ["`keep`: removed", "`more`: management gains `queue/provision`"] {
        assert!(error.to_string().contains(told), "{told}: {error}");
    }
    assert_eq!(manager.deployment(), deployment);

    // What was deleted may come back as it was, and not as something else.
    let released_less = manager.release(&less(CODE)).delete_data(jobs()).await;
    assert!(released_less.is_ok(), "{released_less}");
    let record = manager.deployment();
    let back = record.diff(whole(CODE).stack());
    assert!(back.changes.iter().all(|change| change.who == Who::Vendor), "{back:?}");
    assert_eq!(back.admin_only(), []);
    let begun = || {
        let mut stack = Stack::builder("agreed");
        stack.live("keep", Function::new(Code::zip(CODE), "code"));
        stack.profile("code", Profile::new());
        stack
    };
    let with_helper = |helper: Function| {
        let mut stack = begun();
        let helper = stack.live("helper", helper);
        stack.extend(&helper, [Function::PROVISION]);
        stack.profile("helper", Profile::new());
        stack.build().unwrap()
    };
    let mut other_settings = begun();
    let jobs = other_settings.live("jobs", Queue::new().with_dead_letters_after(7));
    other_settings.extend(&jobs, [Queue::PROVISION]);
    let mut frozen = begun();
    let jobs = frozen.frozen("jobs", Queue::new());
    frozen.extend(&jobs, [Queue::PROVISION]);
    let mut other_kind = begun();
    let jobs = other_kind.live("jobs", Kv::new());
    other_kind.extend(&jobs, [Kv::PROVISION]);
    let [other_settings, frozen, other_kind] = [other_settings, frozen, other_kind].map(|stack| stack.build().unwrap());
    let larger = with_helper(Function::new(Code::zip(CODE), "helper").with_memory_mib(1024));
    for (id, stack) in [("jobs", other_settings), ("jobs", frozen), ("jobs", other_kind), ("helper", larger)] {
        let change = record.diff(&stack).changes.into_iter().find(|change| change.resource == id).unwrap();
        assert_eq!((change.kind, change.who), (ChangeKind::Added, Who::Admin), "{stack:?}");
        let error = refusal(manager.release(&released(stack, CODE)).await);
        let told = error.problems().iter().any(|problem| problem.subject.as_deref() == Some(id));
        assert!(told, "{error}");
    }
    let newer = with_helper(Function::new(Code::zip(b"next"), "helper"));
    let change = record.diff(&newer).changes.into_iter().find(|change| change.resource == "helper").unwrap();
    assert_eq!(change.who, Who::Vendor, "what it may update, it may create otherwise");
    assert!(world.account.asked().len() > asked);
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(Deployment::from_json(&text).unwrap(), record, "and the record is read back");
}
