//! Container apps: <https://learn.microsoft.com/rest/api/containerapps/container-apps>.

use serde_json::{Map, Value, json};

use super::revision::Serving;
use super::template::{self, Plan, template};
use super::{APPS, LRO};
use crate::azure::call::{Answer, Call, Codes, merge, set, text};
use crate::azure::fail::Fail;
use crate::azure::state::State;

/// The fields of a PUT, or of a PATCH, whose location is optional.
macro_rules! app {
    ($location:literal) => {
        concat!(
            "etag kind managedBy extendedLocation* tags* ",
            $location,
            " identity{type!=None|UserAssigned|SystemAssigned|SystemAssigned,UserAssigned principalId tenantId userAssignedIdentities*} \
            properties{provisioningState runningStatus deploymentErrors managedEnvironmentId environmentId \
            workloadProfileName patchingConfiguration* networking{outboundVnetSubnetId} latestRevisionName latestReadyRevisionName latestRevisionFqdn \
            customDomainVerificationId outboundIpAddresses eventStreamEndpoint delegatedIdentities* \
            configuration{secrets{name! value identity keyVaultUrl} activeRevisionsMode=Single|Multiple|Labels \
            targetLabel ingress{fqdn external targetPort exposedPort transport=auto|http|http2|tcp|Auto|Http|Http2|Tcp \
            traffic{revisionName weight latestRevision label} customDomains{name! bindingType certificateId} allowInsecure \
            ipSecurityRestrictions{name! description ipAddressRange! action!=Allow|Deny} stickySessions{affinity} \
            clientCertificateMode corsPolicy* additionalPortMappings{external! targetPort! exposedPort}} \
            registries{server username passwordSecretRef identity} dapr* runtime* maxInactiveRevisions \
            revisionTransitionThreshold service* identitySettings{identity! lifecycle=All|Init|Main|None}} template{",
            template!(),
            "}}"
        )
    };
}

pub(super) const PUT: &str = app!("location!");
pub(super) const PATCH: &str = app!("location");

/// The properties that only the provider writes.
const FIXED: &[&str] = &[
    "provisioningState",
    "runningStatus",
    "deploymentErrors",
    "latestRevisionName",
    "latestReadyRevisionName",
    "latestRevisionFqdn",
    "customDomainVerificationId",
    "outboundIpAddresses",
    "eventStreamEndpoint",
];

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::json(200, &call.state.app_shown(&call.id.clone())?))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let ids: Vec<String> = call.state.list(&call.id, APPS).iter().map(|body| text(body, "/id")).collect();
    Ok(Answer::list(ids.iter().map(|id| call.state.app_shown(id)).collect::<Result<_, _>>()?))
}

impl State {
    /// The app as it is now.
    pub(super) fn app_shown(&mut self, id: &str) -> Result<Value, Fail> {
        self.settle_revisions(id);
        let now = self.now();
        let thing = self.thing(id)?;
        let mut body = thing.shown(now);
        let is_busy = thing.gone.is_some() || thing.writing.is_some_and(|(until, _)| until > now);
        let serving = Serving::of(self, id);
        if let Some(properties) = body.get_mut("properties") {
            if !is_busy {
                set(properties, "provisioningState", serving.state());
            }
            if let Some(error) = serving.error() {
                set(properties, "deploymentErrors", error);
            }
            set(properties, "runningStatus", if serving.ready.is_some() { "Running" } else { "Progressing" });
            set(properties, "latestRevisionName", serving.latest_name());
            set(properties, "latestReadyRevisionName", serving.ready.as_ref().map(|ready| ready.name.clone()));
            set(properties, "latestRevisionFqdn", serving.fqdn.clone());
        }
        Ok(body)
    }
}

fn idle(call: &Call<'_>) -> Result<(), Fail> {
    let now = call.now();
    let is_busy = call
        .state
        .thing(&call.id)
        .is_ok_and(|thing| thing.gone.is_some() || thing.writing.is_some_and(|(until, _)| until > now));
    if !is_busy {
        return Ok(());
    }
    Err(Fail::conflict(
        "ContainerAppOperationInProgress",
        format!("Cannot modify a container app '{}' because there is an operation in progress.", call.name()),
    ))
}

/// Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftapp>.
fn is_name(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !name.contains("--")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if !is_name(call.name()) {
        return Err(Fail::invalid(
            "ContainerAppInvalidName",
            format!(
                "Invalid ContainerApp name '{}'. A name must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character and cannot have '--'. The length must not be more than 32 characters.",
                call.name()
            ),
        ));
    }
    idle(call)?;
    let mut properties = given(&call.body);
    if properties.get("template").is_none_or(Value::is_null) {
        return Err(Fail::invalid(
            "ContainerAppCreateMustContainTemplate",
            "The request to create a Container App must contain a template.",
        ));
    }
    if properties.get("configuration").is_none_or(Value::is_null) {
        set(&mut properties, "configuration", json!({}));
    }
    let mut body = call.resource(properties);
    for field in ["identity", "kind", "managedBy"] {
        if let Some(value) = call.body.get(field).filter(|value| !value.is_null()) {
            set(&mut body, field, value.clone());
        }
    }
    let secrets = Some(call.body.pointer("/properties/configuration/secrets").cloned().unwrap_or_default());
    write(call, body, secrets, Codes { made: 201, changed: 200, making: 201, changing: 201 })
}

fn given(body: &Value) -> Value {
    let mut properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = properties.as_object_mut() {
        members.retain(|name, _| !FIXED.contains(&name.as_str()));
    }
    properties
}

/// Applies a JSON merge patch: lists are replaced as a whole, and secrets that are not named remain.
pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut body = call.state.thing(&call.id)?.body.clone();
    idle(call)?;
    let mut patch = call.body.clone();
    let properties = given(&call.body);
    let (before, after) = (environment(&body), environment(&json!({"properties": properties})));
    if !after.is_empty() && !after.eq_ignore_ascii_case(&before) {
        return Err(Fail::invalid(
            "ContainerAppEnvironmentCannotBeChanged",
            format!("The environment of the container app '{}' cannot be changed.", call.name()),
        ));
    }
    set(&mut patch, "properties", properties);
    merge(&mut body, &patch);
    let secrets = call.body.pointer("/properties/configuration/secrets").cloned();
    write(call, body, secrets, Codes { made: 200, changed: 200, making: 202, changing: 202 })
}

fn environment(body: &Value) -> String {
    let id = text(body, "/properties/environmentId");
    if id.is_empty() { text(body, "/properties/managedEnvironmentId") } else { id }
}

/// Removes the values of secrets: answers only contain their names.
fn hide(body: &mut Value, given: Option<Value>, before: &Value) -> Result<Map<String, Value>, Fail> {
    let Some(given) = given else {
        return Ok(before.get("secrets").and_then(Value::as_object).cloned().unwrap_or_default());
    };
    let mut hidden = Map::new();
    let mut shown = Vec::new();
    for secret in given.as_array().into_iter().flatten() {
        let name = text(secret, "/name");
        let from_vault = !text(secret, "/keyVaultUrl").is_empty() && !text(secret, "/identity").is_empty();
        let value = secret.get("value").filter(|value| value.as_str().is_some_and(|value| !value.is_empty()));
        if value.is_none() && !from_vault {
            return Err(Fail::invalid(
                "ContainerAppSecretInvalid",
                format!(
                    "Invalid Request: Container app secret(s) with name(s) '{name}' are invalid: value or keyVaultUrl and identity should be provided."
                ),
            ));
        }
        let mut plain = secret.clone();
        if let Some(members) = plain.as_object_mut() {
            members.remove("value");
        }
        shown.push(plain);
        hidden.insert(name, value.cloned().unwrap_or_default());
    }
    if let Some(configuration) = body.pointer_mut("/properties/configuration") {
        set(configuration, "secrets", if shown.is_empty() { Value::Null } else { shown.into() });
    }
    Ok(hidden)
}

/// Fills in the principals of the identities. An identity of the app's own is a principal without rights, and takes no more
/// permission than the app's write. Source:
/// <https://learn.microsoft.com/azure/container-apps/managed-identity#add-a-system-assigned-identity>.
fn identify(state: &mut State, body: &mut Value, id: &str) -> Result<(), Fail> {
    let kind = text(body, "/identity/type");
    let before = state.thing(id).map(|known| text(&known.body, "/identity/principalId")).unwrap_or_default();
    let Some(identity) = body.get_mut("identity") else { return Ok(()) };
    if kind == "None" || kind.is_empty() {
        *identity = json!({"type": "None"});
        return Ok(());
    }
    if kind.contains("SystemAssigned") {
        let principal = match before.is_empty() {
            true => state.make_principal(id, "ServicePrincipal", Some(id)),
            false => before,
        };
        set(identity, "principalId", principal);
        set(identity, "tenantId", state.tenant.clone());
        if kind == "SystemAssigned" {
            return Ok(());
        }
    }
    let named = identity.get("userAssignedIdentities").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut known = Map::new();
    for (name, _) in named.into_iter().filter(|(_, value)| !value.is_null()) {
        let Ok(thing) = state.thing(&name) else {
            return Err(Fail::invalid(
                "FailedIdentityOperation",
                format!(
                    "Identity operation for resource '{id}' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: 'Resource '{name}' was not found.''."
                ),
            ));
        };
        let part = |field: &str| text(&thing.body, &format!("/properties/{field}"));
        known.insert(name, json!({"principalId": part("principalId"), "clientId": part("clientId")}));
    }
    if known.is_empty() {
        return Err(Fail::invalid(
            "InvalidIdentity",
            "The identity type is UserAssigned, and no user assigned identity is named.",
        ));
    }
    set(identity, "userAssignedIdentities", known);
    Ok(())
}

/// The environment of an app, and how much its plan allows.
fn plan(state: &State, body: &Value) -> Result<(String, Plan), Fail> {
    let id = environment(body);
    if !id.to_lowercase().contains("/providers/microsoft.app/managedenvironments/") {
        return Err(Fail::invalid(
            "InvalidManagedEnvironmentId",
            format!("Invalid ManagedEnvironmentId value '{id}'."),
        ));
    }
    let Ok(thing) = state.thing(&id) else {
        return Err(Fail::new(404, "ManagedEnvironmentNotFound", format!("The environment '{id}' was not found.")));
    };
    if text(&thing.shown(state.now()), "/properties/provisioningState") != "Succeeded" {
        return Err(Fail::invalid(
            "ManagedEnvironmentNotProvisioned",
            format!("The environment '{id}' has not been provisioned successfully."),
        ));
    }
    let profiles = thing.body.pointer("/properties/workloadProfiles").and_then(Value::as_array);
    let named = text(body, "/properties/workloadProfileName");
    let profile = profiles.into_iter().flatten().find(|profile| {
        if named.is_empty() {
            text(profile, "/workloadProfileType") == "Consumption"
        } else {
            text(profile, "/name") == named
        }
    });
    let plan = match profile {
        Some(profile) if text(profile, "/workloadProfileType").starts_with("Consumption") => Plan::Consumption,
        Some(_) => Plan::Dedicated,
        None if named.is_empty() || named == "Consumption" => Plan::ConsumptionOnly,
        None => {
            return Err(Fail::invalid(
                "WorkloadProfileNotFound",
                format!("The workload profile '{named}' was not found in the environment '{id}'."),
            ));
        }
    };
    Ok((id, plan))
}

/// Writes a complete app. A changed template creates a revision.
fn write(call: &mut Call<'_>, mut body: Value, secrets: Option<Value>, codes: Codes) -> Result<Answer, Fail> {
    let id = call.id.clone();
    let (environment, plan) = plan(call.state, &body)?;
    let known = call.state.thing(&id).ok().cloned();
    if let Some(known) = &known
        && !text(&known.body, "/properties/environmentId").eq_ignore_ascii_case(&environment)
    {
        return Err(Fail::invalid(
            "ContainerAppEnvironmentCannotBeChanged",
            format!("The environment of the container app '{}' cannot be changed.", call.name()),
        ));
    }
    identify(call.state, &mut body, &id)?;
    let before = known.as_ref().map(|known| known.hidden.clone()).unwrap_or_default();
    let hidden = hide(&mut body, secrets, &before)?;
    let names: Vec<String> = hidden.keys().cloned().collect();
    let domain = text(&call.state.thing(&environment)?.body, "/properties/defaultDomain");
    if let Some(properties) = body.get_mut("properties") {
        set(properties, "environmentId", environment.clone());
        set(properties, "managedEnvironmentId", environment);
        let configuration = properties.get_mut("configuration").filter(|configuration| configuration.is_object());
        if let Some(configuration) = configuration {
            configure(configuration, call.id.rsplit('/').next().unwrap_or_default(), &domain, &names)?;
        }
        if let Some(template) = properties.get_mut("template") {
            template::complete(template, &names, plan)?;
        }
        set(properties, "customDomainVerificationId", call.state.tenant.replace('-', "").to_uppercase());
        set(properties, "outboundIpAddresses", json!([]));
    }
    let template = body.pointer("/properties/template").cloned().unwrap_or_default();
    let made = call.state.next_revision(&id, &template)?;
    // The operation lasts at least until the revision is ready, and fails if the revision fails.
    let takes = call.state.knobs.operation;
    if let Some(made) = &made {
        call.state.knobs.operation = takes.max(call.state.data.revisions_take);
        if made.broken.is_some() {
            call.state.knobs.operation_fails.set(call.route.key, 1, "ContainerAppOperationError");
        }
    }
    let answer = call.write(body, codes, Some(&LRO));
    call.state.knobs.operation = takes;
    let mut answer = answer?;
    call.state.thing_mut(&id)?.hidden = json!({"secrets": hidden});
    if let Some(made) = made {
        call.state.data.apps.entry(id.to_lowercase()).or_default().push(made);
    }
    answer.body = call.state.app_shown(&id)?.to_string().into();
    super::work(call.state);
    Ok(answer)
}

fn configure(configuration: &mut Value, name: &str, domain: &str, secrets: &[String]) -> Result<(), Fail> {
    for registry in configuration.get("registries").and_then(Value::as_array).into_iter().flatten() {
        let secret = text(registry, "/passwordSecretRef");
        if !secret.is_empty() && !secrets.contains(&secret) {
            return Err(Fail::invalid(
                "ContainerAppSecretRefNotFound",
                format!("SecretRef '{secret}' defined for registry '{}' not found.", text(registry, "/server")),
            ));
        }
    }
    if configuration.get("activeRevisionsMode").is_none_or(Value::is_null) {
        set(configuration, "activeRevisionsMode", "Single");
    }
    let most = configuration.get("maxInactiveRevisions").and_then(Value::as_i64).unwrap_or(100);
    if !(0..=100).contains(&most) {
        return Err(Fail::invalid(
            "ContainerAppInvalidMaxInactiveRevisions",
            format!("Invalid maxInactiveRevisions {most}: it is from 0 to 100."),
        ));
    }
    set(configuration, "maxInactiveRevisions", most);
    let Some(ingress) = configuration.get_mut("ingress").filter(|ingress| ingress.is_object()) else { return Ok(()) };
    let is_external = ingress.get("external") == Some(&Value::Bool(true));
    let fqdn = if is_external { format!("{name}.{domain}") } else { format!("{name}.internal.{domain}") };
    set(ingress, "fqdn", fqdn);
    let weight: i64 = ingress
        .get("traffic")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|traffic| traffic.get("weight").and_then(Value::as_i64))
        .sum();
    let has_traffic = ingress.get("traffic").and_then(Value::as_array).is_some_and(|items| !items.is_empty());
    if has_traffic && weight != 100 {
        return Err(Fail::invalid(
            "ContainerAppInvalidTrafficWeight",
            format!("The weights of the traffic add up to {weight}, and not to 100."),
        ));
    }
    if !has_traffic {
        set(ingress, "traffic", json!([{"latestRevision": true, "weight": 100}]));
    }
    for (field, value) in [("transport", json!("Auto")), ("external", json!(false)), ("allowInsecure", json!(false))] {
        if ingress.get(field).is_none_or(Value::is_null) {
            set(ingress, field, value);
        }
    }
    Ok(())
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    call.delete(200, Some(&LRO))
}

/// Source: <https://learn.microsoft.com/rest/api/containerapps/container-apps/list-secrets>.
pub(super) fn secrets(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let hidden =
        call.state.thing(&call.id)?.hidden.get("secrets").and_then(Value::as_object).cloned().unwrap_or_default();
    Ok(Answer::list(hidden.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()))
}
