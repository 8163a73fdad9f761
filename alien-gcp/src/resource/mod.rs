//! The six kinds on GCP, one file a kind: their names, their permission sets, what GCP does not take.

use alien_core::cloud::Operation;
use alien_core::permission::Set;
use alien_core::resource::{Resource, Settings};
use alien_core::{Kind, Problem, Rule, Stack};

use crate::naming::Paths;
use crate::operations::Scope;

pub(crate) mod compute;
pub(crate) mod container;
pub(crate) mod function;
pub(crate) mod kv;
pub(crate) mod network;
pub(crate) mod queue;
pub(crate) mod storage;

type Rows = &'static [&'static Operation<Scope>];

/// The operations of a kind's permission set.
pub(crate) fn set(kind: Kind, set: Set) -> Rows {
    match kind {
        Kind::Function => function::set(set),
        Kind::Container => container::set(set),
        Kind::Storage => storage::set(set),
        Kind::Kv => kv::set(set),
        Kind::Queue => queue::set(set),
        Kind::Network => network::set(set),
    }
}

/// Names what belongs to a resource, its id first.
pub(crate) fn names(paths: Paths<'_>, resource: &Resource, things: &mut Vec<(Scope, String)>) {
    let id = resource.id().as_str();
    match resource.settings() {
        Settings::Function(_) | Settings::Container(_) => compute::names(paths, resource, things),
        Settings::Storage(_) => storage::names(paths, id, things),
        Settings::Kv(_) => kv::names(paths, id, things),
        Settings::Queue(_) => queue::names(paths, id, things),
        Settings::Network(network) => network::names(paths, id, network, things),
    }
}

/// What GCP does not take of a queue beside others: its one subscription pushes to one service.
pub(crate) fn check_among(stack: &Stack, resource: &Resource, problems: &mut Vec<Problem>) {
    if resource.kind() != Kind::Queue {
        return;
    }
    let is_triggered = |other: &&Resource| other.settings().triggers().any(|queue| queue == resource.id().as_str());
    let functions: Vec<&str> =
        stack.resources().iter().filter(is_triggered).map(|function| function.id().as_str()).collect();
    if functions.len() > 1 {
        let what = format!("its messages go to one function on GCP, and {} are started by it", functions.join(" and "));
        let help = "give each function a queue of its own".to_owned();
        problems.push(Problem::error(Rule::Cloud, what, help).on(resource.id()));
    }
}

/// What GCP does not take of a resource, and what should be known about it there.
pub(crate) fn check(paths: Paths<'_>, resource: &Resource, problems: &mut Vec<Problem>) {
    let mut own = Vec::new();
    match resource.settings() {
        Settings::Function(function) => function::check(function.code(), &mut own),
        Settings::Container(container) => container::check(container, &mut own),
        Settings::Storage(_) => storage::check(paths, resource.id().as_str(), &mut own),
        Settings::Queue(queue) => queue::check(paths, queue, &mut own),
        Settings::Network(network) => network::check(network, &mut own),
        Settings::Kv(kv) => kv::check(kv, &mut own),
    }
    problems.extend(own.into_iter().map(|problem| problem.on(resource.id())));
}

/// What code is told of a resource that it is linked to, in the variable that the resource's id gives: the name of a
/// bucket, a database, a network or a service; of a queue its topic, `projects/{project}/topics/{topic}`, whose
/// subscription has the same last part.
#[cfg(feature = "client")]
pub(crate) fn address(
    site: &alien_core::DeploymentContext<crate::Gcp>,
    subject: alien_core::permission::Subject,
) -> String {
    use alien_core::call::last;
    let Ok(resource) = site.resource(subject) else { return String::new() };
    match (resource.kind(), site.name(subject, Scope::Topic)) {
        (Kind::Queue, Ok(topic)) => crate::naming::relative(topic).to_owned(),
        _ => last(site.id_of(subject)).to_owned(),
    }
}
