//! What only a function's app has: scaling to zero, what starts it, commands.
//!
//! A command is a message in a queue of the function's own, and its answer one in another: whoever may send to the first and
//! receive from the second can do nothing else. The code takes a command from the queue whose address is in
//! [`COMMANDS`], and sends the answer to the queue that the message's `ReplyTo` names, with the message's `MessageId` as
//! `CorrelationId` (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messages-payloads#message-routing-and-correlation>).

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::call::last;
use alien_core::engine::Marks;
use alien_core::resource::{Resource, Settings};
use alien_core::{Error, ErrorKind, Function, OrAbsent, Result};
use azure_core::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::compute::calls::{self as compute, Resources, Rule, Scale};
use super::super::queue;
use crate::client::At;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Place;

pub(crate) use super::super::compute::calls::{create, delete, heartbeat, observe};

/// The variable that tells the code the address of the queue with its commands.
pub(crate) const COMMANDS: &str = "ALIEN_COMMANDS";

/// The most replicas.
const MOST: u32 = 100;

/// How long one look for an answer waits for it, in seconds.
const LOOK: u64 = 20;

/// How often an answer may be looked at by those whom it is not for.
const LOOKS: u32 = 2000;

/// The longest answer, in bytes: a message of the standard tier
/// (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas>).
const LARGEST: usize = 256 * 1024;

pub(crate) fn resources(function: &Function) -> Resources {
    Resources::of_memory(function.memory())
}

/// No replica runs while there is nothing to do.
pub(crate) fn scale(at: At<'_>, resource: &Resource, identity: &str) -> Result<Scale> {
    let mut rules = Vec::new();
    if resource.settings().takes_commands() {
        rules.push(Rule::queue("commands".to_owned(), at.full_name(Place::CommandQueue)?, identity));
    }
    for id in resource.settings().triggers() {
        rules.push(Rule::queue(format!("queue-{id}"), &queue::queue(Ids(&at.site().target), id), identity));
    }
    Ok(Scale { min_replicas: 0, max_replicas: MOST, rules })
}

/// Namespace and name of a queue, from its resource id.
pub(crate) fn split(id: &str) -> (&str, &str) {
    let (namespace, queue) = id.rsplit_once("/queues/").unwrap_or(("", id));
    (last(namespace), queue)
}

/// The address of a queue.
pub(crate) fn address(id: &str) -> String {
    let (namespace, queue) = split(id);
    format!("https://{namespace}.servicebus.windows.net/{queue}")
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    if at.resource()?.settings().takes_commands() {
        // What nobody took in time is not done later.
        let commands = json!({ "lockDuration": "PT5M", "maxDeliveryCount": 10, "defaultMessageTimeToLive": "PT1H" });
        put_queue(at, Place::CommandQueue, op::PUT_COMMAND_QUEUE, &commands).await?;
        let answers = json!({ "lockDuration": "PT30S", "maxDeliveryCount": LOOKS, "defaultMessageTimeToLive": "PT5M" });
        put_queue(at, Place::AnswerQueue, op::PUT_ANSWER_QUEUE, &answers).await?;
    } else {
        delete_queues(at).await?;
    }
    compute::configure(at, marks).await
}

async fn put_queue(
    at: At<'_>,
    place: Place,
    row: &'static alien_core::cloud::Operation<Place>,
    properties: &Value,
) -> Result<()> {
    let id = at.full_name(place)?;
    let body = json!({ "properties": properties });
    at.call(&[row], || async { at.clients.put(id, &body).await }).await.map(drop)
}

/// The queue that is not there; nothing where both are, or none is needed.
pub(crate) async fn missing_queue(at: At<'_>) -> Result<Option<String>> {
    if !at.resource()?.settings().takes_commands() {
        return Ok(None);
    }
    for (place, row) in [(Place::CommandQueue, op::GET_COMMAND_QUEUE), (Place::AnswerQueue, op::GET_ANSWER_QUEUE)] {
        let id = at.full_name(place)?;
        if at.call(&[row], || async { at.clients.get::<Value>(id).await }).await.or_absent()?.is_none() {
            return Ok(Some(format!("the queue `{}` is not there", last(id))));
        }
    }
    Ok(None)
}

/// What is in them is nobody's data.
pub(crate) async fn delete_queues(at: At<'_>) -> Result<()> {
    let places = [(Place::CommandQueue, op::DELETE_COMMAND_QUEUE), (Place::AnswerQueue, op::DELETE_ANSWER_QUEUE)];
    for (place, row) in places {
        let Some(id) = at.site().names.at(place, at.subject).next() else { continue };
        at.call(&[row], || async { at.clients.delete(id, &[]).await }).await.or_absent()?;
    }
    Ok(())
}

/// What Service Bus says of a message.
/// <https://learn.microsoft.com/rest/api/servicebus/message-headers-and-properties>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Broker {
    #[serde(default)]
    correlation_id: String,
    message_id: String,
    lock_token: String,
}

/// Sends a command and waits for its answer. It is sent again only where the queue certainly did not take it.
/// <https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue>
pub(crate) async fn dispatch(at: At<'_>, command: &[u8]) -> Result<Vec<u8>> {
    let Settings::Function(function) = at.resource()?.settings() else {
        return Err(Error::new(ErrorKind::Defect, "no function"));
    };
    let patience = function.longest_run() + Duration::from_secs(60);
    let (namespace, commands) = split(at.full_name(Place::CommandQueue)?);
    let (_, answers) = split(at.full_name(Place::AnswerQueue)?);
    let id = Uuid::new_v4().to_string();
    let properties = json!({ "MessageId": id, "ReplyTo": answers, "TimeToLive": patience.as_secs() });
    let headers = [("content-type", "application/json".to_owned()), ("brokerproperties", properties.to_string())];
    let path = format!("/{commands}/messages");
    at.call
        .call_once(at.subject, &[op::SEND_COMMAND], || async {
            at.clients.bus(Method::Post, namespace, &path, &headers, command.to_vec()).await
        })
        .await?;
    at.until(patience, || async {
        Ok(match take(at, namespace, answers, &id).await? {
            Some(answer) => ControlFlow::Break(answer),
            None => ControlFlow::Continue("no answer has come; the command may be done all the same".to_owned()),
        })
    })
    .await
    .map_err(|error| error.in_operation(op::RECEIVE_ANSWER.call).at(at.site().subject_name(at.subject)))
}

/// Looks through the answers that wait, and takes the one. Those for others are held meanwhile, so that what stands behind
/// them can be seen, and then given back.
/// <https://learn.microsoft.com/rest/api/servicebus/peek-lock-message-non-destructive-read>
async fn take(at: At<'_>, namespace: &str, answers: &str, id: &str) -> Result<Option<Vec<u8>>> {
    let mut others = Vec::new();
    let mut own = None;
    let mut wait = LOOK;
    while own.is_none() {
        let head = format!("/{answers}/messages/head?timeout={wait}");
        // The next one is there, or it is not.
        wait = 0;
        let looked = at.call(&[op::RECEIVE_ANSWER], || async {
            at.clients.bus(Method::Post, namespace, &head, &[], Vec::new()).await
        });
        let found = looked.await?;
        if found.status == 204 {
            break;
        }
        let broker = found.header("brokerproperties").and_then(|text| serde_json::from_str::<Broker>(text).ok());
        let broker = broker.ok_or_else(|| Error::lacking("properties of the message"))?;
        let lock = format!("/{answers}/messages/{}/{}", broker.message_id, broker.lock_token);
        if broker.correlation_id == id { own = Some((found, lock)) } else { others.push(lock) }
    }
    let settle = async |method: Method, lock: &str| {
        at.call(&[op::RECEIVE_ANSWER], || async { at.clients.bus(method, namespace, lock, &[], Vec::new()).await })
            .await
            .or_absent()
    };
    for lock in others {
        settle(Method::Put, &lock).await?;
    }
    let Some((found, lock)) = own else { return Ok(None) };
    settle(Method::Delete, &lock).await?;
    if found.bytes().len() > LARGEST {
        return Err(Error::new(ErrorKind::TooLarge, format!("an answer of {} bytes", found.bytes().len())));
    }
    Ok(Some(found.bytes().to_vec()))
}
