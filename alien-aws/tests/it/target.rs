//! Where the deployments of tests go.

use alien_aws::{Target, Trust};
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
