//! What `az` prints about identities, roles and assignments, audited.
//!
//! The forms are those of <https://learn.microsoft.com/cli/azure/role/assignment>, <https://learn.microsoft.com/cli/azure/role/definition>
//! and <https://learn.microsoft.com/cli/azure/identity>.

use alien_azure::Azure;
use alien_azure::policy::Principal;
use alien_conformance::collected;
use alien_conformance::golden::my_app;
use alien_core::adapter::{Answer, audit_layers};
use alien_core::{Layers, Promise, Report};
use serde_json::{Value, json};

use crate::{plant, target};

fn here() -> alien_azure::Target {
    target("acme".parse().unwrap())
}

fn rendered() -> Layers<Principal> {
    let mut layers = alien_core::render(&my_app(), &here()).unwrap().documents.layers;
    layers.provisioning = None;
    layers
}

/// What the commands print for these identities: a list of each command.
fn printed(layers: &Layers<Principal>) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut add = |name: String, value: Value| answers.push(Answer { name, value });
    let layers = [&layers.management, &layers.runtime];
    for principal in layers.into_iter().flatten().flat_map(|layer| &layer.principals) {
        let (id, name) = (&principal.identity.id, &principal.identity.name);
        let object = format!("object of {name}");
        let identity = json!({
            "clientId": "00000000-0000-0000-0000-0000000000c1", "id": id, "location": "westeurope", "name": name,
            "principalId": object, "tags": {}, "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        });
        add(format!("identity-{name}"), identity);
        let credential = |found: &alien_azure::policy::FederatedCredential| {
            json!({
                "audiences": found.audiences, "id": format!("{id}/federatedIdentityCredentials/{}", found.name),
                "issuer": found.issuer, "name": found.name, "subject": found.subject, "resourceGroup": "customer-rg",
                "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            })
        };
        add(format!("credentials-{name}"), principal.federated_credentials.iter().map(credential).collect());
        let assignment = |found: &alien_azure::policy::RoleAssignment| {
            json!({
                "condition": null, "conditionVersion": null, "id": format!("{}/providers/x/{}", found.scope, found.name),
                "name": found.name, "principalId": object, "principalName": "00000000-0000-0000-0000-0000000000c1",
                "principalType": "ServicePrincipal", "roleDefinitionId": found.properties.role_definition_id,
                "roleDefinitionName": "a name", "scope": found.scope, "type": "Microsoft.Authorization/roleAssignments",
            })
        };
        add(format!("assignments-{name}"), principal.role_assignments.iter().map(assignment).collect());
        let definition = |found: &alien_azure::policy::RoleDefinition| {
            let properties = &found.properties;
            let permissions: Vec<Value> =
                properties.permissions.iter().map(|one| serde_json::to_value(one).unwrap()).collect();
            json!({
                "assignableScopes": properties.assignable_scopes, "description": properties.description, "id": found.name,
                "name": found.name, "permissions": permissions, "roleName": properties.role_name,
                "roleType": "CustomRole", "type": "Microsoft.Authorization/roleDefinitions",
            })
        };
        add(format!("definitions-{name}"), principal.role_definitions.iter().map(definition).collect());
    }
    answers
}

fn audited(answers: &[Answer]) -> Report {
    collected::audited::<Azure>(&here(), answers)
}

fn refused(answers: &[Answer]) -> Vec<String> {
    collected::refused::<Azure>(&here(), answers)
}

#[test]
fn the_audit_of_what_is_printed_is_that_of_the_documents() {
    let due = audit_layers(&my_app(), &here(), &rendered());
    assert!(due.breaches.is_empty());
    assert_eq!(audited(&printed(&rendered())), due);
}

#[test]
fn a_planted_action_and_another_token_are_found() {
    let mut planted = rendered();
    let vendor = &mut planted.management.as_mut().unwrap().principals[0];
    let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/customer-rg";
    plant(vendor, "Microsoft.Storage/storageAccounts/listKeys/action", group);
    vendor.federated_credentials[0].subject.push('x');
    let report = audited(&printed(&planted));
    let keys = |promise: Promise| {
        let mut breaches = report.breaches.iter().filter(|breach| breach.promise == promise);
        breaches.any(|breach| breach.permission == "Microsoft.Storage/storageAccounts/listKeys/action")
    };
    assert!(keys(Promise::P2), "{:?}", report.breaches);
    assert!(report.breaches.iter().any(|breach| breach.permission.is_empty() && breach.promise == Promise::P5));
}

#[test]
fn what_is_missing_for_a_judgement_is_told_by_name() {
    let whole = printed(&rendered());
    for position in 0..whole.len() {
        let mut answers = whole.clone();
        let removed = answers.remove(position);
        let command = match removed.name.split_once('-').unwrap().0 {
            "identity" => "az identity show",
            "credentials" => "az identity federated-credential list",
            "assignments" => "az role assignment list --all",
            _ => "az role definition list --name",
        };
        let told = refused(&answers);
        assert!(told.iter().any(|told| told.contains(command)), "{}: {told:?}", removed.name);
    }
    let what = Answer { name: "what".to_owned(), value: json!({ "type": "Microsoft.Storage/storageAccounts" }) };
    assert!(refused(&[what])[0].contains("`what`"));
}
