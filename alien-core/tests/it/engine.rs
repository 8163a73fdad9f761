//! The engine on the in-process cloud: the suite that every cloud passes, and what only a cloud in this process can show.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alien_conformance::world::{Calls, Case, PausedClock, World, quickly, release, run};
use alien_conformance::{life, stacks};
use alien_core::call::Calling;
use alien_core::cloud;
use alien_core::engine::Data;
use alien_core::manage::Health;
use alien_core::memory::{self, Account, Fault, Memory, Right, Target};
use alien_core::permission::Layer;
use alien_core::{
    Code, Container, Deployment, DeploymentId, ErrorKind, Frozen, Function, FunctionUpdate, Impersonate, Live, Network,
    Profile, Provision, Queue, Silent, Stack, Storage,
};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::future::join_all;

struct InProcess {
    account: Account,
    clock: Arc<PausedClock>,
}

impl InProcess {
    fn new() -> Self {
        let clock = PausedClock::begin();
        Self { account: Account::new(clock.clone()), clock }
    }
}

#[async_trait]
impl World for InProcess {
    type Cloud = Memory;

    fn target(&self, prefix: &str) -> Target {
        Target::new(prefix).unwrap()
    }

    fn calling(&self) -> Calling {
        quickly(self.clock.clone(), Duration::from_secs(120))
    }

    fn provisioner(&self, id: DeploymentId, target: Target, how: Calling) -> Arc<dyn Provision> {
        Arc::new(memory::provisioner(&self.account, id, target, how))
    }

    fn impersonator(&self, how: Calling) -> Arc<dyn Impersonate> {
        Arc::new(memory::impersonator(&self.account, "vendor", "proof", how))
    }

    fn zip(&self, says: &str) -> Vec<u8> {
        says.as_bytes().to_vec()
    }

    async fn take_away(&self, _: &Deployment, permission: &str, on: &[String]) {
        for name in on {
            self.account.without(&Right { permission: permission.to_owned(), on: name.clone() });
        }
    }

    async fn give_back(&self, deployment: &Deployment) {
        let site = alien_core::Site::<Memory>::of(deployment).unwrap();
        let document = <Memory as alien_core::cloud::Cloud>::principal(&site.deployed(), &site.permissions.management);
        self.account.set_document(&site.identity(), document);
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_life_of_a_stack() {
    life::the_whole_life_of_a_stack(&InProcess::new()).await;
}

#[tokio::test(start_paused = true)]
async fn every_grant_is_needed_and_none_is_missing() {
    life::every_grant_is_needed_and_none_is_missing(&InProcess::new()).await;
}

fn zips(world: &InProcess) -> Vec<u8> {
    world.zip("first")
}

/// A set-up that is killed at each of its calls in turn, before it is done or after, and then begun again.
#[tokio::test(start_paused = true)]
async fn a_set_up_killed_at_any_call_is_finished_by_the_next() {
    let reference = InProcess::new();
    let stack = life::product(&zips(&reference));
    let release = release(&stack, &[zips(&reference)]);
    let case = Case::new(&reference, "killed", stack.clone());
    case.up(&release, None).await.unwrap();
    let (calls, names) = (reference.account.asked().len(), reference.account.names());
    assert!(calls > 50, "{calls}");
    for at in 0..calls {
        for fault in [Fault::KilledBefore, Fault::KilledAfter] {
            let world = InProcess::new();
            let case = Case::new(&world, "killed", stack.clone());
            world.account.fail_at(at, fault);
            match case.up(&release, None).await {
                Err(error) => assert!(error.to_string().contains("killed"), "{at} {fault:?}: {error}"),
                // In the end the claim is given back, by a look and a call: it would lapse by itself.
                Ok(_) => assert!(at + 2 >= calls, "{at} {fault:?}"),
            }
            world.account.restart();
            let options = run().take_over();
            let plan = case.provisioner.plan(&release, None, &options).await.unwrap();
            let deployment = case.provisioner.apply(&plan, &options, &Silent).await.unwrap();
            assert_eq!(world.account.names(), names, "{at} {fault:?}");
            let plan = case.provisioner.plan(&release, Some(&deployment), &run()).await.unwrap();
            assert!(plan.is_empty(), "{at} {fault:?}: {plan}");
            let vendor = world.impersonator(world.calling());
            vendor.register(&case.invitation, &deployment).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_down_killed_at_any_call_is_finished_by_the_next() {
    let reference = InProcess::new();
    let stack = life::product(&zips(&reference));
    let release = release(&stack, &[zips(&reference)]);
    let case = Case::new(&reference, "killed", stack.clone());
    let deployment = case.up(&release, None).await.unwrap();
    let before = reference.account.asked().len();
    case.provisioner.destroy(&deployment, Data::Delete, &run(), &Silent).await.unwrap();
    let calls = reference.account.asked().len() - before;
    assert!(calls > 30, "{calls}");
    for at in 0..calls {
        for fault in [Fault::KilledBefore, Fault::KilledAfter] {
            let world = InProcess::new();
            world.account.add_foreign("someone-elses");
            let case = Case::new(&world, "killed", stack.clone());
            let deployment = case.up(&release, None).await.unwrap();
            world.account.fail_at(at, fault);
            let killed = case.provisioner.destroy(&deployment, Data::Delete, &run(), &Silent).await;
            // In the end the claim is looked for, which went with the deployment.
            assert!(killed.is_err() || at + 2 >= calls, "{at} {fault:?}");
            world.account.restart();
            let options = run().take_over();
            let remains = case.provisioner.destroy(&deployment, Data::Delete, &options, &Silent).await.unwrap();
            assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{at} {fault:?}: {remains:?}");
            assert_eq!(world.account.names(), ["someone-elses"], "{at} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_calls_lost_answers_and_throttling_change_nothing() {
    let reference = InProcess::new();
    let stack = life::product(&zips(&reference));
    let release = release(&stack, &[zips(&reference)]);
    let deployment = Case::new(&reference, "lossy", stack.clone()).up(&release, None).await.unwrap();
    let calls = reference.account.asked().len();
    for fault in [Fault::Lost, Fault::AnswerLost, Fault::Throttled] {
        for at in 0..calls {
            let world = InProcess::new();
            world.account.fail_at(at, fault);
            let case = Case::new(&world, "lossy", stack.clone());
            let found = case.up(&release, None).await.unwrap_or_else(|error| panic!("{at} {fault:?}: {error}"));
            assert_eq!(found.resources, deployment.resources);
            assert_eq!(world.account.names(), reference.account.names());
        }
    }
    let world = InProcess::new();
    world.account.throttle_every(3);
    Case::new(&world, "lossy", stack).up(&release, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_everywhere_yet_is_waited_for_within_a_budget() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let release = release(&stack, &[zips(&world)]);
    world.account.set_settling(Duration::from_secs(15));
    let case = Case::new(&world, "slow", stack.clone());
    let deployment = case.up(&release, None).await.unwrap();
    world.impersonator(world.calling()).register(&case.invitation, &deployment).await.unwrap();

    let world = InProcess::new();
    world.account.set_settling(Duration::from_secs(600));
    let error = Case::new(&world, "slow", stack).up(&release, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settling, "{error}");
}

#[tokio::test(start_paused = true)]
async fn of_two_admins_at_once_one_wins_and_the_other_is_told() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let release = release(&stack, &[zips(&world)]);
    let case = Case::new(&world, "two", stack.clone());
    let other = world.provisioner(case.invitation.id, case.target.clone(), world.calling());
    let (one, two) = (run(), run());
    let plan = case.provisioner.plan(&release, None, &one).await.unwrap();
    let (first, second) =
        tokio::join!(case.provisioner.apply(&plan, &one, &Silent), other.apply(&plan, &two, &Silent),);
    let lost = match (first, second) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        (first, second) => panic!("one wins: {first:?} {second:?}"),
    };
    assert_eq!(lost.kind(), ErrorKind::Claimed, "{lost}");
    assert!(lost.to_string().contains("is setting up or taking down this deployment, until"), "{lost}");
    let plan = case.provisioner.plan(&release, None, &run()).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn the_claim_of_a_run_that_was_killed_lapses() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let release = release(&stack, &[zips(&world)]);
    let case = Case::new(&world, "lapse", stack);
    world.account.fail_at(40, Fault::KilledAfter);
    case.up(&release, None).await.unwrap_err();
    world.account.restart();
    let error = case.up(&release, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Claimed, "{error}");
    tokio::time::advance(Duration::from_secs(61)).await;
    case.up(&release, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lasts_longer_than_its_claim_renews_it_and_a_claim_that_is_taken_over_ends_the_run() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let release = release(&stack, &[zips(&world)]);
    world.account.set_settling(Duration::from_secs(100));
    let case = Case::new(&world, "long", stack);
    let (one, two) = (run(), run());
    let plan = case.provisioner.plan(&release, None, &one).await.unwrap();
    let late = async {
        // Longer than a claim lasts without being renewed.
        tokio::time::sleep(Duration::from_secs(75)).await;
        let refused = case.provisioner.apply(&plan, &two, &Silent).await.unwrap_err();
        let taken = case.provisioner.apply(&plan, &two.clone().take_over(), &Silent).await;
        (refused, taken)
    };
    let (first, (refused, taken)) = tokio::join!(case.provisioner.apply(&plan, &one, &Silent), late);
    assert_eq!(refused.kind(), ErrorKind::Claimed, "{refused}");
    taken.unwrap();
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Claimed);
}

#[tokio::test(start_paused = true)]
async fn something_foreign_of_the_same_name_is_an_error_and_is_not_touched() {
    let reference = InProcess::new();
    let stack = life::product(&zips(&reference));
    let release = release(&stack, &[zips(&reference)]);
    let deployment = Case::new(&reference, "name", stack.clone()).up(&release, None).await.unwrap();
    for (id, name) in &deployment.resources {
        let world = InProcess::new();
        world.account.add_foreign(name);
        let case = Case::new(&world, "name", stack.clone());
        let error = case.up(&release, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(&format!("`{id}`: something of this name is there")), "{error}");
        assert_eq!(world.account.names(), std::slice::from_ref(name));
        let own = Deployment { id: case.invitation.id, ..deployment.clone() };
        let error = case.provisioner.destroy(&deployment, Data::Delete, &run(), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "the record is another deployment's: {error}");
        let remains = case.provisioner.destroy(&own, Data::Delete, &run(), &Silent).await.unwrap();
        assert_eq!(remains.foreign.len(), 1);
        assert_eq!(world.account.names(), std::slice::from_ref(name));
    }
}

#[tokio::test(start_paused = true)]
async fn data_is_kept_unless_told_otherwise() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let release = release(&stack, &[zips(&world)]);
    let case = Case::new(&world, "data", stack);
    let deployment = case.up(&release, None).await.unwrap();
    let data = &deployment.resources["data"];
    world.account.set_objects(data, 3);
    let remains = case.provisioner.destroy(&deployment, Data::KeepUnlessEmpty, &run(), &Silent).await.unwrap();
    assert_eq!((remains.kept.len(), remains.kept[0].subject.as_str()), (1, "data"));
    assert_eq!(world.account.names(), std::slice::from_ref(data), "what is empty is gone");
    case.up(&release, None).await.unwrap();
    let remains = case.provisioner.destroy(&deployment, Data::Keep, &run(), &Silent).await.unwrap();
    assert_eq!(remains.kept.len(), 3, "{remains:?}");
    case.provisioner.destroy(&deployment, Data::Delete, &run(), &Silent).await.unwrap();
    assert_eq!(world.account.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_resource_that_changed_is_refused_unless_the_admin_allows_it_and_what_is_removed_goes() {
    let world = InProcess::new();
    let stack = |memory: u32, extra: bool| {
        let mut stack = Stack::builder("frozen");
        stack.frozen("ledger", Function::new(Code::zip(b"ledger"), "ledger").memory_mib(memory));
        stack.profile("ledger", Profile::new());
        if extra {
            stack.live("jobs", Queue::new());
            stack.live("worker", Container::new(Code::image(stacks::IMAGE), "worker"));
            stack.profile("worker", Profile::new());
        }
        stack.build().unwrap()
    };
    let zip = [b"ledger".to_vec()];
    let case = Case::new(&world, "frozen", stack(128, true));
    let deployment = case.up(&release(&stack(128, true), &zip), None).await.unwrap();
    let names = world.account.names().len();

    let next = release(&stack(256, false), &zip);
    let error = case.up(&next, Some(&deployment)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(
        error.problems()[0].what,
        "it is frozen, and its settings changed; take the change back, or pass --allow-frozen-changes (memoryMib)"
    );
    assert_eq!(world.account.names().len(), names, "nothing was done");

    let options = run().allow_frozen_changes();
    let plan = case.provisioner.plan(&next, Some(&deployment), &options).await.unwrap();
    insta::assert_snapshot!(plan.to_string());
    case.provisioner.apply(&plan, &options, &Silent).await.unwrap();
    assert_eq!(
        world.account.names(),
        ["function/frozen-ledger-6", "identity/frozen-management-6", "identity/frozen-runtime-ledger-6"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_existing_network_is_used_and_never_touched() {
    let world = InProcess::new();
    let mut stack = Stack::builder("adopts");
    let network = stack.frozen("net", Network::existing("customers-net"));
    stack.live("worker", Container::new(Code::image(stacks::IMAGE), "worker").network(&network));
    stack.profile("worker", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(&world, "adopts", stack.clone());
    let error = case.up(&release(&stack, &[]), None).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Missing, Some("net")), "{error}");
    world.account.add_foreign("customers-net");
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    assert_eq!(deployment.resources["net"], "customers-net");
    case.provisioner.destroy(&deployment, Data::Delete, &run(), &Silent).await.unwrap();
    assert_eq!(world.account.names(), ["customers-net"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_opened_once_for_all_who_ask_and_renewed_by_one_of_them() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "many", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
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
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "few", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().zip(*b"second")).await.unwrap();
    // To get in; to name the identity the code runs under, which is a call of its own here; the code; to see it work.
    assert_eq!(calls.operations(), ["identity.assume", "identity.give", "code.set", "thing.get"]);
    manager.update(&api, FunctionUpdate::new().memory_mib(512)).await.unwrap();
    assert_eq!(calls.operations(), ["identity.assume", "code.settings"], "of another stack, so by another session");
    manager.update(&api, FunctionUpdate::new().memory_mib(512)).await.unwrap();
    assert_eq!(calls.operations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn code_that_does_not_work_is_taken_back_and_the_record_stays() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "broken", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let error = manager.update(&api, FunctionUpdate::new().zip(*b"broken")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("its code does not start; the code it had runs again"), "{error}");
    let now = manager.deployment();
    assert_eq!(now.stack, deployment.stack);
    assert_eq!(now.uncertain, [api.id().clone()].into(), "an update was begun");
    assert_eq!(manager.heartbeat(&api).await.unwrap().health, Health::Healthy);
    // The same code as before is sent all the same, because nobody knows what runs.
    let (manager, calls) = case.manager(&now);
    manager.update(&api, FunctionUpdate::new().zip(zips(&world))).await.unwrap();
    assert!(calls.operations().contains(&"code.set"));
    assert_eq!(manager.deployment(), deployment);
}

/// A program that is interrupted between its first call and its last leaves a record that says what to do again.
#[tokio::test(start_paused = true)]
async fn a_release_that_was_begun_and_not_ended_is_sent_again_whatever_the_stack_says() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "begun", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let mut form = serde_json::to_value(&stack).unwrap();
    form["resources"][0]["memoryMib"] = 512.into();
    let next = Stack::from_json(&form.to_string()).unwrap();
    let begun = manager.begin(&release(&next, &[zips(&world)])).unwrap();
    assert_eq!(begun.changed(), ["api".parse().unwrap()]);
    let kept = manager.deployment();
    assert_eq!(kept.uncertain.len(), 1);
    // To carry it out costs what it costs without a record in between.
    manager.carry_out(begun, &alien_core::Artifacts::default()).await.unwrap();
    assert_eq!(calls.operations(), ["identity.assume", "code.settings"]);
    // The other program, which only knows that something was begun, goes back to the first stack.
    let (other, calls) = case.manager(&kept);
    other.release(&release(&stack, &[zips(&world)]), &alien_core::Artifacts::default()).await.unwrap();
    let made = calls.operations();
    assert!(made.contains(&"code.set") && made.contains(&"code.settings"), "{made:?}");
    assert_eq!(other.deployment(), deployment);
}

/// What an earlier release had and was kept for its data is known by the record, and taken down with the rest.
#[tokio::test(start_paused = true)]
async fn what_was_kept_when_it_left_the_stack_is_taken_down_in_the_end() {
    let world = InProcess::new();
    let stack = |extra: bool| {
        let mut stack = Stack::builder("kept");
        stack.frozen("data", Storage::new());
        if extra {
            stack.live("jobs", Queue::new());
        }
        stack.build().unwrap()
    };
    let case = Case::new(&world, "kept", stack(true));
    let first = case.up(&release(&stack(true), &[]), None).await.unwrap();
    world.account.set_objects("queue/kept-jobs-4", 1);
    let second = case.up(&release(&stack(false), &[]), Some(&first)).await.unwrap();
    assert_eq!(second.retired, std::slice::from_ref(&first.stack));
    let third = case.up(&release(&stack(false), &[]), Some(&second)).await.unwrap();
    assert_eq!(third, second, "it still holds data");
    let remains = case.provisioner.destroy(&third, Data::KeepUnlessEmpty, &run(), &Silent).await.unwrap();
    assert_eq!(remains.kept.len(), 1);
    assert_eq!(world.account.names(), ["queue/kept-jobs-4"]);
    case.provisioner.destroy(&third, Data::Delete, &run(), &Silent).await.unwrap();
    assert_eq!(world.account.names(), [""; 0]);
}

/// Of an engine and a record, a plan or an identity that do not belong together, nothing is touched.
#[tokio::test(start_paused = true)]
async fn what_is_another_deployments_is_not_revoked_and_not_taken_down() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let release = release(&stack, &[zips(&world)]);
    let one = Case::new(&world, "acme", stack.clone());
    let deployment = one.up(&release, None).await.unwrap();
    // Another deployment's admin mistypes the prefix.
    let other = Case::new(&world, "acme", stack.clone());
    let mistaken = Deployment { id: other.invitation.id, ..deployment.clone() };
    let error = other.provisioner.revoke(&mistaken, &run()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    let plan = one.provisioner.plan(&release, None, &run()).await.unwrap();
    assert_eq!(other.provisioner.apply(&plan, &run(), &Silent).await.unwrap_err().kind(), ErrorKind::Input);
    let names = world.account.names();
    let remains = other.provisioner.destroy(&mistaken, Data::Delete, &run(), &Silent).await.unwrap();
    assert_eq!(remains.foreign.len(), names.len(), "{remains:?}");
    assert_eq!(world.account.names(), names);
    world.impersonator(world.calling()).register(&one.invitation, &deployment).await.unwrap();
}

/// A failure is shared by those who waited for it, and a session that is refused is not replaced at every call.
#[tokio::test(start_paused = true)]
async fn many_who_wait_for_a_session_do_not_fail_one_after_another() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "crowd", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
    case.provisioner.revoke(&deployment, &run()).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let resources = manager.resources();
    let beats = join_all((0..100).map(|n| manager.heartbeat(&resources[n % resources.len()]))).await;
    assert!(beats.iter().all(|beat| beat.as_ref().unwrap_err().kind() == ErrorKind::Revoked));
    assert_eq!(calls.operations(), ["identity.assume"]);

    case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
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
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "beat", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let data = manager.find::<Storage, Frozen>("data").unwrap();
    let right = Right { permission: "thing.get".to_owned(), on: deployment.resources["data"].clone() };
    world.account.without(&right);
    let beat = manager.heartbeat(&data).await.unwrap();
    assert_eq!(beat.health, Health::Denied);
    assert!(beat.reason.contains("it needs thing.get: the customer's admin gives it by setting up again"), "{beat:?}");
    world.give_back(&deployment).await;
    world.account.remove(&deployment.resources["data"]);
    assert_eq!(manager.heartbeat(&data).await.unwrap().health, Health::Missing);
}

#[tokio::test(start_paused = true)]
async fn a_log_is_read_page_by_page_to_its_end() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "pages", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    for n in 0..2500 {
        manager.dispatch(&api, n.to_string().as_bytes()).await.unwrap();
    }
    let _ = calls.take();
    let lines: Vec<_> = manager.logs(&api, jiff::Timestamp::UNIX_EPOCH).try_collect().await.unwrap();
    let expected: Vec<String> = (0..2500).map(|n| format!("command {n}")).collect();
    assert_eq!(lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(calls.operations(), ["logs.read"; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_trusts_without_proof_is_not_registered() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let case = Case::new(&world, "probe", stack.clone());
    let deployment = case.up(&release(&stack, &[zips(&world)]), None).await.unwrap();
    let mut open = world.account.document(&deployment.identity).unwrap();
    open.trusts = Some(("vendor".to_owned(), "wrong".to_owned()));
    world.account.set_document(&deployment.identity, open);
    // What the vendor presents is the wrong proof, which this identity takes.
    let vendor = memory::impersonator(&world.account, "vendor", "wrong", world.calling());
    let error = vendor.register(&case.invitation, &deployment).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("lets the vendor in with a wrong proof"), "{error}");
    let honest = world.impersonator(world.calling());
    assert_eq!(honest.register(&case.invitation, &deployment).await.unwrap_err().kind(), ErrorKind::Revoked);
}

/// The provisioning documents are enough to set up and to take down, and what they give is used.
#[tokio::test(start_paused = true)]
async fn the_admin_needs_what_the_provisioning_documents_say_and_no_more() {
    let world = InProcess::new();
    let stack = life::product(&zips(&world));
    let release = release(&stack, &[zips(&world)]);
    let case = Case::new(&world, "admin", stack.clone());
    let rendered = cloud::render::<Memory>(&stack, &case.target).unwrap();
    let rights = &rendered.documents.layers.principals(Layer::Provisioning)[0].rights;
    world.account.limit_admin(rights.clone());
    let deployment = case.up(&release, None).await.unwrap();
    case.provisioner.destroy(&deployment, Data::KeepUnlessEmpty, &run(), &Silent).await.unwrap();
    let used: BTreeSet<Right> = world.account.asked().into_iter().map(|asked| asked.right).collect();
    let spare: Vec<&Right> = rights.iter().filter(|right| !used.contains(right)).collect();
    assert!(spare.is_empty(), "{spare:?}");
}
