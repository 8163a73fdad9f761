//! Tests of the Azure documents.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod agents;
mod broken;
mod checked;
mod collected;
mod compared;
mod documents;
mod target;

use alien_azure::Azure;
use alien_conformance::suite::PLANTED;
use target::target;

/// Permits an action by a role of its own, assigned at the scope.
fn plant(principal: &mut alien_azure::policy::Principal, action: &str, scope: &str) {
    use alien_azure::policy::Text;
    let mut role = principal.role_definitions[0].clone();
    role.name = PLANTED.to_owned();
    role.properties.role_name = PLANTED.to_owned();
    // An evaluator asks for an action on whichever plane it stands.
    role.properties.permissions[0].actions = vec![Text::Owned(action.to_owned())];
    role.properties.permissions[0].data_actions = Vec::new();
    let mut assignment = principal.role_assignments[0].clone();
    assignment.scope = scope.to_owned();
    assignment.properties.role_definition_id = format!("/providers/Microsoft.Authorization/roleDefinitions/{PLANTED}");
    principal.role_definitions.push(role);
    principal.role_assignments.push(assignment);
}

alien_conformance::document_suite!(Azure, target, plant);
