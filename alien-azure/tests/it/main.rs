//! Tests of the Azure documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod broken;
mod documents;

use alien_azure::{Azure, Target};
use alien_core::Prefix;

/// A target for tests.
fn target(prefix: Prefix) -> Target {
    Target {
        subscription: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        resource_group: "customer-rg".parse().unwrap(),
        location: "westeurope".parse().unwrap(),
        prefix,
        issuer: "https://oidc.vendor.example.com".parse().unwrap(),
        subject: "deployment:acme".parse().unwrap(),
    }
}

alien_conformance::document_suite!(Azure, target);
