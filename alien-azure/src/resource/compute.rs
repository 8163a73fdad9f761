//! What functions and containers share: both are container apps in environments, whose logs go to workspaces.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod commands;
#[cfg(feature = "client")]
pub(crate) mod environment;
#[cfg(feature = "client")]
pub(crate) mod logs;
#[cfg(feature = "client")]
pub(crate) mod template;

use alien_core::adapter::{CodeForms, Fields, Operation, Placed, Rows, digest, join};
use alien_core::{Lifecycle, Problem, Resource, Rule, Set};

use super::{network, queue};
use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of an app, in characters; it has no double hyphen
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>).
const MAX: usize = 32;

/// Every field of an app that `Microsoft.App/containerApps/write` can write
/// (<https://learn.microsoft.com/rest/api/resource-manager/containerapps/container-apps/update>).
///
/// Azure has no condition on fields of a request to a control plane
/// (<https://learn.microsoft.com/azure/role-based-access-control/conditions-overview>). What the app does with a secret of a
/// vault, a registry or a service, it does as the identity that a set-up gave it.
pub(super) const APP: &[Fields] = &[
    // Azure refuses to move an app.
    Fields::call(&["location"]),
    Fields::vendors(&[
        "properties.configuration.maxInactiveRevisions",
        "properties.configuration.ingress.traffic",
        "properties.configuration.ingress.transport",
        "properties.configuration.runtime",
        "properties.template",
    ]),
    Fields::needing(
        "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
        &["identity.userAssignedIdentities"],
    ),
    // An environment of a deployment has one workload profile.
    Fields::needing("Microsoft.App/managedEnvironments/write", &["properties.workloadProfileName"]),
    Fields::needing(
        "Microsoft.App/managedEnvironments/join/action",
        &["properties.environmentId", "properties.managedEnvironmentId"],
    ),
    Fields::restored(
        "",
        &[
            "extendedLocation",
            "kind",
            "managedBy",
            "properties.configuration.activeRevisionsMode",
            "properties.configuration.dapr",
            "properties.configuration.identitySettings",
            "properties.configuration.ingress.corsPolicy",
            "properties.configuration.ingress.stickySessions",
            "properties.configuration.registries",
            "properties.configuration.service",
            "properties.template.containers[].args",
            "properties.template.containers[].command",
            "properties.template.initContainers",
            "properties.template.scale.rules",
            "properties.template.serviceBinds",
        ],
    ),
    Fields::restored("write the tags that say whose it is", &["tags"]),
    Fields::restored("give it an identity of its own, which has no role", &["identity.type"]),
    Fields::restored(
        "let it be reached from the internet, without encryption and under other names, by whomever it admits",
        &["properties.configuration.ingress"],
    ),
    Fields::restored(
        "read secrets of vaults that its identity may read, and keep secrets of its own",
        &["properties.configuration.secrets"],
    ),
    Fields::restored("send its traffic through another subnet", &["properties.networking"]),
    Fields::restored(
        "mount storage of its environment",
        &["properties.template.containers[].volumeMounts", "properties.template.volumes"],
    ),
];

/// The fields of the operations that both kinds share.
pub(super) fn writes(row: &Operation<Scope>) -> &'static [Fields] {
    if row == op::PATCH_APP { APP } else { &[] }
}

/// The permission sets of both kinds.
pub(super) fn set(set: Set) -> Rows<Azure> {
    match set {
        Set::Heartbeat => &[op::GET_APP, op::LIST_REVISIONS, op::LIST_REPLICAS],
        Set::Management => &[op::PATCH_APP],
        Set::Logs => &[op::LOOK_UP_WORKSPACE, op::QUERY_LOGS, op::READ_LOG_TABLES],
        // What is created needs roles on it, which end with it: only the admin gives them, and so only the admin creates.
        Set::Provision => &[op::DELETE_APP],
        Set::Setup => &[op::PATCH_APP, op::JOIN_ENVIRONMENT, op::GET_RUNTIME_IDENTITY, op::ASSIGN_IDENTITY],
        _ => &[],
    }
}

/// Adds the names of an app. Frozen and live apps are in separate environments: an environment sends its logs to one
/// workspace, and the vendor may read only the logs of live apps.
pub(super) fn names(placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
    let (ids, resource) = (Ids(placed.target), placed.resource);
    let name = ids.physical(placed.id(), MAX);
    things.push((Scope::App, ids.resource(&["Microsoft.App/containerApps/", &name])));
    // An environment is in one network.
    let network = resource.settings().compute().and_then(|compute| placed.stack.resource(compute.network?));
    things.push((Scope::Environment, environment(ids, resource.lifecycle(), network)));
    things.push((Scope::Workspace, workspace(ids, resource.lifecycle())));
    if resource.settings().takes_commands() {
        let [commands, answers] = command_queues(ids, &name);
        things.push((Scope::CommandQueue, commands));
        things.push((Scope::AnswerQueue, answers));
    }
    for id in resource.settings().triggers() {
        things.push((Scope::TriggerQueue, queue::queue(ids, id)));
    }
}

/// The queues for an app's commands and answers.
pub(crate) fn command_queues(ids: Ids<'_>, app: &str) -> [String; 2] {
    ["-commands", "-answers"].map(|what| join(&[&queue::namespace(ids)], &["/queues/", app, what]))
}

/// The environment for apps of a lifecycle, in a network or in none.
///
/// An environment cannot be moved to another subnet, so there is another one for each subnet that the customer gives.
pub(crate) fn environment(ids: Ids<'_>, lifecycle: Lifecycle, network: Option<&Resource>) -> String {
    let subnet = network.and_then(Resource::existing).and_then(|existing| {
        let subnet = network::given_subnet(existing, lifecycle)?;
        Some(digest(&[&existing.id.to_ascii_lowercase(), &subnet.to_ascii_lowercase()]))
    });
    let words = [Some(lifecycle.name()), network.map(|network| network.id().as_str()), subnet.as_deref()];
    let id = words.into_iter().flatten().collect::<Vec<_>>().join("-");
    ids.resource(&["Microsoft.App/managedEnvironments/", &ids.physical(&id, 60)])
}

/// The workspace for logs of apps of a lifecycle.
pub(crate) fn workspace(ids: Ids<'_>, lifecycle: Lifecycle) -> String {
    ids.resource(&["Microsoft.OperationalInsights/workspaces/", &ids.physical(lifecycle.name(), 63)])
}

/// How the names of Azure's own registries end.
const REGISTRY: &str = ".azurecr.io";

/// Whether a registry is Azure's own, which authorizes pulls by the identity of the code.
pub(crate) fn is_azures(registry: &str) -> bool {
    registry.ends_with(REGISTRY)
}

/// Apps run from an image: of several, from one in Azure's own registry
/// (<https://learn.microsoft.com/azure/container-apps/containers>).
pub(super) const CODE: CodeForms = CodeForms::IMAGE.preferring(&[REGISTRY]);

/// The variable with the identity for which code requests tokens, as Azure's own libraries read it.
pub(crate) const CLIENT_ID: &str = "AZURE_CLIENT_ID";

/// How the variables begin that Container Apps sets itself
/// (<https://learn.microsoft.com/azure/container-apps/environment-variables#built-in-environment-variables>), also for what asks for
/// tokens (<https://learn.microsoft.com/azure/container-apps/managed-identity#rest-endpoint-reference>).
const OWN: [&str; 3] = ["CONTAINER_APP_", "IDENTITY_", "MSI_"];

/// Checks the variables.
pub(super) fn check(placed: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
    let Some(compute) = placed.resource.settings().compute() else { return };
    for name in compute.environment.keys() {
        let help = || "give it another name".to_owned();
        if name == CLIENT_ID {
            let what = format!("the set-up sets the environment variable `{name}`: it names the identity of the code");
            problems.push(Problem::error(Rule::Cloud, what, help()));
        } else if OWN.iter().any(|begin| name.starts_with(begin)) {
            let what = format!("the environment variable `{name}` begins like those that Container Apps sets itself");
            problems.push(Problem::warning(Rule::Cloud, what, help()));
        }
    }
}

/// Warns about links between environments: apps find each other by name only within one environment
/// (<https://learn.microsoft.com/azure/container-apps/ingress-overview>).
pub(super) fn check_links(placed: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
    let stands = |one: &Resource| {
        let network = one.settings().compute().and_then(|compute| compute.network.map(str::to_owned));
        (one.lifecycle(), network)
    };
    for id in placed.resource.links() {
        let linked = placed.stack.resource(id.as_str()).filter(|linked| linked.settings().compute().is_some());
        if let Some(linked) = linked.filter(|linked| stands(linked) != stands(placed.resource)) {
            problems.push(Problem::warning(
                Rule::Cloud,
                format!(
                    "it is linked to `{}`, which is in another environment and cannot be found by its name",
                    linked.id()
                ),
                "give both the same lifecycle and network, or send through a queue".to_owned(),
            ));
        }
    }
}
