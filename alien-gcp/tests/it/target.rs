//! Where the deployments of tests go.

use alien_core::Prefix;
use alien_gcp::{Target, Trust};

/// A target for tests.
pub(crate) fn target(prefix: Prefix) -> Target {
    Target {
        project: "customer-project".parse().unwrap(),
        project_number: "123456789012".parse().unwrap(),
        location: "europe-west3".parse().unwrap(),
        prefix,
        trust: Trust::Vendor("vendor@vendor-project.iam.gserviceaccount.com".parse().unwrap()),
    }
}
