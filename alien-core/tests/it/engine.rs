//! Set-up and take-down on the in-process cloud: the whole life, and what only a cloud in this process can show.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::world::{Calls, Case, Shipped, World, release};
use alien_conformance::{life, stacks};
use alien_core::adapter::{DeploymentContext, Fingerprint, Foreign, Observed, Options, State};
use alien_core::memory;
use alien_core::memory::Fault;
use alien_core::memory::Memory;
use alien_core::memory::Right;
use alien_core::{
    Action, Admin, Code, Container, Data, ErrorKind, Event, Existing, Function, Layer, Network, Plan, Profile, Queue,
    Retry, Stack, Storage,
};

use crate::in_process::{InProcess, first};

#[tokio::test(start_paused = true)]
async fn the_whole_life_of_a_stack() {
    life::the_whole_life_of_a_stack(&InProcess::new()).await;
}

/// A set-up that is killed at each of its calls in turn, before it is done or after, and then begun again.
#[tokio::test(start_paused = true)]
async fn a_set_up_killed_at_any_call_is_finished_by_the_next() {
    let reference = InProcess::new();
    let stack = life::product(&first(&reference));
    let release = release(&stack, &[first(&reference)]);
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
            let plan = case.admin.plan(&release).take_over().await.unwrap();
            let deployment = case.admin.apply(&plan).take_over().await.unwrap();
            assert_eq!(world.account.names(), names, "{at} {fault:?}");
            let plan = case.admin.plan(&release).previous(&deployment).await.unwrap();
            assert!(plan.is_empty(), "{at} {fault:?}: {plan}");
            let vendor = world.vendor(world.calling());
            vendor.register(&case.invitation, &deployment).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_down_killed_at_any_call_is_finished_by_the_next() {
    let reference = InProcess::new();
    let stack = life::product(&first(&reference));
    let release = release(&stack, &[first(&reference)]);
    let case = Case::new(&reference, "killed", stack.clone());
    let deployment = case.up(&release, None).await.unwrap();
    let before = reference.account.asked().len();
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    let calls = reference.account.asked().len() - before;
    assert!(calls > 30, "{calls}");
    for at in 0..calls {
        for fault in [Fault::KilledBefore, Fault::KilledAfter] {
            let world = InProcess::new();
            world.account.add_foreign("someone-elses");
            let case = Case::new(&world, "killed", stack.clone());
            let deployment = case.up(&release, None).await.unwrap();
            world.account.fail_at(at, fault);
            let killed = case.admin.destroy(&deployment).data(Data::Delete).await;
            // In the end the claim is looked for, which went with the deployment.
            assert!(killed.is_err() || at + 2 >= calls, "{at} {fault:?}");
            world.account.restart();
            let remains = case.admin.destroy(&deployment).data(Data::Delete).take_over().await.unwrap();
            assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{at} {fault:?}: {remains:?}");
            assert_eq!(world.account.names(), ["someone-elses"], "{at} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_calls_lost_answers_and_throttling_change_nothing() {
    let reference = InProcess::new();
    let stack = life::product(&first(&reference));
    let release = release(&stack, &[first(&reference)]);
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
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    world.account.set_settling(Duration::from_secs(15));
    let case = Case::new(&world, "slow", stack.clone());
    let deployment = case.up(&release, None).await.unwrap();
    world.vendor(world.calling()).register(&case.invitation, &deployment).await.unwrap();

    let world = InProcess::new();
    world.account.set_settling(Duration::from_secs(600));
    let error = Case::new(&world, "slow", stack).up(&release, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Propagating, "{error}");
}

#[tokio::test(start_paused = true)]
async fn of_two_admins_at_once_one_wins_and_the_other_is_told() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "two", stack.clone());
    let calls = [Calls::default(), Calls::default()];
    let [one, two] = calls.each_ref().map(|calls| {
        let how = world.calling().with_recorder(calls.recorder());
        (world.admin(case.invitation.id, case.target.clone(), how), Options::default())
    });
    let plan = case.admin.plan(&release).await.unwrap();
    let (first, second) =
        tokio::join!(one.0.apply(&plan).options(one.1.clone()), two.0.apply(&plan).options(two.1.clone()));
    let (lost, [loser, winner]) = match (first, second) {
        (Ok(_), Err(error)) => (error, [&calls[1], &calls[0]]),
        (Err(error), Ok(_)) => (error, [&calls[0], &calls[1]]),
        (first, second) => panic!("one wins: {first:?} {second:?}"),
    };
    let touched = loser.operations();
    assert!(
        touched.iter().all(|call| call.starts_with("identity.")),
        "it knew before it had done anything: {touched:?}"
    );
    assert!(winner.operations().len() > 50);
    assert_eq!(lost.kind(), ErrorKind::Locked, "{lost}");
    assert!(lost.to_string().contains("is setting up or taking down this deployment, until"), "{lost}");
    let plan = case.admin.plan(&release).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn the_claim_of_a_run_that_was_killed_lapses() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "lapse", stack);
    let claimed = tokio::time::Instant::now();
    world.account.fail_at(40, Fault::KilledAfter);
    case.up(&release, None).await.unwrap_err();
    world.account.restart();
    let error = case.up(&release, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    tokio::time::advance(Duration::from_secs(60) - claimed.elapsed()).await;
    case.up(&release, None).await.unwrap();
}

/// Whoever removes the identity that carries the claim ends a set-up, and not the take-down that has removed it itself.
#[tokio::test(start_paused = true)]
async fn a_claim_that_is_gone_with_its_identity_ends_a_set_up_and_no_take_down() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "gone", stack);
    world.account.set_settling(Duration::from_secs(100));
    let plan = case.admin.plan(&release).await.unwrap();
    let removed = async {
        tokio::time::sleep(Duration::from_secs(50)).await;
        let mut there = serde_json::to_value(world.account.save()).unwrap();
        there["identities"].as_object_mut().unwrap().remove("identity/gone-management-4").unwrap();
        world.account.load(serde_json::from_value(there).unwrap());
    };
    let (start, options) = (tokio::time::Instant::now(), Options::default());
    let (set_up, ()) = tokio::join!(case.admin.apply(&plan).options(options.clone()), removed);
    assert_eq!(set_up.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(start.elapsed() < Duration::from_secs(80), "at the next renewal: {:?}", start.elapsed());

    // The last looks of a take-down are lost, and made again only long after the claim would have been renewed.
    world.account.set_settling(Duration::ZERO);
    let deployment = case.up(&release, None).await.unwrap();
    let there = world.account.save();
    let slow = Retry { first: Duration::from_secs(1000), most: Duration::from_secs(1000), budget: Duration::MAX };
    let (id, target) = (case.invitation.id, case.target.clone());
    let admin = world.admin(id, target, world.calling().with_retry(slow));
    let before = world.account.asked().len();
    admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    let asked = world.account.asked().split_off(before);
    let last = asked.iter().rposition(|asked| asked.right.permission == "identity.delete").unwrap();
    world.account.load(there);
    for look in 1..=8 {
        world.account.fail_at(last + look, Fault::Lost);
    }
    let start = tokio::time::Instant::now();
    let report = admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(report.kept.is_empty() && start.elapsed() > Duration::from_secs(60), "{report:?} {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lasts_longer_than_its_claim_renews_it_and_a_claim_that_is_taken_over_ends_the_run() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    world.account.set_settling(Duration::from_secs(100));
    let case = Case::new(&world, "long", stack);
    let (one, two) = (Options::default(), Options::default());
    let plan = case.admin.plan(&release).options(one.clone()).await.unwrap();
    let late = async {
        // Longer than a claim lasts without being renewed.
        tokio::time::sleep(Duration::from_secs(75)).await;
        let refused = case.admin.apply(&plan).options(two.clone()).await.unwrap_err();
        let taken = case.admin.apply(&plan).options(two.clone().take_over()).await;
        (refused, taken)
    };
    let (first, (refused, taken)) = tokio::join!(case.admin.apply(&plan).options(one.clone()), late);
    assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
    taken.unwrap();
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Locked);
}

#[tokio::test(start_paused = true)]
async fn something_foreign_of_the_same_name_is_an_error_and_is_not_touched() {
    let reference = InProcess::new();
    let stack = life::product(&first(&reference));
    let release = release(&stack, &[first(&reference)]);
    let deployment = Case::new(&reference, "name", stack.clone()).up(&release, None).await.unwrap();
    for (id, name) in &deployment.resources {
        let world = InProcess::new();
        world.account.add_foreign(name);
        let case = Case::new(&world, "name", stack.clone());
        let error = case.up(&release, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(&format!("`{id}`: something of this name already exists")), "{error}");
        assert_eq!(world.account.names(), std::slice::from_ref(name));
        let mut own = deployment.clone();
        own.id = case.invitation.id;
        let error = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "the record is another deployment's: {error}");
        let remains = case.admin.destroy(&own).data(Data::Delete).await.unwrap();
        assert_eq!((remains.kept.len(), remains.foreign.len()), (1, 0), "the record knows it: {remains:?}");
        let unrecorded = Options::default().without_record();
        let remains = case.admin.destroy(&own).data(Data::Delete).options(unrecorded).await.unwrap();
        assert_eq!((remains.kept.len(), remains.foreign.len()), (0, 1), "no set-up wrote the record: {remains:?}");
        assert_eq!(world.account.names(), std::slice::from_ref(name));
    }
}

#[tokio::test(start_paused = true)]
async fn data_is_kept_unless_told_otherwise() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "data", stack);
    let deployment = case.up(&release, None).await.unwrap();
    let data = &deployment.resources["data"];
    world.account.set_objects(data, 3);
    let remains = case.admin.destroy(&deployment).await.unwrap();
    assert_eq!((remains.kept.len(), remains.kept[0].subject.as_str()), (1, "data"));
    assert_eq!(world.account.names(), std::slice::from_ref(data), "what is empty is gone");
    case.up(&release, None).await.unwrap();
    let remains = case.admin.destroy(&deployment).data(Data::Keep).await.unwrap();
    assert_eq!(remains.kept.len(), 3, "{remains:?}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert_eq!(world.account.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_resource_that_changed_is_refused_unless_the_admin_allows_it_and_what_is_removed_goes() {
    let world = InProcess::new();
    let stack = |memory: u32, extra: bool| {
        let mut stack = Stack::builder("frozen");
        stack.frozen("ledger", Function::new(Code::zip(b"ledger"), "ledger").with_memory_mib(memory));
        stack.profile("ledger", Profile::new());
        if extra {
            stack.live("jobs", Queue::new());
            stack.live("worker", Container::new(stacks::IMAGE.parse::<Code>().unwrap(), "worker"));
            stack.profile("worker", Profile::new());
        }
        stack.build().unwrap()
    };
    let zip = [Shipped::Zip(b"ledger".to_vec())];
    let case = Case::new(&world, "frozen", stack(128, true));
    let deployment = case.up(&release(&stack(128, true), &zip), None).await.unwrap();
    let names = world.account.names().len();

    let next = release(&stack(256, false), &zip);
    let error = case.up(&next, Some(&deployment)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(
        error.problems()[0].what,
        "it is frozen, and its settings changed; take the change back, or allow changes of frozen resources (memoryMib)"
    );
    assert_eq!(world.account.names().len(), names, "nothing was done");

    let plan = case.admin.plan(&next).previous(&deployment).allow_frozen_changes().await.unwrap();
    insta::assert_snapshot!(plan.to_string());
    case.admin.apply(&plan).await.unwrap();
    assert_eq!(
        world.account.names(),
        ["function/frozen-ledger-6", "identity/frozen-management-6", "identity/frozen-runtime-ledger-6"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_existing_network_is_used_and_never_touched() {
    let world = InProcess::new();
    let mut stack = Stack::builder("adopts");
    let network = stack.frozen("net", Network::default());
    stack.live("worker", Container::new(stacks::IMAGE.parse::<Code>().unwrap(), "worker").with_network(&network));
    stack.profile("worker", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(&world, "adopts", stack.clone());
    let stack = stack.with_existing(&network, Existing::new("customers-net")).unwrap();
    let error = case.up(&release(&stack, &[]), None).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::NotFound, Some("net")), "{error}");
    world.account.add_foreign("customers-net");
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    assert_eq!(deployment.resources["net"], "customers-net");
    let down = async || case.admin.destroy(&deployment).data(Data::Delete).await;
    down().await.unwrap();
    assert_eq!(world.account.names(), ["customers-net"]);
    // The customer may have removed what is theirs.
    case.up(&release(&stack, &[]), None).await.unwrap();
    world.account.remove("customers-net");
    down().await.unwrap();
    assert_eq!(world.account.names(), [""; 0]);
}

/// Frozen code is not moved to other subnets of the customer's unless the admin allows it.
#[tokio::test(start_paused = true)]
async fn code_moves_with_the_subnets_that_the_customer_gives() {
    let world = InProcess::new();
    world.account.add_foreign("customers-net");
    let mut stack = Stack::builder("moves");
    let network = stack.frozen("net", Network::default());
    let code = || stacks::IMAGE.parse::<Code>().unwrap();
    stack.frozen("frozen", Container::new(code(), "worker").with_network(&network));
    stack.live("live", Container::new(code(), "worker").with_network(&network));
    stack.profile("worker", Profile::new());
    let stack = stack.build().unwrap();
    let given = |subnets: &[&str]| {
        let existing = Existing::new("customers-net").with_subnets(subnets.iter().copied());
        release(&stack.with_existing(&network, existing).unwrap(), &[])
    };
    let case = Case::new(&world, "moves", stack.clone());
    let deployment = case.up(&given(&["one"]), None).await.unwrap();
    assert!(case.admin.plan(&given(&["one"])).previous(&deployment).await.unwrap().is_empty());
    let actions = |plan: &Plan| {
        let step = |id: &str| plan.steps.iter().find(|step| step.subject == id).map(|step| step.action);
        (step("frozen"), step("live"), step("net"))
    };
    let (update, adopt) = (Some(Action::Update), Some(Action::Adopt));
    let plan = case.admin.plan(&given(&["two"])).previous(&deployment).await.unwrap();
    assert_eq!(actions(&plan), (Some(Action::Refuse), update, adopt), "{plan}");
    let plan = case.admin.plan(&given(&["two"])).previous(&deployment).allow_frozen_changes().await.unwrap();
    assert_eq!(actions(&plan), (update, update, adopt), "{plan}");
    let moved = case.admin.apply(&plan).await.unwrap();
    assert!(case.admin.plan(&given(&["two"])).previous(&moved).await.unwrap().is_empty());
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
    let remains = case.admin.destroy(&third).await.unwrap();
    assert_eq!(remains.kept.len(), 1);
    assert_eq!(world.account.names(), ["queue/kept-jobs-4"]);
    case.admin.destroy(&third).data(Data::Delete).await.unwrap();
    assert_eq!(world.account.names(), [""; 0]);
}

/// Of an engine and a record, a plan or an identity that do not belong together, nothing is touched.
#[tokio::test(start_paused = true)]
async fn what_is_another_deployments_is_not_revoked_and_not_taken_down() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let one = Case::new(&world, "acme", stack.clone());
    let deployment = one.up(&release, None).await.unwrap();
    // Another deployment's admin mistypes the prefix.
    let other = Case::new(&world, "acme", stack.clone());
    let mut mistaken = deployment.clone();
    mistaken.id = other.invitation.id;
    let error = other.admin.revoke(&mistaken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotOwned, "{error}");
    let plan = one.admin.plan(&release).await.unwrap();
    assert_eq!(other.admin.apply(&plan).await.unwrap_err().kind(), ErrorKind::Input);
    let names = world.account.names();
    let remains = other.admin.destroy(&mistaken).data(Data::Delete).await.unwrap();
    assert_eq!(remains.foreign.len(), names.len(), "{remains:?}");
    assert_eq!(world.account.names(), names);
    world.vendor(world.calling()).register(&one.invitation, &deployment).await.unwrap();
}

/// The provisioning documents are enough to set up and to take down, and what they give is used.
#[tokio::test(start_paused = true)]
async fn the_admin_needs_what_the_provisioning_documents_say_and_no_more() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "admin", stack.clone());
    let rendered = alien_core::render(&stack, &case.target).unwrap();
    let rights = &rendered.documents.layers.principals(Layer::Provisioning)[0].rights;
    world.account.limit_admin(rights.clone());
    let deployment = case.up(&release, None).await.unwrap();
    case.admin.destroy(&deployment).await.unwrap();
    let used: BTreeSet<Right> = world.account.asked().into_iter().map(|asked| asked.right).collect();
    let spare: Vec<&Right> = rights.iter().filter(|right| !used.contains(right)).collect();
    assert!(spare.is_empty(), "{spare:?}");
}

/// What a refusal needs is told, and not what followed from it.
#[tokio::test(start_paused = true)]
async fn an_admin_who_may_not_make_identities_is_told_so() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "admin", stack.clone());
    let rendered = alien_core::render(&stack, &case.target).unwrap();
    let mut rights = rendered.documents.layers.principals(Layer::Provisioning)[0].rights.clone();
    rights.retain(|right| right.permission != "identity.create");
    world.account.limit_admin(rights);
    let error = case.up(&release, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(
        error.to_string().contains("it needs identity.create: the administrator of the account can grant it"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_ends_a_set_up_that_is_under_way_and_stays() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    world.account.set_settling(Duration::from_secs(100));
    let case = Case::new(&world, "ended", stack);
    let plan = case.admin.plan(&release).await.unwrap();
    let record =
        DeploymentContext::<Memory>::new(case.invitation.id, case.target.clone(), release.clone()).record().unwrap();
    let revoke = async {
        tokio::time::sleep(Duration::from_secs(50)).await;
        case.admin.revoke(&record).await.unwrap();
    };
    let (set_up, ()) = tokio::join!(case.admin.apply(&plan), revoke);
    let error = set_up.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert!(world.account.document(&record.identity).is_none(), "nobody is trusted");
}

/// Its own end does not end the claim of the run that took over.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_taken_over_leaves_the_claim_to_the_other() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    world.account.set_settling(Duration::from_secs(95));
    let case = Case::new(&world, "over", stack);
    let plan = case.admin.plan(&release).await.unwrap();
    let (one, two) = (Options::default(), Options::default().take_over());
    // The first goes on after 100 seconds, while the second waits whether anyone claims what it has claimed.
    let second = async {
        tokio::time::sleep(Duration::from_millis(95_500)).await;
        case.admin.apply(&plan).options(two.clone()).await
    };
    let (first, second) = tokio::join!(case.admin.apply(&plan).options(one.clone()), second);
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Locked);
    second.unwrap();
}

/// Between two renewals of the claim: nothing but a last look at it keeps the vendor out.
#[tokio::test(start_paused = true)]
async fn a_revocation_just_before_the_end_of_a_set_up_stays() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    // The claim is renewed after 85 and 105 seconds, and what is left can be made after 100.
    world.account.set_settling(Duration::from_secs(95));
    let case = Case::new(&world, "late", stack);
    let plan = case.admin.plan(&release).await.unwrap();
    let record =
        DeploymentContext::<Memory>::new(case.invitation.id, case.target.clone(), release.clone()).record().unwrap();
    let start = tokio::time::Instant::now();
    let revoke = async {
        tokio::time::sleep(Duration::from_secs(87)).await;
        case.admin.revoke(&record).await.unwrap();
        start.elapsed().as_secs()
    };
    let set_up = async { (case.admin.apply(&plan).await, start.elapsed().as_secs()) };
    let ((set_up, ended), revoked) = tokio::join!(set_up, revoke);
    assert!(revoked < 95 && (100..105).contains(&ended), "{revoked} {ended}");
    assert_eq!(set_up.unwrap_err().kind(), ErrorKind::Locked);
    assert!(world.account.document(&record.identity).is_none(), "nobody is trusted");
}

/// Everything that is looked at is told once, also where nothing is to be done with it.
#[tokio::test(start_paused = true)]
async fn every_step_is_told_to_its_end() {
    let world = InProcess::new();
    let mut stack = Stack::builder("told");
    stack.live("jobs", Queue::new());
    stack.frozen("net", Network::default());
    let stack = stack.build().unwrap();
    world.account.add_foreign("customers-net");
    let case = Case::new(&world, "told", stack.clone());
    let stack = stack.with_existing("net", Existing::new("customers-net")).unwrap();
    let told = async |stack: &Stack| {
        let events = Mutex::new(Vec::new());
        let watch = |event: &Event| events.lock().unwrap().push(format!("{} {}", event.subject, event.stage.name()));
        let plan = case.admin.plan(&release(stack, &[])).await.unwrap();
        case.admin.apply(&plan).progress(watch).await.unwrap();
        events.into_inner().unwrap()
    };
    let (vendor, made) = ("the identity that trusts the vendor", ["jobs creating", "jobs created", "net left"]);
    let first: BTreeSet<String> = told(&stack).await.into_iter().collect();
    let expected =
        made.map(str::to_owned).into_iter().chain(["updating", "updated"].map(|end| format!("{vendor} {end}")));
    assert_eq!(first, expected.collect(), "nothing is shared, and nothing is told of that");
    assert_eq!(told(&stack).await, ["jobs left".to_owned(), "net left".to_owned(), format!("{vendor} left")]);
}

/// Of several parts, the first that is as bad as any says what they are together.
#[test]
fn several_parts_are_as_the_worst_of_them_under_the_id_of_the_first() {
    let done = |id: &str| {
        let fingerprint = Fingerprint { revision: 1, digest: "a".to_owned() };
        Observed::Own { id: id.to_owned(), state: State::Finished(fingerprint), drift: None }
    };
    assert_eq!(Observed::together([done("one"), done("two")], []), done("one"));
    let (foreign, drifted) = (Observed::Foreign(Foreign::of("theirs")), done("one").drifted(Some("open".to_owned())));
    assert_eq!(Observed::together([drifted, foreign.clone()], []), foreign);
}

#[tokio::test(start_paused = true)]
async fn what_is_frozen_does_not_leave_the_stack_unless_the_admin_allows_it() {
    let world = InProcess::new();
    let stack = |data: bool| {
        let mut stack = Stack::builder("leaves");
        stack.live("jobs", Queue::new());
        if data {
            stack.frozen("data", Storage::new());
        }
        stack.build().unwrap()
    };
    let case = Case::new(&world, "leaves", stack(true));
    let deployment = case.up(&release(&stack(true), &[]), None).await.unwrap();
    let error = case.up(&release(&stack(false), &[]), Some(&deployment)).await.unwrap_err();
    assert!(error.to_string().contains("`data`: it is frozen, and the stack has it no more"), "{error}");
    assert!(world.account.names().contains(&deployment.resources["data"]));
    let plan =
        case.admin.plan(&release(&stack(false), &[])).previous(&deployment).allow_frozen_changes().await.unwrap();
    case.admin.apply(&plan).await.unwrap();
    assert!(!world.account.names().contains(&deployment.resources["data"]));
}

#[tokio::test(start_paused = true)]
async fn the_vendor_is_shut_out_first_and_its_identity_goes_last() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "order", stack.clone());
    let deployment = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let shut_out = Mutex::new(Vec::new());
    let watch = |event: &Event| {
        if event.stage.is_end() {
            let open = world.account.document(&deployment.identity).is_some();
            shut_out.lock().unwrap().push((event.subject.clone(), open));
        }
    };
    case.admin.destroy(&deployment).data(Data::Delete).progress(watch).await.unwrap();
    let gone = shut_out.into_inner().unwrap();
    assert!(gone.len() > 10 && gone.iter().all(|(_, open)| !open), "{gone:?}");
    assert_eq!(gone.last().unwrap().0, "the identity that trusts the vendor", "{gone:?}");
    // Some clouds clear up behind code under its own identity.
    let identities = gone.iter().position(|(subject, _)| subject == "execution").unwrap();
    assert!(identities >= stack.resources().len(), "{gone:?}");
    // What others need goes after them.
    let place = |subject: &str| gone.iter().position(|(gone, _)| gone == subject).unwrap();
    for resource in stack.resources() {
        for needed in resource.needs() {
            assert!(place(resource.id().as_str()) < place(needed), "{} {needed}: {gone:?}", resource.id());
        }
    }
}

/// What an older version of the library set is set again, frozen or not: that is no change of the stack.
#[tokio::test(start_paused = true)]
async fn what_another_version_set_up_is_set_up_again() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let release = release(&stack, &[first(&world)]);
    let case = Case::new(&world, "older", stack);
    let deployment = case.up(&release, None).await.unwrap();
    let there = serde_json::to_string(&world.account.save()).unwrap();
    let older = there.replace(&format!("\"{}-", Fingerprint::REVISION), "\"0-");
    assert_ne!(there, older);
    world.account.load(serde_json::from_str(&older).unwrap());
    let plan = case.admin.plan(&release).previous(&deployment).await.unwrap();
    for step in &plan.steps {
        assert_eq!(step.why, "another version of this library set it up", "{plan}");
    }
    case.admin.apply(&plan).await.unwrap();
    // Whatever is set anew begins another revision.
    let settings = |saved: &str| {
        let mut saved: serde_json::Value = serde_json::from_str(saved).unwrap();
        let things = saved["things"].as_object_mut().unwrap();
        things.values_mut().for_each(|thing| thing["revision"] = serde_json::Value::Null);
        saved
    };
    assert_eq!(settings(&serde_json::to_string(&world.account.save()).unwrap()), settings(&there));
}

/// A cloud says that something is gone, and it is not.
#[tokio::test(start_paused = true)]
async fn what_is_still_there_after_a_take_down_is_told() {
    let world = InProcess::new();
    let mut stack = Stack::builder("stays");
    stack.live("jobs", Queue::new());
    let stack = stack.build().unwrap();
    let case = Case::new(&world, "stays", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let there = world.account.save();
    let account = world.account.clone();
    let how = world.calling().with_recorder(Arc::new(move |call| {
        if call.operation == "identity.delete" {
            account.load(there.clone());
        }
    }));
    let admin = world.admin(case.invitation.id, case.target.clone(), how);
    let error = admin.destroy(&deployment).data(Data::Delete).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let told =
        "still exists after it was deleted: jobs, the identity that trusts the vendor; take the deployment down again";
    assert_eq!(error.message(), told);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert_eq!(world.account.names(), [""; 0]);
}

/// Between the look and the call, someone else makes a thing of the same name: it is theirs, and stays as it is.
#[tokio::test(start_paused = true)]
async fn what_someone_else_makes_at_the_last_moment_is_not_taken_over() {
    let world = InProcess::new();
    let mut stack = Stack::builder("race");
    stack.live("jobs", Queue::new());
    let stack = stack.build().unwrap();
    let release = release(&stack, &[]);
    let case = Case::new(&world, "race", stack.clone());
    let plan = case.admin.plan(&release).await.unwrap();
    let account = world.account.clone();
    let how = world.calling().with_recorder(Arc::new(move |call| {
        if call.operation == "thing.get" && call.failure == Some(ErrorKind::NotFound) {
            account.add_foreign("queue/race-jobs-4");
        }
    }));
    let raced = world.admin(case.invitation.id, case.target.clone(), how);
    let error = raced.apply(&plan).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::NotOwned, Some("jobs")), "{error}");
    let touched = world.account.asked().into_iter().filter(|asked| asked.right.on == "queue/race-jobs-4");
    let touched: Vec<String> = touched.map(|asked| asked.right.permission).collect();
    assert_eq!(touched, ["thing.get", "thing.get", "thing.create", "thing.get"], "looked at, and nothing else");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_nothing_more_is_begun() {
    let world = InProcess::new();
    let mut stack = Stack::builder("stops");
    for id in ["a", "b", "c"] {
        stack.live(id, Queue::new());
    }
    let stack = stack.build().unwrap();
    let case = Case::new(&world, "stops", stack.clone());
    let (id, target) = (case.invitation.id, case.target.clone());
    let engine = memory::engine(&world.config(world.calling()), id, target).with_width(NonZeroUsize::MIN);
    let admin = Admin::new(engine);
    let plan = admin.plan(&release(&stack, &[])).await.unwrap();
    world.account.add_foreign("queue/stops-b-5");
    let error = admin.apply(&plan).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::NotOwned, Some("b")), "{error}");
    assert_eq!(world.account.names(), ["queue/stops-a-5", "queue/stops-b-5", "identity/stops-management-5"]);
}
