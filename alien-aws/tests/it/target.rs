//! Where the deployments of tests go.

use alien_aws::{Agent, Target, Trust};
use alien_core::Prefix;

/// A target for tests.
pub(crate) fn target(prefix: Prefix) -> Target {
    Target {
        account: "222222222222".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        prefix,
        trust: Trust::Vendor {
            vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
            external_id: "acme-7f3a".parse().unwrap(),
        },
    }
}

/// The same where a role pulls releases.
pub(crate) fn roles_target(prefix: Prefix) -> Target {
    Target { trust: Trust::Agent(Agent::Role("tools/agent".parse().unwrap())), ..target(prefix) }
}

/// The same where a service account of a cluster does.
pub(crate) fn clusters_target(prefix: Prefix) -> Target {
    let issuer = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E".parse().unwrap();
    Target { trust: Trust::Agent(Agent::Cluster { issuer, account: "shop/agent".parse().unwrap() }), ..target(prefix) }
}
