//! Where the deployments of tests go that pull their releases.

use alien_aws::{Agent, Target, Trust};
use alien_core::Prefix;

use crate::target;

/// Where a deployment goes whose releases a role pulls.
pub(crate) fn roles_target(prefix: Prefix) -> Target {
    Target { trust: Trust::Agent(Agent::Role("tools/agent".parse().unwrap())), ..target(prefix) }
}

/// The same where a service account of a cluster does.
pub(crate) fn clusters_target(prefix: Prefix) -> Target {
    let issuer = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E".parse().unwrap();
    Target { trust: Trust::Agent(Agent::Cluster { issuer, account: "shop/agent".parse().unwrap() }), ..target(prefix) }
}
