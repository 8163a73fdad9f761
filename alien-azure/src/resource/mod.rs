//! The six kinds on Azure, one file a kind: their names, their permission sets, what Azure does not take.

use alien_core::cloud::Operation;
use alien_core::permission::Set;
use alien_core::resource::{Resource, Settings};
use alien_core::{Kind, Problem, Rule, Stack};

use crate::naming::Ids;
use crate::operations::Place;

mod container;
mod function;
mod kv;
mod network;
mod queue;
mod storage;

pub(crate) use queue::namespace;

type Rows = &'static [&'static Operation<Place>];

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
pub(crate) fn names(ids: Ids<'_>, resource: &Resource, things: &mut Vec<(Place, String)>) {
    let id = resource.id().as_str();
    match resource.settings() {
        Settings::Function(_) | Settings::Container(_) => function::names(ids, resource, things),
        Settings::Storage(_) => storage::names(ids, id, things),
        Settings::Kv(_) => kv::names(ids, id, things),
        Settings::Queue(_) => queue::names(ids, id, things),
        Settings::Network(network) => network::names(ids, id, network, things),
    }
}

/// What Azure does not take of a stack, and what should be known about it there.
pub(crate) fn check(ids: Ids<'_>, stack: &Stack, problems: &mut Vec<Problem>) {
    for resource in stack.resources() {
        let mut own = Vec::new();
        match resource.settings() {
            Settings::Function(function) => function::check(function.code(), &mut own),
            Settings::Container(container) => container::check(container, &mut own),
            Settings::Kv(kv) => kv::check(kv, &mut own),
            Settings::Network(network) => network::check(network, &mut own),
            Settings::Storage(_) | Settings::Queue(_) => {}
        }
        check_name(ids, resource, &mut own);
        problems.extend(own.into_iter().map(|problem| problem.on(resource.id())));
    }
    problems.extend(alien_core::cloud::frozen_logs_are_shared(stack));
}

/// Azure keeps some words for itself
/// (<https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-reserved-resource-name>).
fn check_name(ids: Ids<'_>, resource: &Resource, problems: &mut Vec<Problem>) {
    let name = ids.physical(resource.id().as_str(), 32);
    if name.starts_with("login") || name.contains("microsoft") || name.contains("windows") {
        problems.push(Problem::error(
            Rule::Cloud,
            format!("Azure refuses names like `{name}`"),
            "choose a prefix that does not begin with `login`, and prefix and id without `microsoft` and `windows`"
                .to_owned(),
        ));
    }
}
