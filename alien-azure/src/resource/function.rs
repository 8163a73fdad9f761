//! `function`: a container app that scales to zero, and the Service Bus queue through which it takes commands.

use alien_core::permission::Set;
use alien_core::resource::Resource;
use alien_core::{Code, Lifecycle, Problem, Rule, Stack};

use super::Rows;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Place;

/// The name of an app has at most 32 characters and no double hyphen
/// (<https://learn.microsoft.com/azure/container-apps/quickstart-portal>).
const MAX: usize = 32;

pub(super) fn set(set: Set) -> Rows {
    match set {
        // The command queue holds nobody's data, so sending to it runs code and writes none.
        Set::Dispatch => &[op::SEND_COMMAND],
        // An app is called over its ingress, which no role guards: callers need the app's address and nothing else.
        Set::Invoke => &[],
        Set::Setup => &[
            op::PUT_COMMAND_QUEUE,
            op::DELETE_COMMAND_QUEUE,
            op::PUT_NAMESPACE,
            op::DELETE_NAMESPACE,
            op::CHECK_NAMESPACE_NAME,
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
    let shared = ids.physical(resource.lifecycle().name(), 60);
    things.push((Place::Environment, ids.resource(&["Microsoft.App/managedEnvironments/", &shared])));
    things.push((Place::Workspace, ids.resource(&["Microsoft.OperationalInsights/workspaces/", &shared])));
    if resource.settings().takes_commands() {
        let queue = [&name, "-commands"].concat();
        let id =
            ids.resource(&["Microsoft.ServiceBus/namespaces/", &super::queue::namespace_name(ids), "/queues/", &queue]);
        things.push((Place::CommandQueue, id));
    }
}

/// Container Apps runs images only (<https://learn.microsoft.com/azure/container-apps/containers>).
pub(super) fn check(code: &Code, problems: &mut Vec<Problem>) {
    if let Code::Zip(_) = code {
        problems.push(Problem::error(
            Rule::Cloud,
            "Container Apps runs images, and this is a zip".to_owned(),
            "ship the function as an image".to_owned(),
        ));
    }
}

/// Frozen apps write their logs to one workspace, so their logs are given for all of them or for none.
pub(super) fn check_logs(stack: &Stack, problems: &mut Vec<Problem>) {
    let frozen = || stack.resources().iter().filter(|r| r.kind().runs_code() && r.lifecycle() == Lifecycle::Frozen);
    let extended = |resource: &&Resource| stack.extensions(resource.id()).any(|set| *set == Set::Logs);
    if frozen().any(|resource| extended(&resource)) {
        for resource in frozen().filter(|resource| !extended(resource)) {
            let what =
                "its logs stand in one workspace with those of frozen apps whose logs the stack gives the vendor";
            let help = "extend `logs` for every frozen function and container, or for none";
            problems.push(Problem::error(Rule::Cloud, what.to_owned(), help.to_owned()).on(resource.id()));
        }
    }
}
