//! Subscriptions, resource groups, tags: <https://learn.microsoft.com/rest/api/resources/>.

mod group;
mod tags;

use serde_json::{Value, json};

use super::Provider;
use crate::azure::call::{Answer, Call, show, text};
use crate::azure::fail::Fail;
use crate::azure::operation;
use crate::azure::rbac::decide::Plane;
use crate::azure::route::{Method, Route, at_scope, in_group, in_subscription, row};
use crate::azure::state::State;

pub(crate) use tags::check as check_tags;

pub(crate) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.Resources",
    versions: &[
        "2025-04-01",
        "2025-03-01",
        "2024-11-01",
        "2024-07-01",
        "2024-03-01",
        "2023-07-01",
        "2022-12-01",
        "2022-09-01",
        "2021-04-01",
        "2020-10-01",
        "2020-06-01",
        "2020-01-01",
        "2019-10-01",
    ],
    tables: &[TABLE, DEPLOYMENTS, GROUP_DEPLOYMENTS],
    links: &[],
};

/// The operations of the provider.
const SOURCE: &str = "https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance#microsoftresources";

const GROUPS: &str = "/subscriptions/{subscriptionId}/resourceGroups";
const GROUP: &str = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}";
const RESULT: &str = "/subscriptions/{subscriptionId}/operationresults/{operationId}";
const TAGS: &str = at_scope!("Microsoft.Resources/tags/default");
const READ: &[&str] = &["Microsoft.Resources/subscriptions/resourceGroups/read"];
const WRITE: &[&str] = &["Microsoft.Resources/subscriptions/resourceGroups/write"];

/// Deployments may be at any level, with the same operations everywhere.
macro_rules! deployments {
    ($at:ident) => {
        &[
            row("GET", $at!("Microsoft.Resources/deployments"), &["Microsoft.Resources/deployments/read"], SOURCE),
            row(
                "GET",
                $at!("Microsoft.Resources/deployments/{deploymentName}"),
                &["Microsoft.Resources/deployments/read"],
                SOURCE,
            ),
            row(
                "PUT",
                $at!("Microsoft.Resources/deployments/{deploymentName}"),
                &["Microsoft.Resources/deployments/write"],
                SOURCE,
            ),
            row(
                "DELETE",
                $at!("Microsoft.Resources/deployments/{deploymentName}"),
                &["Microsoft.Resources/deployments/delete"],
                SOURCE,
            ),
            row(
                "POST",
                $at!("Microsoft.Resources/deployments/{deploymentName}/cancel"),
                &["Microsoft.Resources/deployments/cancel/action"],
                SOURCE,
            ),
            row(
                "POST",
                $at!("Microsoft.Resources/deployments/{deploymentName}/validate"),
                &["Microsoft.Resources/deployments/validate/action"],
                SOURCE,
            ),
            row(
                "POST",
                $at!("Microsoft.Resources/deployments/{deploymentName}/whatIf"),
                &["Microsoft.Resources/deployments/whatIf/action"],
                SOURCE,
            ),
            row(
                "POST",
                $at!("Microsoft.Resources/deployments/{deploymentName}/exportTemplate"),
                &["Microsoft.Resources/deployments/exportTemplate/action"],
                SOURCE,
            ),
        ]
    };
}

/// Whoever may deploy may do everything that a template says.
const DEPLOYMENTS: &[Method] = deployments!(in_subscription);
const GROUP_DEPLOYMENTS: &[Method] = deployments!(in_group);

const SCRIPT: &str = in_group!("Microsoft.Resources/deploymentScripts/{scriptName}");

#[rustfmt::skip]
const TABLE: &[Method] = &[
    row("GET", "/subscriptions", &["Microsoft.Resources/subscriptions/read"], SOURCE).done(subscriptions).filtered(),
    row("GET", "/subscriptions/{subscriptionId}", &["Microsoft.Resources/subscriptions/read"], SOURCE).done(show),
    row("GET", "/subscriptions/{subscriptionId}/locations", &["Microsoft.Resources/subscriptions/locations/read"], SOURCE).done(locations),
    row("GET", RESULT, &["Microsoft.Resources/subscriptions/operationresults/read"], SOURCE).done(operation::result),
    row("GET", GROUPS, READ, SOURCE).done(group::list).query(&["$filter", "$top"]),
    row("GET", GROUP, READ, SOURCE).done(show),
    row("HEAD", GROUP, READ, SOURCE).done(group::head),
    row("PUT", GROUP, WRITE, SOURCE).done(group::put).body("location! managedBy tags* properties*"),
    row("PATCH", GROUP, WRITE, SOURCE).done(group::patch).body("managedBy tags* properties*"),
    row("DELETE", GROUP, &["Microsoft.Resources/subscriptions/resourceGroups/delete"], SOURCE).done(group::delete).query(&["forceDeletionTypes"]),
    row("POST", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/exportTemplate", &["Microsoft.Resources/subscriptions/resourceGroups/exportTemplate/action"], SOURCE),
    row("POST", "/subscriptions/{subscriptionId}/resourceGroups/{sourceResourceGroupName}/moveResources", &["Microsoft.Resources/subscriptions/resourceGroups/moveResources/action"], SOURCE),
    row("POST", "/subscriptions/{subscriptionId}/resourceGroups/{sourceResourceGroupName}/validateMoveResources", &["Microsoft.Resources/subscriptions/resourceGroups/validateMoveResources/action"], SOURCE),
    row("GET", "/subscriptions/{subscriptionId}/resources", &["Microsoft.Resources/resources/read"], SOURCE).done(group::resources).query(&["$filter", "$expand", "$top"]),
    row("GET", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/resources", &["Microsoft.Resources/resources/read"], SOURCE).done(group::resources).query(&["$filter", "$expand", "$top"]),
    row("GET", "/subscriptions/{subscriptionId}/providers", &["Microsoft.Resources/subscriptions/providers/read"], SOURCE).done(providers).query(&["$expand"]),
    row("GET", "/subscriptions/{subscriptionId}/providers/{resourceProviderNamespace}", &["Microsoft.Resources/subscriptions/providers/read"], SOURCE).done(provider).query(&["$expand"]),
    row("GET", TAGS, &["Microsoft.Resources/tags/read"], SOURCE).done(tags::get),
    row("PUT", TAGS, &["Microsoft.Resources/tags/write"], SOURCE).done(tags::put).body("properties!{tags*}"),
    row("PATCH", TAGS, &["Microsoft.Resources/tags/write"], SOURCE).done(tags::patch).body("operation=Replace|Merge|Delete properties{tags*}"),
    row("DELETE", TAGS, &["Microsoft.Resources/tags/delete"], SOURCE).done(tags::delete),
    row("GET", "/subscriptions/{subscriptionId}/tagNames", &["Microsoft.Resources/tags/read"], SOURCE),
    row("PUT", "/subscriptions/{subscriptionId}/tagNames/{tagName}", &["Microsoft.Resources/tags/write"], SOURCE),
    row("DELETE", "/subscriptions/{subscriptionId}/tagNames/{tagName}", &["Microsoft.Resources/tags/delete"], SOURCE),
    row("GET", in_subscription!("Microsoft.Resources/deploymentScripts"), &["Microsoft.Resources/deploymentScripts/read"], SOURCE),
    row("GET", SCRIPT, &["Microsoft.Resources/deploymentScripts/read"], SOURCE),
    row("PUT", SCRIPT, &["Microsoft.Resources/deploymentScripts/write"], SOURCE),
    row("PATCH", SCRIPT, &["Microsoft.Resources/deploymentScripts/write"], SOURCE),
    row("DELETE", SCRIPT, &["Microsoft.Resources/deploymentScripts/delete"], SOURCE),
    row("GET", in_group!("Microsoft.Resources/deploymentScripts/{scriptName}/logs"), &["Microsoft.Resources/deploymentScripts/logs/read"], SOURCE),
];

fn subscriptions(call: &mut Call<'_>) -> Result<Answer, Fail> {
    // Callers see only what they may read.
    let is_subscription = |id: &str| id.split('/').count() == 3;
    let known: Vec<(String, Value)> = call
        .state
        .things()
        .filter(|thing| is_subscription(&thing.id))
        .map(|thing| (thing.id.clone(), thing.body.clone()))
        .collect();
    let (caller, key) = (call.caller, call.route.key);
    let mut seen = Vec::new();
    for (id, body) in known {
        if call.state.asks(caller, key, Plane::Control, "Microsoft.Resources/subscriptions/read", &id) {
            seen.push(body);
        }
    }
    Ok(Answer::list(seen))
}

/// Some of the regions at <https://learn.microsoft.com/azure/reliability/regions-list>.
fn locations(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let known = [
        ("eastus", "East US"),
        ("westus2", "West US 2"),
        ("westeurope", "West Europe"),
        ("northeurope", "North Europe"),
    ];
    let location = |(name, display): &(&str, &str)| json!({"id": format!("{}/locations/{name}", call.id), "name": name, "displayName": display, "type": "Region"});
    Ok(Answer::list(known.iter().map(location).collect()))
}

/// Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-providers-and-types>.
fn registered(state: &State, subscription: &str, namespace: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{subscription}/providers/{namespace}"),
        "namespace": namespace,
        "registrationState": if state.is_registered(namespace) { "Registered" } else { "NotRegistered" },
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [],
    })
}

fn providers(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let subscription = call.parameter("subscriptionId");
    Ok(Answer::list(super::namespaces().map(|namespace| registered(call.state, subscription, namespace)).collect()))
}

/// Answers whether a provider is registered, and registers it where that is asked. In a new emulator all are.
pub(crate) fn provider(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let asked = match call.parameter("resourceProviderNamespace") {
        // The path of a registration contains the provider as text.
        "" => call.route.path.rsplit('/').nth(1).unwrap_or_default(),
        asked => asked,
    };
    let known = super::namespaces().find(|namespace| namespace.eq_ignore_ascii_case(asked)).ok_or_else(|| {
        Fail::new(404, "InvalidResourceNamespace", format!("The resource namespace '{asked}' is invalid."))
    })?;
    if call.route.key.ends_with("/register") {
        call.state.knobs.unregistered.remove(known);
    }
    Ok(Answer::json(200, &registered(call.state, call.parameter("subscriptionId"), known)))
}

/// Checks that the parent of the path exists.
///
/// # Errors
///
/// 404 `SubscriptionNotFound`, `ResourceGroupNotFound`, `ParentResourceNotFound` or `ResourceNotFound` if it does not.
pub(crate) fn is_there(state: &State, route: &Route, id: &str) -> Result<(), Fail> {
    let segments: Vec<&str> = route.path.split('/').skip(1).collect();
    let first = |count: usize| format!("/{}", segments.get(..count).unwrap_or_default().join("/"));
    if !segments.first().is_some_and(|first| first.eq_ignore_ascii_case("subscriptions")) || segments.len() < 2 {
        return Ok(());
    }
    state.thing(&first(2))?;
    let in_group = segments.get(2).is_some_and(|third| third.eq_ignore_ascii_case("resourceGroups"));
    if !in_group && segments.get(2).is_none_or(|third| !third.eq_ignore_ascii_case("providers")) {
        return Ok(());
    }
    let is_group = segments.len() == 4 && in_group;
    if in_group && segments.len() > 3 && !is_group {
        state.thing(&first(4))?;
    }
    if route.method.path.starts_with("/{scope}") {
        return scope_is_there(state, route.parameter("scope"));
    }
    let provider = if in_group { 4 } else { 2 };
    // The provider's namespace, a type and a name. Everything below is inside that resource.
    let root = provider + 4;
    if route.method.is_rootless || segments.len() <= root || segments.get(provider + 2) == Some(&"locations") {
        return Ok(());
    }
    let root = first(root);
    if state.thing(&root).is_ok() {
        return Ok(());
    }
    Err(if root.eq_ignore_ascii_case(id) { Fail::missing(&root) } else { Fail::parentless(&root) })
}

/// Checks that a scope exists.
pub(crate) fn scope_is_there(state: &State, scope: &str) -> Result<(), Fail> {
    let bare = scope.trim_end_matches('/');
    // An account's single service has no entry of its own.
    let thing = bare.strip_suffix("/default").and_then(|service| service.rsplit_once('/')).map_or(bare, |(of, _)| of);
    if bare.is_empty() || state.thing(bare).is_ok() || state.thing(thing).is_ok() {
        return Ok(());
    }
    Err(Fail::missing(bare))
}

impl State {
    /// Whether a provider is registered in every subscription.
    fn is_registered(&self, namespace: &str) -> bool {
        !self.knobs.unregistered.contains(namespace)
    }

    /// Checks that a provider may be asked for something new.
    ///
    /// # Errors
    ///
    /// 409 `MissingSubscriptionRegistration`, in the words of the service:
    /// <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-register-resource-provider>.
    pub(crate) fn registration(&self, namespace: &str) -> Result<(), Fail> {
        if self.is_registered(namespace) {
            return Ok(());
        }
        Err(Fail::conflict(
            "MissingSubscriptionRegistration",
            format!(
                "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for \
                 how to register subscriptions."
            ),
        ))
    }

    /// Creates a subscription, unless it exists.
    pub(crate) fn make_subscription(&mut self, subscription: &str) -> String {
        let id = format!("/subscriptions/{subscription}");
        if self.thing(&id).is_err() {
            let body = json!({
                "id": id,
                "type": "Microsoft.Resources/subscriptions",
                "subscriptionId": subscription,
                "tenantId": self.tenant,
                "displayName": subscription,
                "state": "Enabled",
                "subscriptionPolicies": {"spendingLimit": "Off"},
            });
            self.put(&id, body);
        }
        id
    }

    /// Creates a resource group, unless it exists.
    pub(crate) fn make_group(&mut self, subscription: &str, name: &str, location: &str) -> Result<String, Fail> {
        let of = self.thing(&format!("/subscriptions/{subscription}"))?;
        let id = format!("{}/resourceGroups/{name}", text(&of.body, "/id"));
        if self.thing(&id).is_err() {
            self.put(&id, group::body(&id, location, &Value::Null));
        }
        Ok(id)
    }
}
