//! What is made to go wrong, or slowly.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{ARM, GROUP, SUBSCRIPTION, World, guid, identity, refusal};

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn assignment(principal: &str) -> (String, Value) {
    let path = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments/{}", guid(1));
    let role = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}");
    (path, json!({"properties": {"roleDefinitionId": role, "principalId": principal}}))
}

#[tokio::test]
async fn assignments_take_and_lose_effect_late() {
    let world = World::new().await;
    let user = world.azure.user("u@example.com");
    let token = world.azure.token(&user, ARM);
    let (path, body) = assignment(&user);
    world.azure.faults().propagation(Duration::from_secs(60));
    world.does("PUT", &path, body).await;
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
    assert_eq!(world.azure.assignments(&user).len(), 1);
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    world.does("DELETE", &path, Value::Null).await;
    assert!(world.azure.assignments(&user).is_empty());
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
}

#[tokio::test]
async fn what_a_role_holds_takes_effect_late() {
    let world = World::new().await;
    let user = world.azure.user("u@example.com");
    let token = world.azure.token(&user, ARM);
    let path = format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{}", guid(2));
    let body = |actions: &[&str]| json!({"properties": {"roleName": "r", "assignableScopes": [GROUP], "permissions": [{"actions": actions}]}});
    world.does("PUT", &path, body(&["*/read"])).await;
    world.azure.assign(GROUP, &guid(2), &user);
    world.azure.faults().propagation(Duration::from_secs(60));
    world.does("PUT", &path, body(&["Microsoft.Storage/*"])).await;
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
}

#[tokio::test]
async fn a_new_principal_is_not_yet_known() {
    let world = World::new().await;
    world.azure.faults().directory(Duration::from_secs(30));
    let made = world.identity("worker").await;
    let (path, body) = assignment(made["properties"]["principalId"].as_str().unwrap());
    assert_eq!(world.refused("PUT", &path, body.clone()).await, refusal(400, "PrincipalNotFound"));
    world.azure.faults().advance(Duration::from_secs(31));
    assert_eq!(world.call(&world.admin, "PUT", &path, body).await.0, 201);
}

#[tokio::test]
async fn who_asks_too_much_is_told_to_wait() {
    let world = World::new().await;
    world.azure.faults().throttle(1);
    let (code, headers, answer) = world.call_in_full(&world.admin, "GET", GROUP, Value::Null).await;
    assert_eq!((code, &answer["error"]["code"]), (429, &json!("TooManyRequests")));
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(world.call(&world.admin, "GET", GROUP, Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_call_fails_before_or_after_it_is_done() {
    let world = World::new().await;
    let key = "PUT Microsoft.ManagedIdentity/userAssignedIdentities";
    let body = json!({"location": "westeurope"});
    world.azure.faults().fail_before(key, 1, "ServiceUnavailable");
    let unavailable = refusal(503, "ServiceUnavailable");
    assert_eq!(world.refused("PUT", &identity("one"), body.clone()).await, unavailable);
    assert!(world.azure.body(&identity("one")).is_none());
    world.does("PUT", &identity("one"), body.clone()).await;
    world.azure.faults().fail_after(key, 1, "ServiceUnavailable");
    assert_eq!(world.refused("PUT", &identity("two"), body).await, unavailable);
    assert!(world.azure.body(&identity("two")).is_some());
}

/// A GET of a whole URL.
async fn get(world: &World, token: &str, url: &str) -> (u16, Value) {
    let request =
        Request::get(url).header("authorization", format!("Bearer {token}")).body(Full::new(Bytes::new())).unwrap();
    let (code, _, body) = world.send(request).await;
    (code, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn an_operation_takes_its_time_and_is_asked_for_with_its_own_action() {
    let world = World::new().await;
    world.identity("worker").await;
    world.azure.faults().operations_take(Duration::from_secs(30));
    let (code, headers, _) = world.call_in_full(&world.admin, "DELETE", GROUP, Value::Null).await;
    let url = headers["location"].to_str().unwrap().to_owned();
    assert_eq!((code, &headers["retry-after"]), (202, &http::HeaderValue::from_static("1")));
    assert!(url.starts_with(world.azure.url()), "{url}");
    assert_eq!(get(&world, &world.admin, &url).await.0, 202);
    let group = world.does("GET", GROUP, Value::Null).await;
    assert_eq!(group["properties"]["provisioningState"], json!("Deleting"));
    let other = world.holder(SUBSCRIPTION, &["Microsoft.Resources/subscriptions/resourceGroups/read"]);
    assert_eq!(get(&world, &other, &url).await.0, 403);
    let holder = world.holder(SUBSCRIPTION, &["Microsoft.Resources/subscriptions/operationresults/read"]);
    assert_eq!(get(&world, &holder, &url).await.0, 202);
    world.azure.faults().advance(Duration::from_secs(31));
    assert_eq!(get(&world, &holder, &url).await.0, 204);
    assert_eq!(world.refused("GET", GROUP, Value::Null).await, refusal(404, "ResourceGroupNotFound"));
    assert!(world.azure.body(&identity("worker")).is_none(), "what was in it is gone, too");
}

#[tokio::test]
async fn an_operation_fails() {
    let world = World::new().await;
    world.azure.faults().operations_fail("DELETE Microsoft.Resources/subscriptions/resourceGroups", 1, "StillInUse");
    let (code, headers, _) = world.call_in_full(&world.admin, "DELETE", GROUP, Value::Null).await;
    assert_eq!(code, 202);
    let (code, answer) = get(&world, &world.admin, headers["location"].to_str().unwrap()).await;
    assert_eq!((code, &answer["error"]["code"]), (409, &json!("StillInUse")));
    world.does("GET", GROUP, Value::Null).await;
}
