//! What the customer lets the vendor create and delete by `management.extend`.

use std::collections::BTreeSet;

use alien_core::adapter::{Cloud, DeploymentContext, Effect, SubjectType};
use alien_core::{
    Action, Container, Data, Deployment, ErrorKind, Function, Health, Kv, Manager, Network, Outcome, Profile, Queue,
    Release, Released, Remedy, Resource, Set, SetName, Stack, Storage,
};

use crate::stacks::image;
use crate::world::{Case, Shipped, World, needed, release};

/// A stack with every kind of resource, each with every permission set that `management.extend` may ask for on the cloud,
/// and a queue without.
///
/// # Panics
///
/// Never: the stack is valid.
#[must_use]
pub fn extended<C: Cloud>(code: &Shipped) -> Stack {
    let mut stack = Stack::builder("extended");
    stack.live("keep", Queue::new());
    stack.frozen("net", Network::new("10.40.0.0/16"));
    let data = stack.frozen("data", Storage::new().with_versions());
    let cache = stack.live("cache", Kv::new().with_time_to_live("expires"));
    let jobs = stack.live("jobs", Queue::new().with_dead_letters_after(5));
    stack.live("api", Function::new(code.code(), "execution").with_commands());
    stack.frozen("ledger", Function::new(code.code(), "ledger"));
    stack.live("worker", Container::new(image(), "execution"));
    stack.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]).on(&jobs, [Queue::DATA_WRITE]));
    stack.profile("ledger", Profile::new().on(&cache, [Kv::DATA_READ]));
    let stack = stack.build().unwrap_or_else(|problems| panic!("{problems}"));
    let mut form = serde_json::to_value(&stack).unwrap();
    for resource in stack.resources().iter().filter(|resource| resource.id().as_str() != "keep") {
        let (kind, takes_commands) = (resource.kind(), resource.settings().takes_commands());
        let sets = Set::ALL.into_iter().filter(|set| {
            let is_had = !C::set(SubjectType::Kind(kind), *set).is_empty();
            set.fits(kind) && set.is_for_management() && is_had && (takes_commands || *set != Set::Dispatch)
        });
        let sets: Vec<String> = sets.map(|set| SetName { kind, set }.to_string()).collect();
        form["permissions"]["management"]["extend"][resource.id().as_str()] = sets.into();
    }
    Stack::from_json(&form.to_string()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The resources that the vendor may create and delete.
fn vendors(stack: &Stack) -> Vec<&str> {
    let extended = |resource: &&Resource| stack.extensions(resource.id()).any(|set| *set == Set::Provision);
    stack.resources().iter().filter(extended).map(|resource| resource.id().as_str()).collect()
}

/// The same stack without some resources, and without the profiles that only these use.
fn without(stack: &Stack, ids: &[&str]) -> Stack {
    let mut form = serde_json::to_value(stack).unwrap();
    let is_gone = |id: &str| ids.contains(&id);
    form["resources"].as_array_mut().unwrap().retain(|resource| !is_gone(resource["id"].as_str().unwrap()));
    let used: BTreeSet<String> = form["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|resource| Some(resource["profile"].as_str()?.to_owned()))
        .collect();
    let permissions = form["permissions"].as_object_mut().unwrap();
    let profiles = permissions["profiles"].as_object_mut().unwrap();
    profiles.retain(|name, _| used.contains(name));
    for scopes in profiles.values_mut() {
        scopes.as_object_mut().unwrap().retain(|scope, _| !is_gone(scope));
    }
    permissions["management"]["extend"].as_object_mut().unwrap().retain(|id, _| !is_gone(id));
    Stack::from_json(&form.to_string()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Rolls out a release that may delete data.
async fn rolled_out(manager: &Manager, release: &Release) -> Released {
    let kept = manager.deployment().stack;
    let ids = kept.resources().iter().map(|resource| resource.id().clone());
    ids.fold(manager.release(release), |request, id| request.delete_data(id)).await
}

fn outcomes(released: &Released) -> Vec<(&str, &str)> {
    released.outcomes().map(|(id, outcome)| (id.as_str(), outcome.name())).collect()
}

/// What the customer lets the vendor delete and create is deleted and created by releases, and what waits for the admin
/// is told and finished by the next set-up. Each permission that creates or deletes is used.
///
/// # Panics
///
/// At the first unexpected result.
pub async fn what_the_customer_lets_the_vendor_is_created_and_deleted<W: World>(world: &W) {
    let code = world.code("first");
    let stack = extended::<W::Cloud>(&code);
    let case = Case::new(world, "agreed", stack.clone());
    let first = release(&stack, std::slice::from_ref(&code));
    let deployment = case.up(&first, None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let extended = vendors(&stack);
    assert!(extended.len() > 5, "{extended:?}");
    let less = release(&without(&stack, &extended), &[]);

    // What may hold data is deleted only if it is named.
    let released = manager.release(&less).await;
    let refusal = released.refusal().unwrap();
    let named: BTreeSet<_> = refusal
        .problems()
        .iter()
        .map(|problem| (problem.subject.as_deref(), problem.remedy == Some(Remedy::DeleteData)))
        .collect();
    let data = ["cache", "data", "jobs"].map(|id| (Some(id), true));
    assert_eq!(named, data.into(), "{refusal}");
    assert_eq!(manager.deployment(), deployment);

    let released = rolled_out(&manager, &less).await;
    let deleted: Vec<_> = extended.iter().map(|id| (*id, "deleted")).collect();
    let told: Vec<_> = outcomes(&released).into_iter().filter(|(id, _)| extended.contains(id)).collect();
    assert_eq!(told, deleted, "{released}");
    assert!(released.is_ok(), "{released}");
    let record = manager.deployment();
    assert_eq!((&record.stack, record.agreed.as_ref()), (less.stack(), Some(&stack)));
    assert!(record.in_flight.is_none() && record.uncertain.is_empty(), "{record:?}");
    let plan = case.admin.plan(&first).previous(&record).await.unwrap();
    let changed = plan.steps.iter().filter(|step| matches!(step.action, Action::Create | Action::Update));
    let changed: BTreeSet<_> = changed.map(|step| step.subject.as_str()).collect();
    assert!(extended.iter().all(|id| changed.contains(id)), "{plan}");

    // What the vendor deleted, it may create again; what was never agreed waits for the admin.
    let mut other = Stack::builder("extended");
    other.live("keep", Queue::new());
    other.live("more", Queue::new());
    let released = manager.release(&release(&other.build().unwrap(), &[])).await;
    assert!(released.refusal().unwrap().to_string().contains("`more`"), "{released}");
    let released = manager.release(&first).await;
    let record = if <W::Cloud as Cloud>::VENDOR_CREATES {
        is_created(&manager, &released, &extended);
        assert_eq!(manager.deployment().agreed, None);
        manager.deployment()
    } else {
        let error = released.into_result().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotGranted, "{error}");
        assert!(error.to_string().contains("only the customer's admin creates it, by setting up again"), "{error}");
        case.up(&first, Some(&manager.deployment())).await.unwrap()
    };

    let due = created_and_deleted::<W>(&deployment);
    let due: BTreeSet<_> = due.into_iter().map(|grant| (grant.id, grant.permission.to_owned(), grant.scope)).collect();
    let used = needed(&calls.take());
    let spare: Vec<_> = due.difference(&used).collect();
    assert!(spare.is_empty(), "granted, and not used: {spare:?}");

    // The admin finishes what waits, and nothing else is left to do.
    let finished = case.up(&first, Some(&record)).await.unwrap();
    let plan = case.admin.plan(&first).previous(&finished).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let (manager, _) = case.manager(&finished);
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.unwrap();
        assert_eq!(beat.health, Health::Healthy, "{resource:?}: {beat:?}");
    }
    assert_eq!(
        rolled_out(&manager, &first).await.outcomes().find(|(_, outcome)| **outcome != Outcome::Unchanged),
        None
    );

    let remains = case.admin.destroy(&finished).data(Data::Delete).await.unwrap();
    assert_eq!((remains.kept.as_slice(), remains.foreign.as_slice()), (&[][..], &[][..]));
    let again = case.admin.destroy(&finished).data(Data::Delete).await.unwrap();
    assert!(again.found_nothing(), "{again:?}");
}

/// Checks that a release has created these, and told what of them the admin's next set-up finishes.
fn is_created(manager: &Manager, released: &Released, ids: &[&str]) {
    let told: Vec<_> = outcomes(released).into_iter().filter(|(_, outcome)| *outcome == "created").collect();
    assert_eq!(told, ids.iter().map(|id| (*id, "created")).collect::<Vec<_>>(), "{released}");
    assert!(released.is_ok() && released.waits().count() > 0, "{released}");
    let record = manager.deployment();
    assert!(record.in_flight.is_none() && record.uncertain.is_empty(), "{record:?}");
    assert!(ids.iter().all(|id| record.stack.resource(id).is_some() && record.resources.contains_key(*id)));
}

/// A permission of the vendor that creates or deletes something.
struct Grant {
    id: String,
    permission: &'static str,
    scope: String,
    effect: Effect,
    names: Vec<String>,
}

fn created_and_deleted<W: World>(deployment: &Deployment) -> Vec<Grant> {
    let context = DeploymentContext::<W::Cloud>::of(deployment).unwrap();
    let grants = context.permissions().management.grants.iter().filter(|grant| grant.set == Set::Provision);
    let mut found = Vec::new();
    for grant in grants {
        let topic = grant.subject.subject_type(context.stack()).unwrap();
        let rows = <W::Cloud as Cloud>::set(topic, grant.set).iter();
        for row in rows.filter(|row| matches!(row.effect, Effect::Create | Effect::Delete)) {
            let names: Vec<String> = context.names().at(row.on, grant.subject).map(str::to_owned).collect();
            if !names.is_empty() {
                let (id, scope) = (context.subject_name(grant.subject).to_owned(), format!("{:?}", row.on));
                found.push(Grant { id, permission: row.permission, scope, effect: row.effect, names });
            }
        }
    }
    assert!(found.iter().any(|grant| grant.effect == Effect::Delete));
    found
}

/// P6: without any one of the permissions that create or delete, something is refused, and the next release finishes it.
///
/// # Panics
///
/// If nothing fails without a permission, or if something is left unfinished.
pub async fn every_grant_to_create_or_delete_is_needed<W: World>(world: &W) {
    let code = world.code("first");
    let stack = extended::<W::Cloud>(&code);
    let case = Case::new(world, "needed", stack.clone());
    let first = release(&stack, std::slice::from_ref(&code));
    let deployment = case.up(&first, None).await.unwrap();
    let mut manager = case.manager(&deployment).0;
    for Grant { id, permission, effect, names, .. } in created_and_deleted::<W>(&deployment) {
        if world.is_undecided(permission) {
            println!("decided by the evaluator only, not by the peer: {permission}");
            continue;
        }
        let less = release(&without(&stack, &[&id]), std::slice::from_ref(&code));
        let next = if effect == Effect::Delete { &less } else { &first };
        if effect == Effect::Create {
            let released = rolled_out(&manager, &less).await;
            assert!(released.is_ok(), "{id}: {released}");
        }
        world.take_away(&deployment, permission, &names).await;
        let released = rolled_out(&manager, next).await;
        let why = format!("without `{permission}` on `{id}`: {released}");
        let error = released.into_result().expect_err(&why);
        assert_eq!(error.kind(), ErrorKind::Denied, "{why}");
        assert!(error.to_string().contains(permission), "{why}");
        world.give_back(&deployment).await;
        let mut released = rolled_out(&manager, next).await;
        assert!(released.is_ok(), "{id}, again: {released}");
        if effect == Effect::Delete && <W::Cloud as Cloud>::VENDOR_CREATES {
            released = rolled_out(&manager, &first).await;
            assert!(released.is_ok(), "{id}, whole: {released}");
        }
        // Where a cloud keeps permissions on the thing itself, the admin gives them again.
        let resource = manager.resources().into_iter().find(|found| found.id().as_str() == id);
        let is_whole = match resource {
            Some(_) if released.waits().any(|(_, what)| what.contains("permissions")) => false,
            Some(resource) => manager.heartbeat(&resource).await.unwrap().health == Health::Healthy,
            None => false,
        };
        if !is_whole {
            let finished = case.up(&first, Some(&manager.deployment())).await.unwrap();
            manager = case.manager(&finished).0;
        }
    }
    case.admin.destroy(&manager.deployment()).data(Data::Delete).await.unwrap();
}
