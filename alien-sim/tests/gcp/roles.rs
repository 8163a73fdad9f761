//! Roles of projects: made, deleted for a while, and undeleted.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, refusal};

const ROLE: &str = "/v1/projects/acme/roles/acme.reader";

fn body(permissions: &[&str]) -> Value {
    json!({"roleId": "acme.reader", "role": {"title": "t", "stage": 2, "includedPermissions": permissions}})
}

#[tokio::test]
async fn a_deleted_role_is_inert_until_it_is_undeleted() {
    let world = World::new().await;
    let role = world.does("POST", "/v1/projects/acme/roles", body(&["run.services.list"])).await;
    assert_eq!(role["stage"], "GA", "the second word of the enum");
    world.gcp.bind(crate::world::PROJECT, "projects/acme/roles/acme.reader", "user:r@example.com");
    let user = world.gcp.token("user:r@example.com");
    let path = "/v2/projects/acme/locations/l/services";
    assert_eq!(world.call(&user, "GET", path, Value::Null).await.0, 200);
    world.does("DELETE", ROLE, Value::Null).await;
    assert_eq!(world.call(&user, "GET", path, Value::Null).await.0, 403);
    assert_eq!(world.does("GET", ROLE, Value::Null).await["deleted"], true);
    assert!(!world.gcp.things().contains(&"//iam.googleapis.com/projects/acme/roles/acme.reader".to_owned()));
    let precondition = refusal(400, "FAILED_PRECONDITION");
    assert_eq!(world.refused("POST", "/v1/projects/acme/roles", body(&[])).await, precondition);
    assert_eq!(world.refused("PATCH", &format!("{ROLE}?updateMask=title"), json!({"title": "u"})).await, precondition);
    world.does("POST", &format!("{ROLE}:undelete"), json!({})).await;
    assert_eq!(world.call(&user, "GET", path, Value::Null).await.0, 200);
    world.does("DELETE", ROLE, Value::Null).await;
    world.gcp.faults().advance(Duration::from_secs(8 * 24 * 3_600));
    let admin = world.gcp.token(crate::world::ADMIN);
    assert_eq!(world.call(&admin, "POST", &format!("{ROLE}:undelete"), json!({})).await.0, 400);
}

#[tokio::test]
async fn a_role_is_written_by_its_mask_and_etag() {
    let world = World::new().await;
    let role = world.does("POST", "/v1/projects/acme/roles", body(&["run.services.list"])).await;
    let patched = json!({"etag": role["etag"], "title": "ignored", "includedPermissions": ["run.services.get"]});
    let path = format!("{ROLE}?updateMask=includedPermissions");
    let written = world.does("PATCH", &path, patched.clone()).await;
    assert_eq!((&written["title"], &written["includedPermissions"]), (&json!("t"), &json!(["run.services.get"])));
    assert_eq!(world.refused("PATCH", &path, patched).await, refusal(409, "ABORTED"));
    assert_eq!(world.refused("POST", "/v1/projects/acme/roles", body(&[])).await, refusal(409, "ALREADY_EXISTS"));
}

#[tokio::test]
async fn ids_permissions_and_numbers_have_limits() {
    let world = World::new().await;
    let refused = refusal(400, "INVALID_ARGUMENT");
    for id in ["ab", "with-hyphen", &"x".repeat(65)] {
        let body = json!({"roleId": id, "role": {}});
        assert_eq!(world.refused("POST", "/v1/projects/acme/roles", body).await, refused, "{id}");
    }
    assert_eq!(world.refused("POST", "/v1/projects/acme/roles", body(&["run.get"])).await, refused);
    let many: Vec<String> = (0..3_001).map(|n| format!("run.services{n}.get")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(world.refused("POST", "/v1/projects/acme/roles", body(&many)).await, refused);
    for n in 0..300 {
        world.gcp.set_role(&format!("projects/acme/roles/role{n}"), &[]);
    }
    assert_eq!(world.refused("POST", "/v1/projects/acme/roles", body(&[])).await, refusal(429, "RESOURCE_EXHAUSTED"));
}

#[tokio::test]
async fn testable_permissions_are_those_that_the_emulator_knows() {
    let world = World::new().await;
    let nobody = world.gcp.token("user:nobody@example.com");
    let (code, answer) =
        world.call(&nobody, "POST", "/v1/permissions:queryTestablePermissions", json!({"pageSize": 1000})).await;
    assert_eq!(code, 200);
    let names = answer["permissions"].as_array().unwrap();
    assert!(names.iter().any(|permission| permission["name"] == "iam.serviceAccounts.actAs"));
}
