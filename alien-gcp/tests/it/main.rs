//! Tests of the GCP documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod broken;
mod documents;

use alien_core::Prefix;
use alien_gcp::{Gcp, Target};

/// A target for tests.
fn target(prefix: Prefix) -> Target {
    Target {
        project: "customer-project".parse().unwrap(),
        project_number: "123456789012".parse().unwrap(),
        location: "europe-west3".parse().unwrap(),
        prefix,
        vendor: "vendor@vendor-project.iam.gserviceaccount.com".parse().unwrap(),
    }
}

alien_conformance::document_suite!(Gcp, target);
