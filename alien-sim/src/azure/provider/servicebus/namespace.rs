//! Namespaces: <https://learn.microsoft.com/rest/api/servicebus/controlplane-stable/namespaces>.

use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, merge, set, text};
use crate::azure::fail::Fail;
use crate::azure::provider::resource::is_name;
use crate::azure::state::{State, Thing};

/// The fields of a PUT, or of a PATCH, whose location is optional.
macro_rules! namespace {
    ($location:literal) => {
        concat!(
            "etag tags* ",
            $location,
            " sku{name!=Basic|Standard|Premium tier=Basic|Standard|Premium capacity} \
            identity{type principalId tenantId userAssignedIdentities*} \
            properties{minimumTlsVersion=1.0|1.1|1.2|1.3 provisioningState status createdAt updatedAt \
            serviceBusEndpoint metricId zoneRedundant encryption* privateEndpointConnections* disableLocalAuth \
            alternateName publicNetworkAccess=Enabled|Disabled|SecuredByPerimeter premiumMessagingPartitions \
            geoDataReplication* platformCapabilities*}"
        )
    };
}

pub(super) const PUT: &str = namespace!("location!");
pub(super) const PATCH: &str = namespace!("location");

const FIXED: &[&str] = &["provisioningState", "status", "createdAt", "updatedAt", "serviceBusEndpoint", "metricId"];

impl State {
    /// Finds a namespace by its name. Names are globally unique.
    pub(crate) fn namespace(&self, name: &str) -> Option<&Thing> {
        let kind = "Microsoft.ServiceBus/namespaces";
        let is_named = |body: &Value| text(body, "/type") == kind && text(body, "/name").eq_ignore_ascii_case(name);
        self.things().find(|thing| is_named(&thing.body))
    }
}

/// Source: <https://learn.microsoft.com/rest/api/servicebus/create-namespace>.
fn check(name: &str) -> Result<(), Fail> {
    let is_valid = is_name(name, 6..=50, "-")
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with("-sb")
        && !name.ends_with("-mgmt");
    if is_valid {
        return Ok(());
    }
    Err(Fail::invalid(
        "BadRequest",
        format!(
            "The specified service namespace '{name}' is invalid: 6 to 50 letters, digits and hyphens, a letter first, a letter or digit last."
        ),
    ))
}

/// Source: <https://learn.microsoft.com/rest/api/servicebus/controlplane-stable/namespaces/check-name-availability>.
pub(super) fn check_name(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let name = call.text("/name");
    let reason = if check(&name).is_err() {
        "InvalidName"
    } else if call.state.namespace(&name).is_some() {
        "NameInUse"
    } else {
        "None"
    };
    let message = match reason {
        "None" => "",
        "NameInUse" => "The specified service namespace is not available.",
        _ => "The specified service namespace is invalid.",
    };
    Ok(Answer::json(200, &json!({"nameAvailable": reason == "None", "reason": reason, "message": message})))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (id, name) = (call.id.clone(), call.name().to_owned());
    check(&name)?;
    if call.state.namespace(&name).is_some_and(|other| !other.id.eq_ignore_ascii_case(&id)) {
        return Err(Fail::conflict(
            "NamespaceUnavailable",
            format!("Namespace name '{name}' is not available: the specified service namespace is invalid or in use."),
        ));
    }
    let known = call.state.thing(&id).ok().map(|known| known.body.clone());
    let now = call.now().to_string();
    let mut properties = match &known {
        Some(known) => known.get("properties").cloned().unwrap_or_default(),
        None => json!({
            "createdAt": now,
            "serviceBusEndpoint": format!("https://{name}.servicebus.windows.net:443/"),
            "metricId": format!("{}:{name}", id.split('/').nth(2).unwrap_or_default()),
            "status": "Active",
            "zoneRedundant": true,
            "disableLocalAuth": false,
            "minimumTlsVersion": "1.2",
            "publicNetworkAccess": "Enabled",
        }),
    };
    merge(&mut properties, &given(&call.body));
    set(&mut properties, "updatedAt", now);
    let mut body = call.resource(properties);
    let sku = call.text("/sku/name");
    let before = known.as_ref().map(|known| text(known, "/sku/name")).unwrap_or_default();
    let sku = [sku, before.clone(), "Standard".to_owned()].into_iter().find(|sku| !sku.is_empty()).unwrap_or_default();
    tier(&before, &sku)?;
    set(&mut body, "sku", json!({"name": sku, "tier": sku, "capacity": call.body.pointer("/sku/capacity")}));
    if let Some(identity) = call.body.get("identity") {
        set(&mut body, "identity", identity.clone());
    }
    write(call, body, known.is_none())
}

/// Standard and Basic can be changed into each other, Premium into neither. Source:
/// <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-migrate-standard-premium>.
fn tier(before: &str, after: &str) -> Result<(), Fail> {
    let is_premium = |sku: &str| sku == "Premium";
    if before.is_empty() || is_premium(before) == is_premium(after) {
        return Ok(());
    }
    Err(Fail::invalid(
        "BadRequest",
        format!("SubCode=40000. The namespace cannot be changed from {before} to {after}."),
    ))
}

fn given(body: &Value) -> Value {
    let mut properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = properties.as_object_mut() {
        members.retain(|name, _| !FIXED.contains(&name.as_str()));
    }
    properties
}

/// Writes a namespace. The provider has no operation URL for this: `provisioningState` says when it is done.
fn write(call: &mut Call<'_>, mut body: Value, is_new: bool) -> Result<Answer, Fail> {
    if let Some(properties) = body.get_mut("properties") {
        set(properties, "provisioningState", "Succeeded");
    }
    let id = call.id.clone();
    let takes = call.state.knobs.operation;
    let mut answer = call.write(body, Codes { made: 201, changed: 200, making: 201, changing: 200 }, None)?;
    if !takes.is_zero() {
        let done_at = call.now() + takes;
        call.state.thing_mut(&id)?.writing = Some((done_at, if is_new { "Creating" } else { "Updating" }));
        answer.body = call.state.thing(&id)?.shown(call.now()).to_string().into();
    }
    Ok(answer)
}

pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut body = call.state.thing(&call.id)?.body.clone();
    let mut patch = call.body.clone();
    let properties = given(&call.body);
    if let Some(members) = patch.as_object_mut() {
        members.insert("properties".to_owned(), properties);
    }
    if let Some(tags) = patch.get("tags").cloned() {
        set(&mut body, "tags", tags);
    }
    let before = text(&body, "/sku/name");
    merge(&mut body, &patch);
    tier(&before, &text(&body, "/sku/name"))?;
    let now = call.now().to_string();
    if let Some(properties) = body.get_mut("properties") {
        set(properties, "updatedAt", now);
    }
    write(call, body, false)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let takes = call.state.knobs.operation;
    if takes.is_zero() || call.state.thing(&call.id).is_err() {
        return call.delete(200, None);
    }
    let (id, gone) = (call.id.clone(), call.now() + takes);
    call.state.leave(&id, gone)?;
    let url = format!("{}{id}/operationresults/{}?api-version=2024-01-01", call.state.url, call.name());
    Ok(Answer::empty(202).header("location", url).header("retry-after", "1").header("x-ms-retry-after-ms", "10"))
}

/// Answers how far a deletion is.
pub(super) fn result(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let namespace = call.id.split("/operationresults").next().unwrap_or_default();
    if call.state.thing(namespace).is_err() {
        return Ok(Answer::empty(204));
    }
    let url = format!("{}{}?api-version=2024-01-01", call.state.url, call.route.path);
    Ok(Answer::empty(202).header("location", url).header("retry-after", "1").header("x-ms-retry-after-ms", "10"))
}
