//! Environments: <https://learn.microsoft.com/rest/api/containerapps/managed-environments>.

use serde_json::{Value, json};

use super::{APPS, ENVIRONMENT_LRO};
use crate::azure::call::{Answer, Call, Codes, merge, set, text};
use crate::azure::fail::Fail;
use crate::azure::provider::network::check_environment;
use crate::azure::provider::resource::is_name;
use crate::azure::state::State;

/// The fields of a PUT, or of a PATCH, whose location is optional.
macro_rules! environment {
    ($location:literal) => {
        concat!(
            "etag kind tags* ",
            $location,
            " identity{type! principalId tenantId userAssignedIdentities*} \
            properties{provisioningState daprAIInstrumentationKey daprAIConnectionString \
            vnetConfiguration{internal infrastructureSubnetId dockerBridgeCidr platformReservedCidr platformReservedDnsIP} \
            deploymentErrors defaultDomain privateLinkDefaultDomain staticIp \
            appLogsConfiguration{destination logAnalyticsConfiguration{customerId sharedKey dynamicJsonColumns}} \
            zoneRedundant customDomainConfiguration* eventStreamEndpoint \
            workloadProfiles{name! workloadProfileType! minimumCount maximumCount enableFips} kedaConfiguration{version} \
            daprConfiguration{version} infrastructureResourceGroup peerAuthentication{mtls{enabled}} \
            peerTrafficConfiguration{encryption{enabled}} ingressConfiguration* privateEndpointConnections* \
            publicNetworkAccess=Enabled|Disabled openTelemetryConfiguration* appInsightsConfiguration*}"
        )
    };
}

pub(super) const PUT: &str = environment!("location!");
pub(super) const PATCH: &str = environment!("location");

/// The properties that only the provider writes.
const FIXED: &[&str] = &[
    "provisioningState",
    "deploymentErrors",
    "defaultDomain",
    "privateLinkDefaultDomain",
    "staticIp",
    "eventStreamEndpoint",
    "privateEndpointConnections",
];

impl State {
    /// The id of the workspace that an environment sends its logs to. `None` if its key is no longer a key of the
    /// workspace.
    pub(crate) fn logs_of(&self, environment: &str) -> Option<String> {
        let thing = self.thing(environment).ok()?;
        let logs = thing.body.pointer("/properties/appLogsConfiguration")?;
        if text(logs, "/destination") != "log-analytics" {
            return None;
        }
        let customer = text(logs, "/logAnalyticsConfiguration/customerId");
        self.workspace_by_key(&customer, &text(&thing.hidden, "/sharedKey")).map(|workspace| workspace.id.clone())
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
        "ManagedEnvironmentOperationInProgress",
        format!("Cannot modify Container Apps environment {} because another operation is in progress.", call.name()),
    ))
}

fn invalid(message: &str) -> Fail {
    Fail::invalid("InvalidRequestParameterWithDetails", message)
}

/// Removes the workspace's key from the properties, and checks it.
fn logs(state: &State, properties: &mut Value) -> Result<Option<String>, Fail> {
    let Some(logs) = properties.get_mut("appLogsConfiguration").filter(|logs| logs.is_object()) else {
        return Ok(None);
    };
    match text(logs, "/destination").as_str() {
        "log-analytics" => {}
        // Diagnostic settings would apply here; they are not emulated.
        "" | "none" | "azure-monitor" => return Ok(None),
        other => return Err(invalid(&format!("AppLogsConfiguration.Destination '{other}' is invalid."))),
    }
    let customer = text(logs, "/logAnalyticsConfiguration/customerId");
    let key = text(logs, "/logAnalyticsConfiguration/sharedKey");
    if customer.is_empty() || key.is_empty() {
        return Err(invalid("LogAnalyticsConfiguration is invalid.  Must provide a valid LogAnalyticsConfiguration"));
    }
    if uuid::Uuid::parse_str(&customer).is_err() {
        return Err(invalid(
            "LogAnalyticsConfiguration.CustomerId is invalid.  CustomerId must be a GUID without additional whiteSpace",
        ));
    }
    if state.workspace_by_key(&customer, &key).is_none() {
        return Err(invalid("LogAnalyticsConfiguration.SharedKey is invalid.  It is not a key of the workspace"));
    }
    if let Some(configuration) = logs.get_mut("logAnalyticsConfiguration").and_then(Value::as_object_mut) {
        configuration.remove("sharedKey");
    }
    Ok(Some(key))
}

fn checked(call: &Call<'_>, properties: &Value) -> Result<(), Fail> {
    let profiles = properties.get("workloadProfiles").and_then(Value::as_array);
    for profile in profiles.into_iter().flatten() {
        let is_consumption = text(profile, "/workloadProfileType") == "Consumption";
        let counts =
            ["minimumCount", "maximumCount"].iter().any(|name| profile.get(*name).is_some_and(Value::is_number));
        if is_consumption && counts {
            return Err(invalid("The Consumption workload profile has no minimumCount and no maximumCount."));
        }
    }
    let pointer = "/vnetConfiguration/infrastructureSubnetId";
    let subnet = text(properties, pointer);
    let before = call.state.thing(&call.id).ok().map(|known| text(&known.body, &format!("/properties{pointer}")));
    if before.is_some_and(|before| !before.eq_ignore_ascii_case(&subnet)) {
        return Err(Fail::invalid(
            "ManagedEnvironmentInvalidNetworkConfiguration",
            "The environment network configuration is invalid: The subnet of an environment cannot be changed.",
        ));
    }
    if subnet.is_empty() {
        return Ok(());
    }
    check_environment(call.state, &subnet, &call.id, profiles.is_some_and(|profiles| !profiles.is_empty()))
}

/// Writes an environment with complete properties.
fn write(call: &mut Call<'_>, mut body: Value, key: Option<String>, codes: Codes) -> Result<Answer, Fail> {
    let id = call.id.clone();
    let known = call.state.thing(&id).ok().map(|known| known.body.clone());
    let place = text(&body, "/location").replace(' ', "").to_lowercase();
    if let Some(properties) = body.get_mut("properties") {
        let kept =
            |field: &str| known.as_ref().and_then(|known| known.pointer(&format!("/properties/{field}")).cloned());
        let word: String = std::iter::repeat_with(fastrand::lowercase).take(8).collect();
        let fixed = [
            ("defaultDomain", json!(format!("{word}-{:08x}.{place}.azurecontainerapps.io", fastrand::u32(..)))),
            ("staticIp", json!(format!("20.{}.{}.{}", fastrand::u8(..), fastrand::u8(..), fastrand::u8(1..)))),
            ("eventStreamEndpoint", json!(format!("https://{place}.azurecontainerapps.dev{id}/eventstream"))),
        ];
        for (field, value) in fixed {
            set(properties, field, kept(field).unwrap_or(value));
        }
        for (field, value) in [
            ("zoneRedundant", json!(false)),
            ("peerAuthentication", json!({"mtls": {"enabled": false}})),
            ("publicNetworkAccess", json!("Enabled")),
        ] {
            if properties.get(field).is_none() {
                set(properties, field, value);
            }
        }
    }
    let answer = call.write(body, codes, Some(&ENVIRONMENT_LRO))?;
    if let Some(key) = key {
        call.state.thing_mut(&id)?.hidden = json!({"sharedKey": key});
    }
    Ok(answer)
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if !is_name(call.name(), 1..=60, "-") {
        return Err(Fail::invalid(
            "ManagedEnvironmentInvalidName",
            format!("Invalid Container Apps environment name '{}'.", call.name()),
        ));
    }
    idle(call)?;
    let mut properties = given(&call.body);
    let key = logs(call.state, &mut properties)?;
    checked(call, &properties)?;
    let mut body = call.resource(properties);
    for field in ["kind", "identity"] {
        if let Some(value) = call.body.get(field) {
            set(&mut body, field, value.clone());
        }
    }
    write(call, body, key, Codes { made: 201, changed: 200, making: 201, changing: 201 })
}

fn given(body: &Value) -> Value {
    let mut properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = properties.as_object_mut() {
        members.retain(|name, _| !FIXED.contains(&name.as_str()));
    }
    properties
}

pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut body = call.state.thing(&call.id)?.body.clone();
    idle(call)?;
    let mut properties = given(&call.body);
    let key = if properties.get("appLogsConfiguration").is_some() { logs(call.state, &mut properties)? } else { None };
    let mut patch = call.body.clone();
    set(&mut patch, "properties", properties);
    merge(&mut body, &patch);
    checked(call, body.get("properties").unwrap_or(&Value::Null))?;
    write(call, body, key, Codes { made: 200, changed: 200, making: 202, changing: 202 })
}

/// Source: <https://learn.microsoft.com/azure/container-apps/environment>.
pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = call.id.clone();
    let is_in =
        |body: &Value| text(body, "/type") == APPS && text(body, "/properties/environmentId").eq_ignore_ascii_case(&id);
    let apps = call.state.things().filter(|thing| is_in(&thing.body)).count();
    if apps > 0 {
        return Err(Fail::conflict(
            "ManagedEnvironmentHasContainerApps",
            format!(
                "The specified environment {} cannot be deleted because it still contains {apps} ContainerApps.",
                call.name()
            ),
        ));
    }
    call.delete(200, Some(&ENVIRONMENT_LRO))
}
