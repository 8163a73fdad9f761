//! Logs: routed by sinks, and read through views.

use serde_json::{Value, json};

use crate::world::{World, refusal};

async fn write(world: &World, service: &str, text: &str, timestamp: &str) {
    let entry = json!({"logName": "projects/acme/logs/app", "timestamp": timestamp, "textPayload": text,
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": service}}});
    world.does("POST", "/v2/entries:write", json!({"entries": [entry]})).await;
}

fn texts(answer: &Value) -> Vec<&str> {
    answer["entries"].as_array().unwrap().iter().map(|entry| entry["textPayload"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_view_of_a_bucket_behind_a_sink_shows_only_what_both_let_through() {
    let world = World::new().await;
    let bucket = "/v2/projects/acme/locations/global/buckets";
    world.does("POST", &format!("{bucket}?bucketId=app"), json!({"retentionDays": 7})).await;
    world.does("POST", &format!("{bucket}/app/views?viewId=own"), json!({"filter": "LOG_ID(\"app\")"})).await;
    let sink = json!({"name": "app", "filter": "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"app\"",
        "destination": "logging.googleapis.com/projects/acme/locations/global/buckets/app"});
    world.does("POST", "/v2/projects/acme/sinks", sink).await;
    write(&world, "app", "one", "2026-01-01T00:00:00Z").await;
    write(&world, "other", "two", "2026-01-01T00:00:01Z").await;
    let view = "projects/acme/locations/global/buckets/app/views/own";
    let user = world.gcp.token("user:reader@example.com");
    let ask = json!({"resourceNames": [view]});
    assert_eq!(world.call(&user, "POST", "/v2/entries:list", ask.clone()).await.0, 403);
    world.gcp.set_role("projects/acme/roles/look", &["logging.views.access"]);
    let policy = json!({"version": 3, "bindings": [
        {"role": "roles/owner", "members": ["user:admin@example.com"]},
        {"role": "projects/acme/roles/look", "members": ["user:reader@example.com"],
         "condition": {"title": "t", "expression": format!("resource.name == '{view}'")}}]});
    world.gcp.set_policy(crate::world::PROJECT, &policy);
    let (code, answer) = world.call(&user, "POST", "/v2/entries:list", ask).await;
    assert_eq!((code, texts(&answer)), (200, vec!["one"]));
    let whole = json!({"resourceNames": ["projects/acme/locations/global/buckets/app/views/_AllLogs"]});
    assert_eq!(world.call(&user, "POST", "/v2/entries:list", whole).await.0, 403);
}

#[tokio::test]
async fn a_view_is_also_shared_by_its_own_policy() {
    let world = World::new().await;
    let bucket = "/v2/projects/acme/locations/global/buckets";
    world.does("POST", &format!("{bucket}/_Default/views?viewId=own"), json!({"filter": "textPayload:one"})).await;
    write(&world, "app", "one", "2026-01-01T00:00:00Z").await;
    write(&world, "app", "two", "2026-01-01T00:00:01Z").await;
    let view = "projects/acme/locations/global/buckets/_Default/views/own";
    let ask = json!({"resourceNames": [view]});
    let user = world.gcp.token("user:reader@example.com");
    assert_eq!(world.call(&user, "POST", "/v2/entries:list", ask.clone()).await.0, 403);
    let present = world.does("POST", &format!("/v2/{view}:getIamPolicy"), json!({})).await;
    let policy = json!({"etag": present["etag"], "bindings": [
        {"role": "roles/logging.viewAccessor", "members": ["user:reader@example.com"]}]});
    assert_eq!(world.call(&user, "POST", &format!("/v2/{view}:setIamPolicy"), json!({"policy": policy})).await.0, 403);
    world.does("POST", &format!("/v2/{view}:setIamPolicy"), json!({"policy": policy})).await;
    let (code, answer) = world.call(&user, "POST", "/v2/entries:list", ask).await;
    assert_eq!((code, texts(&answer)), (200, vec!["one"]));
}

#[tokio::test]
async fn entries_are_filtered_ordered_and_paged() {
    let world = World::new().await;
    for second in 0..5 {
        write(&world, "app", &format!("entry {second}"), &format!("2026-01-01T00:00:0{second}Z")).await;
    }
    let list = async |filter: &str, order: &str, size: u32, page: &str| {
        let body = json!({"resourceNames": ["projects/acme"], "filter": filter, "orderBy": order, "pageSize": size, "pageToken": page});
        world.does("POST", "/v2/entries:list", body).await
    };
    let filter = "timestamp >= \"2026-01-01T00:00:01Z\" AND timestamp<2026-01-01T00:00:04Z AND textPayload:ENTRY";
    assert_eq!(texts(&list(filter, "", 0, "").await), ["entry 1", "entry 2", "entry 3"]);
    let first = list(filter, "timestamp desc", 2, "").await;
    assert_eq!(texts(&first), ["entry 3", "entry 2"]);
    let second = list(filter, "timestamp desc", 2, first["nextPageToken"].as_str().unwrap()).await;
    assert_eq!((texts(&second), second.get("nextPageToken")), (vec!["entry 1"], None));
    let unknown = json!({"resourceNames": ["projects/acme"], "filter": "nonsense = 1"});
    assert_eq!(world.refused("POST", "/v2/entries:list", unknown).await, refusal(400, "INVALID_ARGUMENT"));
}

#[tokio::test]
async fn a_deleted_bucket_says_so_and_comes_back() {
    let world = World::new().await;
    let path = "/v2/projects/acme/locations/global/buckets";
    world.does("POST", &format!("{path}?bucketId=app"), json!({})).await;
    world.does("DELETE", &format!("{path}/app"), Value::Null).await;
    assert_eq!(world.does("GET", &format!("{path}/app"), Value::Null).await["lifecycleState"], "DELETE_REQUESTED");
    assert!(!world.gcp.things().iter().any(|name| name.contains("/buckets/app")));
    assert_eq!(world.refused("POST", &format!("{path}?bucketId=app"), json!({})).await, refusal(409, "ALREADY_EXISTS"));
    world.does("POST", &format!("{path}/app:undelete"), json!({})).await;
    assert_eq!(world.does("GET", &format!("{path}/app"), Value::Null).await["lifecycleState"], "ACTIVE");
}
