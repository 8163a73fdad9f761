//! Tests of the GCP documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod broken;
mod documents;

use alien_conformance::suite::PLANTED;
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

/// Permits something by a role of its own, bound on the resource; or on the project, where the name is that of a
/// condition.
fn plant(principal: &mut alien_gcp::policy::Principal, permission: &str, name: &str) {
    use alien_gcp::policy::{Binding, Condition, CustomRole, Text};
    let permissions = vec![Text::Owned(permission.to_owned())];
    principal.custom_roles.push(CustomRole::new(PLANTED.to_owned(), String::new(), String::new(), permissions));
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
