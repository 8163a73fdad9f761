//! Subscriptions, resource groups, tags and locks.

use serde_json::{Value, json};

use crate::world::{ARM, GROUP, SUBSCRIPTION, World, identity, refusal};

fn group(name: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/{name}")
}

#[tokio::test]
async fn a_subscription_is_read_and_listed_by_who_may() {
    let world = World::new().await;
    let read = world.does("GET", SUBSCRIPTION, Value::Null).await;
    assert_eq!((&read["tenantId"], &read["state"]), (&json!(world.azure.tenant()), &json!("Enabled")));
    assert_eq!(world.does("GET", "/subscriptions", Value::Null).await["value"], json!([read]));
    let nobody = world.azure.token(&world.azure.user("u@example.com"), ARM);
    assert_eq!(world.call(&nobody, "GET", "/subscriptions", Value::Null).await, (200, json!({"value": []})));
    let absent = "/subscriptions/22222222-2222-2222-2222-222222222222";
    assert_eq!(world.asks(&nobody, "GET", absent, Value::Null).await, refusal(403, "AuthorizationFailed"));
}

#[tokio::test]
async fn a_group_is_written_changed_listed_and_deleted() {
    let world = World::new().await;
    let body = json!({"location": "West Europe", "tags": {"a": "b"}});
    let (code, made) = world.call(&world.admin, "PUT", &group("new"), body.clone()).await;
    assert_eq!((code, &made["location"], &made["tags"]), (201, &json!("westeurope"), &json!({"a": "b"})));
    assert_eq!(world.call(&world.admin, "PUT", &group("NEW"), body).await, (200, made.clone()));
    let moved = world.refused("PUT", &group("new"), json!({"location": "eastus"})).await;
    assert_eq!(moved, refusal(409, "InvalidResourceGroupLocation"));
    assert_eq!(world.refused("PUT", &group("other"), json!({})).await, refusal(400, "InvalidRequestContent"));
    assert_eq!(
        world.refused("PUT", &group("a%20b"), json!({"location": "x"})).await,
        refusal(400, "InvalidResourceGroup")
    );
    assert_eq!(world.call(&world.admin, "HEAD", &group("new"), Value::Null).await.0, 204);
    assert_eq!(world.call(&world.admin, "HEAD", &group("absent"), Value::Null).await.0, 404);
    let patched = world.does("PATCH", &group("new"), json!({"tags": {"c": "d"}})).await;
    assert_eq!(patched["tags"], json!({"c": "d"}));
    let filter = format!("{}?$filter=tagName%20eq%20'c'%20and%20tagValue%20eq%20'd'", group("").trim_end_matches('/'));
    assert_eq!(world.does("GET", &filter, Value::Null).await["value"], json!([patched]));
    world.does("DELETE", &group("new"), Value::Null).await;
    assert_eq!(world.refused("DELETE", &group("new"), Value::Null).await, refusal(404, "ResourceGroupNotFound"));
}

#[tokio::test]
async fn what_is_in_a_group_is_listed() {
    let world = World::new().await;
    let made = world.identity("worker").await;
    let trust = format!("{}/federatedIdentityCredentials/one", identity("worker"));
    let body = json!({"properties": {"issuer": "https://i.example", "subject": "s", "audiences": ["a"]}});
    world.does("PUT", &trust, body).await;
    let list = world.does("GET", &format!("{GROUP}/resources"), Value::Null).await;
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    assert_eq!(list["value"][0]["id"], made["id"]);
    let filter = "$filter=resourceType%20eq%20'Microsoft.App/containerApps'";
    let list = world.does("GET", &format!("{GROUP}/resources?{filter}"), Value::Null).await;
    assert_eq!(list["value"], json!([]));
    assert!(world.azure.things().contains(&trust));
}

#[tokio::test]
async fn tags_are_replaced_merged_and_deleted() {
    let world = World::new().await;
    world.identity("worker").await;
    let path = format!("{}/providers/Microsoft.Resources/tags/default", identity("worker"));
    let tags = |value: Value| json!({"properties": {"tags": value}});
    let answer = world.does("PUT", &path, tags(json!({"a": "1", "b": "2"}))).await;
    assert_eq!(answer["properties"]["tags"], json!({"a": "1", "b": "2"}));
    let patch = async |operation: &str, value: Value| {
        let body = json!({"operation": operation, "properties": {"tags": value}});
        world.does("PATCH", &path, body).await["properties"]["tags"].clone()
    };
    assert_eq!(patch("Merge", json!({"B": "3", "c": "4"})).await, json!({"a": "1", "B": "3", "c": "4"}));
    assert_eq!(patch("Delete", json!({"c": "4", "a": "other"})).await, json!({"a": "1", "B": "3"}));
    assert_eq!(patch("Replace", json!({"d": "5"})).await, json!({"d": "5"}));
    assert_eq!(world.does("GET", &identity("worker"), Value::Null).await["tags"], json!({"d": "5"}));
    assert_eq!(world.does("GET", &path, Value::Null).await["properties"]["tags"], json!({"d": "5"}));
    let wrong = json!({"operation": "Add", "properties": {"tags": {}}});
    assert_eq!(world.refused("PATCH", &path, wrong).await.0, 400);
    let many: serde_json::Map<String, Value> = (0..51).map(|n| (format!("t{n}"), json!("v"))).collect();
    assert_eq!(world.refused("PUT", &path, tags(Value::Object(many))).await.0, 400);
    assert_eq!(world.refused("PUT", &path, tags(json!({"n".repeat(513): "v"}))).await.0, 400);
    assert_eq!(world.refused("PUT", &path, tags(json!({"n": "v".repeat(257)}))).await.0, 400);
    world.does("PUT", &path, tags(json!({"n".repeat(512): "v".repeat(256)}))).await;
    world.does("DELETE", &path, Value::Null).await;
    assert_eq!(world.does("GET", &identity("worker"), Value::Null).await["tags"], json!({}));
}

#[tokio::test]
async fn tags_have_actions_of_their_own() {
    let world = World::new().await;
    world.identity("worker").await;
    let path = format!("{}/providers/Microsoft.Resources/tags/default", identity("worker"));
    let body = json!({"operation": "Merge", "properties": {"tags": {"a": "1"}}});
    let writer = world.holder(GROUP, &["Microsoft.ManagedIdentity/userAssignedIdentities/write"]);
    assert_eq!(world.asks(&writer, "PATCH", &path, body.clone()).await, refusal(403, "AuthorizationFailed"));
    let tagger = world.holder(&identity("worker"), &["Microsoft.Resources/tags/write"]);
    assert_eq!(world.call(&tagger, "PATCH", &path, body.clone()).await.0, 200);
    let of_group = format!("{GROUP}/providers/Microsoft.Resources/tags/default");
    assert_eq!(world.call(&tagger, "PATCH", &of_group, body).await.0, 403);
}

#[tokio::test]
async fn a_lock_refuses_deletions_of_what_it_is_on_in_or_around() {
    let world = World::new().await;
    world.identity("worker").await;
    let lock = format!("{}/providers/Microsoft.Authorization/locks/keep", identity("worker"));
    let level = |level: &str| json!({"properties": {"level": level}});
    assert_eq!(world.refused("PUT", &lock, json!({"properties": {}})).await, refusal(400, "InvalidRequestContent"));
    assert_eq!(world.refused("PUT", &lock, level("Never")).await, refusal(400, "InvalidRequestContent"));
    assert_eq!(world.call(&world.admin, "PUT", &lock, level("CanNotDelete")).await.0, 201);
    let locked = refusal(409, "ScopeLocked");
    assert_eq!(world.refused("DELETE", &identity("worker"), Value::Null).await, locked);
    assert_eq!(world.refused("DELETE", GROUP, Value::Null).await, locked);
    world.identity("worker").await;
    world.identity("other").await;
    world.does("DELETE", &identity("other"), Value::Null).await;
    let list = format!("{GROUP}/providers/Microsoft.Authorization/locks");
    assert_eq!(world.does("GET", &list, Value::Null).await["value"][0]["id"], json!(lock));

    assert_eq!(world.call(&world.admin, "PUT", &lock, level("ReadOnly")).await.0, 200);
    assert_eq!(world.refused("PUT", &identity("worker"), json!({"location": "westeurope"})).await, locked);
    world.does("GET", &identity("worker"), Value::Null).await;
    assert_eq!(world.call(&world.admin, "DELETE", &lock, Value::Null).await.0, 200);
    assert_eq!(world.call(&world.admin, "DELETE", &lock, Value::Null).await.0, 204);
    world.does("DELETE", &identity("worker"), Value::Null).await;
}

#[tokio::test]
async fn providers_are_registered() {
    let world = World::new().await;
    let path = format!("{SUBSCRIPTION}/providers/Microsoft.ManagedIdentity");
    let read = world.does("GET", &path, Value::Null).await;
    assert_eq!(read["registrationState"], json!("Registered"));
    let register = format!("{path}/register");
    assert_eq!(world.does("POST", &register, Value::Null).await["namespace"], json!("Microsoft.ManagedIdentity"));
    let reader = world.holder(SUBSCRIPTION, &["Microsoft.Resources/subscriptions/providers/read"]);
    assert_eq!(world.call(&reader, "POST", &register, Value::Null).await.0, 403);
}
