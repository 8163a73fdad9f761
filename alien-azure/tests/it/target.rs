//! Where the deployments of tests go.

use alien_azure::{Agent, Target, Trust};
use alien_core::Prefix;

/// A target for tests.
pub(crate) fn target(prefix: Prefix) -> Target {
    Target {
        tenant: "00000000-0000-0000-0000-00000000000f".parse().unwrap(),
        subscription: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        resource_group: "customer-rg".parse().unwrap(),
        location: "westeurope".parse().unwrap(),
        prefix,
        trust: Trust::Vendor {
            issuer: "https://oidc.vendor.example.com".parse().unwrap(),
            subject: "deployment:acme".parse().unwrap(),
        },
    }
}

/// The same where a service account of a cluster pulls releases.
pub(crate) fn clusters_target(prefix: Prefix) -> Target {
    let issuer = "westeurope/00000000-0000-0000-0000-0000000000aa".parse().unwrap();
    Target { trust: Trust::Agent(Agent::Cluster { issuer, account: "shop/agent".parse().unwrap() }), ..target(prefix) }
}

/// The same where a machine does.
pub(crate) fn machines_target(prefix: Prefix) -> Target {
    let machine = "resourceGroups/tools/providers/Microsoft.Compute/virtualMachines/agent".parse().unwrap();
    Target { trust: Trust::Agent(Agent::Machine(machine)), ..target(prefix) }
}
