//! Network security groups: <https://learn.microsoft.com/rest/api/virtualnetwork/network-security-groups>.

use serde_json::{Value, json};
use uuid::Uuid;

use super::LRO;
use super::vnet::etag_now;
use crate::azure::call::{Answer, Call, Codes, set, text};
use crate::azure::fail::Fail;
use crate::azure::provider::resource::is_name;

pub(super) const GROUP: &str = "etag location! tags* properties{flushConnection \
    securityRules{id name! type etag properties!{description protocol! sourcePortRange sourcePortRanges \
    destinationPortRange destinationPortRanges sourceAddressPrefix sourceAddressPrefixes \
    sourceApplicationSecurityGroups* destinationAddressPrefix destinationAddressPrefixes \
    destinationApplicationSecurityGroups* access!=Allow|Deny priority! direction!=Inbound|Outbound provisioningState}} \
    defaultSecurityRules* networkInterfaces* subnets* flowLogs* resourceGuid provisioningState}";

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if !is_name(call.name(), 1..=80, "_.-") {
        return Err(Fail::invalid("InvalidResourceName", format!("Resource name {} is invalid.", call.name())));
    }
    let etag = call.state.thing(&call.id).ok().map(|known| text(&known.body, "/etag"));
    call.precondition(etag.as_deref())?;
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let mut taken = Vec::new();
    for rule in properties.get_mut("securityRules").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = text(rule, "/name");
        let priority = rule.pointer("/properties/priority").and_then(Value::as_u64).unwrap_or_default();
        if !(100..=4096).contains(&priority) {
            return Err(Fail::invalid(
                "SecurityRuleInvalidPriority",
                format!(
                    "Security rule {name} has invalid Priority. Value provided: {priority} Allowed range 100-4096."
                ),
            ));
        }
        let place = (text(rule, "/properties/direction"), priority);
        if taken.contains(&place) {
            return Err(Fail::invalid(
                "SecurityRuleConflict",
                format!(
                    "Security rule {name} conflicts with another rule: rules cannot have the same Priority and Direction."
                ),
            ));
        }
        taken.push(place);
        set(rule, "id", format!("{}/securityRules/{name}", call.id));
        set(rule, "type", "Microsoft.Network/networkSecurityGroups/securityRules");
        set(rule, "etag", etag_now());
        if let Some(properties) = rule.get_mut("properties") {
            set(properties, "provisioningState", "Succeeded");
        }
    }
    if let Some(members) = properties.as_object_mut() {
        members.entry("securityRules").or_insert_with(|| json!([]));
    }
    let guid = call.state.thing(&call.id).ok().map(|known| text(&known.body, "/properties/resourceGuid"));
    set(&mut properties, "resourceGuid", guid.unwrap_or_else(|| Uuid::new_v4().to_string()));
    let mut body = call.resource(properties);
    set(&mut body, "etag", etag_now());
    let codes = Codes { made: 201, changed: 200, making: 201, changing: 200 };
    call.write(body, codes, Some(&LRO))
}

/// Refuses to delete a group that a subnet uses.
pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = call.id.clone();
    let names = |body: &Value| text(body, "/properties/networkSecurityGroup/id").eq_ignore_ascii_case(&id);
    if let Some(user) = call.state.things().find(|thing| names(&thing.body)) {
        return Err(Fail::invalid(
            "InUseNetworkSecurityGroupCannotBeDeleted",
            format!(
                "Network security group {id} cannot be deleted because it is in use by the following resources: {}. In order to delete the Network security group, remove the association with the resource(s).",
                user.id
            ),
        ));
    }
    call.delete(200, Some(&LRO))
}
