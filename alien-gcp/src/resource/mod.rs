//! The six kinds on GCP, one file a kind: their names, their permission sets, what GCP does not take.

use alien_core::cloud::Operation;
use alien_core::permission::Set;
use alien_core::resource::{Resource, Settings};
use alien_core::{Kind, Problem};

use crate::naming::Paths;
use crate::operations::Place;

mod container;
mod function;
mod kv;
mod network;
mod queue;
mod storage;

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
pub(crate) fn names(paths: Paths<'_>, resource: &Resource, things: &mut Vec<(Place, String)>) {
    let id = resource.id().as_str();
    match resource.settings() {
        Settings::Function(_) | Settings::Container(_) => function::names(paths, resource, things),
        Settings::Storage(_) => storage::names(paths, id, things),
        Settings::Kv(_) => kv::names(paths, id, things),
        Settings::Queue(_) => queue::names(paths, id, things),
        Settings::Network(network) => network::names(paths, id, network, things),
    }
}

/// What GCP does not take of a resource, and what should be known about it there.
pub(crate) fn check(paths: Paths<'_>, resource: &Resource, problems: &mut Vec<Problem>) {
    let mut own = Vec::new();
    match resource.settings() {
        Settings::Function(function) => function::check(function.code(), &mut own),
        Settings::Container(container) => container::check(container, &mut own),
        Settings::Storage(_) => storage::check(paths, resource.id().as_str(), &mut own),
        Settings::Queue(_) => queue::check(paths, &mut own),
        Settings::Network(network) => network::check(network, &mut own),
        Settings::Kv(_) => {}
    }
    problems.extend(own.into_iter().map(|problem| problem.on(resource.id())));
}
