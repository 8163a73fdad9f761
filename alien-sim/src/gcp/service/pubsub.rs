//! Topics and subscriptions: <https://docs.cloud.google.com/pubsub/docs/reference/rest>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{SET_POLICY, TEST, run};
use crate::gcp::call::{Call, Done, done, set, text};
use crate::gcp::fail::Fail;
use crate::gcp::state::{State, relative};

const TOPIC: &str = "name labels* messageStoragePolicy* kmsKeyName schemaSettings* satisfiesPzs \
    messageRetentionDuration state ingestionDataSourceSettings* messageTransforms* tags*";
const SUBSCRIPTION: &str = "name topic \
    pushConfig{pushEndpoint attributes* oidcToken{serviceAccountEmail audience} pubsubWrapper* noWrapper{writeMetadata}} \
    bigqueryConfig* cloudStorageConfig* bigtableConfig* ackDeadlineSeconds retainAckedMessages messageRetentionDuration \
    labels* enableMessageOrdering expirationPolicy{ttl} filter deadLetterPolicy{deadLetterTopic maxDeliveryAttempts} \
    retryPolicy{minimumBackoff maximumBackoff} detached enableExactlyOnceDelivery topicMessageRetentionDuration state \
    analyticsHubSubscriptionInfo* messageTransforms* tags*";

/// A message waiting to be acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    message: Value,
    ack: String,
    leased: Option<Timestamp>,
    attempts: u64,
}

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id.strip_prefix("projects.")? {
        "topics.create" => done(create_topic).body(TOPIC),
        "topics.get" | "subscriptions.get" => done(super::get),
        "topics.list" => done(topics).query(&["pageSize", "pageToken"]),
        "subscriptions.list" => done(subscriptions).query(&["pageSize", "pageToken"]),
        "topics.patch" => done(patch_topic).body(
            "topic{name labels* messageStoragePolicy* kmsKeyName schemaSettings* satisfiesPzs messageRetentionDuration state ingestionDataSourceSettings* messageTransforms* tags*} updateMask",
        ),
        "topics.delete" => done(delete_topic),
        "topics.publish" => done(publish).body("messages{data attributes* messageId publishTime orderingKey}"),
        "subscriptions.create" => done(create).body(SUBSCRIPTION),
        "subscriptions.patch" => done(patch).body("*"),
        "subscriptions.delete" => done(delete),
        "subscriptions.pull" => done(pull).body("maxMessages returnImmediately"),
        "subscriptions.acknowledge" => done(acknowledge).body("ackIds*"),
        "topics.getIamPolicy" | "subscriptions.getIamPolicy" => {
            done(super::policy).query(&["options.requestedPolicyVersion"])
        }
        "topics.setIamPolicy" | "subscriptions.setIamPolicy" => done(super::set_policy).body(SET_POLICY),
        "topics.testIamPermissions" | "subscriptions.testIamPermissions" => done(super::test).body(TEST),
        _ => return None,
    })
}

/// Source: <https://docs.cloud.google.com/pubsub/docs/pubsub-basics#resource_names>.
fn check_id(id: &str) -> Result<(), Fail> {
    let valid = (3..=255).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphabetic())
        && !id.starts_with("goog")
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~+%".contains(c));
    if valid {
        Ok(())
    } else {
        Err(Fail::invalid(format!("The id `{id}` is not valid: 3 to 255 characters, a letter first.")))
    }
}

fn full(name: &str) -> String {
    format!("//pubsub.googleapis.com/{name}")
}

fn create_topic(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_id(&call.parameter("topic"))?;
    put(call)
}

fn put(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mut body = if call.body.is_object() { call.body.clone() } else { json!({}) };
    set(&mut body, "name", relative(&call.on));
    let (name, project) = (call.on.clone(), call.project.clone());
    call.state.create(&name, &project, body.clone())?;
    Ok(body)
}

fn topics(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = full(&format!("projects/{}/topics", call.project));
    Ok(super::list(call, &below, "topics"))
}

fn subscriptions(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = full(&format!("projects/{}/subscriptions", call.project));
    Ok(super::list(call, &below, "subscriptions"))
}

fn masked(call: &mut Call<'_>, field: &str, schema: &str) -> Result<Value, Fail> {
    let from = call.body.get(field).cloned().unwrap_or_default();
    let mask = call.text("/updateMask");
    if mask.is_empty() {
        return Err(Fail::invalid("The update mask is missing: name the fields to write."));
    }
    if mask.split(',').any(|path| matches!(path, "name" | "topic")) {
        return Err(Fail::invalid("The fields `name` and `topic` cannot be changed."));
    }
    super::merged(call, schema, &mask, &from)
}

fn patch_topic(call: &mut Call<'_>) -> Result<Value, Fail> {
    let body = masked(call, "topic", TOPIC)?;
    call.state.thing_mut(&call.on)?.body = body.clone();
    Ok(body)
}

fn delete_topic(call: &mut Call<'_>) -> Result<Value, Fail> {
    super::delete(call)?;
    let name = call.on.clone();
    call.state.detach(&name);
    Ok(json!({}))
}

impl State {
    /// The subscriptions of a topic that was deleted remain, and say so.
    pub(crate) fn detach(&mut self, name: &str) {
        let topic = relative(name);
        for thing in self.things.values_mut().filter(|thing| text(&thing.body, "/topic") == topic) {
            set(&mut thing.body, "topic", "_deleted-topic_");
        }
    }
}

/// Checks the permissions on what the subscription refers to:
/// <https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions>.
fn check(call: &mut Call<'_>, body: &Value) -> Result<(), Fail> {
    let account = text(body, "/pushConfig/oidcToken/serviceAccountEmail");
    if !account.is_empty() {
        let on = call
            .state
            .account_name(&account)
            .unwrap_or_else(|| format!("//iam.googleapis.com/projects/{}/serviceAccounts/{account}", call.project));
        call.require("iam.serviceAccounts.actAs", &on)?;
        if call.state.account(&account).is_none() {
            return Err(Fail::missing(&format!("service account {account}")));
        }
    }
    let dead = text(body, "/deadLetterPolicy/deadLetterTopic");
    if !dead.is_empty() {
        call.state.thing(&full(&dead))?;
    }
    let seconds = body.get("ackDeadlineSeconds").and_then(Value::as_u64).unwrap_or(10);
    if seconds != 0 && !(10..=600).contains(&seconds) {
        return Err(Fail::invalid("`ackDeadlineSeconds` is 10 to 600."));
    }
    Ok(())
}

fn create(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_id(&call.parameter("subscription"))?;
    let topic = full(&call.text("/topic"));
    call.require("pubsub.topics.attachSubscription", &topic)?;
    call.state.thing(&topic)?;
    let mut body = call.body.clone();
    check(call, &body)?;
    for (field, default) in [("ackDeadlineSeconds", json!(10)), ("messageRetentionDuration", json!("604800s"))] {
        if body.get(field).is_none() {
            set(&mut body, field, default);
        }
    }
    set(&mut body, "state", "ACTIVE");
    call.body = body;
    put(call)
}

fn patch(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mut given = call.body.get("subscription").cloned().unwrap_or_default();
    crate::schema::check(SUBSCRIPTION, &mut given)?;
    let body = masked(call, "subscription", SUBSCRIPTION)?;
    check(call, &body)?;
    call.state.thing_mut(&call.on)?.body = body.clone();
    Ok(body)
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.state.messages.remove(&call.on);
    super::delete(call)
}

fn publish(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.state.thing(&call.on)?;
    let topic = relative(&call.on).to_owned();
    let mut ids = Vec::new();
    for message in call.body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default() {
        if text(&message, "/data").is_empty() && message.get("attributes").is_none() {
            return Err(Fail::invalid("A message must have data or attributes."));
        }
        ids.push(call.state.publish(&topic, message));
    }
    Ok(json!({"messageIds": ids}))
}

impl State {
    /// Delivers a message to the subscriptions of a topic, and returns its id.
    fn publish(&mut self, topic: &str, mut message: Value) -> String {
        let id = fastrand::u64(1_000_000_000..9_999_999_999).to_string();
        set(&mut message, "messageId", id.clone());
        set(&mut message, "publishTime", self.now().to_string());
        let subscriptions: Vec<(String, Value)> = self
            .things
            .iter()
            .filter(|(name, thing)| name.contains("/subscriptions/") && text(&thing.body, "/topic") == topic)
            .map(|(name, thing)| (name.clone(), thing.body.clone()))
            .collect();
        for (name, body) in subscriptions {
            if !self.push(&name, &body, &message) {
                let ack = format!("{:032x}", fastrand::u128(..));
                let waiting = Waiting { message: message.clone(), ack, leased: None, attempts: 0 };
                self.messages.entry(name).or_default().push(waiting);
            }
        }
        id
    }

    /// Pushes a message, up to the subscription's number of attempts. Returns whether it was accepted or
    /// dead-lettered.
    fn push(&mut self, name: &str, body: &Value, message: &Value) -> bool {
        let endpoint = text(body, "/pushConfig/pushEndpoint");
        if endpoint.is_empty() {
            return false;
        }
        let account = text(body, "/pushConfig/oidcToken/serviceAccountEmail");
        let bytes = if body.pointer("/pushConfig/noWrapper").is_some() {
            STANDARD.decode(text(message, "/data")).unwrap_or_default()
        } else {
            json!({"message": message, "subscription": relative(name)}).to_string().into_bytes()
        };
        let dead = text(body, "/deadLetterPolicy/deadLetterTopic");
        let attempts = body.pointer("/deadLetterPolicy/maxDeliveryAttempts").and_then(Value::as_u64).unwrap_or(5);
        for _ in 0..attempts {
            if run::push(self, name, &endpoint, &account, &bytes) {
                return true;
            }
        }
        if !dead.is_empty() && self.things.contains_key(&full(&dead)) {
            self.publish(&dead, message.clone());
            return true;
        }
        false
    }
}

fn pull(call: &mut Call<'_>) -> Result<Value, Fail> {
    let body = call.state.thing(&call.on)?.body.clone();
    let most = call.body.get("maxMessages").and_then(Value::as_u64).unwrap_or(0);
    if most == 0 {
        return Err(Fail::invalid("`maxMessages` must be positive."));
    }
    let seconds = body.get("ackDeadlineSeconds").and_then(Value::as_u64).unwrap_or(10);
    let now = call.state.now();
    let mut received = Vec::new();
    for waiting in call.state.messages.entry(call.on.clone()).or_default() {
        let free = waiting.leased.is_none_or(|until| until <= now);
        if free && (received.len() as u64) < most {
            waiting.leased = Some(now + Duration::from_secs(seconds));
            waiting.attempts += 1;
            let mut answer = json!({"ackId": waiting.ack, "message": waiting.message});
            if body.get("deadLetterPolicy").is_some() {
                set(&mut answer, "deliveryAttempt", waiting.attempts);
            }
            received.push(answer);
        }
    }
    Ok(if received.is_empty() { json!({}) } else { json!({"receivedMessages": received}) })
}

fn acknowledge(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.state.thing(&call.on)?;
    let ids = call.body.get("ackIds").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(messages) = call.state.messages.get_mut(&call.on) {
        messages.retain(|waiting| !ids.iter().any(|id| *id == waiting.ack));
    }
    Ok(json!({}))
}
