//! What `gcloud` prints about policies and roles, audited.
//!
//! The forms are those of <https://docs.cloud.google.com/sdk/gcloud/reference/projects/get-iam-policy> and its like, and of
//! <https://docs.cloud.google.com/sdk/gcloud/reference/iam/roles/describe>.

use std::collections::BTreeMap;

use alien_conformance::collected;
use alien_conformance::golden::my_app;
use alien_core::adapter::{Answer, audit_layers};
use alien_core::{Layers, Promise, Report};
use alien_gcp::Gcp;
use alien_gcp::policy::Principal;
use serde_json::{Value, json};

use crate::{plant, target};

fn here() -> alien_gcp::Target {
    target("acme".parse().unwrap())
}

/// The identities that exist: the admin's own is that of no account.
fn rendered() -> Layers<Principal> {
    let mut layers = alien_core::render(&my_app(), &here()).unwrap().documents.layers;
    layers.provisioning = None;
    layers
}

fn principals(layers: &Layers<Principal>) -> impl Iterator<Item = &Principal> {
    [&layers.management, &layers.runtime].into_iter().flatten().flat_map(|layer| &layer.principals)
}

/// What the commands print for these identities, each policy in a file of the last two parts of the thing's name.
fn printed(layers: &Layers<Principal>) -> Vec<Answer> {
    let mut policies = BTreeMap::<String, Vec<Value>>::new();
    let mut roles = BTreeMap::<String, Value>::new();
    policies.entry("//cloudresourcemanager.googleapis.com/projects/customer-project".to_owned()).or_default();
    for principal in principals(layers) {
        let account = format!(
            "//iam.googleapis.com/projects/customer-project/serviceAccounts/{}",
            principal.service_account.email
        );
        let own = policies.entry(account).or_default();
        own.extend(
            principal.impersonators.iter().map(|found| json!({ "role": found.role, "members": [found.member] })),
        );
        for binding in &principal.bindings {
            // Others may have the same role, but on an account that would let them act as it.
            let others = if binding.resource.starts_with("//iam.") { [].as_slice() } else { &["user:jo@example.com"] };
            let members: Vec<&str> = others.iter().copied().chain([binding.members[0].as_str()]).collect();
            let mut bound = json!({ "role": binding.role, "members": members });
            if let Some(condition) = &binding.condition {
                bound["condition"] = json!({ "title": condition.title, "expression": condition.expression });
            }
            policies.entry(binding.resource.clone()).or_default().push(bound);
        }
        for role in &principal.custom_roles {
            let name = format!("projects/customer-project/roles/{}", role.role_id);
            let value = json!({
                "name": name, "title": role.title, "stage": "GA", "etag": "BwX=",
                "includedPermissions": role.included_permissions,
            });
            roles.insert(name, value);
        }
    }
    let file = |place: &str| {
        let parts: Vec<&str> = place.rsplit('/').take(2).collect();
        format!("{}_{}", parts[1], parts[0])
    };
    let policy = |(place, bindings): (String, Vec<Value>)| Answer {
        name: file(&place),
        value: json!({ "bindings": bindings, "etag": "BwX=", "version": 3 }),
    };
    let role = |(name, value): (String, Value)| Answer { name: name.rsplit('/').next().unwrap().to_owned(), value };
    policies.into_iter().map(policy).chain(roles.into_iter().map(role)).collect()
}

fn audited(answers: &[Answer]) -> Report {
    collected::audited::<Gcp>(&here(), answers)
}

fn refused(answers: &[Answer]) -> Vec<String> {
    collected::refused::<Gcp>(&here(), answers)
}

#[test]
fn the_audit_of_what_is_printed_is_that_of_the_documents() {
    let due = audit_layers(&my_app(), &here(), &rendered());
    assert!(due.breaches.is_empty());
    assert_eq!(audited(&printed(&rendered())), due);
}

#[test]
fn a_planted_permission_a_role_of_googles_and_another_impersonator_are_found() {
    let mut planted = rendered();
    let vendor = &mut planted.management.as_mut().unwrap().principals[0];
    plant(vendor, "storage.objects.get", "//storage.googleapis.com/projects/_/buckets/acme-data-4");
    // On the project, which is asked for.
    vendor.bindings.last_mut().unwrap().resource =
        "//cloudresourcemanager.googleapis.com/projects/customer-project".to_owned();
    let report = audited(&printed(&planted));
    let is_found = |promise: Promise, permission: &str| {
        report.breaches.iter().any(|breach| breach.promise == promise && breach.permission == permission)
    };
    assert!(is_found(Promise::P2, "storage.objects.get"), "{:?}", report.breaches);

    let mut owner = rendered();
    let vendor = &mut owner.management.as_mut().unwrap().principals[0];
    vendor.bindings[0].role = "roles/owner".to_owned();
    vendor.impersonators[0].member = "serviceAccount:other@vendor-project.iam.gserviceaccount.com".to_owned();
    let report = audited(&printed(&owner));
    assert!(report.breaches.iter().any(|breach| breach.what.contains("`roles/owner` is not a role of the project")));
    assert!(report.breaches.iter().any(|breach| breach.what.contains("other@vendor-project")));
}

#[test]
fn a_role_that_is_not_described_and_a_policy_that_is_not_given_are_told_by_name() {
    let whole = printed(&rendered());
    for position in 0..whole.len() {
        let mut answers = whole.clone();
        let removed = answers.remove(position);
        let last = removed.name.rsplit('_').next().unwrap();
        let told = refused(&answers);
        assert!(
            told.iter().any(|told| told.contains(last) || told.contains(&removed.name)),
            "{}: {told:?}",
            removed.name
        );
    }
    let mut unnamed = whole.clone();
    unnamed[0].name = "policy".to_owned();
    assert!(refused(&unnamed)[0].contains("a policy does not say what it is of"), "{:?}", refused(&unnamed));
    let what = Answer { name: "what".to_owned(), value: json!([]) };
    assert!(refused(&[what])[0].contains("`what`"));
}
