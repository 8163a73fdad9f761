//! `network`: a virtual network with a subnet for the apps of each lifecycle; or a network of the customer's.
//!
//! Apps are in environments, and each environment has a subnet of its own. The customer gives two subnets of its network, by
//! their names: the one for frozen apps, then the one for live apps. Each has at least 32 addresses, is delegated to
//! `Microsoft.App/environments`, and has nothing else in it. If none is given, those called `frozen` and `live` are used
//! (<https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet>).

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod fit;

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

#[cfg(feature = "client")]
use alien_core::Resource;
use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Existing, Lifecycle, Network, Problem, Rule, Set};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a virtual network, in characters; the shortest has 2.
const MAX: usize = 64;

/// The longest name of a subnet, in characters.
const MAX_SUBNET: usize = 80;

/// <https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks>,
/// <https://learn.microsoft.com/rest/api/virtualnetwork/subnets>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&["subnet", "subnet.properties.delegations"]),
    Settings::customers(
        "what of its traffic is let through, and where it goes",
        &[
            "subnet.properties.networkSecurityGroup",
            "subnet.properties.routeTable",
            "subnet.properties.natGateway",
            "subnet.properties.serviceEndpoints",
            "subnet.properties.privateEndpointNetworkPolicies",
            "subnet.properties.defaultOutboundAccess",
        ],
    ),
    Settings::customers(
        "how it reaches the customer's other networks",
        &["network.properties.dhcpOptions", "network.properties.virtualNetworkPeerings"],
    ),
    Settings::customers("more ranges", &["network.properties.addressSpace"]),
];

impl On<Azure> for Network {
    /// Management gets no more than heartbeat: routes, DNS servers and subnets can redirect traffic.
    fn set(set: Set) -> Rows<Azure> {
        match set {
            Set::Heartbeat => &[op::GET_NETWORK, op::GET_SUBNET],
            // Only the admin gives roles on a network, and so only the admin creates one.
            Set::Provision => &[op::DELETE_NETWORK],
            Set::Reconfigure => &[op::PUT_NETWORK, op::PUT_SUBNET],
            // An environment is placed in the network.
            Set::Setup => &[op::JOIN_SUBNET, op::PUT_ENVIRONMENT],
            Set::Management | Set::Logs | Set::Dispatch | Set::DataRead | Set::DataWrite | Set::Invoke | Set::Run => {
                &[]
            }
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        let (ids, id) = (Ids(placed.target), placed.id());
        let own = ids.physical(id, MAX);
        let name = self.existing().map_or(own.as_str(), |existing| &existing.id);
        things.push((Scope::VirtualNetwork, ids.resource(&["Microsoft.Network/virtualNetworks/", name])));
    }

    /// Checks what the customer gives: names, and that there are two subnets or none.
    fn check(&self, _: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
        let Some(Existing { id, subnets }) = self.existing() else { return check_range(self, problems) };
        let mut problem = |what: String, help: &str| {
            problems.push(Problem::error(Rule::Cloud, what, help.to_owned()));
        };
        if !is_name(id, 2..=MAX) {
            let what = format!("`{id}` is not the name of a virtual network in the resource group");
            problem(what, "write only its name, 2 to 64 letters, digits, `-`, `_` and `.`");
        }
        for subnet in subnets.iter().filter(|subnet| !is_name(subnet, 1..=MAX_SUBNET)) {
            let what = format!("`{subnet}` is not the name of a subnet");
            problem(what, "write only its name, 1 to 80 letters, digits, `-`, `_` and `.`");
        }
        let are_two = matches!(&**subnets, [frozen, live] if !frozen.eq_ignore_ascii_case(live));
        if !subnets.is_empty() && !are_two {
            let named: Vec<String> = subnets.iter().map(|subnet| format!("`{subnet}`")).collect();
            let what = format!("frozen apps need one subnet and live apps another, and given is {}", named.join(", "));
            problem(what, "give the subnet for frozen apps and then the one for live apps, or none");
        }
    }
}

/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftnetwork>
fn is_name(text: &str, lengths: RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The lifecycles, in the order in which the customer gives their subnets.
const LIFECYCLES: [Lifecycle; 2] = [Lifecycle::Frozen, Lifecycle::Live];

/// The subnet that the customer gave for apps of a lifecycle.
pub(crate) fn given_subnet(existing: &Existing, lifecycle: Lifecycle) -> Option<&str> {
    let mut subnets = LIFECYCLES.iter().zip(&existing.subnets);
    subnets.find(|(found, _)| **found == lifecycle).map(|(_, name)| name.as_str())
}

/// The subnet for apps of a lifecycle: the one that the customer gave, else the one that is called like the lifecycle.
#[cfg(feature = "client")]
pub(crate) fn subnet(network: &Resource, lifecycle: Lifecycle) -> &str {
    network.existing().and_then(|existing| given_subnet(existing, lifecycle)).unwrap_or(lifecycle.name())
}

/// The ranges that Container Apps reserves, as their first address and the length of their prefix
/// (<https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet-address-range-restrictions>).
const RESERVED: [([u8; 4], u32); 8] = [
    ([169, 254, 0, 0], 16),
    ([172, 30, 0, 0], 16),
    ([172, 31, 0, 0], 16),
    ([192, 0, 2, 0], 24),
    ([100, 100, 0, 0], 17),
    ([100, 100, 128, 0], 19),
    ([100, 100, 160, 0], 19),
    ([100, 100, 192, 0], 19),
];

/// What a range has in common with one that Container Apps reserves.
fn reserved(range: &str) -> Option<String> {
    let (address, length) = range.split_once('/')?;
    let (address, length): (Ipv4Addr, u32) = (address.parse().ok()?, length.parse().ok()?);
    RESERVED.into_iter().map(|(first, size)| (Ipv4Addr::from(first), size)).find_map(|(first, size)| {
        // Two ranges overlap if they are the same as far as the longer of them goes.
        let mask = u32::MAX.checked_shl(32 - length.min(size).min(32)).unwrap_or_default();
        (u32::from(address) & mask == u32::from(first) & mask).then(|| format!("{first}/{size}"))
    })
}

/// Refuses address ranges in which Container Apps reserves some.
fn check_range(network: &Network, problems: &mut Vec<Problem>) {
    if let Some(kept) = reserved(network.range()) {
        problems.push(Problem::error(
            Rule::Cloud,
            format!("Container Apps reserves addresses of `{}`", network.range()),
            format!("choose a range outside of {kept}"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_overlaps_a_reserved_one_is_told_with_that() {
        for (range, expected) in [
            ("10.0.0.0/16", None),
            ("172.30.4.0/27", Some("172.30.0.0/16")),
            ("172.16.0.0/12", Some("172.30.0.0/16")),
            ("192.0.2.128/27", Some("192.0.2.0/24")),
            ("100.100.100.0/24", Some("100.100.0.0/17")),
            ("100.100.192.0/27", Some("100.100.192.0/19")),
            ("100.100.224.0/27", None),
            ("100.64.0.0/16", None),
            ("0.0.0.0/0", Some("169.254.0.0/16")),
            ("fd00::/64", None),
        ] {
            assert_eq!(reserved(range).as_deref(), expected, "{range}");
        }
    }
}
