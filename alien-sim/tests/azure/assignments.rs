//! Role assignments.

use serde_json::{Value, json};

use crate::world::{ARM, GROUP, SUBSCRIPTION, World, guid, identity, refusal};

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn path(scope: &str, number: u32) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", guid(number))
}

fn body(role: &str, principal: &str) -> Value {
    let role = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}");
    json!({"properties": {"roleDefinitionId": role, "principalId": principal}})
}

#[tokio::test]
async fn an_assignment_is_written_read_listed_and_deleted() {
    let world = World::new().await;
    let user = world.azure.user("u@example.com");
    let token = world.azure.token(&user, ARM);
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
    let (code, made) = world.call(&world.admin, "PUT", &path(GROUP, 1), body(READER, &user)).await;
    assert_eq!((code, &made["properties"]["principalType"]), (201, &json!("User")));
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    // The same again changes nothing.
    assert_eq!(world.call(&world.admin, "PUT", &path(GROUP, 1), body(READER, &user)).await, (200, made.clone()));
    assert_eq!(world.does("GET", &path(GROUP, 1), Value::Null).await, made);
    assert_eq!(world.azure.assignments(&user), [made]);
    assert_eq!(world.call(&world.admin, "DELETE", &path(GROUP, 1), Value::Null).await.0, 200);
    assert_eq!(world.call(&world.admin, "DELETE", &path(GROUP, 1), Value::Null).await.0, 204);
    assert_eq!(world.refused("GET", &path(GROUP, 1), Value::Null).await, refusal(404, "RoleAssignmentNotFound"));
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
}

#[tokio::test]
async fn an_assignment_is_refused_as_azure_refuses_it() {
    let world = World::new().await;
    let (ada, bob) = (world.azure.user("ada@example.com"), world.azure.user("bob@example.com"));
    world.does("PUT", &path(GROUP, 1), body(READER, &ada)).await;
    for (what, path, body, expected) in [
        ("another name", path(GROUP, 2), body(READER, &ada), refusal(409, "RoleAssignmentExists")),
        ("another principal", path(GROUP, 1), body(READER, &bob), refusal(400, "RoleAssignmentUpdateNotPermitted")),
        ("another scope", path(SUBSCRIPTION, 1), body(READER, &ada), refusal(400, "RoleAssignmentUpdateNotPermitted")),
        ("no principal", path(GROUP, 3), body(READER, &guid(9)), refusal(400, "PrincipalNotFound")),
        ("no role", path(GROUP, 3), body(&guid(9), &bob), refusal(404, "RoleDefinitionDoesNotExist")),
        ("nothing there", path(&identity("absent"), 3), body(READER, &bob), refusal(404, "ResourceNotFound")),
        ("no name", path(GROUP, 3) + "x", body(READER, &bob), refusal(400, "InvalidRoleAssignmentId")),
        ("no body", path(GROUP, 3), json!({"properties": {}}), refusal(400, "InvalidRequestContent")),
        ("a field", path(GROUP, 3), json!({"properties": {"principalID": bob}}), refusal(400, "InvalidRequestContent")),
    ] {
        assert_eq!(world.refused("PUT", &path, body).await, expected, "{what}");
    }
    let mut typed = body(READER, &bob);
    typed["properties"]["principalType"] = json!("ServicePrincipal");
    assert_eq!(world.refused("PUT", &path(GROUP, 3), typed).await, refusal(400, "UnmatchedPrincipalType"));
}

#[tokio::test]
async fn who_writes_assignments_needs_to_be_allowed_to_at_their_scope() {
    let world = World::new().await;
    let write = "Microsoft.Authorization/roleAssignments/write";
    let user = world.azure.user("u@example.com");
    let at_group = world.holder(GROUP, &[write]);
    assert_eq!(
        world.asks(&at_group, "PUT", &path(SUBSCRIPTION, 1), body(READER, &user)).await,
        refusal(403, "AuthorizationFailed")
    );
    assert_eq!(world.call(&at_group, "PUT", &path(GROUP, 1), body(READER, &user)).await.0, 201);
    assert_eq!(world.call(&at_group, "DELETE", &path(GROUP, 1), Value::Null).await.0, 403);
}

#[tokio::test]
async fn a_list_is_of_what_is_above_and_below_or_only_of_what_is_above() {
    let world = World::new().await;
    let user = world.azure.user("u@example.com");
    world.identity("worker").await;
    for (number, scope) in [(1, SUBSCRIPTION), (2, GROUP), (3, identity("worker").as_str())] {
        world.does("PUT", &path(scope, number), body(READER, &user)).await;
    }
    let list = async |filter: &str| {
        let path = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}");
        let answer = world.does("GET", &path, Value::Null).await;
        let of_user = answer["value"].as_array().unwrap().iter().filter(|one| one["properties"]["principalId"] == user);
        let mut names: Vec<String> = of_user.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        (names, answer["value"].as_array().unwrap().len())
    };
    assert_eq!(list("").await, (vec![guid(1), guid(2), guid(3)], 4));
    assert_eq!(list("atScope()").await, (vec![guid(1), guid(2)], 3));
    let of_user = format!("principalId%20eq%20'{user}'");
    assert_eq!(list(&of_user).await, (vec![guid(1), guid(2), guid(3)], 3));
    assert_eq!(list(&format!("atScope()%20and%20assignedTo('{user}')")).await, (vec![guid(1), guid(2)], 2));
    assert_eq!(list(&format!("principalId%20eq%20'{}'", guid(9))).await, (vec![], 0));
}

#[tokio::test]
async fn an_assignment_of_a_deleted_principal_stays_and_allows_nothing() {
    let world = World::new().await;
    let made = world.identity("worker").await;
    let principal = made["properties"]["principalId"].as_str().unwrap().to_owned();
    world.does("PUT", &path(GROUP, 1), body(READER, &principal)).await;
    let token = world.azure.token(&principal, ARM);
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    world.does("DELETE", &identity("worker"), Value::Null).await;
    assert_eq!(world.asks(&token, "GET", GROUP, Value::Null).await, refusal(401, "InvalidAuthenticationToken"));
    let again = world.identity("worker").await;
    assert_ne!(again["properties"]["principalId"], made["properties"]["principalId"], "it is another principal");
    let token = world.azure.token(again["properties"]["principalId"].as_str().unwrap(), ARM);
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
    assert_eq!(world.azure.assignments(&principal).len(), 1);
    world.does("DELETE", &path(GROUP, 1), Value::Null).await;
    assert_eq!(
        world.refused("PUT", &path(GROUP, 2), body(READER, &principal)).await,
        refusal(400, "PrincipalNotFound")
    );
}

#[tokio::test]
async fn assignments_go_with_the_resource_that_they_are_at() {
    let world = World::new().await;
    let user = world.azure.user("u@example.com");
    world.identity("worker").await;
    world.does("PUT", &path(&identity("worker"), 1), body(READER, &user)).await;
    assert!(world.azure.things().contains(&path(&identity("worker"), 1)));
    world.does("DELETE", &identity("worker"), Value::Null).await;
    assert!(world.azure.assignments(&user).is_empty());
}

#[tokio::test]
async fn a_test_writes_assignments_by_their_ids() {
    let world = World::new().await;
    let user = world.azure.user("u@example.com");
    let token = world.azure.token(&user, ARM);
    world.azure.set_assignment(&path(GROUP, 1), "Reader", &user);
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    world.azure.set_assignment(&path(GROUP, 1), "Owner", &user);
    assert_eq!(world.azure.assignments(&user).len(), 1);
    assert_eq!(world.azure.body(&path(GROUP, 1)).unwrap()["properties"]["principalId"], json!(user));
    world.azure.remove_assignment(&path(GROUP, 1));
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 403);
}
