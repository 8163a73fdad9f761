//! Pub/Sub: published, pulled, pushed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, refusal};

const TOPIC: &str = "/v1/projects/acme/topics/work";
const SUBSCRIPTION: &str = "/v1/projects/acme/subscriptions/worker";
const MESSAGE: &str = "aGVsbG8=";

#[tokio::test]
async fn a_message_is_pulled_until_it_is_acknowledged() {
    let world = World::new().await;
    world.does("PUT", TOPIC, json!({"labels": {"a": "b"}})).await;
    world.does("PUT", SUBSCRIPTION, json!({"topic": "projects/acme/topics/work", "ackDeadlineSeconds": 20})).await;
    world.does("POST", &format!("{TOPIC}:publish"), json!({"messages": [{"data": MESSAGE}]})).await;
    let pull = async || world.does("POST", &format!("{SUBSCRIPTION}:pull"), json!({"maxMessages": 10})).await;
    let first = pull().await;
    assert_eq!(first["receivedMessages"][0]["message"]["data"], MESSAGE);
    assert_eq!(pull().await, json!({}), "it is leased");
    world.gcp.faults().advance(Duration::from_secs(21));
    let again = pull().await;
    let ack = json!({"ackIds": [again["receivedMessages"][0]["ackId"]]});
    world.does("POST", &format!("{SUBSCRIPTION}:acknowledge"), ack).await;
    world.gcp.faults().advance(Duration::from_secs(21));
    assert_eq!(pull().await, json!({}));
}

#[tokio::test]
async fn a_subscriber_needs_to_attach_and_to_act_as_the_account_that_pushes() {
    let world = World::new().await;
    world.does("PUT", TOPIC, json!({})).await;
    let email = world.gcp.service_account("acme", "pusher");
    let user = world.user("maker", &["pubsub.subscriptions.create"]);
    let body = json!({"topic": "projects/acme/topics/work",
        "pushConfig": {"pushEndpoint": "https://x.example", "oidcToken": {"serviceAccountEmail": email}}});
    let missing = async || {
        let (code, answer) = world.call(&user, "PUT", SUBSCRIPTION, body.clone()).await;
        (code, answer["error"]["details"][0]["metadata"]["permission"].clone())
    };
    assert_eq!(missing().await, (403, json!("pubsub.topics.attachSubscription")));
    let topic = "//pubsub.googleapis.com/projects/acme/topics/work";
    world.gcp.bind(topic, "roles/pubsub.subscriber", "user:maker@example.com");
    assert_eq!(missing().await, (403, json!("iam.serviceAccounts.actAs")));
    let account = format!("//iam.googleapis.com/projects/acme/serviceAccounts/{email}");
    world.gcp.bind(&account, "roles/iam.serviceAccountUser", "user:maker@example.com");
    assert_eq!(missing().await.0, 200);
}

#[tokio::test]
async fn a_push_arrives_as_an_account_that_may_invoke_or_in_the_dead_letters() {
    let world = World::new().await;
    let uri = world.service("app", "docker.io/example/app").await;
    let email = world.gcp.service_account("acme", "pusher");
    world.does("PUT", TOPIC, json!({})).await;
    world.does("PUT", "/v1/projects/acme/topics/dead", json!({})).await;
    world.does("PUT", "/v1/projects/acme/subscriptions/dead", json!({"topic": "projects/acme/topics/dead"})).await;
    let body = json!({"topic": "projects/acme/topics/work",
        "pushConfig": {"pushEndpoint": uri, "oidcToken": {"serviceAccountEmail": email}, "noWrapper": {}},
        "deadLetterPolicy": {"deadLetterTopic": "projects/acme/topics/dead", "maxDeliveryAttempts": 5}});
    world.does("PUT", SUBSCRIPTION, body.clone()).await;
    let publish =
        async || world.does("POST", &format!("{TOPIC}:publish"), json!({"messages": [{"data": MESSAGE}]})).await;
    let dead = async || {
        let path = "/v1/projects/acme/subscriptions/dead:pull";
        world.does("POST", path, json!({"maxMessages": 1})).await["receivedMessages"].is_array()
    };
    publish().await;
    assert!(dead().await);
    let name = "//run.googleapis.com/projects/acme/locations/us-central1/services/app";
    world.gcp.bind(name, "roles/run.invoker", &format!("serviceAccount:{email}"));
    publish().await;
    assert!(!dead().await);
    let logs = world.does("POST", "/v2/entries:list", json!({"resourceNames": ["projects/acme"]})).await;
    assert_eq!(logs["entries"][0]["textPayload"], "v1 hello");
    let mut lost = body;
    lost["deadLetterPolicy"]["deadLetterTopic"] = json!("projects/acme/topics/none");
    assert_eq!(world.refused("PUT", "/v1/projects/acme/subscriptions/other", lost).await, refusal(404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_subscription_outlives_its_topic_and_is_patched_by_a_mask() {
    let world = World::new().await;
    world.does("PUT", TOPIC, json!({})).await;
    world.does("PUT", SUBSCRIPTION, json!({"topic": "projects/acme/topics/work"})).await;
    let patch = json!({"subscription": {"labels": {"x": "y"}}, "updateMask": "labels"});
    assert_eq!(world.does("PATCH", SUBSCRIPTION, patch).await["labels"], json!({"x": "y"}));
    let topic = json!({"subscription": {"topic": "t"}, "updateMask": "topic"});
    assert_eq!(world.refused("PATCH", SUBSCRIPTION, topic).await, refusal(400, "INVALID_ARGUMENT"));
    world.does("DELETE", TOPIC, Value::Null).await;
    assert_eq!(world.does("GET", SUBSCRIPTION, Value::Null).await["topic"], "_deleted-topic_");
}
