//! `network`: a virtual network with a subnet for the apps of each lifecycle; or a network of the customer's.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows};
use alien_core::{Existing, Lifecycle, Network, Problem, Rule, Set};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a virtual network, in characters; the shortest has 2.
const MAX: usize = 64;

impl On<Azure> for Network {
    /// Management gets no more than heartbeat: routes, DNS servers and subnets can redirect traffic.
    fn set(set: Set) -> Rows<Azure> {
        match set {
            Set::Heartbeat => &[op::GET_NETWORK, op::GET_SUBNET],
            Set::Provision => &[op::PUT_NETWORK, op::PUT_SUBNET, op::DELETE_NETWORK],
            Set::Reconfigure => &[op::PUT_NETWORK, op::PUT_SUBNET],
            // An environment is placed in the network.
            Set::Setup => &[op::JOIN_SUBNET, op::PUT_ENVIRONMENT],
            Set::Management | Set::Logs | Set::Dispatch | Set::DataRead | Set::DataWrite | Set::Invoke | Set::Run => {
                &[]
            }
        }
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        let (ids, id) = (Ids(placed.target), placed.id());
        let own = ids.physical(id, MAX);
        let name = self.existing().map_or(own.as_str(), |existing| &existing.id);
        things.push((Scope::VirtualNetwork, ids.resource(&["Microsoft.Network/virtualNetworks/", name])));
    }

    fn check(&self, _: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
        let Some(Existing { id: name, subnets }) = self.existing() else { return check_range(self, problems) };
        if ![0, LIFECYCLES.len()].contains(&subnets.len()) {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("the network is given {} subnets, but each environment has one of its own", subnets.len()),
                "give the subnet for frozen apps and then the one for live apps, or none".to_owned(),
            ));
        }
        let plain = (2..=MAX).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !plain {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("`{name}` is not the name of a virtual network in the resource group"),
                "write only its name, 2 to 64 letters, digits, `-`, `_` and `.`".to_owned(),
            ));
        }
    }
}

/// The subnet for the environment of a lifecycle's apps: each environment needs its own
/// (<https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet>).
///
/// In a network of the customer's, these are the two subnets that the customer gave: that for frozen apps, then that for live
/// ones. Where none were given, and in a network that the set-up creates, they are called `frozen` and `live`.
#[cfg(feature = "client")]
pub(crate) fn subnet(network: &Network, lifecycle: Lifecycle) -> &str {
    let given = network.existing().map_or(&[][..], |existing| &existing.subnets);
    let own = LIFECYCLES.iter().zip(given).find(|(found, _)| **found == lifecycle);
    own.map_or(lifecycle.name(), |(_, name)| name)
}

/// The lifecycles, in the order in which the customer gives their subnets.
pub(crate) const LIFECYCLES: [Lifecycle; 2] = [Lifecycle::Frozen, Lifecycle::Live];

/// Refuses address ranges that Container Apps reserves
/// (<https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet-address-range-restrictions>).
fn check_range(network: &Network, problems: &mut Vec<Problem>) {
    // A range starts at a multiple of its size, so one that overlaps 172.30.0.0/15 lies within it.
    if ["172.30.", "172.31."].iter().any(|kept| network.range().starts_with(kept)) {
        problems.push(Problem::error(
            Rule::Cloud,
            format!("Container Apps reserves addresses of `{}`", network.range()),
            "choose a range outside of 172.30.0.0/16 and 172.31.0.0/16".to_owned(),
        ));
    }
}
