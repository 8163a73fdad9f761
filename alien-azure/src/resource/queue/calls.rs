//! The calls for a queue.
//!
//! A queue cannot have tags. It is ours if the namespace is, because only this library creates queues there. One call
//! sets everything, so a queue is finished if its settings match the stack.

use alien_core::adapter::{Marks, Observed, Operate, Reconcile, Removal, ResultExt, State, Subject, field_drift};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Queue, Result};
use async_trait::async_trait;
use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{address, namespace};
use crate::Azure;
use crate::client::tags::{self, Tags};
use crate::client::{Clients, Context};
use crate::identity::calls::{admit, dismiss};
use crate::operations as op;
use crate::operations::Scope;

/// The maximum number of deliveries. Without a dead-letter queue, a message should be redelivered for as long as it is
/// kept (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues>).
const MOST: u32 = 2000;

/// A queue. <https://learn.microsoft.com/rest/api/servicebus/controlplane-stable/queues/get>
#[derive(Deserialize)]
pub(crate) struct Found {
    properties: Says,
}

impl Found {
    /// Whether it has these settings, and keeps its messages to itself.
    pub(crate) fn is_as(&self, lock: &str, deliveries: u32, expiry: &str) -> bool {
        let says = &self.properties;
        seconds(&says.lock_duration) == seconds(lock)
            && says.max_delivery_count == deliveries
            && seconds(&says.default_message_time_to_live) == seconds(expiry)
            && astray(says).is_none()
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Says {
    lock_duration: String,
    default_message_time_to_live: String,
    max_delivery_count: u32,
    dead_lettering_on_message_expiration: bool,
    auto_delete_on_idle: Option<String>,
    status: String,
    forward_to: Option<String>,
    forward_dead_lettered_messages_to: Option<String>,
    message_count: u64,
}

async fn look(cx: Context<'_>) -> Result<Found> {
    let id = cx.full_name(Scope::Queue)?;
    cx.call(&[op::GET_QUEUE], || async { cx.clients.get(id).await }).await
}

/// The seconds of an ISO 8601 duration, which Azure may write in several ways.
fn seconds(text: &str) -> Option<i64> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().map(|duration| duration.as_secs())
}

fn deliveries(queue: &Queue) -> u32 {
    queue.dead_letters_after().unwrap_or(MOST)
}

fn is_set(found: &Says, queue: &Queue) -> bool {
    unlike(found, queue).next().is_none()
}

/// The settings that are not as the stack says.
fn unlike(found: &Says, queue: &Queue) -> impl Iterator<Item = &'static str> {
    let is_other = |found: &str, wanted: u32| seconds(found) != Some(i64::from(wanted));
    let is_unlike = [
        (is_other(&found.lock_duration, queue.visibility_timeout_seconds()), "lockDuration"),
        (is_other(&found.default_message_time_to_live, queue.retention_seconds()), "defaultMessageTimeToLive"),
        (found.max_delivery_count != deliveries(queue), "maxDeliveryCount"),
    ];
    is_unlike.into_iter().filter_map(|(is, field)| is.then_some(field))
}

/// The settings that no stack says, and that are not as they are made.
fn odd(found: &Says) -> impl Iterator<Item = &'static str> {
    // A queue that is never deleted has a time that is too long for a calendar.
    let goes = found.auto_delete_on_idle.as_deref().and_then(seconds).is_some();
    let is_odd = [
        (found.dead_lettering_on_message_expiration, "deadLetteringOnMessageExpiration"),
        (goes, "autoDeleteOnIdle"),
        (["Disabled", "SendDisabled", "ReceiveDisabled"].contains(&found.status.as_str()), "status"),
    ];
    is_odd.into_iter().filter_map(|(is, field)| is.then_some(field))
}

/// Names the settings that differ from the stack or from what a set-up makes; `None` if none does. The caller tells a change of the stack
/// from one that somebody made, by the record.
fn drift(found: &Says, queue: &Queue) -> Option<String> {
    let fields: Vec<&str> = unlike(found, queue).chain(odd(found)).collect();
    let ways = astray(found).map(str::to_owned).into_iter().chain(field_drift(&fields));
    let ways: Vec<String> = ways.collect();
    (!ways.is_empty()).then(|| ways.join("; "))
}

/// Whether messages are forwarded: we never set that, so somebody else did.
fn astray(found: &Says) -> Option<&str> {
    let set = |name: &'_ Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
    let (forward, dead) = (set(&found.forward_to), set(&found.forward_dead_lettered_messages_to));
    (forward || dead).then_some("its messages are forwarded")
}

#[async_trait]
impl Reconcile<Azure, Clients> for Queue {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let namespace = if cx.is_vendors() {
            seen_namespace(cx).await?
        } else {
            namespace::observe(cx.about(Subject::Deployment)).await?
        };
        match namespace {
            Observed::Own { .. } => {}
            // Without a namespace there can be no queue.
            Observed::Absent => return Ok(Observed::Absent),
            Observed::Foreign(whose) => {
                return Ok(Observed::Foreign(whose.part(cx.full_name(Scope::Queue)?, "namespace")));
            }
            other => return Ok(other),
        }
        let Some(found) = look(cx).await.optional()? else { return Ok(Observed::Absent) };
        let id = cx.full_name(Scope::Queue)?.to_owned();
        let state = if is_set(&found.properties, self) { State::Matches } else { State::Differs };
        Ok(Observed::Own { id, state, drift: drift(&found.properties, self) })
    }

    async fn create(&self, cx: Context<'_>, _: &Marks) -> Result<()> {
        if look(cx).await.optional()?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "the queue already exists"));
        }
        put(cx, self).await
    }

    async fn configure(&self, cx: Context<'_>, _: &Marks) -> Result<()> {
        // Only the admin sets it.
        if cx.is_vendors() {
            return Ok(());
        }
        let found = look(cx).await?.properties;
        if drift(&found, self).is_some() {
            put(cx, self).await?;
        }
        admit(cx).await
    }

    /// Keeps the queue if it holds messages. Service Bus counts them, including dead-lettered ones, so no permission to
    /// read them is needed.
    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        let held = look(cx).await?.properties.message_count;
        if held > 0 && data != Data::Delete {
            dismiss(cx).await?;
            return Ok(Removal::HoldsData(format!("it holds {held} messages")));
        }
        let id = cx.full_name(Scope::Queue)?;
        cx.call(&[op::DELETE_QUEUE], || async { cx.clients.delete(id, &[]).await }).await.optional()?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Azure, Clients> for Queue {
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        cx.full_name(Scope::Queue).map(address)
    }

    /// Calls `GET namespaces` and `GET namespaces/queues`.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let id = cx.full_name(Scope::Namespace)?;
        cx.call(&[op::GET_NAMESPACE], || async { cx.clients.get::<Value>(id).await }).await?;
        let found = look(cx).await?.properties;
        Ok(match astray(&found) {
            Some(astray) => Heartbeat::new(Health::Degraded, astray),
            None if !["", "Active"].contains(&found.status.as_str()) => {
                Heartbeat::new(Health::Degraded, format!("its status is `{}`", found.status))
            }
            None => Heartbeat::new(Health::Healthy, "it is active"),
        })
    }
}

/// The namespace, as whoever has a permission on one of its queues sees it.
async fn seen_namespace(cx: Context<'_>) -> Result<Observed> {
    let id = cx.full_name(Scope::Namespace)?;
    let found = cx.call(&[op::GET_NAMESPACE], || async { cx.clients.get::<Tagged>(id).await }).await.optional()?;
    Ok(found.map_or(Observed::Absent, |found| tags::observed(cx.deployment(), id, found.tags.as_ref())))
}

#[derive(Deserialize)]
struct Tagged {
    #[serde(default)]
    tags: Option<Tags>,
}

async fn put(cx: Context<'_>, queue: &Queue) -> Result<()> {
    let id = cx.full_name(Scope::Queue)?;
    let body = json!({ "properties": {
        "lockDuration": format!("PT{}S", queue.visibility_timeout_seconds()),
        "defaultMessageTimeToLive": format!("PT{}S", queue.retention_seconds()),
        "maxDeliveryCount": deliveries(queue),
        "deadLetteringOnMessageExpiration": false,
    }});
    cx.call(&[op::PUT_QUEUE], || async { cx.clients.put(id, &body).await }).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_however_it_is_written() {
        assert_eq!(seconds("PT300S"), seconds("PT5M"));
        assert_eq!(seconds("P4D"), seconds("PT345600S"));
        assert_eq!(seconds("soon"), None);
    }
}
