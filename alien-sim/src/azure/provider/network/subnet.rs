//! Subnets: <https://learn.microsoft.com/rest/api/virtualnetwork/subnets>.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::vnet::{etag_now, idle};
use super::{LRO, prefix};
use crate::azure::call::{Answer, Call, Codes, set, text};
use crate::azure::fail::Fail;
use crate::azure::provider::resource::is_name;
use crate::azure::state::State;

/// The fields of a subnet's `properties`.
macro_rules! properties {
    () => {
        "addressPrefix addressPrefixes networkSecurityGroup* routeTable* natGateway* \
         serviceEndpoints{service! locations provisioningState networkIdentifier*} serviceEndpointPolicies* \
         privateEndpoints* ipConfigurations* ipConfigurationProfiles* ipAllocations* resourceNavigationLinks* \
         serviceAssociationLinks* delegations{id name! type etag properties!{serviceName! actions provisioningState}} \
         purpose provisioningState \
         privateEndpointNetworkPolicies=Disabled|Enabled|NetworkSecurityGroupEnabled|RouteTableEnabled \
         privateLinkServiceNetworkPolicies=Disabled|Enabled applicationGatewayIPConfigurations* \
         sharingScope=Tenant|DelegatedServices defaultOutboundAccess ipamPoolPrefixAllocations*"
    };
}

pub(super) const PROPERTIES: &str = properties!();
pub(super) const SUBNET: &str = concat!("etag properties!{", properties!(), "}");

const NAME: &str = "Microsoft.Network/virtualNetworks/subnets";

/// The service that container app environments need a delegation to:
/// <https://learn.microsoft.com/azure/container-apps/custom-virtual-networks>.
const ENVIRONMENTS: &str = "Microsoft.App/environments";

fn prefixes(properties: &Value, id: &str) -> Result<Vec<IpNet>, Fail> {
    let one = prefix::read(properties.get("addressPrefix"), id)?;
    if one.is_empty() { prefix::read(properties.get("addressPrefixes"), id) } else { Ok(one) }
}

/// The environments whose infrastructure is in a subnet.
fn users(state: &State, id: &str) -> Vec<String> {
    let pointer = "/properties/vnetConfiguration/infrastructureSubnetId";
    let is_in = |body: &Value| text(body, pointer).eq_ignore_ascii_case(id);
    state.things().filter(|thing| is_in(&thing.body)).map(|thing| thing.id.clone()).collect()
}

/// Refuses to delete a subnet that is in use.
pub(super) fn unused(state: &State, id: &str) -> Result<(), Fail> {
    let Some(user) = users(state, id).into_iter().next() else { return Ok(()) };
    let name = id.rsplit('/').next().unwrap_or_default();
    Err(Fail::invalid(
        "InUseSubnetCannotBeDeleted",
        format!(
            "Subnet {name} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet."
        ),
    ))
}

/// Checks a subnet, and returns its new body.
///
/// # Errors
///
/// If its name or a prefix is invalid, a prefix is outside the network or overlaps another subnet, or the write removes
/// something in use.
pub(super) fn checked(
    state: &State,
    network: &str,
    space: &[IpNet],
    id: &str,
    mut properties: Value,
    others: &[(&str, &Value)],
) -> Result<Value, Fail> {
    let name = id.rsplit('/').next().unwrap_or_default();
    let network_name = network.rsplit('/').next().unwrap_or_default();
    if !is_name(name, 1..=80, "_.-") {
        return Err(Fail::invalid("InvalidResourceName", format!("Resource name {name} is invalid.")));
    }
    let own = prefixes(&properties, id)?;
    if own.is_empty() {
        return Err(Fail::invalid(
            "NetcfgInvalidSubnet",
            format!("Subnet '{name}' is not valid in virtual network '{network_name}': it has no address prefix."),
        ));
    }
    if own.iter().any(|prefix| !space.iter().any(|space| space.contains(prefix))) {
        return Err(Fail::invalid(
            "NetcfgSubnetRangeOutsideVnet",
            format!(
                "Subnet '{name}' is not valid because its IP address range is outside the IP address range of virtual network '{network_name}'."
            ),
        ));
    }
    for (_, other) in others.iter().filter(|(other, _)| !other.eq_ignore_ascii_case(id)) {
        let theirs = prefixes(other.get("properties").unwrap_or(&Value::Null), id)?;
        if own.iter().any(|own| theirs.iter().any(|their| prefix::overlap(own, their))) {
            return Err(Fail::invalid(
                "NetcfgSubnetRangesOverlap",
                format!(
                    "Subnet '{name}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '{network_name}'."
                ),
            ));
        }
    }
    for field in ["networkSecurityGroup", "routeTable", "natGateway"] {
        let named = text(&properties, &format!("/{field}/id"));
        if !named.is_empty() && state.thing(&named).is_err() {
            return Err(Fail::invalid(
                "InvalidResourceReference",
                format!(
                    "Resource {named} referenced by resource {id} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region."
                ),
            ));
        }
    }
    if let Ok(known) = state.thing(id)
        && !users(state, id).is_empty()
    {
        if prefixes(known.body.get("properties").unwrap_or(&Value::Null), id)? != own {
            return Err(Fail::invalid(
                "InUsePrefixCannotBeDeleted",
                format!("IpPrefix of Subnet {name} has active allocations and cannot be deleted."),
            ));
        }
        if services(&known.body).contains(&ENVIRONMENTS) && !delegated(&properties).contains(&ENVIRONMENTS) {
            return Err(Fail::invalid(
                "SubnetMissingRequiredDelegation",
                format!(
                    "Subnet {id} requires any of the following delegation(s) [{ENVIRONMENTS}] to reference service association link {id}/serviceAssociationLinks/legionservicelink."
                ),
            ));
        }
    }
    for item in properties.get_mut("delegations").and_then(Value::as_array_mut).into_iter().flatten() {
        let at = format!("{id}/delegations/{}", text(item, "/name"));
        set(item, "id", at);
        set(item, "type", format!("{NAME}/delegations"));
        set(item, "etag", etag_now());
        if let Some(properties) = item.get_mut("properties") {
            set(properties, "provisioningState", "Succeeded");
            set(properties, "actions", json!(["Microsoft.Network/virtualNetworks/subnets/join/action"]));
        }
    }
    if let Some(members) = properties.as_object_mut() {
        members.entry("delegations").or_insert_with(|| json!([]));
        members.entry("privateEndpointNetworkPolicies").or_insert_with(|| "Disabled".into());
        members.entry("privateLinkServiceNetworkPolicies").or_insert_with(|| "Enabled".into());
        members.insert("provisioningState".to_owned(), "Succeeded".into());
    }
    Ok(json!({"id": id, "name": name, "type": NAME, "etag": etag_now(), "properties": properties}))
}

fn services(body: &Value) -> Vec<&str> {
    body.get("properties").map(delegated).unwrap_or_default()
}

/// The services that a subnet is delegated to.
fn delegated(properties: &Value) -> Vec<&str> {
    let items = properties.get("delegations").and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.pointer("/properties/serviceName")?.as_str()).collect()
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = call.id.clone();
    let network = id.rsplit_once("/subnets/").map_or("", |(network, _)| network).to_owned();
    idle(call.state, &network)?;
    let known = call.state.thing(&network)?.body.clone();
    let space = prefix::read(known.pointer("/properties/addressSpace/addressPrefixes"), &network)?;
    let etag = call.state.thing(&id).ok().map(|known| text(&known.body, "/etag"));
    call.precondition(etag.as_deref())?;
    let others = call.state.list(&network, NAME);
    let others: Vec<(String, Value)> = others.into_iter().map(|body| (text(&body, "/id"), body)).collect();
    let others: Vec<(&str, &Value)> = others.iter().map(|(id, body)| (id.as_str(), body)).collect();
    let properties = call.body.get("properties").cloned().unwrap_or_default();
    let body = checked(call.state, &network, &space, &id, properties, &others)?;
    let codes = Codes { made: 201, changed: 200, making: 201, changing: 200 };
    let answer = call.write(body, codes, Some(&LRO))?;
    set(&mut call.state.thing_mut(&network)?.body, "etag", etag_now());
    Ok(answer)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let network = call.id.rsplit_once("/subnets/").map_or("", |(network, _)| network).to_owned();
    idle(call.state, &network)?;
    unused(call.state, &call.id)?;
    call.delete(200, Some(&LRO))
}

/// Checks that an environment of container apps can use a subnet.
///
/// # Errors
///
/// If the subnet does not exist, is too small, or is not dedicated to the environment.
pub(in crate::azure::provider) fn check_environment(
    state: &State,
    subnet: &str,
    environment: &str,
    has_profiles: bool,
) -> Result<(), Fail> {
    let invalid = |message: String| Fail::invalid("ManagedEnvironmentInvalidNetworkConfiguration", message);
    let Ok(thing) = state.thing(subnet) else {
        return Err(invalid(
            "The environment network configuration is invalid: The subnet and its addressPrefix could not be found."
                .to_owned(),
        ));
    };
    // Source: <https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet>.
    let longest = if has_profiles { 27 } else { 23 };
    let properties = thing.body.get("properties").unwrap_or(&Value::Null);
    if prefixes(properties, subnet)?.iter().any(|prefix| prefix.prefix_len() > longest) {
        return Err(invalid(format!(
            "The environment network configuration is invalid: Provided subnet must have a size of at least /{longest}"
        )));
    }
    let services = services(&thing.body);
    if has_profiles && !services.contains(&ENVIRONMENTS) {
        return Err(Fail::invalid(
            "ManagedEnvironmentSubnetDelegationError",
            format!("The subnet of the environment must be delegated to the service '{ENVIRONMENTS}'."),
        ));
    }
    if !has_profiles && !services.is_empty() {
        return Err(Fail::invalid(
            "ManagedEnvironmentSubnetIsDelegated",
            "The subnet of the environment must not be delegated to any service.",
        ));
    }
    if users(state, subnet).iter().any(|user| !user.eq_ignore_ascii_case(environment)) {
        return Err(Fail::invalid(
            "ManagedEnvironmentSubnetInUse",
            format!("The subnet '{subnet}' is in use by another environment."),
        ));
    }
    Ok(())
}
