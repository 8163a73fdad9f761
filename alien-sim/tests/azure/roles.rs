//! Custom roles.

use serde_json::{Value, json};

use crate::world::{ARM, GROUP, SUBSCRIPTION, World, guid, refusal};

fn path(number: u32) -> String {
    format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{}", guid(number))
}

fn body(name: &str, actions: &[&str]) -> Value {
    json!({"properties": {
        "roleName": name,
        "type": "CustomRole",
        "description": "of a test",
        "assignableScopes": [GROUP],
        "permissions": [{"actions": actions, "notActions": [], "dataActions": [], "notDataActions": []}],
    }})
}

const READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";

#[tokio::test]
async fn a_role_is_written_read_listed_assigned_and_deleted() {
    let world = World::new().await;
    // Also the second time it is 201.
    for _ in 0..2 {
        assert_eq!(world.call(&world.admin, "PUT", &path(1), body("acme reader", &[READ])).await.0, 201);
    }
    let read = world.does("GET", &path(1), Value::Null).await;
    assert_eq!(read["properties"]["permissions"][0]["actions"], json!([READ]));
    assert_eq!(read["properties"]["type"], json!("CustomRole"));
    let list = format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions");
    let custom = world.does("GET", &format!("{list}?$filter=type%20eq%20'CustomRole'"), Value::Null).await;
    assert_eq!(custom["value"], json!([read]));
    let owner = world.does("GET", &format!("{list}?$filter=roleName%20eq%20'Owner'"), Value::Null).await;
    assert_eq!(owner["value"][0]["properties"]["permissions"][0]["actions"], json!(["*"]));

    let user = world.azure.user("u@example.com");
    let assignment = world.azure.assign(GROUP, &guid(1), &user);
    assert_eq!(world.call(&world.azure.token(&user, ARM), "GET", GROUP, Value::Null).await.0, 200);
    assert_eq!(world.refused("DELETE", &path(1), Value::Null).await, refusal(400, "RoleDefinitionHasAssignments"));
    world.azure.remove_assignment(&assignment);
    assert_eq!(world.call(&world.admin, "DELETE", &path(1), Value::Null).await.0, 200);
    assert_eq!(world.call(&world.admin, "DELETE", &path(1), Value::Null).await.0, 204);
    assert_eq!(world.refused("GET", &path(1), Value::Null).await, refusal(404, "RoleDefinitionDoesNotExist"));
}

#[tokio::test]
async fn a_role_is_refused_as_azure_refuses_it() {
    let world = World::new().await;
    world.does("PUT", &path(1), body("taken", &[READ])).await;
    assert_eq!(
        world.refused("PUT", &path(2), body("Taken", &[READ])).await,
        refusal(409, "RoleDefinitionWithSameNameExists")
    );
    assert_eq!(
        world.refused("PUT", &path(2), body("reader", &[READ])).await,
        refusal(409, "RoleDefinitionWithSameNameExists")
    );
    for action in ["Foo", "Foo/read", "Microsoft.App", "Microsoft.App/", "Microsoft.App/containerApps", "a b/read", ""]
    {
        let answer = world.refused("PUT", &path(2), body("new", &[READ, action])).await;
        assert_eq!(answer, refusal(400, "InvalidActionOrNotAction"), "{action}");
    }
    let mut elsewhere = body("new", &[READ]);
    elsewhere["properties"]["assignableScopes"] = json!([format!("{SUBSCRIPTION}/resourceGroups/absent")]);
    let outside = refusal(400, "AssignableScopeNotUnderSubscriptionScope");
    assert_eq!(world.refused("PUT", &path(2), elsewhere.clone()).await, outside);
    elsewhere["properties"]["assignableScopes"] = json!(["/"]);
    assert_eq!(world.refused("PUT", &path(2), elsewhere.clone()).await, outside);
    elsewhere["properties"]["assignableScopes"] = json!([]);
    assert_eq!(world.refused("PUT", &path(2), elsewhere.clone()).await, refusal(400, "MissingAssignableScopes"));
    elsewhere["properties"]["unknown"] = json!(1);
    assert_eq!(world.refused("PUT", &path(2), elsewhere).await, refusal(400, "InvalidRequestContent"));
    let built_in =
        format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7");
    assert_eq!(world.refused("PUT", &built_in, body("new", &[READ])).await.0, 400);
    assert_eq!(world.refused("DELETE", &built_in, Value::Null).await.0, 400);
}

#[tokio::test]
async fn who_writes_a_role_needs_to_be_allowed_to_wherever_it_may_be_assigned() {
    let world = World::new().await;
    let subscription = SUBSCRIPTION.rsplit('/').next().unwrap();
    let other = world.azure.resource_group(subscription, "other", "westeurope");
    let user = world.holder(GROUP, &["Microsoft.Authorization/roleDefinitions/write"]);
    assert_eq!(world.call(&user, "PUT", &path(1), body("one", &[READ])).await.0, 201);
    let mut both = body("two", &[READ]);
    both["properties"]["assignableScopes"] = json!([GROUP, other]);
    assert_eq!(world.asks(&user, "PUT", &path(2), both).await, refusal(403, "AuthorizationFailed"));
}

#[tokio::test]
async fn a_role_is_assigned_only_where_it_may_be() {
    let world = World::new().await;
    world.does("PUT", &path(1), body("of the group", &[READ])).await;
    let user = world.azure.user("u@example.com");
    let at = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/{}", guid(5));
    let wanted = json!({"properties": {"roleDefinitionId": path(1), "principalId": user}});
    assert_eq!(world.refused("PUT", &at, wanted.clone()).await.0, 400);
    let at = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments/{}", guid(5));
    world.does("PUT", &at, wanted).await;
}

#[tokio::test]
async fn what_a_role_holds_takes_effect_when_it_is_changed() {
    let world = World::new().await;
    world.does("PUT", &path(1), body("changing", &["Microsoft.Storage/*"])).await;
    let user = world.azure.user("u@example.com");
    world.azure.assign(GROUP, &guid(1), &user);
    let token = world.azure.token(&user, ARM);
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
    world.does("PUT", &path(1), body("changing", &[READ])).await;
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    assert_eq!(world.azure.role(&guid(1)).unwrap()["properties"]["roleName"], json!("changing"));
}
