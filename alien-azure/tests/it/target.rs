//! Where the deployments of tests go.

use alien_azure::{Target, Trust};
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
