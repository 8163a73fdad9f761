//! Documents that were broken on purpose: each break is caught, with the promise and the role that breaks it.

use alien_azure::{Agent, Azure, Target, Trust};
use alien_conformance::broken::{self, caught};
use alien_conformance::golden::my_app;
use alien_core::adapter::DeploymentContext;
use alien_core::{Artifacts, DeploymentId, Promise, Release, Report};
use serde_json::{Value, json};

use crate::agents::{clusters_target, machines_target};
use crate::target;

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/customer-rg";

/// The report after a change of the management principal.
fn after(change: impl FnOnce(&mut Value)) -> Report {
    broken::audited::<Azure>(target, |layers| change(&mut layers["management"]["principals"][0]))
}

/// The report after a role with these permissions was assigned.
fn planted(permissions: Value, scope: &str) -> Report {
    after(|principal| {
        let role = json!({
            "name": "planted",
            "properties": {
                "roleName": "planted", "description": "", "type": "CustomRole",
                "permissions": [permissions], "assignableScopes": [GROUP],
            },
        });
        principal["roleDefinitions"].as_array_mut().unwrap().push(role);
        principal["roleAssignments"].as_array_mut().unwrap().push(json!({
            "name": "planted",
            "scope": scope,
            "properties": {
                "roleDefinitionId": format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions/planted"),
                "principalType": "ServicePrincipal",
            },
        }));
    })
}

#[test]
fn untouched_documents_pass() {
    assert_eq!(after(|_| ()).breaches, []);
}

#[test]
fn each_planted_action_is_caught() {
    let app = |name: &str| format!("{GROUP}/providers/Microsoft.App/containerApps/{name}");
    let group = GROUP.to_owned();
    let subscription = "/subscriptions/00000000-0000-0000-0000-000000000001".to_owned();
    let cases = [
        ("Microsoft.App/containerApps/write", app("acme-worker-4"), Promise::P4),
        ("Microsoft.App/containerApps/write", app("acme-prod-api-9"), Promise::P4),
        ("Microsoft.App/containerApps/write", group.clone(), Promise::P4),
        ("microsoft.app/CONTAINERAPPS/write", group.clone(), Promise::P4),
        ("Microsoft.App/containerApps/delete", app("acme-api-4"), Promise::P3),
        ("Microsoft.App/containerApps/listSecrets/action", app("acme-api-4"), Promise::P2),
        ("Microsoft.App/managedEnvironments/join/action", group.clone(), Promise::P4),
        ("Microsoft.Storage/storageAccounts/listKeys/action", group.clone(), Promise::P2),
        ("Microsoft.Storage/storageAccounts/write", group.clone(), Promise::P5),
        ("Microsoft.ServiceBus/namespaces/queues/write", group.clone(), Promise::P2),
        ("Microsoft.Authorization/roleAssignments/write", group.clone(), Promise::P5),
        ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", group.clone(), Promise::P5),
        ("Microsoft.OperationalInsights/workspaces/query/read", group.clone(), Promise::P4),
        ("Microsoft.App/containerApps/read", group.clone(), Promise::P1),
        ("Microsoft.App/containerApps/read", subscription, Promise::P1),
        ("Microsoft.Made/up/read", group.clone(), Promise::P1),
        ("*", group.clone(), Promise::P5),
        ("*/read", group.clone(), Promise::P1),
        ("Microsoft.App/containerApps/*", app("acme-api-4"), Promise::P2),
    ];
    for (action, scope, promise) in cases {
        caught(&planted(json!({ "actions": [action] }), &scope), promise, "planted");
    }
    let messages = "Microsoft.ServiceBus/namespaces/messages/receive/action";
    caught(&planted(json!({ "dataActions": [messages] }), &group), Promise::P2, "planted");
}

#[test]
fn exceptions_take_an_action_back_and_leave_the_rest() {
    let patterns = json!({ "actions": ["Microsoft.App/containerApps/*"], "notActions": ["Microsoft.App/containerApps/listSecrets/action"] });
    let scope = format!("{GROUP}/providers/Microsoft.App/containerApps/acme-api-4");
    let report = planted(patterns, &scope);
    caught(&report, Promise::P2, "planted");
    let named = |action: &str| report.breaches.iter().any(|breach| breach.permission == action);
    assert!(named("Microsoft.App/containerApps/getAuthToken/action"));
    assert!(!named("Microsoft.App/containerApps/listSecrets/action"));
    let excepted = json!({ "actions": ["Microsoft.App/containerApps/delete"], "notActions": ["*/delete"] });
    assert!(!planted(excepted, &scope).breaches.iter().any(|breach| breach.permission.ends_with("/delete")));
}

#[test]
fn each_assignment_is_caught_where_it_is_moved_to_the_group() {
    let mut count = 0;
    after(|principal| count = principal["roleAssignments"].as_array().unwrap().len());
    assert!(count > 10, "{count}");
    for position in 0..count {
        let report = after(|principal| principal["roleAssignments"][position]["scope"] = GROUP.into());
        assert!(!report.breaches.is_empty(), "assignment {position} at the group");
    }
}

#[test]
fn a_role_that_the_documents_do_not_define_is_caught() {
    let contributor = "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c";
    let report = after(|principal| {
        principal["roleAssignments"][0]["properties"]["roleDefinitionId"] = contributor.into();
    });
    caught(&report, Promise::P2, contributor);
}

#[test]
fn trust_in_anyone_else_is_caught() {
    let credential = |issuer: &str, subject: &str, audience: &str| json!([{ "name": "vendor", "issuer": issuer, "subject": subject, "audiences": [audience] }]);
    let (issuer, subject, audience) = ("https://oidc.vendor.example.com", "deployment:acme", alien_azure::AUDIENCE);
    let trusted = |credentials: Value| after(|principal| principal["federatedCredentials"] = credentials);
    assert_eq!(trusted(credential(issuer, subject, audience)).breaches, []);
    for broken in [
        credential("https://evil.example.com", subject, audience),
        credential(issuer, "deployment:other", audience),
        credential(issuer, "Deployment:acme", audience),
        credential(issuer, subject, "api://other"),
    ] {
        caught(&trusted(broken), Promise::P5, "principal");
    }
}

/// Where releases are pulled, every token but those of the one service account in the customer's cluster is a breach of its
/// own; on a machine, every token is.
#[test]
fn trust_in_anyone_but_the_agent_is_caught() {
    let aks = "https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-00000000000f/00000000-0000-0000-0000-0000000000aa/";
    let other_tenant = aks.replace("00000000000f", "00000000000e");
    let other_cluster = aks.replace("0000000000aa", "0000000000bb");
    let (subject, audience) = ("system:serviceaccount:shop:agent", alien_azure::AUDIENCE);
    let credential = |name: &str, issuer: &str, subject: &str, audiences: Value| json!({ "name": name, "issuer": issuer, "subject": subject, "audiences": audiences });
    let own = credential("agent", aks, subject, json!([audience]));
    let trusted = |target, layer: &str, credentials: Value| {
        broken::audited::<Azure>(target, |layers| {
            layers[layer]["principals"][0]["federatedCredentials"] = credentials;
        })
    };
    assert_eq!(trusted(clusters_target, "management", json!([own.clone()])).breaches, []);
    assert_eq!(trusted(machines_target, "management", json!([])).breaches, []);
    for planted in [
        credential("vendor", "https://oidc.vendor.example.com", "deployment:acme", json!([audience])),
        credential("agent", &other_tenant, subject, json!([audience])),
        credential("agent", &other_cluster, subject, json!([audience])),
        credential("agent", aks.trim_end_matches('/'), subject, json!([audience])),
        credential("agent", aks, "system:serviceaccount:shop:other", json!([audience])),
        credential("agent", aks, "system:serviceaccount:shop:*", json!([audience])),
        credential("agent", aks, "*", json!([audience])),
        credential("agent", aks, "", json!([audience])),
        credential("agent", aks, subject, json!([])),
        credential("agent", aks, subject, json!(["api://other"])),
        credential("agent", aks, subject, json!([audience, "api://other"])),
    ] {
        for layer in ["management", "runtime", "provisioning"] {
            let alone = json!([planted.clone()]);
            caught(&trusted(clusters_target, layer, alone.clone()), Promise::P13, "principal");
            caught(&trusted(machines_target, layer, alone), Promise::P13, "principal");
        }
        caught(&trusted(clusters_target, "management", json!([own.clone(), planted])), Promise::P13, "principal");
    }
    caught(&trusted(machines_target, "management", json!([own])), Promise::P13, "principal");
    caught(&trusted(clusters_target, "management", json!([])), Promise::P13, "principal");
}

/// An app of the deployment's own that was its agent would manage itself.
#[test]
fn an_agent_that_is_an_app_of_the_deployment_is_refused() {
    let stack = my_app();
    let of = |machine: &str| Target {
        trust: Trust::Agent(Agent::Machine(machine.parse().unwrap())),
        ..machines_target("acme".parse().unwrap())
    };
    let other = of("resourceGroups/customer-rg/providers/Microsoft.App/containerApps/agent");
    assert!(alien_core::render(&stack, &other).is_ok());
    let release = Release::partial(stack.clone(), Artifacts::default());
    let record = DeploymentContext::<Azure>::new(DeploymentId::new(), other, release).record().unwrap();
    let (_, app) = record.resources["api"].split_once("/resourceGroups/").unwrap();
    let told = alien_core::render(&stack, &of(&format!("resourceGroups/{app}"))).map(drop).unwrap_err().to_string();
    assert!(told.contains("is part of the deployment itself"), "{told}");
}

#[test]
fn a_role_of_another_id_is_caught_whatever_it_is_said_to_permit() {
    let owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    let report = after(|principal| {
        let mut role = principal["roleDefinitions"][0].clone();
        role["name"] = owner.into();
        principal["roleDefinitions"].as_array_mut().unwrap().push(role);
        let id = format!("/providers/Microsoft.Authorization/roleDefinitions/{owner}");
        principal["roleAssignments"][0]["properties"]["roleDefinitionId"] = id.into();
    });
    caught(&report, Promise::P5, "principal");
    let twice = after(|principal| {
        let role = principal["roleDefinitions"][0].clone();
        principal["roleDefinitions"].as_array_mut().unwrap().push(role);
    });
    caught(&twice, Promise::P5, "principal");
}

#[test]
fn an_action_on_a_thing_of_ours_that_it_is_not_checked_on_is_caught() {
    let environment = format!("{GROUP}/providers/Microsoft.App/managedEnvironments/acme-frozen-4");
    for (action, promise) in [
        ("Microsoft.App/managedEnvironments/delete", Promise::P3),
        ("Microsoft.Authorization/roleAssignments/write", Promise::P5),
        ("Microsoft.OperationalInsights/workspaces/sharedKeys/action", Promise::P2),
    ] {
        caught(&planted(json!({ "actions": [action] }), &environment), promise, "planted");
    }
}

#[test]
fn a_question_mark_excepts_nothing() {
    let action = "Microsoft.App/containerApps/listSecrets/action";
    let excepted = json!({ "actions": [action], "notActions": ["Microsoft.App/containerApps/listSecrets/actio?"] });
    caught(&planted(excepted, GROUP), Promise::P2, "planted");
}
