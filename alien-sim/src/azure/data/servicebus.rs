//! The REST API of Service Bus: <https://learn.microsoft.com/rest/api/servicebus/service-bus-runtime-rest>.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::broker::{DEAD_LETTERS, Message, Sent};
use super::xml::escaped;
use super::{Ask, Refused, http_date};
use crate::azure::call::{Answer, set, text};
use crate::azure::entra::token::Stranger;
use crate::azure::rbac::decide::Plane;
use crate::azure::state::{Caller, State};
use crate::uri::decode;

/// Source: <https://learn.microsoft.com/azure/role-based-access-control/permissions/integration#microsoftservicebus>.
pub(crate) const SEND: &str = "Microsoft.ServiceBus/namespaces/messages/send/action";
pub(crate) const RECEIVE: &str = "Microsoft.ServiceBus/namespaces/messages/receive/action";

/// Source: <https://learn.microsoft.com/azure/service-bus-messaging/authenticate-application>.
const AUDIENCES: &[&str] = &["https://servicebus.azure.net"];

/// The longest chain of queues that forward to one another:
/// <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-auto-forwarding>.
const HOPS: usize = 4;

pub(super) fn answer(state: &mut State, ask: &Ask<'_>, namespace: &str) -> Answer {
    perform(state, ask, namespace).unwrap_or_else(|refused| {
        let at = state.now();
        let detail = format!(
            "{} TrackingId:{}, SystemTracker:{namespace}.servicebus.windows.net:{}, Timestamp:{at}",
            refused.message,
            Uuid::new_v4(),
            ask.target.split('?').next().unwrap_or_default().trim_start_matches('/')
        );
        let body = format!("<Error><Code>{}</Code><Detail>{}</Detail></Error>", refused.status, escaped(&detail));
        let headers = vec![("content-type", "application/xml; charset=utf-8".to_owned())];
        Answer { status: refused.status, headers, body: body.into() }
    })
}

/// The resource that a path names.
enum Wanted<'a> {
    Messages,
    Head,
    Locked { name: &'a str, token: &'a str },
    Entity,
}

fn perform(state: &mut State, ask: &Ask<'_>, namespace: &str) -> Result<Answer, Refused> {
    let (path, query) = ask.parts();
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (wanted, names) = match parts.as_slice() {
        [names @ .., messages] if is(messages) => (Wanted::Messages, names),
        [names @ .., messages, head] if is(messages) && head.eq_ignore_ascii_case("head") => (Wanted::Head, names),
        [names @ .., messages, name, token] if is(messages) => (Wanted::Locked { name, token }, names),
        names => (Wanted::Entity, names),
    };
    let key = match (&wanted, ask.verb) {
        (Wanted::Messages, "POST") => "POST servicebus.windows.net/messages",
        (Wanted::Head, "POST") => "POST servicebus.windows.net/messages/head",
        (Wanted::Head, "DELETE") => "DELETE servicebus.windows.net/messages/head",
        (Wanted::Locked { .. }, "DELETE") => "DELETE servicebus.windows.net/messages/{lock}",
        (Wanted::Locked { .. }, "PUT") => "PUT servicebus.windows.net/messages/{lock}",
        (Wanted::Locked { .. }, "POST") => "POST servicebus.windows.net/messages/{lock}",
        (Wanted::Entity, "GET") => "GET servicebus.windows.net/queue",
        _ => {
            return Err(Refused::unmodelled(format!(
                "{} {path} is not emulated: the emulator models sending, receiving and settling messages of queues, and reading a queue.",
                ask.verb
            )));
        }
    };
    state.remember(key, ask.verb, path, &query, &Value::Null);
    state.knobs.before(key)?;
    let scope = state.namespace(namespace).map(|thing| (thing.id.clone(), thing.body.clone()));
    let Some((id, body)) = scope else { return Err(Refused::new(404, "404", "No such host is known.")) };
    let caller = caller(state, ask, &body)?;
    let is_dead = names.last().is_some_and(|last| last.eq_ignore_ascii_case(DEAD_LETTERS.trim_start_matches('/')));
    let name = if is_dead { names.get(..names.len() - 1).unwrap_or_default() } else { names }.join("/");
    let queue = State::queue_id(&id, &name);
    let resource = format!("sb://{namespace}.servicebus.windows.net/{name}");
    let (claim, allowed) = match wanted {
        Wanted::Messages => ("Send", state.authorise_data(&caller, key, SEND, &queue)),
        Wanted::Entity => {
            let action = "Microsoft.ServiceBus/namespaces/queues/read";
            ("Manage,EntityRead", state.asks(&caller, key, Plane::Control, action, &queue))
        }
        _ => ("Listen", state.authorise_data(&caller, key, RECEIVE, &queue)),
    };
    if !allowed {
        return Err(Refused::new(
            401,
            "401",
            format!(
                "Unauthorized access. '{claim}' claim(s) are required to perform this operation. Resource: '{resource}'."
            ),
        ));
    }
    let Ok(thing) = state.thing(&queue) else {
        return Err(Refused::new(404, "404", format!("The messaging entity '{resource}' could not be found.")));
    };
    let body = thing.body.clone();
    let answer = match wanted {
        Wanted::Entity => entity(state, &queue, &body),
        Wanted::Messages if is_dead => Err(Refused::new(400, "400", "Nothing can be sent to a dead-letter queue.")),
        Wanted::Messages => send(state, ask, &queue),
        wanted => receive(state, &wanted, ask.verb, &queue, is_dead, &body, &format!("{namespace}/{name}")),
    }?;
    state.knobs.after(key)?;
    Ok(answer)
}

fn is(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("messages")
}

fn caller(state: &State, ask: &Ask<'_>, namespace: &Value) -> Result<Caller, Refused> {
    let refused = |message: &str| Refused::new(401, "401", message);
    if ask.header("authorization").starts_with("SharedAccessSignature") {
        let is_off = namespace.pointer("/properties/disableLocalAuth") == Some(&Value::Bool(true));
        return Err(refused(if is_off {
            "LocalAuthDisabled: Authorization failed because SAS authentication has been disabled for the namespace."
        } else {
            "InvalidSignature: The token has an invalid signature: the emulator makes none."
        }));
    }
    state.data_caller(ask.bearer, AUDIENCES).map_err(|stranger| match stranger {
        Stranger::Missing => refused("MissingToken: The 'Authorization' header is missing."),
        Stranger::Unknown => refused("MalformedToken: The token cannot be read."),
        Stranger::Expired => refused("ExpiredToken: The token is expired."),
        Stranger::Audience => refused("InvalidAudience: The token has an invalid audience."),
    })
}

impl State {
    /// Sends a message to a queue, or to the queue that it forwards to.
    pub(crate) fn send(&mut self, queue: &str, sent: Sent) -> Result<(), Refused> {
        let mut at = queue.to_owned();
        for _ in 0..=HOPS {
            let Ok(thing) = self.thing(&at) else {
                return Err(Refused::new(404, "404", format!("The messaging entity '{at}' could not be found.")));
            };
            let status = text(&thing.body, "/properties/status");
            if matches!(status.as_str(), "Disabled" | "SendDisabled") {
                return Err(Refused::new(403, "403", "Messaging entity is currently disabled."));
            }
            let next = text(&thing.body, "/properties/forwardTo");
            if next.is_empty() {
                break;
            }
            let namespace = at.rsplit_once("/queues/").map_or("", |(namespace, _)| namespace);
            at = Self::queue_id(namespace, &next);
        }
        let requires = self
            .thing(&at)
            .is_ok_and(|thing| thing.body.pointer("/properties/requiresSession") == Some(&Value::Bool(true)));
        if requires && sent.session.is_empty() {
            return Err(Refused::new(
                400,
                "400",
                "The SessionId was not set on a message, and it cannot be sent to the entity.",
            ));
        }
        let Some(rules) = self.queue_rules(&at) else { return Ok(()) };
        let now = self.now();
        self.data.broker.send(&at.to_lowercase(), &rules, sent, now);
        Ok(())
    }
}

/// Source: <https://learn.microsoft.com/rest/api/servicebus/message-headers-and-properties>.
fn properties(given: &Value, body: Bytes, content_type: &str) -> Result<Sent, Refused> {
    let invalid = |message: String| Refused::new(400, "400", message);
    let mut sent = Sent { body, content_type: content_type.to_owned(), ..Sent::default() };
    for (name, value) in given.as_object().into_iter().flatten() {
        let word = value.as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "MessageId" => sent.id = word,
            "CorrelationId" => sent.correlation = word,
            "ReplyTo" => sent.reply_to = word,
            "Label" => sent.label = word,
            "SessionId" => sent.session = word,
            "TimeToLive" => {
                let seconds = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                sent.lives =
                    Some(seconds.ok_or_else(|| invalid("TimeToLive has to be a number of seconds.".to_owned()))?);
            }
            "ScheduledEnqueueTimeUtc" => {
                return Err(Refused::unmodelled("Scheduled messages are not emulated."));
            }
            "To" | "ReplyToSessionId" | "PartitionKey" | "ViaPartitionKey" | "ForcePersistence" | "ContentType" => {}
            // A sender may send back properties that a receiver got.
            "SequenceNumber"
            | "DeliveryCount"
            | "EnqueuedTimeUtc"
            | "LockToken"
            | "LockedUntilUtc"
            | "State"
            | "EnqueuedSequenceNumber" => {}
            other => return Err(invalid(format!("BrokerProperties has no property '{other}'."))),
        }
    }
    if sent.id.len() > 128 {
        return Err(invalid("A MessageId has 128 characters at most.".to_owned()));
    }
    if sent.id.is_empty() {
        sent.id = Uuid::new_v4().simple().to_string();
    }
    Ok(sent)
}

/// Source: <https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue>.
fn send(state: &mut State, ask: &Ask<'_>, queue: &str) -> Result<Answer, Refused> {
    let content_type = ask.header("content-type");
    let mut messages = Vec::new();
    // Source: <https://learn.microsoft.com/rest/api/servicebus/send-message-batch>.
    if content_type.starts_with("application/vnd.microsoft.servicebus.json") {
        let batch: Vec<Value> = serde_json::from_slice(&ask.body)
            .map_err(|error| Refused::new(400, "400", format!("The batch cannot be read: {error}.")))?;
        for item in batch {
            let body = Bytes::from(text(&item, "/Body"));
            messages.push(properties(item.get("BrokerProperties").unwrap_or(&Value::Null), body, "")?);
        }
    } else {
        let given: Value = match ask.header("brokerproperties") {
            "" => Value::Null,
            header => serde_json::from_str(header)
                .map_err(|error| Refused::new(400, "400", format!("BrokerProperties cannot be read: {error}.")))?,
        };
        messages.push(properties(&given, ask.body.clone(), content_type)?);
    }
    // The size of a message includes its properties. Source:
    // <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas>.
    let properties = ask.header("brokerproperties").len() + content_type.len();
    let size = messages.iter().map(|message| message.body.len()).sum::<usize>() + properties;
    if size > 256 * 1024 {
        return Err(Refused::new(403, "403", "The message is longer than 256 KiB."));
    }
    for message in messages {
        state.send(queue, message)?;
    }
    Ok(Answer::empty(201))
}

/// Receives messages, and settles received ones.
fn receive(
    state: &mut State,
    wanted: &Wanted<'_>,
    verb: &str,
    queue: &str,
    is_dead: bool,
    body: &Value,
    place: &str,
) -> Result<Answer, Refused> {
    let now = state.now();
    let status = text(body, "/properties/status");
    if matches!(status.as_str(), "Disabled" | "ReceiveDisabled") {
        return Err(Refused::new(403, "403", "Messaging entity is currently disabled."));
    }
    if !is_dead && !text(body, "/properties/forwardTo").is_empty() {
        return Err(Refused::new(
            400,
            "400",
            "Can not create a message receiver on an entity with auto-forwarding enabled.",
        ));
    }
    if body.pointer("/properties/requiresSession") == Some(&Value::Bool(true)) && !is_dead {
        return Err(Refused::new(
            400,
            "400",
            "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.",
        ));
    }
    let Some(mut rules) = state.queue_rules(queue) else { return Ok(Answer::empty(204)) };
    let dead = if is_dead { DEAD_LETTERS } else { "" };
    let key = format!("{}{dead}", queue.to_lowercase());
    if is_dead {
        // Dead letters are delivered any number of times.
        rules.deliveries = u64::MAX;
    }
    let lost = || {
        Refused::new(
            404,
            "404",
            "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
        )
    };
    let broker = &mut state.data.broker;
    match (wanted, verb) {
        (Wanted::Head, "POST") => {
            let Some(message) = broker.lock(&key, &rules, now) else { return Ok(Answer::empty(204)) };
            let token = message.lock.as_ref().map(|lock| lock.token.clone()).unwrap_or_default();
            let (namespace, name) = place.split_once('/').unwrap_or((place, ""));
            let location = format!(
                "{}/{namespace}.servicebus.windows.net/{name}{dead}/messages/{}/{token}",
                state.url, message.sequence
            );
            Ok(received(message, 201).header("location", location))
        }
        (Wanted::Head, _) => match broker.receive(&key, &rules, now) {
            Some(message) => Ok(received(message, 200)),
            None => Ok(Answer::empty(204)),
        },
        (Wanted::Locked { name, token }, "DELETE") => {
            broker.complete(&key, &rules, name, token, now).ok_or_else(lost)?;
            Ok(Answer::empty(200))
        }
        (Wanted::Locked { name, token }, "PUT") => {
            broker.unlock(&key, &rules, name, token, now).ok_or_else(lost)?;
            Ok(Answer::empty(200))
        }
        (Wanted::Locked { name, token }, _) => {
            broker.renew(&key, &rules, name, token, now).ok_or_else(lost)?;
            Ok(Answer::empty(200))
        }
        _ => Ok(Answer::empty(204)),
    }
}

fn received(message: Message, status: u16) -> Answer {
    let mut told = json!({
        "DeliveryCount": message.deliveries,
        "EnqueuedSequenceNumber": 0,
        "EnqueuedTimeUtc": http_date(message.enqueued),
        "MessageId": message.sent.id,
        "SequenceNumber": message.sequence,
        "State": "Active",
    });
    // The maximum of a .NET `TimeSpan` means no expiry.
    let lives = message.expires.and_then(|expires| {
        Duration::try_from(expires.duration_since(message.enqueued)).ok().map(|lives| lives.as_secs_f64())
    });
    set(&mut told, "TimeToLive", lives.unwrap_or(922_337_203_685.477_5));
    let sent = &message.sent;
    for (name, value) in [
        ("CorrelationId", &sent.correlation),
        ("ReplyTo", &sent.reply_to),
        ("Label", &sent.label),
        ("SessionId", &sent.session),
    ] {
        if !value.is_empty() {
            set(&mut told, name, value.clone());
        }
    }
    if let Some(lock) = &message.lock {
        set(&mut told, "LockToken", lock.token.clone());
        set(&mut told, "LockedUntilUtc", http_date(lock.until));
    }
    let mut answer = Answer { status, headers: Vec::new(), body: sent.body.clone() };
    if !sent.content_type.is_empty() {
        answer = answer.header("content-type", sent.content_type.clone());
    }
    for (name, value) in &sent.properties {
        match name.as_str() {
            "DeadLetterReason" => answer = answer.header("deadletterreason", value.clone()),
            "DeadLetterErrorDescription" => answer = answer.header("deadlettererrordescription", value.clone()),
            _ => {}
        }
    }
    answer.header("brokerproperties", told.to_string())
}

/// Source: <https://learn.microsoft.com/rest/api/servicebus/get-entity>.
fn entity(state: &mut State, queue: &str, body: &Value) -> Result<Answer, Refused> {
    let now = state.now();
    let key = queue.to_lowercase();
    if let Some(rules) = state.queue_rules(queue) {
        state.data.broker.settle(&key, &rules, now);
    }
    let name = text(body, "/name");
    let mut fields = String::new();
    for (element, field) in [
        ("LockDuration", "lockDuration"),
        ("MaxSizeInMegabytes", "maxSizeInMegabytes"),
        ("RequiresDuplicateDetection", "requiresDuplicateDetection"),
        ("RequiresSession", "requiresSession"),
        ("DefaultMessageTimeToLive", "defaultMessageTimeToLive"),
        ("DeadLetteringOnMessageExpiration", "deadLetteringOnMessageExpiration"),
        ("MaxDeliveryCount", "maxDeliveryCount"),
    ] {
        let value = body.pointer(&format!("/properties/{field}")).cloned().unwrap_or_default();
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fields += &format!("<{element}>{}</{element}>", escaped(&value));
    }
    let active = state.data.broker.count(&key);
    let dead = state.data.broker.count(&format!("{key}{DEAD_LETTERS}"));
    let body = format!(
        "<entry xmlns=\"http://www.w3.org/2005/Atom\"><title type=\"text\">{0}</title><content type=\"application/xml\"><QueueDescription xmlns=\"http://schemas.microsoft.com/netservices/2010/10/servicebus/connect\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">{fields}<MessageCount>{1}</MessageCount><CountDetails xmlns:d=\"http://schemas.microsoft.com/netservices/2011/06/servicebus\"><d:ActiveMessageCount>{active}</d:ActiveMessageCount><d:DeadLetterMessageCount>{dead}</d:DeadLetterMessageCount></CountDetails></QueueDescription></content></entry>",
        escaped(&name),
        active + dead
    );
    let headers = vec![("content-type", "application/atom+xml;type=entry;charset=utf-8".to_owned())];
    Ok(Answer { status: 200, headers, body: body.into() })
}
