//! What is remembered, and what is made to go wrong.

use serde_json::{Value, json};

use crate::world::{World, refusal};

#[tokio::test]
async fn every_decision_is_told_with_its_reason() {
    let world = World::new().await;
    let user = world.user("reader", &["pubsub.topics.list"]);
    world.call(&user, "GET", "/v1/projects/acme/topics", Value::Null).await;
    world.call(&user, "PUT", "/v1/projects/acme/topics/topic", json!({})).await;
    let decisions = world.gcp.take_decisions();
    let seen: Vec<_> = decisions
        .iter()
        .map(|d| (d.principal.as_str(), d.method.as_str(), d.permission.as_str(), d.resource.as_str(), d.allowed))
        .collect();
    assert_eq!(
        seen,
        [
            (
                "user:reader@example.com",
                "pubsub.projects.topics.list",
                "pubsub.topics.list",
                crate::world::PROJECT,
                true
            ),
            (
                "user:reader@example.com",
                "pubsub.projects.topics.create",
                "pubsub.topics.create",
                "//pubsub.googleapis.com/projects/acme/topics/topic",
                false
            ),
        ]
    );
    assert!(decisions[0].why.contains("projects/acme/roles/reader"), "{}", decisions[0].why);
    assert!(decisions[1].why.starts_with("no role"), "{}", decisions[1].why);
    assert!(world.gcp.decisions().is_empty());
    world.call(&user, "GET", "/v1/projects/acme/topics", Value::Null).await;
    let (_, told) = world.call("", "GET", "/_sim/decisions", Value::Null).await;
    assert_eq!(told["decisions"][0]["allowed"], true);
}

#[tokio::test]
async fn requests_are_recorded_without_secrets() {
    let world = World::new().await;
    let path = "/v1/projects/acme/topics/topic?access_token=secret";
    world.does("PUT", path, json!({"labels": {"a": "b"}})).await;
    let requests = world.gcp.take_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].method.as_str(), requests[0].verb.as_str()), ("pubsub.projects.topics.create", "PUT"));
    assert_eq!(requests[0].body, json!({"labels": {"a": "b"}}));
    assert!(!format!("{requests:?}").contains("secret"));
}

#[tokio::test]
async fn a_failure_comes_before_the_deed_or_after_it() {
    let world = World::new().await;
    let path = "/v1/projects/acme/topics/topic";
    world.gcp.faults().fail_before("pubsub.projects.topics.create", 1, "UNAVAILABLE");
    assert_eq!(world.refused("PUT", path, json!({})).await, refusal(503, "UNAVAILABLE"));
    assert_eq!(world.refused("GET", path, Value::Null).await, refusal(404, "NOT_FOUND"));
    world.gcp.faults().fail_after("pubsub.projects.topics.create", 1, "DEADLINE_EXCEEDED");
    assert_eq!(world.refused("PUT", path, json!({})).await, refusal(504, "DEADLINE_EXCEEDED"));
    world.does("GET", path, Value::Null).await;
    assert_eq!(world.refused("PUT", path, json!({})).await, refusal(409, "ALREADY_EXISTS"));
}

#[tokio::test]
async fn a_throttled_caller_is_told_when_to_come_back() {
    let world = World::new().await;
    world.gcp.faults().throttle(2);
    let path = "/v1/projects/acme/topics";
    for _ in 0..2 {
        assert_eq!(world.refused("GET", path, Value::Null).await, refusal(429, "RESOURCE_EXHAUSTED"));
    }
    world.does("GET", path, Value::Null).await;
}

#[tokio::test]
async fn no_debug_form_shows_a_token() {
    let world = World::new().await;
    let email = world.gcp.service_account("acme", "worker");
    let key = world.gcp.key(&email);
    let refresh = world.gcp.refresh_token(crate::world::ADMIN);
    let shown = format!("{:?} {:?}", world.gcp, world.gcp.faults());
    assert!(shown.contains(world.gcp.url()));
    let key: Value = serde_json::from_str(&key).unwrap();
    for secret in [world.admin.as_str(), refresh.as_str(), key["private_key_id"].as_str().unwrap()] {
        assert!(!shown.contains(secret));
    }
}
