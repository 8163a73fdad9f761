//! What functions and containers share: both are container apps, in environments whose logs are in workspaces.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod environment;
#[cfg(feature = "client")]
pub(crate) mod logs;

use alien_core::Lifecycle;
use alien_core::naming::join;
use alien_core::permission::Set;
use alien_core::resource::Resource;

use super::Rows;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Place;

/// The name of an app has at most 32 characters and no double hyphen
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>).
const MAX: usize = 32;

/// The sets that both have.
pub(super) fn set(set: Set) -> Rows {
    match set {
        Set::Heartbeat => &[op::GET_APP, op::LIST_REVISIONS, op::LIST_REPLICAS],
        Set::Management => &[op::PATCH_APP],
        Set::Logs => &[op::LOOK_UP_WORKSPACE, op::QUERY_LOGS, op::READ_LOG_TABLES],
        Set::Provision => {
            &[op::PATCH_APP, op::DELETE_APP, op::JOIN_ENVIRONMENT, op::GET_RUNTIME_IDENTITY, op::ASSIGN_IDENTITY]
        }
        _ => &[],
    }
}

/// Frozen and live apps run in environments of their own: an environment has one place for its logs, and the vendor
/// reads those of live apps alone.
pub(super) fn names(ids: Ids<'_>, resource: &Resource, things: &mut Vec<(Place, String)>) {
    let name = ids.physical(resource.id().as_str(), MAX);
    things.push((Place::App, ids.resource(&["Microsoft.App/containerApps/", &name])));
    // An environment stands in one network.
    let network = resource.settings().compute().and_then(|compute| compute.network);
    things.push((Place::Environment, environment(ids, resource.lifecycle(), network)));
    things.push((Place::Workspace, workspace(ids, resource.lifecycle())));
    if resource.settings().takes_commands() {
        let queue = |what: &str| join(&[&super::queue::namespace(ids)], &["/queues/", &name, what]);
        things.push((Place::CommandQueue, queue("-commands")));
        things.push((Place::AnswerQueue, queue("-answers")));
    }
    for queue in resource.settings().triggers() {
        things.push((Place::TriggerQueue, super::queue::queue(ids, queue)));
    }
}

/// The environment of apps of a lifecycle in a network, or in none.
pub(crate) fn environment(ids: Ids<'_>, lifecycle: Lifecycle, network: Option<&str>) -> String {
    let lifecycle = lifecycle.name();
    let id = network.map_or_else(|| lifecycle.to_owned(), |network| [lifecycle, "-", network].concat());
    ids.resource(&["Microsoft.App/managedEnvironments/", &ids.physical(&id, 60)])
}

/// The workspace for the logs of apps of a lifecycle.
pub(crate) fn workspace(ids: Ids<'_>, lifecycle: Lifecycle) -> String {
    ids.resource(&["Microsoft.OperationalInsights/workspaces/", &ids.physical(lifecycle.name(), 63)])
}
