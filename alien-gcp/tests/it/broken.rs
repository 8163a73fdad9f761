//! Documents that were broken on purpose: each break is caught, with the promise and the role that breaks it.

use alien_conformance::broken::{self, caught};
use alien_conformance::golden::my_app;
use alien_core::{Code, Promise, Rendered, Report};
use alien_gcp::Gcp;
use serde_json::{Value, json};

use crate::agents::agents_target;
use crate::target;

const PROJECT: &str = "//cloudresourcemanager.googleapis.com/projects/customer-project";
const MEMBER: &str = "serviceAccount:acme-management-4@customer-project.iam.gserviceaccount.com";

/// The report after a change of the management principal.
fn after(change: impl FnOnce(&mut Value)) -> Report {
    broken::audited::<Gcp>(target, |layers| change(&mut layers["management"]["principals"][0]))
}

/// The report after a role of one permission was bound.
fn planted(permission: &str, resource: &str, condition: Value) -> Report {
    after(|principal| {
        let role = json!({
            "roleId": "planted", "title": "", "description": "", "includedPermissions": [permission], "stage": "GA",
        });
        principal["customRoles"].as_array_mut().unwrap().push(role);
        let binding = json!({
            "resource": resource, "role": "projects/customer-project/roles/planted", "members": [MEMBER], "condition": condition,
        });
        principal["bindings"].as_array_mut().unwrap().push(binding);
    })
}

#[test]
fn untouched_documents_pass() {
    assert_eq!(after(|_| ()).breaches, []);
}

#[test]
fn each_planted_permission_is_caught() {
    let bucket = "//storage.googleapis.com/projects/_/buckets/acme-data-4-123456789012";
    let topic = "//pubsub.googleapis.com/projects/customer-project/topics/acme-jobs-4";
    let subscription = "//pubsub.googleapis.com/projects/customer-project/subscriptions/acme-jobs-4";
    let service = "//run.googleapis.com/projects/customer-project/locations/europe-west3/services/";
    let cases = [
        ("storage.objects.get", bucket.to_owned(), Promise::P2),
        ("storage.objects.list", PROJECT.to_owned(), Promise::P2),
        ("storage.buckets.update", bucket.to_owned(), Promise::P2),
        ("pubsub.subscriptions.consume", subscription.to_owned(), Promise::P2),
        ("pubsub.subscriptions.update", subscription.to_owned(), Promise::P2),
        ("pubsub.topics.attachSubscription", topic.to_owned(), Promise::P2),
        ("datastore.entities.get", PROJECT.to_owned(), Promise::P2),
        ("secretmanager.versions.access", PROJECT.to_owned(), Promise::P2),
        ("run.services.create", PROJECT.to_owned(), Promise::P3),
        ("run.services.delete", format!("{service}acme-api-4"), Promise::P3),
        ("run.services.update", format!("{service}acme-worker-4"), Promise::P4),
        ("run.services.update", format!("{service}acme-prod-api-9"), Promise::P4),
        ("run.services.update", PROJECT.to_owned(), Promise::P4),
        ("logging.logEntries.list", PROJECT.to_owned(), Promise::P4),
        ("iam.serviceAccounts.actAs", PROJECT.to_owned(), Promise::P5),
        ("run.services.setIamPolicy", format!("{service}acme-api-4"), Promise::P5),
        ("resourcemanager.projects.setIamPolicy", PROJECT.to_owned(), Promise::P5),
        ("iam.roles.update", PROJECT.to_owned(), Promise::P5),
        ("iam.serviceAccounts.getAccessToken", PROJECT.to_owned(), Promise::P2),
        ("iam.serviceAccountKeys.create", PROJECT.to_owned(), Promise::P2),
        ("run.services.list", PROJECT.to_owned(), Promise::P1),
        ("made.up.permission", PROJECT.to_owned(), Promise::P1),
    ];
    for (permission, resource, promise) in cases {
        caught(&planted(permission, &resource, Value::Null), promise, "roles/planted");
    }
}

#[test]
fn a_condition_that_does_not_name_one_thing_counts_as_met() {
    let when = |expression: &str| json!({ "title": "t", "expression": expression });
    for expression in [
        "true",
        r#"resource.name.startsWith("projects/customer-project/databases/acme")"#,
        r#"resource.name == "projects/customer-project/databases/acme-cache-4" || true"#,
    ] {
        let report = planted("datastore.databases.delete", PROJECT, when(expression));
        caught(&report, Promise::P3, "roles/planted");
    }
    let other = when(r#"resource.name == "projects/customer-project/databases/acme-prod-cache-9""#);
    caught(&planted("datastore.databases.getMetadata", PROJECT, other), Promise::P1, "roles/planted");
}

#[test]
fn each_binding_is_caught_where_it_is_moved_to_the_project() {
    let bindings = |principal: &mut Value| principal["bindings"].as_array().unwrap().len();
    let mut count = 0;
    after(|principal| count = bindings(principal));
    let mut moved = 0;
    for position in 0..count {
        let mut role = String::new();
        let mut was_there = false;
        let report = after(|principal| {
            let binding = &mut principal["bindings"][position];
            was_there = binding["resource"] == PROJECT && binding["condition"].is_null();
            binding["resource"] = PROJECT.into();
            binding["condition"] = Value::Null;
            role = binding["role"].as_str().unwrap().to_owned();
        });
        if !was_there {
            moved += 1;
            assert!(report.breaches.iter().any(|breach| breach.statement == role), "{role} on the project");
        }
    }
    assert!(moved > 10, "{moved}");
}

#[test]
fn a_role_that_the_documents_do_not_define_is_caught() {
    for role in
        ["roles/owner", "roles/run.developer", "projects/customer-project/roles/gone", "organizations/1/roles/x"]
    {
        let report = after(|principal| principal["bindings"][0]["role"] = role.into());
        caught(&report, Promise::P2, role);
    }
}

#[test]
fn trust_in_anyone_else_is_caught() {
    let vendor = "serviceAccount:vendor@vendor-project.iam.gserviceaccount.com";
    for (member, role) in [
        ("allUsers", "projects/customer-project/roles/alien.identity.impersonate"),
        (
            "serviceAccount:other@vendor-project.iam.gserviceaccount.com",
            "projects/customer-project/roles/alien.identity.impersonate",
        ),
        (vendor, "roles/iam.serviceAccountTokenCreator"),
    ] {
        let report = after(|principal| principal["impersonators"] = json!([{ "member": member, "role": role }]));
        caught(&report, Promise::P5, "principal");
    }
    let report = after(|principal| {
        let roles = principal["customRoles"].as_array_mut().unwrap();
        let role = roles.iter_mut().find(|role| role["roleId"] == "alien.identity.impersonate").unwrap();
        role["includedPermissions"] = json!(["iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.signBlob"]);
    });
    caught(&report, Promise::P5, "principal");
}

/// Where releases are pulled, whoever is not the one principal of the customer's project is a breach of its own.
#[test]
fn trust_in_anyone_but_the_agent_is_caught() {
    let in_pull = |layer: &str, impersonators: Value| {
        broken::audited::<Gcp>(agents_target, |layers| {
            layers[layer]["principals"][0]["impersonators"] = impersonators;
        })
    };
    let role = "projects/customer-project/roles/alien.identity.impersonate";
    let agent = "serviceAccount:alien-agent@customer-project.iam.gserviceaccount.com";
    let pool =
        "iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/customer-project.svc.id.goog";
    for member in [
        "allUsers",
        "allAuthenticatedUsers",
        "domain:vendor.example.com",
        "user:somebody@vendor.example.com",
        "serviceAccount:vendor@vendor-project.iam.gserviceaccount.com",
        "serviceAccount:alien-agent@vendor-project.iam.gserviceaccount.com",
        "serviceAccount:other1@customer-project.iam.gserviceaccount.com",
        &format!("principalSet://{pool}/*"),
        &format!("principalSet://{pool}/namespace/shop"),
        &format!("principal://{pool}/subject/ns/shop/sa/agent"),
    ] {
        let both = json!([{ "member": agent, "role": role }, { "member": member, "role": role }]);
        caught(&in_pull("management", both), Promise::P13, "principal");
        let planted = json!([{ "member": member, "role": role }]);
        for layer in ["management", "runtime", "provisioning"] {
            caught(&in_pull(layer, planted.clone()), Promise::P13, "principal");
        }
    }
    for role in ["roles/iam.serviceAccountTokenCreator", "roles/owner"] {
        let more = json!([{ "member": agent, "role": role }]);
        caught(&in_pull("management", more), Promise::P13, "principal");
    }
    caught(&in_pull("management", json!([])), Promise::P13, "principal");
    let untouched = broken::audited::<Gcp>(agents_target, |_| ());
    assert_eq!(untouched.breaches, []);
}

/// An agent that is one of the deployment's own identities would manage itself.
#[test]
fn an_agent_that_the_deployment_runs_as_is_refused() {
    let stack = my_app();
    let refused = |name: &str| {
        let mut target = agents_target("acme".parse().unwrap());
        target.trust = alien_gcp::Trust::Agent(alien_gcp::Agent::ServiceAccount(name.parse().unwrap()));
        alien_core::render(&stack, &target).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(refused("alien-agent"), Ok(()));
    let rendered = alien_core::render(&stack, &agents_target("acme".parse().unwrap())).unwrap().documents.layers;
    let layers = [rendered.provisioning, rendered.management, rendered.runtime];
    for principal in layers.iter().flatten().flat_map(|layer| &layer.principals) {
        let name = principal.service_account.email.split('@').next().unwrap();
        let told = refused(name).unwrap_err();
        assert!(told.contains("is part of the deployment itself"), "{told}");
    }
}

#[test]
fn members_other_than_the_account_itself_are_caught() {
    for members in [
        json!(["allUsers"]),
        json!([MEMBER, "serviceAccount:vendor@vendor-project.iam.gserviceaccount.com"]),
        json!([]),
    ] {
        let report = after(|principal| principal["bindings"][0]["members"] = members.clone());
        caught(&report, Promise::P5, "principal");
    }
    // The admin's permissions are not judged, but nobody else may be bound to them.
    let stack = my_app();
    let rendered: Rendered<Gcp> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    let mut layers = rendered.documents.layers.clone();
    layers.provisioning.as_mut().unwrap().principals[0].bindings[0].members.push("allUsers".to_owned());
    caught(&alien_core::adapter::audit_layers(&stack, &rendered.documents.target, &layers), Promise::P1, "principal");
}

#[test]
fn a_role_that_is_defined_twice_or_wider_in_any_layer_is_caught() {
    let stack = my_app();
    let rendered: Rendered<Gcp> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    let mut wider = rendered.documents.layers.clone();
    let role = &mut wider.provisioning.as_mut().unwrap().principals[0].custom_roles[0];
    role.included_permissions.push("run.services.setIamPolicy.made-up".into());
    caught(&alien_core::adapter::audit_layers(&stack, &rendered.documents.target, &wider), Promise::P1, "principal");
    let mut twice = rendered.documents.layers.clone();
    let roles = &mut twice.management.as_mut().unwrap().principals[0].custom_roles;
    roles.push(roles[0].clone());
    caught(&alien_core::adapter::audit_layers(&stack, &rendered.documents.target, &twice), Promise::P5, "principal");
}

#[test]
fn a_permission_on_a_thing_of_ours_that_it_is_not_checked_on_is_caught() {
    let management = "//iam.googleapis.com/projects/customer-project/serviceAccounts/acme-management-4@customer-project.iam.gserviceaccount.com";
    caught(&planted("iam.serviceAccounts.actAs", management, Value::Null), Promise::P5, "roles/planted");
}

#[test]
fn roles_do_not_depend_on_the_stack() {
    let roles = |image: &str| {
        let mut document = serde_json::to_value(my_app()).unwrap();
        document["resources"][0]["code"] = json!(image.parse::<Code>().unwrap());
        let stack = alien_core::Stack::from_json(&document.to_string()).unwrap();
        let rendered: Rendered<Gcp> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
        let principals = alien_core::Layer::ALL.map(|layer| rendered.documents.layers.principals(layer).to_vec());
        let roles = principals.concat().into_iter().flat_map(|principal| principal.custom_roles);
        roles.map(|role| (role.role_id.clone(), role)).collect::<std::collections::BTreeMap<_, _>>()
    };
    let digest = "0".repeat(64);
    let one = roles(&format!("docker.io/vendor/api@sha256:{digest}"));
    let other = roles(&format!("europe-west3-docker.pkg.dev/customer-project/images/api@sha256:{digest}"));
    for (id, role) in one {
        assert_eq!(other.get(&id), Some(&role));
    }
}
