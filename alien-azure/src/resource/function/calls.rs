//! What only a function's app has: scaling to zero, what starts it, commands.
//!
//! A command is a message in a queue of the function's own, and its answer one in another: whoever may send to the first and
//! receive from the second can do nothing else. The code takes a command from the queue whose address is in
//! [`COMMANDS`], renews its lock while it works, and sends the answer to the queue that the message's `ReplyTo` names, with the message's `MessageId` as
//! `CorrelationId` (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messages-payloads#message-routing-and-correlation>).

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::call::last;
use alien_core::engine::Marks;
use alien_core::resource::{Resource, Settings};
use alien_core::{Error, ErrorKind, Function, OptionalExt, Result};
use azure_core::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::compute::calls as compute;
use super::super::compute::template::{Resources, Rule, Scale};
use super::super::queue;
use crate::client::{Answer, Context};
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

pub(crate) use super::super::compute::calls::{create, delete, heartbeat, observe};

/// The variable that tells the code the address of the queue with its commands.
pub(crate) const COMMANDS: &str = "ALIEN_COMMANDS";

/// The name of the rule by which commands start it.
pub(crate) const RULE: &str = "commands";

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
pub(crate) fn scale(cx: Context<'_>, resource: &Resource, identity: &str) -> Result<Scale> {
    let mut rules = Vec::new();
    if resource.settings().takes_commands() {
        rules.push(Rule::queue(RULE.to_owned(), cx.full_name(Scope::CommandQueue)?, identity));
    }
    for id in resource.settings().triggers() {
        rules.push(Rule::queue(format!("queue-{id}"), &queue::queue(Ids(&cx.site().target), id), identity));
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

pub(crate) async fn configure(cx: Context<'_>, marks: &Marks) -> Result<()> {
    if cx.resource()?.settings().takes_commands() {
        // What nobody took in time is not done later.
        let commands = json!({ "lockDuration": "PT5M", "maxDeliveryCount": 10, "defaultMessageTimeToLive": "PT1H" });
        put_queue(cx, Scope::CommandQueue, op::PUT_COMMAND_QUEUE, &commands).await?;
        let answers = json!({ "lockDuration": "PT30S", "maxDeliveryCount": LOOKS, "defaultMessageTimeToLive": "PT5M" });
        put_queue(cx, Scope::AnswerQueue, op::PUT_ANSWER_QUEUE, &answers).await?;
    }
    compute::configure(cx, marks).await
}

async fn put_queue(
    cx: Context<'_>,
    scope: Scope,
    row: &'static alien_core::cloud::Operation<Scope>,
    properties: &Value,
) -> Result<()> {
    let id = cx.full_name(scope)?;
    let body = json!({ "properties": properties });
    cx.call(&[row], || async { cx.clients.put(id, &body).await }).await.map(drop)
}

/// The queue that is not there; nothing where both are, or none is needed.
pub(crate) async fn missing_queue(cx: Context<'_>) -> Result<Option<String>> {
    if !cx.resource()?.settings().takes_commands() {
        return Ok(None);
    }
    for (scope, row) in [(Scope::CommandQueue, op::GET_COMMAND_QUEUE), (Scope::AnswerQueue, op::GET_ANSWER_QUEUE)] {
        let id = cx.full_name(scope)?;
        if cx.call(&[row], || async { cx.clients.get::<Value>(id).await }).await.optional()?.is_none() {
            return Ok(Some(format!("the queue `{}` is not there", last(id))));
        }
    }
    Ok(None)
}

/// Removes the queues of commands and answers, which the stack may name no more. What is in them is nobody's data.
pub(crate) async fn delete_queues(cx: Context<'_>) -> Result<()> {
    let [commands, answers] = super::super::compute::command_queues(Ids(&cx.site().target), cx.name(Scope::App)?);
    for (id, row) in [(commands, op::DELETE_COMMAND_QUEUE), (answers, op::DELETE_ANSWER_QUEUE)] {
        cx.call(&[row], || async { cx.clients.delete(&id, &[]).await }).await.optional()?;
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
    sequence_number: u64,
    lock_token: Uuid,
}

/// Sends a command and waits for its answer. It is sent again only where the queue certainly did not take it.
/// <https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue>
pub(crate) async fn dispatch(cx: Context<'_>, command: &[u8]) -> Result<Vec<u8>> {
    let Settings::Function(function) = cx.resource()?.settings() else {
        return Err(Error::new(ErrorKind::Internal, "no function"));
    };
    let patience = function.longest_run() + Duration::from_secs(60);
    let (namespace, commands) = split(cx.full_name(Scope::CommandQueue)?);
    let (_, answers) = split(cx.full_name(Scope::AnswerQueue)?);
    let id = Uuid::new_v4().to_string();
    let properties = json!({ "MessageId": id, "ReplyTo": answers, "TimeToLive": patience.as_secs() });
    let headers = [("content-type", "application/json".to_owned()), ("brokerproperties", properties.to_string())];
    let path = format!("/{commands}/messages");
    cx.call
        .call_once(cx.subject, &[op::SEND_COMMAND], || async {
            cx.clients.bus(Method::Post, namespace, &path, &headers, command.to_vec()).await
        })
        .await?;
    cx.until(patience, || async {
        Ok(match take(cx, namespace, answers, &id).await? {
            Some(answer) => ControlFlow::Break(answer),
            None => ControlFlow::Continue("no answer has come; the command may be done all the same".to_owned()),
        })
    })
    .await
    .map_err(|error| error.in_operation(op::RECEIVE_ANSWER.call).at(cx.site().subject_name(cx.subject)))
}

/// Looks through the answers that wait, and takes the one. Those for others are held meanwhile, so that what stands behind
/// them can be seen, and then given back.
/// <https://learn.microsoft.com/rest/api/servicebus/peek-lock-message-non-destructive-read>
async fn take(cx: Context<'_>, namespace: &str, answers: &str, id: &str) -> Result<Option<Vec<u8>>> {
    let mut others = Vec::new();
    let looked = look_through(cx, namespace, answers, id, &mut others).await;
    let settle = async |method: Method, lock: &str| {
        cx.call(&[op::RECEIVE_ANSWER], || async { cx.clients.bus(method, namespace, lock, &[], Vec::new()).await })
            .await
            .optional()
    };
    if let Ok(Some((_, lock))) = &looked {
        settle(Method::Delete, lock).await?;
    }
    for lock in others {
        // One that cannot be given back is there again when its lock ends.
        let _ = settle(Method::Put, &lock).await;
    }
    let Some((found, _)) = looked? else { return Ok(None) };
    if found.bytes().len() > LARGEST {
        return Err(Error::new(ErrorKind::TooLarge, format!("an answer of {} bytes", found.bytes().len())));
    }
    Ok(Some(found.bytes().to_vec()))
}

/// Locks one answer after another until it is the one, or none is left. Gives it and its lock; the locks of the others are put
/// aside.
async fn look_through(
    cx: Context<'_>,
    namespace: &str,
    answers: &str,
    id: &str,
    others: &mut Vec<String>,
) -> Result<Option<(Answer, String)>> {
    let mut wait = LOOK;
    loop {
        let head = format!("/{answers}/messages/head?timeout={wait}");
        // The next one is there, or it is not.
        wait = 0;
        let looked = cx.call(&[op::RECEIVE_ANSWER], || async {
            cx.clients.bus(Method::Post, namespace, &head, &[], Vec::new()).await
        });
        let found = looked.await?;
        if found.status == 204 {
            return Ok(None);
        }
        let broker = found.header("brokerproperties").and_then(|text| serde_json::from_str::<Broker>(text).ok());
        let broker = broker.ok_or_else(|| Error::missing_field("properties of the message"))?;
        let lock = format!("/{answers}/messages/{}/{}", broker.sequence_number, broker.lock_token);
        if broker.correlation_id == id {
            return Ok(Some((found, lock)));
        }
        others.push(lock);
    }
}
