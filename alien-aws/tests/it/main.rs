//! Tests of the AWS documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod broken;
mod documents;
mod evaluate;

use alien_aws::{Aws, Target};
use alien_core::Prefix;

/// A target for tests.
fn target(prefix: Prefix) -> Target {
    Target {
        account: "222222222222".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        prefix,
        vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
        external_id: "acme-7f3a".parse().unwrap(),
    }
}

alien_conformance::document_suite!(Aws, target);
