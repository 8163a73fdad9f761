//! Who may: scopes, patterns, planes, linked access.

use serde_json::{Value, json};

use crate::world::{ARM, GROUP, SUBSCRIPTION, World, identity, refusal};

const READ: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/read";
const WRITE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/write";

#[tokio::test]
async fn a_role_reaches_what_is_below_its_scope_and_nothing_beside_it() {
    let world = World::new().await;
    let subscription = SUBSCRIPTION.rsplit('/').next().unwrap();
    let other = world.azure.resource_group(subscription, "acme-prod", "westeurope");
    world.identity("worker").await;
    let elsewhere = format!("{other}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker");
    world.does("PUT", &elsewhere, json!({"location": "westeurope"})).await;
    let own = identity("worker");
    for (scope, reaches, reaches_other) in
        [(SUBSCRIPTION, true, true), (GROUP, true, false), (other.as_str(), false, true), (own.as_str(), true, false)]
    {
        let user = world.holder(scope, &[READ]);
        for (path, is_allowed) in [(&own, reaches), (&elsewhere, reaches_other)] {
            let expected = if is_allowed { 200 } else { 403 };
            assert_eq!(world.call(&user, "GET", path, Value::Null).await.0, expected, "{scope} {path}");
        }
    }
}

#[tokio::test]
async fn scopes_and_actions_and_paths_are_compared_without_regard_to_case() {
    let world = World::new().await;
    world.identity("worker").await;
    let user = world.holder(&GROUP.to_uppercase(), &["MICROSOFT.managedidentity/USERASSIGNEDIDENTITIES/Read"]);
    assert_eq!(world.call(&user, "GET", &identity("WORKER").to_lowercase(), Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_star_spans_segments_and_what_is_left_out_is_not_allowed() {
    let world = World::new().await;
    world.identity("worker").await;
    let reader = world.azure.user("reader@example.com");
    world.azure.assign(GROUP, "Reader", &reader);
    let reader = world.azure.token(&reader, ARM);
    assert_eq!(world.call(&reader, "GET", &identity("worker"), Value::Null).await.0, 200);
    let body = json!({"location": "westeurope"});
    assert_eq!(world.asks(&reader, "PUT", &identity("new"), body.clone()).await, refusal(403, "AuthorizationFailed"));

    let role = crate::world::guid(1);
    let user = world.azure.user("u@example.com");
    world.azure.set_role_without(&role, &["Microsoft.ManagedIdentity/*"], &[WRITE], &[], &[]);
    world.azure.assign(GROUP, &role, &user);
    let token = world.azure.token(&user, ARM);
    assert_eq!(world.call(&token, "GET", &identity("worker"), Value::Null).await.0, 200);
    assert_eq!(world.asks(&token, "PUT", &identity("new"), body.clone()).await, refusal(403, "AuthorizationFailed"));
    // What one role leaves out another one may allow.
    let user_and_writer = crate::world::guid(2);
    world.azure.set_role(&user_and_writer, &[WRITE], &[]);
    world.azure.assign(GROUP, &user_and_writer, &user);
    assert_eq!(world.call(&token, "PUT", &identity("new"), body).await.0, 201);
}

#[tokio::test]
async fn a_contributor_may_all_but_assign_roles() {
    let world = World::new().await;
    let user = world.azure.user("c@example.com");
    world.azure.assign(GROUP, "Contributor", &user);
    let token = world.azure.token(&user, ARM);
    assert_eq!(world.call(&token, "PUT", &identity("new"), json!({"location": "westeurope"})).await.0, 201);
    let path = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments/{}", crate::world::guid(3));
    let body = json!({"properties": {"roleDefinitionId": "Owner", "principalId": user}});
    assert_eq!(world.asks(&token, "PUT", &path, body).await, refusal(403, "AuthorizationFailed"));
}

#[tokio::test]
async fn data_actions_allow_nothing_of_the_control_plane() {
    let world = World::new().await;
    world.identity("worker").await;
    let user = world.user_at(GROUP, &[], &[READ, "*"]);
    let token = world.azure.token(&user, ARM);
    assert_eq!(world.call(&token, "GET", &identity("worker"), Value::Null).await.0, 403);
}

#[tokio::test]
async fn a_refusal_names_who_may_not_what_and_where_before_it_tells_what_is_there() {
    let world = World::new().await;
    let user = world.azure.user("ada@example.com");
    let token = world.azure.token(&user, ARM);
    let (code, answer) = world.call(&token, "GET", &identity("absent"), Value::Null).await;
    assert_eq!(code, 403);
    let expected = format!(
        "The client 'ada@example.com' with object id '{user}' does not have authorization to perform action '{READ}' over scope '{}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        identity("absent")
    );
    assert_eq!(answer["error"]["message"], json!(expected));
    assert_eq!(world.refused("GET", &identity("absent"), Value::Null).await, refusal(404, "ResourceNotFound"));
    let group = format!("{SUBSCRIPTION}/resourceGroups/absent");
    assert_eq!(world.refused("GET", &group, Value::Null).await, refusal(404, "ResourceGroupNotFound"));
    let in_group = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker");
    assert_eq!(world.refused("GET", &in_group, Value::Null).await, refusal(404, "ResourceGroupNotFound"));
    let trust = format!("{}/federatedIdentityCredentials/one", identity("absent"));
    assert_eq!(world.refused("GET", &trust, Value::Null).await, refusal(404, "ParentResourceNotFound"));
}

#[tokio::test]
async fn what_a_body_names_needs_to_be_allowed_too() {
    let world = World::new().await;
    let setting = format!("{GROUP}/providers/Microsoft.Insights/diagnosticSettings/logs");
    let workspace = format!("{GROUP}/providers/Microsoft.OperationalInsights/workspaces/central");
    let body = json!({"properties": {"workspaceId": workspace, "logs": []}});
    let user = world.user_at(GROUP, &["Microsoft.Insights/diagnosticSettings/write"], &[]);
    let token = world.azure.token(&user, ARM);
    let (code, answer) = world.call(&token, "PUT", &setting, body.clone()).await;
    assert_eq!((code, answer["error"]["code"].as_str()), (403, Some("LinkedAuthorizationFailed")));
    let message = answer["error"]["message"].as_str().unwrap();
    let part = format!(
        "has permission to perform action 'Microsoft.Insights/diagnosticSettings/write' on scope '{setting}'; however, it does not have permission to perform action(s) 'Microsoft.OperationalInsights/workspaces/sharedKeys/action' on the linked scope(s) '{workspace}'"
    );
    assert!(message.contains(&part), "{message}");
    let role = crate::world::guid(4);
    world.azure.set_role(&role, &["Microsoft.OperationalInsights/workspaces/sharedKeys/action"], &[]);
    world.azure.assign(&workspace, &role, &user);
    assert_ne!(world.call(&token, "PUT", &setting, body).await.0, 403);
}

#[tokio::test]
async fn what_one_may_at_a_scope_is_told() {
    let world = World::new().await;
    let user = world.user_at(GROUP, &[READ, "Microsoft.Authorization/permissions/read"], &["Microsoft.Storage/*"]);
    let token = world.azure.token(&user, ARM);
    let path = format!("{GROUP}/providers/Microsoft.Authorization/permissions");
    let (code, answer) = world.call(&token, "GET", &path, Value::Null).await;
    assert_eq!(code, 200);
    assert_eq!(answer["value"][0]["actions"], json!([READ, "Microsoft.Authorization/permissions/read"]));
    assert_eq!(answer["value"][0]["dataActions"], json!(["Microsoft.Storage/*"]));
}
