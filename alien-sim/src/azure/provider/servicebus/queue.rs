//! Queues: <https://learn.microsoft.com/rest/api/servicebus/controlplane-stable/queues>.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, set, text};
use crate::azure::data::broker::{DEAD_LETTERS, Rules};
use crate::azure::fail::Fail;
use crate::azure::state::State;

pub(super) const QUEUE: &str = "etag location properties{countDetails* createdAt updatedAt accessedAt sizeInBytes \
    messageCount lockDuration maxSizeInMegabytes maxMessageSizeInKilobytes requiresDuplicateDetection requiresSession \
    defaultMessageTimeToLive deadLetteringOnMessageExpiration duplicateDetectionHistoryTimeWindow maxDeliveryCount \
    status=Active|Disabled|SendDisabled|ReceiveDisabled|Restoring|Creating|Deleting|Renaming|Unknown \
    enableBatchedOperations autoDeleteOnIdle enablePartitioning enableExpress forwardTo forwardDeadLetteredMessagesTo \
    userMetadata}";

const KIND: &str = "Microsoft.ServiceBus/namespaces/queues";

/// The properties that only the provider writes.
const FIXED: &[&str] = &["countDetails", "createdAt", "updatedAt", "accessedAt", "sizeInBytes", "messageCount"];

/// The maximum of a .NET `TimeSpan` in ISO 8601, which means forever.
const FOR_EVER: &str = "P10675199DT2H48M5.4775807S";

/// Parses an ISO 8601 duration. One that is too long to represent means forever.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let Ok(span) = text.parse::<Span>() else {
        // .NET counts more days than a calendar span can hold.
        let (days, rest) = text.strip_prefix('P')?.split_once('D')?;
        let _: u64 = days.parse().ok()?;
        let is_time = rest.is_empty() || format!("P{rest}").parse::<Span>().is_ok();
        return is_time.then_some(Duration::MAX);
    };
    if span.is_negative() {
        return None;
    }
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
    Some(exact.and_then(|duration: SignedDuration| duration.try_into().ok()).unwrap_or(Duration::MAX))
}

impl State {
    /// The id of a queue in a namespace. The name of a queue may contain slashes.
    pub(crate) fn queue_id(namespace: &str, queue: &str) -> String {
        format!("{namespace}/queues/{queue}")
    }

    /// The settings of a queue that apply to its messages.
    pub(crate) fn queue_rules(&self, id: &str) -> Option<Rules> {
        let body = &self.thing(id).ok()?.body;
        let time = |field: &str| duration(&text(body, &format!("/properties/{field}")));
        let is = |field: &str| body.pointer(&format!("/properties/{field}")) == Some(&Value::Bool(true));
        let namespace = id.rsplit_once("/queues/").map_or("", |(namespace, _)| namespace);
        let to = text(body, "/properties/forwardDeadLetteredMessagesTo");
        Some(Rules {
            lock: time("lockDuration").unwrap_or(Duration::from_mins(1)),
            deliveries: body.pointer("/properties/maxDeliveryCount").and_then(Value::as_u64).unwrap_or(10),
            lives: time("defaultMessageTimeToLive").filter(|lives| *lives < Duration::from_hours(24 * 36_500)),
            buries_expired: is("deadLetteringOnMessageExpiration"),
            remembers: time("duplicateDetectionHistoryTimeWindow").filter(|_| is("requiresDuplicateDetection")),
            dead_letters_to: (!to.is_empty()).then(|| Self::queue_id(namespace, &to).to_lowercase()),
        })
    }

    /// The queue as it is answered, with its message count.
    fn queue_shown(&self, id: &str) -> Result<Value, Fail> {
        let mut body = self.thing(id)?.body.clone();
        let key = id.to_lowercase();
        let active = self.data.broker.count(&key);
        let dead = self.data.broker.count(&format!("{key}{DEAD_LETTERS}"));
        if let Some(properties) = body.get_mut("properties") {
            set(properties, "messageCount", active + dead);
            set(
                properties,
                "countDetails",
                json!({
                    "activeMessageCount": active,
                    "deadLetterMessageCount": dead,
                    "scheduledMessageCount": 0,
                    "transferMessageCount": 0,
                    "transferDeadLetterMessageCount": 0,
                }),
            );
        }
        Ok(body)
    }
}

/// Applies expiries in a queue before its messages are counted.
fn settle(call: &mut Call<'_>, id: &str) {
    let now = call.now();
    if let Some(rules) = call.state.queue_rules(id) {
        call.state.data.broker.settle(&id.to_lowercase(), &rules, now);
    }
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = call.id.clone();
    settle(call, &id);
    Ok(Answer::json(200, &call.state.queue_shown(&id)?))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let number = |text: &str, default: usize| text.parse().unwrap_or(default);
    let (skip, top) = (number(call.query("$skip"), 0), number(call.query("$top"), usize::MAX));
    let ids: Vec<String> = call.state.list(&call.id, KIND).iter().map(|body| text(body, "/id")).collect();
    let mut shown = Vec::new();
    for id in ids.into_iter().skip(skip).take(top) {
        settle(call, &id);
        shown.push(call.state.queue_shown(&id)?);
    }
    Ok(Answer::list(shown))
}

fn bad(message: impl Into<String>) -> Fail {
    Fail::invalid("BadRequest", format!("SubCode=40000. {}", message.into()))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (id, name) = (call.id.clone(), call.name().to_owned());
    // Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftservicebus>.
    let is_valid = (1..=260).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !is_valid {
        return Err(bad(format!("'{name}' is not a valid name of a queue.")));
    }
    let namespace = id.rsplit_once("/queues/").map_or("", |(namespace, _)| namespace).to_owned();
    let sku = text(&call.state.thing(&namespace)?.body, "/sku/name");
    let known = call.state.thing(&id).ok().map(|known| known.body.clone());
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = properties.as_object_mut() {
        members.retain(|name, value| !FIXED.contains(&name.as_str()) && !value.is_null());
    }
    check(call.state, &namespace, &name, &sku, &properties)?;
    let now = call.now().to_string();
    let lives = if sku == "Basic" { "P14D" } else { FOR_EVER };
    let defaults = json!({
        "lockDuration": "PT1M",
        "maxSizeInMegabytes": 1024,
        "maxMessageSizeInKilobytes": 256,
        "requiresDuplicateDetection": false,
        "requiresSession": false,
        "defaultMessageTimeToLive": lives,
        "deadLetteringOnMessageExpiration": false,
        "duplicateDetectionHistoryTimeWindow": "PT10M",
        "maxDeliveryCount": 10,
        "status": "Active",
        "enableBatchedOperations": true,
        "autoDeleteOnIdle": FOR_EVER,
        "enablePartitioning": false,
        "enableExpress": false,
        "createdAt": now,
        "accessedAt": "0001-01-01T00:00:00Z",
        "sizeInBytes": 0,
    });
    for (field, value) in defaults.as_object().into_iter().flatten() {
        if properties.get(field).is_none() {
            set(&mut properties, field, value.clone());
        }
    }
    if let Some(known) = &known {
        for field in ["requiresSession", "requiresDuplicateDetection", "enablePartitioning"] {
            let pointer = format!("/properties/{field}");
            if known.pointer(&pointer) != properties.get(field) {
                return Err(bad(format!(
                    "The value for the '{field}' property of an existing Queue can't be changed."
                )));
            }
        }
        set(&mut properties, "createdAt", text(known, "/properties/createdAt"));
    }
    set(&mut properties, "updatedAt", now);
    let place = text(&call.state.thing(&namespace)?.body, "/location");
    if let Some(members) = call.body.as_object_mut() {
        members.remove("location");
    }
    let body = call.resource(properties);
    // 200 for both a creation and an update.
    call.write(body, Codes { made: 200, changed: 200, making: 200, changing: 200 }, None)?;
    set(&mut call.state.thing_mut(&id)?.body, "location", place);
    Ok(Answer::json(200, &call.state.queue_shown(&id)?))
}

/// Source: <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas>.
fn check(state: &State, namespace: &str, name: &str, sku: &str, properties: &Value) -> Result<(), Fail> {
    let mut times = Vec::new();
    for field in ["lockDuration", "defaultMessageTimeToLive", "duplicateDetectionHistoryTimeWindow", "autoDeleteOnIdle"]
    {
        let given = text(properties, &format!("/{field}"));
        let time = duration(&given);
        if !given.is_empty() && time.is_none() {
            return Err(bad(format!("The value '{given}' of '{field}' is not an ISO 8601 duration.")));
        }
        times.push(time);
    }
    let within = |at: usize, least: Duration, most: Duration| {
        times.get(at).copied().flatten().is_none_or(|time| (least..=most).contains(&time))
    };
    if !within(0, Duration::from_secs(5), Duration::from_mins(5)) {
        return Err(bad("The lock duration must be from 5 seconds to 5 minutes."));
    }
    if !within(2, Duration::from_secs(20), Duration::from_hours(7 * 24)) {
        return Err(bad("The duplicate detection history time window must be from 20 seconds to 7 days."));
    }
    if !within(3, Duration::from_mins(5), Duration::MAX) {
        return Err(bad("The time of being idle before deletion must be at least 5 minutes."));
    }
    let deliveries = properties.get("maxDeliveryCount").and_then(Value::as_i64).unwrap_or(10);
    if !(1..=2000).contains(&deliveries) {
        return Err(bad("The maximum delivery count must be from 1 to 2000."));
    }
    let is = |field: &str| properties.get(field) == Some(&Value::Bool(true));
    let to = |field: &str| text(properties, &format!("/{field}"));
    if sku == "Basic" {
        let most = Duration::from_hours(14 * 24);
        let is_long = !within(1, Duration::ZERO, most);
        let has_more = is("requiresSession") || is("requiresDuplicateDetection");
        if is_long || has_more || !to("forwardTo").is_empty() || !to("forwardDeadLetteredMessagesTo").is_empty() {
            return Err(bad(
                "The Basic tier has no sessions, no duplicate detection, no forwarding, and messages live 14 days at most.",
            ));
        }
    }
    for field in ["forwardTo", "forwardDeadLetteredMessagesTo"] {
        let target = to(field);
        if target.is_empty() {
            continue;
        }
        if target.eq_ignore_ascii_case(name) {
            return Err(bad(format!("A queue cannot forward to itself: '{field}' names {name}.")));
        }
        if state.thing(&State::queue_id(namespace, &target)).is_err() {
            return Err(bad(format!("The '{field}' destination '{target}' does not exist.")));
        }
    }
    Ok(())
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    call.delete(200, None)
}
