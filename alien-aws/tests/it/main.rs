//! Tests of the AWS documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod agents;
mod broken;
mod checked;
mod collected;
mod compared;
mod documents;
mod evaluate;
mod in_place;
mod keys;
mod sizes;
mod target;

use alien_aws::Aws;
use alien_conformance::suite::PLANTED;
use target::target;

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
