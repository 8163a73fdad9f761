//! `function`: a container app that scales to zero, and the Service Bus queue through which it takes commands.

use alien_core::permission::Set;
use alien_core::resource::Resource;
use alien_core::{Code, Problem, Rule};

use super::Rows;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Place;

/// The name of an app has at most 32 characters and no double hyphen
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>).
const MAX: usize = 32;

pub(super) fn set(set: Set) -> Rows {
    match set {
        // The command queue holds nobody's data, so sending to it runs code and writes none.
        Set::Dispatch => &[op::SEND_COMMAND],
        // An app is called over its ingress, which no role guards: callers need the app's address and nothing else.
        Set::Invoke => &[],
        Set::Setup => &[
            op::PUT_COMMAND_QUEUE,
            op::GET_COMMAND_QUEUE,
            op::DELETE_COMMAND_QUEUE,
            op::PUT_NAMESPACE,
            op::GET_NAMESPACE,
            op::DELETE_NAMESPACE,
        ],
        // The platform collects what the code prints: the code needs no right for its logs.
        Set::Run => &[op::RECEIVE_COMMAND],
        _ => app_set(set),
    }
}

/// What functions and containers share: both are apps.
pub(super) fn app_set(set: Set) -> Rows {
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
    let lifecycle = resource.lifecycle().name();
    // An environment stands in one network.
    let network = resource.settings().compute().and_then(|compute| compute.network);
    let environment = network.map_or_else(|| lifecycle.to_owned(), |network| [lifecycle, "-", network].concat());
    let (environment, workspace) = (ids.physical(&environment, 60), ids.physical(lifecycle, 63));
    things.push((Place::Environment, ids.resource(&["Microsoft.App/managedEnvironments/", &environment])));
    things.push((Place::Workspace, ids.resource(&["Microsoft.OperationalInsights/workspaces/", &workspace])));
    if resource.settings().takes_commands() {
        let queue = [&name, "-commands"].concat();
        let id =
            ids.resource(&["Microsoft.ServiceBus/namespaces/", &super::queue::namespace_name(ids), "/queues/", &queue]);
        things.push((Place::CommandQueue, id));
    }
}

/// Container Apps runs images only (<https://learn.microsoft.com/azure/container-apps/containers>).
pub(super) fn check(code: &Code, problems: &mut Vec<Problem>) {
    if let Code::Image(image) = code
        && image.split('/').next().is_some_and(|host| host.ends_with(".azurecr.io"))
    {
        problems.push(Problem::warning(
            Rule::Cloud,
            format!("the app's identity has no right to pull `{image}`"),
            "let it pull from that registry before set-up, or use one that needs no right".to_owned(),
        ));
    }
    if let Code::Zip(_) = code {
        problems.push(Problem::error(
            Rule::Cloud,
            "Container Apps runs images, and this is a zip".to_owned(),
            "ship the function as an image".to_owned(),
        ));
    }
}
