//! The whole life of a stack on a cloud that can be called, and the promises that only calls can prove.

use std::collections::BTreeSet;

use alien_core::adapter::{Change, Cloud, Command, DeploymentContext, LogQuery, Purpose, Runs, last};
use alien_core::{
    Action, AnyHandle, Artifacts, Container, ContainerUpdate, Data, Deployment, ErrorKind, Existing, Field, Frozen,
    Function, FunctionUpdate, Health, Kind, Kv, Lifecycle, Live, Manager, Network, Outcome, Profile, Queue, Release,
    Stack, Storage,
};

use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::stacks::{image, image_of};
use crate::world::{Calls, Case, Patience, Shipped, World, needed, release};

/// A stack of every kind, wired as in a real product. Kinds that run code occur both frozen and live.
///
/// # Panics
///
/// Never: the stack is valid.
#[must_use]
pub fn product(code: &Shipped) -> Stack {
    let mut stack = Stack::builder("product");
    let network = stack.frozen("net", Network::new("10.20.0.0/16"));
    let data = stack.frozen("data", Storage::new().with_versions());
    let cache = stack.live("cache", Kv::new().with_time_to_live("expires"));
    let jobs = stack.live("jobs", Queue::new().with_dead_letters_after(5));
    let api = Function::new(code.code(), "execution").with_memory_mib(256).with_memory_bounds(256..=1024);
    let api = api.with_variable("MODE", "first");
    let api = stack.live("api", api.with_commands().with_trigger(&jobs));
    let ledger = stack.frozen("ledger", Function::new(code.code(), "ledger").with_memory_mib(128));
    let worker = stack.live("worker", Container::new(image(), "execution").with_network(&network));
    stack.frozen("mailer", Container::new(image(), "ledger"));
    stack.link(&api, &data);
    stack.link(&api, &cache);
    stack.link(&worker, &jobs);
    stack.link(&ledger, &data);
    let execution = Profile::new()
        .on(&data, [Storage::DATA_READ])
        .on(&cache, [Kv::DATA_READ, Kv::DATA_WRITE])
        .on(&jobs, [Queue::DATA_READ, Queue::DATA_WRITE]);
    stack.profile("execution", execution);
    stack.profile("ledger", Profile::new().on(&data, [Storage::DATA_READ]));
    stack.build().unwrap_or_else(|problems| panic!("{problems}"))
}

/// Plans, sets up, registers, watches, updates, reads logs, dispatches, revokes, sets up again and takes down.
///
/// # Panics
///
/// At the first unexpected result.
pub async fn the_whole_life_of_a_stack<W: World>(world: &W) {
    let code = world.code("first");
    let stack = product(&code);
    let case = Case::new(world, "life", stack.clone());
    let first = release(&stack, std::slice::from_ref(&code));

    // A plan changes nothing, and what was set up is as it should be.
    let plan = case.admin.plan(&first).await.unwrap();
    assert!(plan.steps.iter().all(|step| step.action == Action::Create), "{plan}");
    assert_eq!(
        plan.steps.len(),
        stack.resources().len() + 4 + usize::from(!W::Cloud::STARTED_APART.is_empty()),
        "resources, two profiles, the platform where it is apart, the vendor, a cluster:\n{plan}"
    );
    let again = case.admin.plan(&first).await.unwrap();
    assert_eq!(plan.steps, again.steps);
    let deployment = case.admin.apply(&plan).await.unwrap();
    world.prepare(&deployment).await;
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(case.up(&first, None).await.unwrap(), deployment, "the same again gives the same record");
    let text = serde_json::to_string_pretty(&deployment).unwrap();
    assert_eq!(Deployment::from_json(&text).unwrap(), deployment);

    // A record that differs from the invitation is not registered.
    let (manager, calls) = case.manager(&deployment);
    let vendor = world.vendor(world.calling());
    vendor.register(&case.invitation, &deployment).await.unwrap();
    let named = |field: &&Field| field.is_trust() && field.is_for(world.delivery().model());
    for Field { name, .. } in W::Cloud::TARGET.iter().filter(named) {
        let mut target = serde_json::to_value(&deployment.target).unwrap();
        // Another principal that still parses.
        target[*name] = format!("{}x", target[*name].as_str().unwrap()).into();
        let mut other = deployment.clone();
        other.target = serde_json::from_value(target).unwrap();
        let error = vendor.register(&case.invitation, &other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }

    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.unwrap();
        assert_eq!(beat.health, Health::Healthy, "{resource:?}: {beat:?}");
    }
    let _ = calls.take();
    update_dispatch_and_logs(world, &manager, &code).await;
    what_runs_is_started_anew(world, &manager).await;
    who_looked_before_another_wrote_is_refused(world, &manager).await;
    frozen_is_refused(world, &manager, &deployment).await;

    let updated = manager.deployment();
    what_the_vendor_released_stays(&case, &first, &deployment, &updated).await;

    case.admin.revoke(&deployment).await.unwrap();
    let error = manager.heartbeat(&manager.resources()[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Revoked, "{error}");
    let fresh = case.manager(&updated).0;
    let error =
        fresh.update(&fresh.find::<Function, Live>("api").unwrap(), FunctionUpdate::new().with_memory_mib(512)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Revoked);
    let plan = case.admin.plan(&first).previous(&updated).await.unwrap();
    assert!(plan.to_string().contains("'s access was revoked; it is given again"), "{plan}");
    assert_eq!(case.up(&first, Some(&updated)).await.unwrap().stack, updated.stack, "access again, and nothing else");
    vendor.register(&case.invitation, &updated).await.unwrap();
    let beat = fresh.heartbeat(&fresh.resources()[0]).await.unwrap();
    assert_eq!(beat.health, Health::Healthy, "{beat:?}");
    what_is_reset_is_asked_for_and_found(&case, &first, &updated, &code).await;

    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert_eq!((remains.kept.as_slice(), remains.foreign.as_slice()), (&[][..], &[][..]));
    let plan = case.admin.plan(&first).await.unwrap();
    assert!(plan.steps.iter().all(|step| step.action == Action::Create), "{plan}");
    let again = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(again.found_nothing() && !remains.found_nothing(), "what is gone can be taken down again: {again:?}");
}

/// P11: a set-up leaves what the vendor has released, also where the admin's record is older, and says so.
async fn what_the_vendor_released_stays<W: World>(
    case: &Case<'_, W>,
    first: &Release,
    old: &Deployment,
    updated: &Deployment,
) {
    for record in [updated, old] {
        let plan = case.admin.plan(first).previous(record).await.unwrap();
        assert!(plan.is_empty(), "{plan}");
        let told = plan.steps.iter().filter(|step| step.vendors.is_some());
        assert_eq!(told.map(|step| step.subject.as_str()).collect::<Vec<_>>(), ["api", "worker"], "{plan}");
    }
    // A set-up with the older record changes nothing, and its record does not say that the first release runs.
    let stale = case.up(first, Some(old)).await.unwrap();
    let session = case.world.vendor(case.world.calling()).session(&stale, &Purpose::Watch).await.unwrap();
    for id in ["api", "worker"] {
        let compared = session.compare(first.stack().resource(id).unwrap()).await.unwrap();
        assert_ne!(compared.differs, [""; 0], "{id}: {compared:?}");
    }
    let plan = case.admin.plan(first).previous(updated).await.unwrap();
    let told = format!("updated by the vendor: release {}", updated.stack.digest());
    assert_eq!(plan.to_string().matches(&told).count(), 2, "{plan}");
    assert_eq!(case.up(first, Some(updated)).await.unwrap(), *updated);
    let beat = case.manager(updated).0;
    let api = beat.heartbeat(&beat.find::<Function, Live>("api").unwrap()).await.unwrap();
    assert_eq!(api.runs.unwrap().release.as_deref(), Some(updated.stack.digest()));
}

/// P11: a downgrade is asked for by name. A release then finds that something else runs than its record says.
async fn what_is_reset_is_asked_for_and_found<W: World>(
    case: &Case<'_, W>,
    first: &Release,
    updated: &Deployment,
    old: &Shipped,
) {
    let plan = case.admin.plan(first).previous(updated).reset_live().await.unwrap();
    let changed = plan.steps.iter().filter(|step| step.action != Action::Leave);
    let changed: Vec<_> = changed.map(|step| (step.subject.as_str(), step.action)).collect();
    assert_eq!(changed, [("api", Action::Update), ("worker", Action::Update)], "{plan}");
    assert_eq!(plan.to_string().matches("DOWNGRADE of what the vendor has released").count(), 2, "{plan}");
    let reset = case.admin.apply(&plan).await.unwrap();
    assert_eq!(reset.stack, *first.stack());

    let (manager, _) = case.manager(updated);
    let api = manager.find::<Function, Live>("api").unwrap();
    assert_eq!(manager.heartbeat(&api).await.unwrap().runs.unwrap().release, None, "the record does not know it");
    let again = release(&updated.stack, &[old.clone(), case.world.code("second")]);
    let released = manager.release(&again).await;
    let outcomes = released.outcomes().filter(|(_, outcome)| **outcome == Outcome::Updated);
    assert_eq!(outcomes.map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["api", "worker"], "{released}");
    assert_eq!(released.unrecorded().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["api", "worker"]);
    assert!(released.is_ok(), "{released}");
    let unrecorded = manager.release(&again).await.unrecorded().next().map(|(id, how)| format!("{id}: {how}"));
    assert_eq!(unrecorded, None);
}

async fn update_dispatch_and_logs<W: World>(world: &W, manager: &Manager, old: &Shipped) {
    let api = manager.find::<Function, Live>("api").unwrap();
    let begin = world.calling().clock.now() - std::time::Duration::from_secs(60);
    let second = world.code("second");
    manager.update(&api, second.update().with_variable("MODE", "second")).await.unwrap();
    let deployment = manager.deployment();
    assert_ne!(deployment.stack, product(old), "the record says what runs");
    // The same update again changes nothing: it looks, and sees that.
    let (same, calls) = Case::new(world, "life", deployment.stack.clone()).manager(&deployment);
    let api = same.find::<Function, Live>("api").unwrap();
    same.update(&api, second.update().with_variable("MODE", "second")).await.unwrap();
    let looked = calls.operations();
    same.heartbeat(&api).await.unwrap();
    let heartbeat = calls.operations();
    assert!(looked.iter().skip(1).all(|call| heartbeat.contains(call)), "{looked:?} besides getting in");
    let answer = manager.dispatch(&api, br#"{"hello":"world"}"#).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["hello"], "world");
    let patience = Patience::new();
    loop {
        let lines = manager.logs(&api).since(begin).read().try_collect::<Vec<_>>().await.unwrap();
        if lines.iter().any(|line| line.text.contains("hello")) {
            break;
        }
        patience.wait(&*world.calling().clock, &lines).await;
    }
    let later = world.calling().clock.now() + std::time::Duration::from_secs(3600);
    assert!(manager.logs(&api).since(later).read().next().await.is_none(), "nothing was written in the future");
    let worker = manager.find::<Container, Live>("worker").unwrap();
    manager.update(&worker, ContainerUpdate::new().with_variable("MODE", "second")).await.unwrap();
}

/// New instances of what runs: the cloud has begun another revision of the same, and the record is as it was.
async fn what_runs_is_started_anew<W: World>(world: &W, manager: &Manager) {
    let record = manager.deployment();
    let session = world.vendor(world.calling()).session(&record, &Purpose::Watch).await.unwrap();
    let function = manager.find::<Function, Live>("api").unwrap();
    let container = manager.find::<Container, Live>("worker").unwrap();
    for handle in [AnyHandle::from(&function), AnyHandle::from(&container)] {
        let resource = record.stack.resource(handle.id().as_str()).unwrap();
        let (before, beat) = (session.compare(resource).await.unwrap(), manager.heartbeat(&handle).await.unwrap());
        match handle.kind() {
            Kind::Function => manager.redeploy(&function).await.unwrap(),
            _ => manager.redeploy(&container).await.unwrap(),
        }
        let after = session.compare(resource).await.unwrap();
        assert_eq!((&after.differs, &after.unrecorded), (&before.differs, &before.unrecorded), "{handle:?}");
        match (before.runs, after.runs) {
            (Runs::Settings(mut before), Runs::Settings(mut after)) => {
                let [was, is] = [&mut before, &mut after].map(|running| running.revision.take());
                assert!(was.is_some() && is.is_some() && was != is, "{handle:?}: {was:?}, and then {is:?}");
                assert_eq!(before, after, "{handle:?}");
            }
            (before, after) => assert_eq!(before, after, "{handle:?}"),
        }
        let again = manager.heartbeat(&handle).await.unwrap();
        assert_eq!((again.health, again.runs), (Health::Healthy, beat.runs), "{handle:?}: {}", again.reason);
        assert_eq!(manager.deployment(), record, "{handle:?}");
    }
    manager.dispatch(&function, b"{}").await.unwrap();
}

/// An update that is based on a look from before somebody else's update is refused, and what the other wrote runs on.
async fn who_looked_before_another_wrote_is_refused<W: World>(world: &W, manager: &Manager) {
    let before = manager.deployment();
    let vendor = world.vendor(world.calling());
    let watching = vendor.session(&before, &Purpose::Watch).await.unwrap();
    for id in ["api", "worker"] {
        let seen = watching.compare(before.stack.resource(id).unwrap()).await.unwrap().runs;
        match id {
            "api" => {
                let update = FunctionUpdate::new().with_variable("WHO", "another");
                manager.update(&manager.find::<Function, Live>(id).unwrap(), update).await.unwrap();
            }
            _ => {
                let update = ContainerUpdate::new().with_variable("WHO", "another");
                manager.update(&manager.find::<Container, Live>(id).unwrap(), update).await.unwrap();
            }
        }
        let resource = manager.deployment().stack.resource(id).unwrap().clone();
        let theirs = watching.compare(&resource).await.unwrap().runs;
        let purpose = Purpose::Update([resource.id().clone()].into());
        let late = vendor.session(&before, &purpose).await.unwrap();
        let change =
            Change { resource: resource.clone(), zip: None, previous_zip: None, again: false, runs: Some(seen) };
        let error = late.update(resource.id(), &change).await.unwrap_err();
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Conflict, false), "{id}: {error}");
        assert!(error.message().contains("somebody else has changed it since it was looked at"), "{id}: {error}");
        assert_eq!(watching.compare(&resource).await.unwrap().runs, theirs, "{id}");
    }
}

/// Checks that the library refuses before any network call. The tests of each cloud check that the cloud refuses too.
async fn frozen_is_refused<W: World>(world: &W, manager: &Manager, deployment: &Deployment) {
    assert!(manager.find::<Function, Live>("ledger").is_err());
    let ledger = manager.find::<Function, Frozen>("ledger").unwrap();
    let resource = deployment.stack.resource("ledger").unwrap().clone();
    let change = Change { resource, zip: None, previous_zip: None, again: false, runs: None };
    let vendor = world.vendor(world.calling());
    for purpose in [Purpose::Watch, Purpose::Update([ledger.id().clone()].into())] {
        let session = vendor.session(deployment, &purpose).await.unwrap();
        let error = session.update(ledger.id(), &change).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotGranted, "{error}");
        let error = session.redeploy(ledger.id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotGranted, "{error}");
        let error = session.logs(ledger.id(), &LogQuery::from(Timestamp::UNIX_EPOCH)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotGranted, "{error}");
        let error = session.dispatch(ledger.id(), &Command::new(*b"{}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotGranted, "{error}");
    }
    // A release that changes a frozen resource is refused as a whole, before any call.
    let mut form = serde_json::to_value(&deployment.stack).unwrap();
    let resources = form["resources"].as_array_mut().unwrap();
    for resource in resources.iter_mut().filter(|resource| resource["type"] == "function") {
        resource["memoryMib"] = 1024.into();
    }
    let other = Release::partial(Stack::from_json(&form.to_string()).unwrap(), Artifacts::default());
    let calls = Calls::default();
    let manager = Manager::new(world.vendor(world.calling().with_recorder(calls.recorder())), deployment.clone());
    let error = manager.release(&other).await.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    assert!(error.to_string().contains("`ledger`: frozen, but changed: memoryMib"), "{error}");
    assert_eq!(calls.operations(), [""; 0]);
}

/// Does everything that the vendor does in a day. Returns the first refusal as an error.
async fn a_day(manager: &Manager, number: usize, code: Shipped) -> Result<(), String> {
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.map_err(|error| format!("{error:?}"))?;
        if beat.health != Health::Healthy {
            return Err(format!("{}: {beat:?}", resource.id()));
        }
    }
    let value = number.to_string();
    for resource in manager.resources().iter().filter(|resource| resource.lifecycle() == Lifecycle::Live) {
        look_after(manager, resource, &value, code.clone()).await.map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

async fn look_after(manager: &Manager, resource: &AnyHandle, value: &str, code: Shipped) -> alien_core::Result<()> {
    let id = resource.id().as_str();
    match resource.kind() {
        Kind::Function => {
            let function = manager.find::<Function, Live>(id)?;
            manager.update(&function, code.update().with_variable("DAY", value)).await?;
            manager.redeploy(&function).await?;
            manager.dispatch(&function, b"{}").await?;
        }
        Kind::Container => {
            let container = manager.find::<Container, Live>(id)?;
            let code = image_of(&format!("sha256:{value:0>64}"));
            manager.update(&container, ContainerUpdate::new().with_code(code).with_variable("DAY", value)).await?;
            manager.redeploy(&container).await?;
        }
        _ => return Ok(()),
    }
    manager.logs(resource).since(Timestamp::UNIX_EPOCH).read().try_collect::<Vec<_>>().await.map(|_| ())
}

/// P6: the calls of a day need exactly the grants, and without any one of them something is refused.
///
/// # Panics
///
/// If a grant is not used, a call was not granted, or nothing fails without a grant.
pub async fn every_grant_is_needed_and_none_is_missing<W: World>(world: &W) {
    let code = world.code("0");
    let stack = product(&code);
    let case = Case::new(world, "exact", stack.clone());
    let deployment = case.up(&release(&stack, &[code]), None).await.unwrap();
    let context = DeploymentContext::<W::Cloud>::of(&deployment).unwrap();
    let (manager, calls) = case.manager(&deployment);
    a_day(&manager, 1, world.code("1")).await.unwrap();

    let mut granted = Vec::new();
    for grant in &context.permissions().management.grants {
        let topic = grant.subject.subject_type(context.stack()).unwrap();
        for row in <W::Cloud as Cloud>::set(topic, grant.set) {
            let names: Vec<String> = context.names().at(row.on, grant.subject).map(str::to_owned).collect();
            if !names.is_empty() {
                granted.push((grant.subject, *row, names));
            }
        }
    }
    let due = granted.iter().map(|(subject, row, _)| {
        (context.subject_name(*subject).to_owned(), row.permission.to_owned(), format!("{:?}", row.on))
    });
    let due: BTreeSet<_> = due.collect();
    let used = needed(&calls.take());
    assert_eq!(used, due, "what was called, and what was granted");

    let mut undecided = BTreeSet::new();
    for (number, (subject, row, names)) in granted.iter().enumerate() {
        if world.is_undecided(row.permission) {
            undecided.insert(row.permission);
            continue;
        }
        world.take_away(&deployment, row.permission, names).await;
        let (manager, _) = case.manager(&manager.deployment());
        let day = a_day(&manager, number + 2, world.code(&(number + 2).to_string())).await;
        let id = context.subject_name(*subject);
        let error = day.expect_err(&format!("nothing failed without `{}` on `{id}`", row.permission));
        assert!(
            error.contains("Denied") && error.contains(row.permission),
            "without `{}` on `{id}`: {error}",
            row.permission
        );
        world.give_back(&deployment).await;
    }
    for permission in &undecided {
        println!("decided by the evaluator only, not by the peer: {permission}");
    }
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// P6 for the admin: returns the permissions, with their scopes, that no set-up, set-up after a revocation or take-down
/// uses. Every call goes through the gate, so none is missing; each unused one needs a reason.
///
/// # Panics
///
/// If any of these fails.
pub async fn rights_that_a_life_does_not_use<W: World>(world: &W) -> Vec<String> {
    let code = world.code("first");
    let stack = product(&code);
    let case = Case::new(world, "spare", stack.clone());
    let calls = Calls::default();
    let how = world.calling().with_recorder(calls.recorder());
    let provisioner = Case::<W>::admin_of(world, case.invitation.id, case.target.clone(), how);
    let first = release(&stack, std::slice::from_ref(&code));
    let plan = provisioner.plan(&first).await.unwrap();
    let deployment = provisioner.apply(&plan).await.unwrap();
    provisioner.revoke(&deployment).await.unwrap();
    let plan = provisioner.plan(&first).previous(&deployment).await.unwrap();
    provisioner.apply(&plan).await.unwrap();
    provisioner.destroy(&deployment).await.unwrap();
    provisioner.destroy(&deployment).data(Data::Delete).await.unwrap();

    let used: BTreeSet<(String, String)> =
        needed(&calls.take()).into_iter().map(|(_, permission, scope)| (permission, scope)).collect();
    let layout = DeploymentContext::<W::Cloud>::of(&deployment).unwrap().layout;
    let granted: BTreeSet<(String, String)> = layout
        .granted(&layout.permissions().provisioning)
        .map(|(_, _, row, _)| (row.permission.to_owned(), format!("{:?}", row.on)))
        .collect();
    granted.difference(&used).map(|(permission, scope)| format!("{permission} on {scope}")).collect()
}

/// X2 and X3: a set-up or take-down in another region than the deployment's changes nothing, and says where it is.
///
/// # Panics
///
/// If something is changed, or not told.
pub async fn a_deployment_is_found_where_it_is_alone<W: World>(world: &W, elsewhere: <W::Cloud as Cloud>::Target) {
    let code = world.code("first");
    let mut stack = Stack::builder("placed");
    stack.live("jobs", Queue::new());
    stack.frozen("api", Function::new(code.code(), "api"));
    stack.profile("api", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(world, "placed", stack.clone());
    let first = release(&stack, &[code]);
    let deployment = case.up(&first, None).await.unwrap();
    let mistaken = Case::<W>::admin_of(world, deployment.id, elsewhere.clone(), world.calling());
    let there = DeploymentContext::<W::Cloud>::new(deployment.id, elsewhere, first.clone());
    let there = there.with_delivery(world.delivery()).record().unwrap();
    let told = "this deployment is in `";

    let plan = mistaken.plan(&first).await.unwrap();
    let refused = plan.refusal().unwrap_err().to_string();
    assert!(refused.contains(told), "{plan}");
    let error = mistaken.revoke(&there).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotOwned && error.to_string().contains(told), "{error}");
    let report = mistaken.destroy(&there).data(Data::Delete).await.unwrap();
    assert_eq!(report.deleted, [""; 0], "{report:?}");
    assert!(report.foreign.iter().any(|left| left.why.contains(told)), "{report:?}");

    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "nothing was changed:\n{plan}");
    let beat = case.manager(&deployment).0;
    for resource in beat.resources() {
        assert_eq!(beat.heartbeat(&resource).await.unwrap().health, Health::Healthy);
    }
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// Checks that a container can run in the customer's own network, and that neither set-up nor take-down changes it.
///
/// # Panics
///
/// If the network is changed or not used.
pub async fn an_existing_network_is_used<W: World>(world: &W) {
    // A network made by another deployment stands in for the customer's own.
    let mut own = Stack::builder("own");
    own.frozen("net", Network::new("10.30.0.0/16"));
    let own = own.build().unwrap();
    let customers = Case::new(world, "customers", own.clone());
    let made = customers.up(&release(&own, &[]), None).await.unwrap();
    let mut stack = Stack::builder("adopts");
    let network = stack.frozen("net", Network::default());
    stack.live("worker", Container::new(image(), "worker").with_network(&network));
    stack.profile("worker", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(world, "adopts", stack.clone());
    let given = stack.with_existing(&network, Existing::new(last(&made.resources["net"]))).unwrap();
    let deployment = case.up(&release(&given, &[]), None).await.unwrap();
    assert_eq!(deployment.resources["net"], made.resources["net"]);
    // The vendor's own stack names no network of the customer's: what was given once stays.
    world.vendor(world.calling()).register(&case.invitation, &deployment).await.unwrap();
    let plan = case.admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "it is as it was:\n{plan}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    let plan = customers.admin.plan(&release(&own, &[])).previous(&made).await.unwrap();
    assert!(plan.is_empty(), "it is as it was:\n{plan}");
    customers.admin.destroy(&made).data(Data::Delete).await.unwrap();
}
