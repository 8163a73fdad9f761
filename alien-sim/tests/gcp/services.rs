//! Cloud Run: deployed, called, and broken.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{PROJECT, World, refusal};

const SERVICES: &str = "/v2/projects/acme/locations/us-central1/services";
const IMAGE: &str = "us-central1-docker.pkg.dev/acme/images/app:1";

#[tokio::test]
async fn a_deployer_needs_act_as_on_exactly_that_account_and_the_image() {
    let world = World::new().await;
    let repository = world.gcp.repository("acme", "us-central1", "images");
    let email = world.gcp.service_account("acme", "runtime");
    let user = world.user("deployer", &["run.services.create"]);
    let body = json!({"template": {"serviceAccount": email, "containers": [{"image": IMAGE}]}});
    let path = format!("{SERVICES}?serviceId=app");
    let missing = async || {
        let (code, answer) = world.call(&user, "POST", &path, body.clone()).await;
        (code, answer["error"]["details"][0]["metadata"]["permission"].clone())
    };
    assert_eq!(missing().await, (403, json!("iam.serviceAccounts.actAs")));
    let wrong = "//iam.googleapis.com/projects/acme/serviceAccounts/42-compute@developer.gserviceaccount.com";
    world.gcp.bind(wrong, "roles/iam.serviceAccountUser", "user:deployer@example.com");
    assert_eq!(missing().await, (403, json!("iam.serviceAccounts.actAs")));
    let right = format!("//iam.googleapis.com/projects/acme/serviceAccounts/{email}");
    world.gcp.bind(&right, "roles/iam.serviceAccountUser", "user:deployer@example.com");
    assert_eq!(missing().await, (403, json!("artifactregistry.repositories.downloadArtifacts")));
    world.gcp.bind(&repository, "roles/artifactregistry.reader", "user:deployer@example.com");
    assert_eq!(missing().await.0, 200);
}

#[tokio::test]
async fn an_operation_is_done_when_the_revision_is_ready() {
    let world = World::new().await;
    world.gcp.faults().reconciling_takes(Duration::from_secs(30));
    let body = json!({"template": {"containers": [{"image": "docker.io/example/app"}]}});
    let operation = world.does("POST", &format!("{SERVICES}?serviceId=app"), body).await;
    assert_eq!(operation.get("done"), None);
    let service = world.does("GET", &format!("{SERVICES}/app"), Value::Null).await;
    assert_eq!(
        (&service["reconciling"], &service["terminalCondition"]["state"]),
        (&json!(true), &json!("CONDITION_RECONCILING"))
    );
    world.gcp.faults().advance(Duration::from_secs(31));
    let path = format!("/v2/{}", operation["name"].as_str().unwrap());
    let done = world.does("GET", &path, Value::Null).await;
    assert_eq!(
        (&done["done"], &done["response"]["terminalCondition"]["state"]),
        (&json!(true), &json!("CONDITION_SUCCEEDED"))
    );
    let service = world.does("GET", &format!("{SERVICES}/app"), Value::Null).await;
    assert_eq!((&service["generation"], &service["observedGeneration"]), (&json!("1"), &json!("1")));
}

#[tokio::test]
async fn a_broken_revision_leaves_the_last_ready_one_serving() {
    let world = World::new().await;
    world.service("app", "docker.io/example/app:1").await;
    let before = world.does("GET", &format!("{SERVICES}/app"), Value::Null).await;
    let broken = json!({"template": {"containers": [{"image": "docker.io/example/broken"}]}});
    let operation = world.does("PATCH", &format!("{SERVICES}/app?updateMask=template.containers"), broken).await;
    assert!(operation["error"]["message"].as_str().unwrap().contains("is not ready"), "{operation}");
    let after = world.does("GET", &format!("{SERVICES}/app"), Value::Null).await;
    assert_eq!(after["terminalCondition"]["state"], "CONDITION_FAILED");
    assert_eq!(after["latestReadyRevision"], before["latestReadyRevision"]);
    assert_ne!(after["latestCreatedRevision"], after["latestReadyRevision"]);
    assert_eq!(after["template"]["serviceAccount"], before["template"]["serviceAccount"], "the mask kept the rest");
}

#[tokio::test]
async fn a_patch_that_allows_a_missing_service_makes_it_for_who_may_create() {
    let world = World::new().await;
    let body = json!({"template": {"containers": [{"image": "docker.io/example/app"}]}});
    let path = format!("{SERVICES}/app?allowMissing=true");
    assert_eq!(
        world.refused("PATCH", &format!("{SERVICES}/app"), body.clone()).await,
        refusal(404, "NOT_FOUND"),
        "it is not allowed to be missing"
    );
    let missing = async |token: &str| {
        let (code, answer) = world.call(token, "PATCH", &path, body.clone()).await;
        (code, answer["error"]["details"][0]["metadata"]["permission"].clone())
    };
    let updater = world.user("updater", &["run.services.update", "iam.serviceAccounts.actAs"]);
    let creator = world.user("creator", &["run.services.create", "iam.serviceAccounts.actAs"]);
    assert_eq!(missing(&updater).await, (403, json!("run.services.create")));
    assert_eq!(missing(&creator).await.0, 200);
    let service = world.does("GET", &format!("{SERVICES}/app"), Value::Null).await;
    assert_eq!((&service["generation"], &service["creator"]), (&json!("1"), &json!("creator@example.com")));
    assert_eq!(missing(&creator).await, (403, json!("run.services.update")), "it is there now");
    assert_eq!(missing(&updater).await.0, 200);
    let service = world.does("GET", &format!("{SERVICES}/app"), Value::Null).await;
    assert_eq!((&service["generation"], &service["creator"]), (&json!("2"), &json!("creator@example.com")));
}

#[tokio::test]
async fn a_stale_etag_and_a_field_that_is_no_field_are_refused() {
    let world = World::new().await;
    world.service("app", "docker.io/example/app:1").await;
    let path = format!("{SERVICES}/app?updateMask=labels");
    assert_eq!(world.refused("PATCH", &path, json!({"etag": "\"x\"", "labels": {}})).await, refusal(409, "ABORTED"));
    let path = format!("{SERVICES}/app?updateMask=lables");
    assert_eq!(world.refused("PATCH", &path, json!({"labels": {}})).await, refusal(400, "INVALID_ARGUMENT"));
    let path = format!("{SERVICES}?serviceId=app");
    let body = json!({"template": {"containers": [{"image": "i"}]}});
    assert_eq!(world.refused("POST", &path, body).await, refusal(409, "ALREADY_EXISTS"));
}

/// Fields that only the service writes are ignored, in a mask too; those that are none, and those of a list's items, are refused.
#[tokio::test]
async fn a_mask_names_fields_that_can_be_written() {
    let world = World::new().await;
    world.service("app", "docker.io/example/app:1").await;
    let look = async || world.does("GET", &format!("{SERVICES}/app"), Value::Null).await;
    let patch = |mask: &str| format!("{SERVICES}/app?updateMask={mask}");
    let before = look().await;
    let given = json!({"uri": "https://x", "uid": "x", "creator": "x", "generation": "77", "labels": {"a": "b"},
        "terminalCondition": {"type": "x"}, "latestReadyRevision": "x"});
    for mask in ["uri,uid,creator,generation", "terminalCondition.type,latest_ready_revision", "uri,labels", "*"] {
        world.does("PATCH", &patch(mask), given.clone()).await;
        let after = look().await;
        for field in ["uri", "uid", "creator"] {
            assert_eq!(after[field], before[field], "{mask}: {field}");
        }
        assert_eq!(after["terminalCondition"], before["terminalCondition"], "{mask}");
        assert_ne!(after["latestReadyRevision"], "x", "{mask}");
        assert_ne!(after["generation"], "77", "{mask}");
        assert_eq!(after["labels"]["a"] == "b", mask.contains("labels") || mask == "*", "{mask}");
        world.does("PATCH", &patch("labels"), json!({})).await;
    }
    let body = json!({"template": {"timeout": "30s", "containers": [{"image": "docker.io/example/other"}]}});
    for mask in ["template.timeuot", "template.timeout.seconds", "template.containers.image"] {
        assert_eq!(
            world.refused("PATCH", &patch(mask), body.clone()).await,
            refusal(400, "INVALID_ARGUMENT"),
            "{mask}"
        );
    }
    assert_eq!(look().await["template"], before["template"]);
    world.does("PATCH", &patch("template.timeout"), body).await;
    let after = look().await;
    assert_eq!(
        (&after["template"]["timeout"], &after["template"]["containers"]),
        (&json!("30s"), &before["template"]["containers"])
    );
}

/// From outside, what is internal is not there, whoever calls; Pub/Sub of the project is inside.
#[tokio::test]
async fn an_internal_service_is_not_found_from_outside() {
    let world = World::new().await;
    let uri = world.service("app", "docker.io/example/app").await;
    let path = uri.strip_prefix(world.gcp.url()).unwrap().to_owned();
    let name = "//run.googleapis.com/projects/acme/locations/us-central1/services/app";
    world.gcp.bind(name, "roles/run.invoker", "allUsers");
    let topic = "/v1/projects/acme/topics/jobs";
    world.does("PUT", topic, json!({})).await;
    let push = json!({"topic": "projects/acme/topics/jobs", "pushConfig": {"pushEndpoint": uri}});
    world.does("PUT", "/v1/projects/acme/subscriptions/jobs", push).await;
    for (ingress, outside, waiting) in [
        ("INGRESS_TRAFFIC_ALL", 200, 0),
        ("INGRESS_TRAFFIC_INTERNAL_ONLY", 404, 0),
        ("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", 404, 0),
        ("INGRESS_TRAFFIC_NONE", 404, 1),
    ] {
        world.does("PATCH", &format!("{SERVICES}/app?updateMask=ingress"), json!({"ingress": ingress})).await;
        let request = Request::builder().method("POST").uri(&uri).body(Full::new(Bytes::from_static(b"{}"))).unwrap();
        assert_eq!(world.send(request).await.0, outside, "{ingress}");
        assert_eq!(world.call(&world.admin, "POST", &path, json!("x")).await.0, if outside == 200 { 401 } else { 404 });
        world.does("POST", &format!("{topic}:publish"), json!({"messages": [{"data": "aGVsbG8="}]})).await;
        let pulled = world.does("POST", "/v1/projects/acme/subscriptions/jobs:pull", json!({"maxMessages": 9})).await;
        assert_eq!(pulled["receivedMessages"].as_array().map_or(0, Vec::len), waiting, "{ingress}: {pulled}");
    }
}

#[tokio::test]
async fn a_service_answers_who_may_invoke_it_with_a_token_for_it() {
    let world = World::new().await;
    let uri = world.service("app", "docker.io/example/app").await;
    let path = uri.strip_prefix(world.gcp.url()).unwrap().to_owned();
    let email = world.gcp.service_account("acme", "caller");
    let mint = async |audience: &str| {
        let path = format!("/v1/projects/-/serviceAccounts/{email}:generateIdToken");
        let answer = world.does("POST", &path, json!({"audience": audience, "includeEmail": true})).await;
        answer["token"].as_str().unwrap().to_owned()
    };
    let (right, wrong) = (mint(&uri).await, mint("https://other.example").await);
    assert_eq!(world.call(&right, "POST", &path, json!("hello")).await.0, 403);
    let name = "//run.googleapis.com/projects/acme/locations/us-central1/services/app";
    world.gcp.bind(name, "roles/run.invoker", &format!("serviceAccount:{email}"));
    assert_eq!(world.call(&right, "POST", &path, json!("hello")).await, (200, json!("hello")));
    assert_eq!(world.call(&wrong, "POST", &path, json!("hello")).await.0, 401);
    assert_eq!(
        world.call(&world.admin, "POST", &path, json!("hello")).await.0,
        401,
        "an access token is not an ID token"
    );
    assert_eq!(world.call(&right, "GET", "/v1/projects/acme/topics", Value::Null).await.0, 401);
    assert_eq!(world.call(&right, "POST", &path, json!("fail")).await.0, 500);
}

#[tokio::test]
async fn what_is_deleted_leaves_nothing() {
    let world = World::new().await;
    let before = world.gcp.things();
    world.service("app", "docker.io/example/app").await;
    assert_eq!(world.gcp.things().len(), before.len() + 1);
    let operation = world.does("DELETE", &format!("{SERVICES}/app"), Value::Null).await;
    assert_eq!(operation["done"], true);
    assert_eq!(world.gcp.things(), before);
    assert!(before.contains(&PROJECT.to_owned()));
}
