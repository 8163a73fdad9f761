//! Service Bus: namespaces, queues and messages.

use std::time::Duration;

use serde_json::{Value, json};

use crate::planes::{BUS, queue, resource};
use crate::world::{ARM, World, refusal};

const SEND: &str = "Microsoft.ServiceBus/namespaces/messages/send/action";
const RECEIVE: &str = "Microsoft.ServiceBus/namespaces/messages/receive/action";
const HOST: &str = "acme-bus.servicebus.windows.net";

fn told(headers: &http::HeaderMap) -> Value {
    serde_json::from_str(headers["brokerproperties"].to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_is_sent_locked_and_settled_by_who_may() {
    let world = World::new().await;
    world.bus(&["work"]).await;
    let sender = world.data_holder(&queue("work"), &[], &[SEND], BUS);
    let receiver = world.data_holder(&queue("work"), &[], &[RECEIVE], BUS);
    let (send, head) = (format!("{HOST}/work/messages"), format!("{HOST}/work/messages/head"));
    let broker = ("brokerproperties", r#"{"MessageId":"m1","ReplyTo":"answers","Label":"greeting"}"#);
    let (code, _, answer) = world.plane(&receiver, "POST", &send, &[broker], "hello").await;
    assert_eq!(code, 401, "{answer}");
    assert!(answer.contains("'Send' claim(s) are required"), "{answer}");
    assert_eq!(world.plane(&sender, "POST", &send, &[broker, ("content-type", "text/plain")], "hello").await.0, 201);
    assert_eq!(world.plane(&sender, "POST", &head, &[], "").await.0, 401);
    let (code, headers, body) = world.plane(&receiver, "POST", &format!("{head}?timeout=1"), &[], "").await;
    let first = told(&headers);
    assert_eq!((code, body.as_str()), (201, "hello"));
    assert_eq!(
        (&first["MessageId"], &first["ReplyTo"], &first["DeliveryCount"]),
        (&json!("m1"), &json!("answers"), &json!(1))
    );
    assert_eq!(world.plane(&receiver, "POST", &head, &[], "").await.0, 204, "it is locked");
    let location = headers["location"].to_str().unwrap().strip_prefix(world.azure.url()).unwrap()[1..].to_owned();
    assert_eq!(world.plane(&receiver, "POST", &location, &[], "").await.0, 200, "the lock is renewed");
    assert_eq!(world.plane(&receiver, "PUT", &location, &[], "").await.0, 200, "the lock is given back");
    assert_eq!(world.plane(&receiver, "DELETE", &location, &[], "").await.0, 404, "it holds no more");
    let (_, headers, _) = world.plane(&receiver, "POST", &head, &[], "").await;
    let again = told(&headers);
    assert_eq!(again["DeliveryCount"], 2);
    let done = format!("{HOST}/work/messages/m1/{}", again["LockToken"].as_str().unwrap());
    assert_eq!(world.plane(&receiver, "DELETE", &done, &[], "").await.0, 200);
    assert!(world.azure.messages("acme-bus", "work").is_empty());
}

#[tokio::test]
async fn a_message_that_is_delivered_too_often_or_lives_too_long_is_a_dead_letter_or_gone() {
    let world = World::new().await;
    world.bus(&["work"]).await;
    let receiver = world.data_holder(&queue("work"), &[], &[RECEIVE, SEND], BUS);
    let head = format!("{HOST}/work/messages/head");
    world.azure.send_message("acme-bus", "work", "hard");
    for _ in 0..2 {
        assert_eq!(world.plane(&receiver, "POST", &head, &[], "").await.0, 201);
        world.azure.faults().advance(Duration::from_secs(61));
    }
    assert_eq!(world.plane(&receiver, "POST", &head, &[], "").await.0, 204);
    let dead = format!("{HOST}/work/$deadletterqueue/messages/head");
    let (code, headers, body) = world.plane(&receiver, "DELETE", &dead, &[], "").await;
    assert_eq!(
        (code, body.as_str(), &headers["deadletterreason"]),
        (200, "hard", &"\"MaxDeliveryCountExceeded\"".parse().unwrap())
    );
    let send = format!("{HOST}/work/messages");
    world.plane(&receiver, "POST", &send, &[("brokerproperties", r#"{"TimeToLive":5}"#)], "brief").await;
    let shown = world.does("GET", &queue("work"), Value::Null).await;
    assert_eq!(shown["properties"]["countDetails"]["activeMessageCount"], 1);
    world.azure.faults().advance(Duration::from_secs(6));
    assert_eq!(world.plane(&receiver, "POST", &head, &[], "").await.0, 204);
    let shown = world.does("GET", &queue("work"), Value::Null).await;
    assert_eq!(shown["properties"]["messageCount"], 0);
}

#[tokio::test]
async fn tokens_for_others_shared_signatures_and_missing_queues_are_refused() {
    let world = World::new().await;
    world.bus(&["work"]).await;
    let namespace = resource("Microsoft.ServiceBus/namespaces", "acme-bus");
    let user = world.user_at(&namespace, &[], &[SEND]);
    let send = format!("{HOST}/work/messages");
    let (code, _, answer) = world.plane(&world.azure.token(&user, ARM), "POST", &send, &[], "x").await;
    assert!(code == 401 && answer.contains("InvalidAudience"), "{answer}");
    let shared = [("authorization", "SharedAccessSignature sr=x&sig=y&se=1&skn=RootManageSharedAccessKey")];
    let (code, _, answer) = world.plane("", "POST", &send, &shared, "x").await;
    assert!(code == 401 && answer.contains("LocalAuthDisabled"), "{answer}");
    let token = world.azure.token(&user, BUS);
    assert_eq!(world.plane(&token, "POST", &format!("{HOST}/none/messages"), &[], "x").await.0, 404);
    let unknown = [("brokerproperties", r#"{"Colour":"red"}"#)];
    assert_eq!(world.plane(&token, "POST", &send, &unknown, "x").await.0, 400);
    let reader = world.data_holder(&queue("work"), &["Microsoft.ServiceBus/namespaces/queues/read"], &[], BUS);
    let (code, _, answer) = world.plane(&reader, "GET", &format!("{HOST}/work"), &[], "").await;
    assert!(code == 200 && answer.contains("<MessageCount>0</MessageCount>"), "{answer}");
    assert_eq!(world.plane(&token, "GET", &format!("{HOST}/work"), &[], "").await.0, 401);
}

#[tokio::test]
async fn what_a_queue_cannot_be_is_refused() {
    let world = World::new().await;
    world.bus(&["work"]).await;
    let put = async |properties: Value| world.refused("PUT", &queue("other"), json!({"properties": properties})).await;
    for properties in [
        json!({"lockDuration": "PT6M"}),
        json!({"lockDuration": "a minute"}),
        json!({"defaultMessageTimeToLive": "-PT5M"}),
        json!({"maxDeliveryCount": 0}),
        json!({"forwardTo": "none"}),
        json!({"forwardDeadLetteredMessagesTo": "none"}),
    ] {
        assert_eq!(put(properties.clone()).await, refusal(400, "BadRequest"), "{properties}");
    }
    assert_eq!(put(json!({"colour": "red"})).await, refusal(400, "InvalidRequestContent"));
    let sessions = json!({"properties": {"requiresSession": true}});
    assert_eq!(world.refused("PUT", &queue("work"), sessions).await, refusal(400, "BadRequest"), "it is fixed");
    assert_eq!(world.call(&world.admin, "PUT", &queue("other"), json!({})).await.0, 200, "made and changed are alike");
    let short = resource("Microsoft.ServiceBus/namespaces", "acme");
    assert_eq!(world.refused("PUT", &short, json!({"location": "westeurope"})).await, refusal(400, "BadRequest"));
}

#[tokio::test]
async fn forwarded_messages_arrive_and_basic_namespaces_forward_nothing() {
    let world = World::new().await;
    world.bus(&["work", "end"]).await;
    let forwards = json!({"properties": {"maxDeliveryCount": 2, "forwardTo": "end"}});
    world.does("PUT", &queue("work"), forwards).await;
    world.azure.send_message("acme-bus", "work", "on");
    assert_eq!(world.azure.messages("acme-bus", "end"), ["on"]);
    let basic = resource("Microsoft.ServiceBus/namespaces", "acme-basic");
    world.does("PUT", &basic, json!({"location": "westeurope", "sku": {"name": "Basic"}})).await;
    world.does("PUT", &format!("{basic}/queues/end"), json!({})).await;
    let refused = world.refused("PUT", &format!("{basic}/queues/a"), json!({"properties": {"forwardTo": "end"}})).await;
    assert_eq!(refused, refusal(400, "BadRequest"));
}

#[tokio::test]
async fn a_namespace_takes_its_time_by_its_provisioning_state() {
    let world = World::new().await;
    world.azure.faults().operations_take(Duration::from_secs(60));
    let namespace = resource("Microsoft.ServiceBus/namespaces", "acme-bus");
    let (code, made) = world.call(&world.admin, "PUT", &namespace, json!({"location": "westeurope"})).await;
    assert_eq!((code, &made["properties"]["provisioningState"]), (201, &json!("Creating")));
    world.azure.faults().advance(Duration::from_secs(61));
    let shown = world.does("GET", &namespace, Value::Null).await;
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    let (code, headers, _) = world.call_in_full(&world.admin, "DELETE", &namespace, Value::Null).await;
    assert_eq!(code, 202);
    let path = headers["location"].to_str().unwrap().strip_prefix(world.azure.url()).unwrap().to_owned();
    assert_eq!(world.call(&world.admin, "GET", &path, Value::Null).await.0, 202);
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(world.call(&world.admin, "GET", &path, Value::Null).await.0, 204);
}
