//! Networks, subnetworks and firewalls: <https://docs.cloud.google.com/compute/docs/reference/rest/v1>.

use serde_json::{Value, json};

use super::TEST;
use crate::gcp::call::{Call, Done, done, set, text};
use crate::gcp::fail::Fail;
use crate::gcp::state::{etag, relative};

const NETWORK: &str = "kind id creationTimestamp name description IPv4Range gatewayIPv4 selfLink selfLinkWithId \
    autoCreateSubnetworks subnetworks* peerings* routingConfig{routingMode bgpBestPathSelectionMode bgpAlwaysCompareMed \
    bgpInterRegionCost effectiveBgpAlwaysCompareMed effectiveBgpInterRegionCost} mtu firewallPolicy \
    networkFirewallPolicyEnforcementOrder enableUlaInternalIpv6 internalIpv6Range networkProfile params* additionalTags*";
const SUBNETWORK: &str = "kind id creationTimestamp name description network ipCidrRange reservedInternalRange gatewayAddress \
    region selfLink privateIpGoogleAccess secondaryIpRanges{rangeName ipCidrRange reservedInternalRange} fingerprint \
    enableFlowLogs privateIpv6GoogleAccess ipv6CidrRange externalIpv6Prefix internalIpv6Prefix purpose role state \
    logConfig{enable aggregationInterval flowSampling metadata metadataFields* filterExpr} stackType ipv6AccessType \
    systemReservedInternalIpv6Ranges* systemReservedExternalIpv6Ranges* ipCollection ipv6GceEndpoint params* \
    utilizationDetails* resolveSubnetMask allowSubnetCidrRoutesOverlap";
const FIREWALL: &str = "kind id creationTimestamp name description network priority sourceRanges* destinationRanges* \
    sourceTags* targetTags* sourceServiceAccounts* targetServiceAccounts* allowed{IPProtocol ports*} \
    denied{IPProtocol ports*} direction logConfig{enable metadata} disabled selfLink params*";
/// Compute Engine also accepts the bindings beside the policy.
const SET: &str = "policy{version bindings{role members* condition{title description expression location}} etag auditConfigs*} \
    bindings{role members* condition{title description expression location}} etag";

pub(super) fn find(id: &str) -> Option<Done> {
    const WRITE: &[&str] = &["requestId"];
    const LIST: &[&str] = &["filter", "maxResults", "orderBy", "pageToken", "returnPartialSuccess"];
    Some(match id {
        "networks.insert" => done(insert).body(NETWORK).query(WRITE),
        "networks.get" => done(network_and_subnetworks),
        "subnetworks.get" | "firewalls.get" => done(super::get),
        "networks.list" | "subnetworks.list" | "firewalls.list" => done(list).query(LIST),
        "networks.patch" => done(patch).body(NETWORK).query(WRITE),
        "networks.delete" | "subnetworks.delete" | "firewalls.delete" => done(delete).query(WRITE),
        "subnetworks.insert" => done(insert).body(SUBNETWORK).query(WRITE),
        "subnetworks.patch" => done(patch).body(SUBNETWORK).query(&["requestId", "drainTimeoutSeconds"]),
        "subnetworks.getIamPolicy" => done(policy).query(&["optionsRequestedPolicyVersion"]),
        "subnetworks.setIamPolicy" => done(set_policy).body(SET),
        "subnetworks.testIamPermissions" | "firewalls.testIamPermissions" => done(super::test).body(TEST),
        "firewalls.insert" => done(insert).body(FIREWALL).query(WRITE),
        "firewalls.patch" => done(patch).body(FIREWALL).query(WRITE),
        "globalOperations.get" | "regionOperations.get" | "globalOperations.wait" | "regionOperations.wait" => {
            done(operation)
        }
        _ => return None,
    })
}

/// The collection of a method: `networks`, `subnetworks` or `firewalls`.
fn collection(call: &Call<'_>) -> &'static str {
    call.route.method.id.split('.').nth(1).unwrap_or_default()
}

fn schema(call: &Call<'_>) -> &'static str {
    match collection(call) {
        "networks" => NETWORK,
        "subnetworks" => SUBNETWORK,
        _ => FIREWALL,
    }
}

/// The location of a collection in its project: `global` or `regions/R`.
fn place(call: &Call<'_>) -> String {
    match call.parameter("region").as_str() {
        "" => "global".to_owned(),
        region => format!("regions/{region}"),
    }
}

fn link(call: &Call<'_>, relative: &str) -> String {
    format!("{}/compute/v1/{relative}", call.state.url)
}

/// The full name of a network that a body names by its URL or a part of it.
fn network(call: &Call<'_>, named: &str) -> String {
    let id = named.rsplit('/').next().unwrap_or_default();
    let project = named
        .split_once("projects/")
        .and_then(|(_, rest)| rest.split('/').next())
        .map_or_else(|| call.project.clone(), str::to_owned);
    format!("//compute.googleapis.com/projects/{project}/global/networks/{id}")
}

/// Source: <https://docs.cloud.google.com/compute/docs/naming-resources>.
fn check_name(name: &str) -> Result<(), Fail> {
    let valid = (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if valid { Ok(()) } else { Err(Fail::invalid(format!("Invalid value for field 'resource.name': '{name}'."))) }
}

fn insert(call: &mut Call<'_>) -> Result<Value, Fail> {
    let kind = collection(call);
    let id = call.text("/name");
    check_name(&id)?;
    let mut body = call.body.clone();
    if kind != "networks" {
        let named = call.text("/network");
        let named = if named.is_empty() && kind == "firewalls" { "global/networks/default".to_owned() } else { named };
        let on = network(call, &named);
        call.require("compute.networks.updatePolicy", &on)?;
        call.state.thing(&on)?;
        set(&mut body, "network", link(call, relative(&on)));
    }
    if kind == "subnetworks" {
        if call.text("/ipCidrRange").is_empty() {
            return Err(Fail::invalid("Required field 'resource.ipCidrRange' not specified").because("required"));
        }
        set(&mut body, "region", link(call, &format!("projects/{}/{}", call.project, place(call))));
        set(&mut body, "state", "READY");
        set(&mut body, "fingerprint", etag());
    }
    let path = format!("projects/{}/{}/{kind}/{id}", call.project, place(call));
    let name = format!("//compute.googleapis.com/{path}");
    set(&mut body, "kind", format!("compute#{}", kind.trim_end_matches('s')));
    set(&mut body, "id", fastrand::u64(1_000_000_000_000..9_000_000_000_000_000).to_string());
    set(&mut body, "selfLink", link(call, &path));
    set(&mut body, "creationTimestamp", call.state.now().to_string());
    let project = call.project.clone();
    call.state.create(&name, &project, body)?;
    Ok(begin(call, "insert", &path))
}

/// A network tells the subnetworks in it: <https://docs.cloud.google.com/compute/docs/reference/rest/v1/networks>.
fn network_and_subnetworks(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mut body = super::get(call)?;
    let below = format!("//compute.googleapis.com/projects/{}/regions/", call.project);
    let all = call.state.things.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below));
    let own = text(&body, "/selfLink");
    let inside: Vec<Value> = all
        .filter(|(name, thing)| name.contains("/subnetworks/") && text(&thing.body, "/network") == own)
        .map(|(_, thing)| text(&thing.body, "/selfLink").into())
        .collect();
    if !inside.is_empty() {
        set(&mut body, "subnetworks", inside);
    }
    Ok(body)
}

fn list(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = format!("//compute.googleapis.com/projects/{}/{}/{}", call.project, place(call), collection(call));
    let mut answer = super::list(call, &below, "items");
    set(&mut answer, "kind", format!("compute#{}List", collection(call).trim_end_matches('s')));
    Ok(answer)
}

/// A firewall also needs a permission on its network.
fn of_network(call: &mut Call<'_>) -> Result<(), Fail> {
    if collection(call) == "firewalls" {
        let named = call.state.things.get(&call.on).map(|thing| text(&thing.body, "/network")).unwrap_or_default();
        let on = network(call, &named);
        call.require("compute.networks.updatePolicy", &on)?;
    }
    Ok(())
}

fn patch(call: &mut Call<'_>) -> Result<Value, Fail> {
    of_network(call)?;
    let present = super::get(call)?;
    let given = call.text("/fingerprint");
    if collection(call) == "subnetworks" && given != text(&present, "/fingerprint") {
        return Err(Fail::with_status("FAILED_PRECONDITION").because("conditionNotMet"));
    }
    let fixed = ["name", "network", "region", "selfLink", "id", "kind", "fingerprint", "creationTimestamp"];
    let own = call.body.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let mask = own.filter(|name| !fixed.contains(name)).collect::<Vec<_>>().join(",");
    if !mask.is_empty() {
        let mut body = super::merged(call, schema(call), &mask, &call.body)?;
        if collection(call) == "subnetworks" {
            set(&mut body, "fingerprint", etag());
        }
        call.state.thing_mut(&call.on)?.body = body;
    }
    let path = relative(&call.on).to_owned();
    Ok(begin(call, "patch", &path))
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    of_network(call)?;
    call.state.thing(&call.on)?;
    let path = relative(&call.on).to_owned();
    let suffix = format!("/{path}");
    let user = call.state.things.values().find(|thing| text(&thing.body, "/network").ends_with(&suffix));
    if let (Some(user), "networks") = (user, collection(call)) {
        let message =
            format!("The network resource '{path}' is already being used by '{}'", text(&user.body, "/selfLink"));
        return Err(Fail::invalid(message).because("resourceInUseByAnotherResource"));
    }
    call.state.things.remove(&call.on);
    Ok(begin(call, "delete", &path))
}

fn begin(call: &mut Call<'_>, kind: &str, target: &str) -> Value {
    let id = fastrand::u64(1_000_000_000_000..9_000_000_000_000_000);
    let name = format!("operation-{id}");
    let path = format!("projects/{}/{}/operations/{name}", call.project, place(call));
    let mut running = json!({
        "kind": "compute#operation",
        "id": id.to_string(),
        "name": name,
        "operationType": kind,
        "targetLink": link(call, target),
        "selfLink": link(call, &path),
        "insertTime": call.state.now().to_string(),
        "user": call.caller.principal.split(':').next_back(),
        "progress": 0,
        "status": "RUNNING",
    });
    if place(call) != "global" {
        set(&mut running, "region", link(call, &format!("projects/{}/{}", call.project, place(call))));
    }
    let mut done = running.clone();
    set(&mut done, "status", "DONE");
    set(&mut done, "progress", 100);
    call.state.keep(path, running, done)
}

/// Returns an operation. Waiting returns at once, which the API allows:
/// <https://docs.cloud.google.com/compute/docs/reference/rest/v1/globalOperations/wait>.
fn operation(call: &mut Call<'_>) -> Result<Value, Fail> {
    let path = format!("projects/{}/{}/operations/{}", call.project, place(call), call.parameter("operation"));
    let now = call.state.now();
    call.state.operations.get(&path).map(|operation| operation.at(now)).ok_or_else(|| Fail::missing(&path))
}

fn policy(call: &mut Call<'_>) -> Result<Value, Fail> {
    super::policy(call)
}

fn set_policy(call: &mut Call<'_>) -> Result<Value, Fail> {
    let policy = call.body.get("policy").cloned().unwrap_or_else(|| call.body.clone());
    call.state.set_policy(&call.on.clone(), &policy)
}
