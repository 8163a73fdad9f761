//! Tests of the AWS documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod broken;
mod documents;
mod evaluate;

use alien_aws::{Aws, Target};
use alien_conformance::suite::PLANTED;
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

/// Allows an action on a resource by a statement of its own.
fn plant(principal: &mut alien_aws::policy::Principal, action: &str, resource: &str) {
    use alien_aws::policy::{Statement, Text};
    principal.policies[0].document.statements.push(Statement {
        sid: PLANTED.to_owned(),
        actions: vec![Text::Owned(action.to_owned())],
        resources: vec![Text::Owned(resource.to_owned())],
        ..Statement::default()
    });
}

alien_conformance::document_suite!(Aws, target, plant);
