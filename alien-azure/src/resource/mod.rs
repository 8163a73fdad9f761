//! The six kinds on Azure, one file a kind: their names, their permission sets, what Azure does not take.

use alien_core::cloud::Operation;
use alien_core::permission::Set;
use alien_core::resource::{Resource, Settings};
use alien_core::{Kind, Problem, Rule, Stack};

use crate::naming::Ids;
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
pub(crate) fn names(ids: Ids<'_>, resource: &Resource, things: &mut Vec<(Scope, String)>) {
    let id = resource.id().as_str();
    match resource.settings() {
        Settings::Function(_) | Settings::Container(_) => compute::names(ids, resource, things),
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
            Settings::Function(function) => function::check(function, &mut own),
            Settings::Container(container) => container::check(container, &mut own),
            Settings::Kv(kv) => kv::check(kv, &mut own),
            Settings::Network(network) => network::check(network, &mut own),
            Settings::Storage(_) | Settings::Queue(_) => {}
        }
        compute::check_links(stack, resource, &mut own);
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

/// What code is told of a linked resource: where its data is, and nothing that opens it.
#[cfg(feature = "client")]
pub(crate) fn address(
    site: &alien_core::DeploymentContext<crate::Azure>,
    subject: alien_core::permission::Subject,
) -> String {
    use alien_core::call::last;
    let Ok(resource) = site.resource(subject) else { return String::new() };
    let name = |scope| site.name(subject, scope).unwrap_or_default();
    match resource.kind() {
        Kind::Storage => {
            format!("https://{}.blob.core.windows.net/{}", last(name(Scope::Account)), last(name(Scope::Container)))
        }
        Kind::Kv => {
            format!("https://{}.table.core.windows.net/{}", last(name(Scope::Account)), last(name(Scope::Table)))
        }
        Kind::Queue => function::calls::address(name(Scope::Queue)),
        // Apps of one environment find each other by name.
        Kind::Function | Kind::Container => last(name(Scope::App)).to_owned(),
        Kind::Network => name(Scope::VirtualNetwork).to_owned(),
    }
}
