//! The calls for a virtual network.

use std::time::Duration;

use alien_core::adapter::{Marks, Observed, Operate, Reconcile, Removal, ResultExt};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Lifecycle, Network, Result};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::compute::environment::{self, Inside};
use super::LIFECYCLES;
use super::reserved;
use crate::Azure;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::client::{Clients, Context};
use crate::operations as op;
use crate::operations::Scope;

/// How long the creation or deletion of a network may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// The service to which the subnets are delegated
/// (<https://learn.microsoft.com/azure/container-apps/custom-virtual-networks>).
const DELEGATION: &str = "Microsoft.App/environments";

/// The longest prefix of a subnet in which an environment with workload profiles can be
/// (<https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet>).
const LONGEST: u32 = 27;

/// The fields of a subnet that tell what is in it, with the words for it.
const USES: [(&str, &str); 4] = [
    ("ipConfigurations", "the address"),
    ("privateEndpoints", "the private endpoint"),
    ("resourceNavigationLinks", "the resource"),
    ("serviceAssociationLinks", "the service"),
];

/// A virtual network. <https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks/get>
#[derive(Deserialize)]
pub(super) struct Found {
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    properties: Says,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Says {
    provisioning_state: String,
    address_space: AddressSpace,
    /// All fields of the subnets are kept: a PUT of the network without them would delete them.
    subnets: Vec<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AddressSpace {
    address_prefixes: Vec<String>,
}

impl State for Found {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }
}

impl Found {
    pub(super) fn subnet(&self, name: &str) -> Option<&Value> {
        self.properties.subnets.iter().find(|subnet| is_named(subnet, name))
    }

    /// Whether the subnet of this name can hold environments.
    fn takes(&self, name: &str) -> bool {
        let delegations = self.subnet(name).and_then(|subnet| subnet.pointer("/properties/delegations"));
        let to = |delegation: &Value| {
            let service = delegation.pointer("/properties/serviceName").and_then(Value::as_str).unwrap_or_default();
            service.eq_ignore_ascii_case(DELEGATION)
        };
        delegations.and_then(Value::as_array).is_some_and(|delegations| delegations.iter().any(to))
    }
}

fn is_named(subnet: &Value, wanted: &str) -> bool {
    subnet.get("name").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(wanted))
}

pub(super) async fn look(cx: Context<'_>) -> Result<Found> {
    let id = cx.full_name(Scope::VirtualNetwork)?;
    cx.call(&[op::GET_NETWORK], || async { cx.clients.get(id).await }).await
}

#[async_trait]
impl Reconcile<Azure, Clients> for Network {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let id = cx.full_name(Scope::VirtualNetwork)?;
        if self.existing().is_some() {
            let found = look(cx).await?;
            let needed = check(cx, &found)?;
            // The vendor makes no environment, and does not see those of others.
            if !cx.is_vendors() {
                check_unused(cx, &found, &needed).await?;
            }
            return Ok(Observed::Adopted { id: id.to_owned() });
        }
        let found = look(cx).await.optional()?.filter(|found| !settle::is_going(found));
        let Some(found) = found else { return Ok(Observed::Absent) };
        let observed = tags::observed(cx.deployment(), id, found.tags.as_ref());
        let drift = LIFECYCLES.into_iter().find(|lifecycle| !found.takes(lifecycle.name()));
        Ok(observed.drifted(drift.map(|lifecycle| format!("its subnet `{}` is not as it should be", lifecycle.name()))))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        settle::clear(cx, PATIENCE, || look(cx)).await?;
        let body = json!({
            "location": cx.target().location,
            "tags": tags::unfinished(Tags::new(), marks, cx.name(Scope::VirtualNetwork)?),
            "properties": {
                "addressSpace": { "addressPrefixes": [self.range()] },
                "subnets": subnets(self)?,
            },
        });
        let id = cx.full_name(Scope::VirtualNetwork)?;
        cx.call(&[op::PUT_NETWORK], || async { cx.clients.put(id, &body).await }).await?;
        settle::made(cx, PATIENCE, || look(cx)).await.map(drop)
    }

    /// Creates missing subnets one after another. Everything else in the network stays as it is.
    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        // Only the admin sets it.
        if cx.is_vendors() {
            return Ok(());
        }
        let id = cx.full_name(Scope::VirtualNetwork)?;
        let found = settle::idle(cx, PATIENCE, || look(cx)).await?;
        let ranges = &found.properties.address_space.address_prefixes;
        if !ranges.iter().any(|range| range == self.range()) {
            let what = format!("its range is `{}`, and the stack says `{}`", ranges.join(", "), self.range());
            let help = "the range of a network in use cannot be changed: take the change back";
            return Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")));
        }
        let wanted = LIFECYCLES.into_iter().zip(subnets(self)?);
        for (lifecycle, mut subnet) in wanted.filter(|(lifecycle, _)| !found.takes(lifecycle.name())) {
            // A PUT writes a subnet as a whole: what the customer chose of one that is there is sent with it.
            if let Some(Value::Object(chosen)) =
                found.subnet(lifecycle.name()).and_then(|found| found.get("properties"))
                && let Some(Value::Object(due)) = subnet.get_mut("properties")
            {
                let mut all = chosen.clone();
                all.append(due);
                *due = all;
            }
            let _turn = cx.clients.network.lock().await;
            let subnet_id = [id, "/subnets/", lifecycle.name()].concat();
            cx.call(&[op::PUT_SUBNET], || async { cx.clients.put(&subnet_id, &subnet).await }).await?;
            settle::made(cx, PATIENCE, || look(cx)).await?;
        }
        tags::finish(cx, id, marks).await
    }

    /// Environments without apps are deleted before the network.
    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let id = cx.full_name(Scope::VirtualNetwork)?;
        // Environments are the admin's. A network that holds one is not deleted.
        let kept = if cx.is_vendors() { Vec::new() } else { environment::delete_in_networks(cx, Some(id)).await? };
        if !kept.is_empty() {
            return Ok(Removal::Pending(kept.join("; ")));
        }
        match cx.call(&[op::DELETE_NETWORK], || async { cx.clients.delete(id, &[]).await }).await.optional() {
            // Azure may hold a subnet for a while after its environment was deleted.
            Err(error) if error.kind() == ErrorKind::Busy => Ok(Removal::Pending(format!(
                "Azure still holds its subnets; take down again later ({})",
                error.message()
            ))),
            deleted => {
                deleted?;
                cx.until_gone(PATIENCE, || look(cx)).await?;
                Ok(Removal::Gone)
            }
        }
    }
}

#[async_trait]
impl Operate<Azure, Clients> for Network {
    /// Its resource id.
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        cx.full_name(Scope::VirtualNetwork).map(str::to_owned)
    }

    /// Calls `GET virtualNetworks`, which includes the subnets.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let found = look(cx).await?;
        let id = [cx.full_name(Scope::VirtualNetwork)?, "/subnets"].concat();
        let subnets = cx.call(&[op::GET_SUBNET], || async { cx.clients.list::<Value>(&id, &[]).await }).await?;
        Ok(match found.state() {
            "" | "Succeeded" => Heartbeat::new(Health::Healthy, format!("it is there, with {} subnets", subnets.len())),
            other => Heartbeat::new(Health::Degraded, format!("its state is `{other}`")),
        })
    }
}

/// Checks that a network of the customer's has the subnets that the customer gave, and that environments can be in those that
/// apps of the stack need. Returns their names.
fn check<'a>(cx: Context<'a>, found: &Found) -> Result<Vec<&'a str>> {
    let network = cx.resource()?;
    let id = network.id().as_str();
    let mut given = network.existing().into_iter().flat_map(|existing| &existing.subnets);
    if let Some(missing) = given.find(|given| found.subnet(given).is_none()) {
        let what = format!("the network has no subnet `{missing}`");
        let help = "give two that it has, or none to use those called `frozen` and `live`";
        return Err(Error::new(ErrorKind::NotFound, format!("{what}; {help}")).at(id));
    }
    let needed = needed(cx)?;
    let lacking: Vec<&str> = needed.iter().copied().filter(|name| !found.takes(name)).collect();
    if !lacking.is_empty() {
        let names = lacking.join("` and `");
        let what =
            format!("the network has no subnet `{names}` of at least 32 addresses that is delegated to `{DELEGATION}`");
        let help = "have the network's administrator add it: it stays the customer's, and nothing else may be in it";
        return Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")).at(id));
    }
    for name in &needed {
        let ranges = found.subnet(name).map(ranges).unwrap_or_default();
        if let Some((range, kept)) = ranges.iter().find_map(|range| Some((range, reserved(range)?))) {
            let what = format!("its subnet `{name}` is `{range}`, and Container Apps reserves `{kept}`");
            let help = "give a subnet with another range: that of one in use cannot be changed";
            return Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")).at(id));
        }
        if let Some(prefix) = found.subnet(name).and_then(too_small) {
            let what = format!(
                "its subnet `{name}` is `{prefix}`, and Container Apps needs at least 32 addresses, a /{LONGEST}"
            );
            let help = "give a larger one: the size of a subnet cannot be changed once an environment is in it";
            return Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")).at(id));
        }
    }
    Ok(needed)
}

/// The names of the subnets that apps of the stack need.
pub(super) fn needed<'a>(cx: Context<'a>) -> Result<Vec<&'a str>> {
    let network = cx.resource()?;
    let stands = |lifecycle: &Lifecycle| {
        cx.deployment().stack().resources().iter().any(|resource| {
            let placed = resource.settings().compute().and_then(|compute| compute.network);
            placed == Some(network.id().as_str()) && resource.lifecycle() == *lifecycle
        })
    };
    Ok(LIFECYCLES.into_iter().filter(stands).map(|lifecycle| super::subnet(network, lifecycle)).collect())
}

/// Checks that nothing else is in the subnets that the deployment's environments are to be in: a subnet is for one environment
/// alone (<https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet>).
async fn check_unused(cx: Context<'_>, found: &Found, needed: &[&str]) -> Result<()> {
    if needed.is_empty() {
        return Ok(());
    }
    let inside = environment::inside(cx, cx.full_name(Scope::VirtualNetwork)?, needed).await?;
    for (name, inside) in needed.iter().zip(inside) {
        let user = match inside {
            // What else Azure tells of the subnet is of that environment.
            Inside::Ours => None,
            Inside::Others(environment) => Some(format!("the environment `{environment}`")),
            Inside::None => found.subnet(name).and_then(used_by),
        };
        if let Some(user) = user {
            let what = format!("its subnet `{name}` is in use by {user}, and Container Apps needs one of its own");
            let help =
                "give another one; if that was just deleted, Azure may still tell it for a while: plan again later";
            return Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")).at(cx.resource()?.id().as_str()));
        }
    }
    Ok(())
}

/// The range of a subnet in which no environment can be; `None` if it is large enough, or Azure does not tell its range. Ranges of
/// IPv6 are not counted.
fn too_small(subnet: &Value) -> Option<String> {
    let known = ranges(subnet).into_iter().filter_map(|prefix| {
        let (address, length) = prefix.split_once('/')?;
        address.parse::<std::net::Ipv4Addr>().ok()?;
        Some((length.parse::<u32>().ok()?, prefix))
    });
    known.min().filter(|(length, _)| *length > LONGEST).map(|(_, prefix)| prefix.to_owned())
}

/// The ranges of a subnet.
fn ranges(subnet: &Value) -> Vec<&str> {
    let one = subnet.pointer("/properties/addressPrefix").into_iter();
    let more = subnet.pointer("/properties/addressPrefixes").and_then(Value::as_array).into_iter().flatten();
    one.chain(more).filter_map(Value::as_str).collect()
}

/// What Azure says is in a subnet (<https://learn.microsoft.com/rest/api/virtualnetwork/subnets/get>).
fn used_by(subnet: &Value) -> Option<String> {
    USES.into_iter().find_map(|(field, what)| {
        let first = subnet.pointer(&["/properties/", field].concat())?.as_array()?.first()?;
        let of = |pointer| first.pointer(pointer).and_then(Value::as_str);
        let id = of("/id").or_else(|| of("/properties/linkedResourceType")).or_else(|| of("/name"));
        Some(format!("{what} `{}`", id.unwrap_or("without a name")))
    })
}

/// Splits the range in halves, one subnet for each lifecycle's environment.
fn subnets(network: &Network) -> Result<[Value; 2]> {
    let wrong = || Error::new(ErrorKind::Internal, format!("`{}` is not an address range", network.range()));
    let (address, length) = network.range().split_once('/').ok_or_else(wrong)?;
    let address: std::net::Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let length: u32 = length.parse().map_err(|_| wrong())?;
    let half = 1_u32.checked_shl(31_u32.checked_sub(length).ok_or_else(wrong)?).ok_or_else(wrong)?;
    let second = std::net::Ipv4Addr::from(u32::from(address).saturating_add(half));
    let subnet = |lifecycle: Lifecycle, address: std::net::Ipv4Addr| {
        json!({
            "name": lifecycle.name(),
            "properties": {
                "addressPrefix": format!("{address}/{}", length + 1),
                "delegations": [{ "name": "apps", "properties": { "serviceName": DELEGATION } }],
            },
        })
    };
    Ok([subnet(Lifecycle::Frozen, address), subnet(Lifecycle::Live, second)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_is_too_small_if_none_of_its_ranges_has_32_addresses() {
        let of = |properties: Value| too_small(&json!({ "properties": properties }));
        assert_eq!(of(json!({ "addressPrefix": "10.0.0.0/28" })), Some("10.0.0.0/28".to_owned()));
        assert_eq!(of(json!({ "addressPrefix": "10.0.0.0/27" })), None);
        assert_eq!(of(json!({ "addressPrefixes": ["10.0.0.0/28", "10.0.1.0/26"] })), None);
        assert_eq!(of(json!({ "addressPrefixes": ["fd00::/64", "10.0.0.0/28"] })), Some("10.0.0.0/28".to_owned()));
        assert_eq!(of(json!({})), None);
    }

    #[test]
    fn a_range_is_cut_in_halves() {
        let [frozen, live] = subnets(&Network::new("10.20.0.0/16")).unwrap();
        assert_eq!(frozen["properties"]["addressPrefix"], "10.20.0.0/17");
        assert_eq!(live["properties"]["addressPrefix"], "10.20.128.0/17");
        let [_, live] = subnets(&Network::new("192.168.7.0/24")).unwrap();
        assert_eq!(live["properties"]["addressPrefix"], "192.168.7.128/25");
    }
}
