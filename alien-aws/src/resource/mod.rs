//! The six kinds on AWS, one file a kind: their names, their permission sets, what AWS does not take.

use alien_core::cloud::Operation;
use alien_core::permission::Set;
use alien_core::resource::{Resource, Settings};
use alien_core::{Kind, Problem};

use crate::naming::Arns;
use crate::operations::Place;

pub(crate) mod container;
pub(crate) mod function;
pub(crate) mod kv;
pub(crate) mod network;
pub(crate) mod queue;
pub(crate) mod storage;

pub(crate) use container::{cluster, cluster_set};

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
pub(crate) fn names(arns: Arns<'_>, resource: &Resource, things: &mut Vec<(Place, String)>) {
    let id = resource.id().as_str();
    match resource.settings() {
        Settings::Function(function) => function::names(arns, id, function, things),
        Settings::Container(_) => container::names(arns, id, things),
        Settings::Storage(_) => storage::names(arns, id, things),
        Settings::Kv(_) => kv::names(arns, id, things),
        Settings::Queue(queue) => queue::names(arns, id, queue, things),
        Settings::Network(network) => network::names(arns, id, network, things),
    }
    if let Some(compute) = resource.settings().compute()
        && let Some(repository) = container::repository(compute.code)
    {
        things.extend([(Place::Repository, repository), (Place::Registry, "*".to_owned())]);
    }
}

/// What AWS does not take of a resource, and what should be known about it there.
pub(crate) fn check(arns: Arns<'_>, resource: &Resource, problems: &mut Vec<Problem>) {
    let mut own = Vec::new();
    match resource.settings() {
        Settings::Function(function) => function::check(function, &mut own),
        Settings::Container(container) => container::check(container, &mut own),
        Settings::Storage(_) => storage::check(arns, resource.id().as_str(), &mut own),
        Settings::Network(network) => network::check(network, &mut own),
        Settings::Kv(_) | Settings::Queue(_) => {}
    }
    problems.extend(own.into_iter().map(|problem| problem.on(resource.id())));
}
