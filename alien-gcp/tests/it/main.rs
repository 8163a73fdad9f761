//! Tests of the GCP documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod agents;
mod broken;
mod checked;
mod collected;
mod compared;
mod documents;
mod target;

use alien_conformance::suite::PLANTED;
use alien_gcp::Gcp;
use target::target;

/// Permits something by a role of its own, bound on the resource; or on the project, where the name is that of a
/// condition.
fn plant(principal: &mut alien_gcp::policy::Principal, permission: &str, name: &str) {
    use alien_gcp::policy::{Binding, Condition, CustomRole, Text};
    let permissions = vec![Text::Owned(permission.to_owned())];
    principal.custom_roles.push(CustomRole::new(PLANTED, "", "", permissions));
    let (resource, condition) = if name.starts_with("//") {
        (name.to_owned(), None)
    } else {
        let expression = format!("resource.name == \"{name}\"");
        let project = "//cloudresourcemanager.googleapis.com/projects/customer-project".to_owned();
        (project, Some(Condition { title: PLANTED.to_owned(), expression }))
    };
    let role = format!("projects/customer-project/roles/{PLANTED}");
    let members = vec![format!("serviceAccount:{}", principal.service_account.email)];
    principal.bindings.push(Binding { resource, role, members, condition });
}

alien_conformance::document_suite!(Gcp, target, plant);
