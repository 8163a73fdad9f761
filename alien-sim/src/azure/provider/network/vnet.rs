//! Virtual networks: <https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks>.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{LRO, prefix, subnet};
use crate::azure::call::{Answer, Call, Codes, set, text};
use crate::azure::fail::Fail;
use crate::azure::provider::resource::is_name;
use crate::azure::state::State;

pub(super) const NETWORK: &str = "etag location! tags* extendedLocation* \
    properties!{addressSpace{addressPrefixes ipamPoolPrefixAllocations*} dhcpOptions{dnsServers} flowTimeoutInMinutes \
    subnets{id name! type etag properties*} virtualNetworkPeerings* resourceGuid provisioningState enableDdosProtection \
    enableVmProtection ddosProtectionPlan* bgpCommunities* encryption{enabled enforcement} ipAllocations* flowLogs* \
    privateEndpointVNetPolicies=Disabled|Basic defaultPublicNatGateway*}";

const SUBNETS: &str = "Microsoft.Network/virtualNetworks/subnets";

/// The network as it is answered. Its subnets are resources of their own.
fn shown(state: &State, id: &str) -> Result<Value, Fail> {
    let mut body = state.thing(id)?.shown(state.now());
    let subnets = state.list(id, SUBNETS);
    if let Some(properties) = body.get_mut("properties") {
        set(properties, "subnets", subnets);
    }
    Ok(body)
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::json(200, &shown(call.state, &call.id)?))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let networks = call.state.list(&call.id, &call.kind());
    let shown = networks.iter().map(|network| shown(call.state, &text(network, "/id")));
    Ok(Answer::list(shown.collect::<Result<_, _>>()?))
}

/// Refuses a write while another one is in progress. Source:
/// <https://learn.microsoft.com/azure/networking/troubleshoot-failed-state>.
pub(super) fn idle(state: &State, network: &str) -> Result<(), Fail> {
    let now = state.now();
    let own = state.thing(network).into_iter();
    let is_busy = own
        .chain(state.under(network))
        .any(|thing| thing.gone.is_some_and(|gone| gone > now) || thing.writing.is_some_and(|(until, _)| until > now));
    if !is_busy {
        return Ok(());
    }
    let mut fail = Fail::new(
        429,
        "AnotherOperationInProgress",
        format!(
            "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri of the operation. Resource: {network}."
        ),
    );
    fail.retry_after = Some(1);
    Err(fail)
}

/// Writes the network, and deletes the subnets that are not in the body.
pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = call.id.clone();
    if !is_name(call.name(), 2..=64, "_.-") {
        return Err(Fail::invalid("InvalidResourceName", format!("Resource name {} is invalid.", call.name())));
    }
    idle(call.state, &id)?;
    let etag = call.state.thing(&id).ok().map(|known| text(&known.body, "/etag"));
    call.precondition(etag.as_deref())?;
    let space = prefix::read(call.body.pointer("/properties/addressSpace/addressPrefixes"), &id)?;
    if space.is_empty() {
        return Err(Fail::invalid(
            "InvalidRequestFormat",
            format!("Cannot parse the request: the address space of {id} has no address prefix."),
        ));
    }
    let given = call.body.pointer("/properties/subnets").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut subnets: Vec<(String, Value)> = Vec::new();
    for item in given {
        let at = format!("{id}/subnets/{}", text(&item, "/name"));
        let mut properties = item.get("properties").cloned().unwrap_or_else(|| json!({}));
        crate::schema::check(subnet::PROPERTIES, &mut properties)?;
        let others: Vec<(&str, &Value)> = subnets.iter().map(|(id, body)| (id.as_str(), body)).collect();
        let body = subnet::checked(call.state, &id, &space, &at, properties, &others)?;
        subnets.push((at, body));
    }
    let known: Vec<String> = call.state.list(&id, SUBNETS).iter().map(|body| text(body, "/id")).collect();
    let is_kept = |id: &str| subnets.iter().any(|(kept, _)| kept.eq_ignore_ascii_case(id));
    let left: Vec<String> = known.into_iter().filter(|id| !is_kept(id)).collect();
    for id in &left {
        subnet::unused(call.state, id)?;
    }
    let mut properties = call.body.get("properties").cloned().unwrap_or_default();
    if let Some(members) = properties.as_object_mut() {
        members.remove("subnets");
        members.entry("virtualNetworkPeerings").or_insert_with(|| json!([]));
        members.entry("enableDdosProtection").or_insert(Value::Bool(false));
    }
    let guid = call.state.thing(&id).ok().map(|known| text(&known.body, "/properties/resourceGuid"));
    set(&mut properties, "resourceGuid", guid.unwrap_or_else(|| Uuid::new_v4().to_string()));
    let mut body = call.resource(properties);
    set(&mut body, "etag", etag_now());
    let codes = Codes { made: 201, changed: 200, making: 201, changing: 200 };
    let mut answer = call.write(body, codes, Some(&LRO))?;
    for id in left {
        call.state.remove(&id);
    }
    for (id, body) in subnets {
        call.state.put(&id, body);
    }
    answer.body = shown(call.state, &id)?.to_string().into();
    Ok(answer)
}

/// A new etag in the form of Microsoft.Network.
pub(super) fn etag_now() -> String {
    format!("W/\"{}\"", Uuid::new_v4())
}

/// Replaces the tags. Everything else in a network is written as a whole. Source:
/// <https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks/update-tags>.
pub(super) fn tag(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let tags = call.body.get("tags").cloned().unwrap_or_else(|| json!({}));
    let id = call.id.clone();
    set(&mut call.state.thing_mut(&id)?.body, "tags", tags);
    let body = if call.kind().ends_with("virtualNetworks") {
        shown(call.state, &id)?
    } else {
        call.state.thing(&id)?.shown(call.now())
    };
    Ok(Answer::json(200, &body))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    idle(call.state, &call.id)?;
    for subnet in call.state.list(&call.id, SUBNETS) {
        subnet::unused(call.state, &text(&subnet, "/id"))?;
    }
    call.delete(200, Some(&LRO))
}
