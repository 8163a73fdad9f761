//! Where the deployments of tests go that pull their releases.

use alien_azure::{Agent, Target, Trust};
use alien_core::Prefix;

use crate::target;

/// Where a deployment goes whose releases a service account of a cluster pulls.
pub(crate) fn clusters_target(prefix: Prefix) -> Target {
    let issuer = "westeurope/00000000-0000-0000-0000-0000000000aa".parse().unwrap();
    Target { trust: Trust::Agent(Agent::Cluster { issuer, account: "shop/agent".parse().unwrap() }), ..target(prefix) }
}

/// The same where a machine does.
pub(crate) fn machines_target(prefix: Prefix) -> Target {
    let machine = "resourceGroups/tools/providers/Microsoft.Compute/virtualMachines/agent".parse().unwrap();
    Target { trust: Trust::Agent(Agent::Machine(machine)), ..target(prefix) }
}
