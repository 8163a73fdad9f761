//! The queues for a function's commands and their answers.
//!
//! A command is a message in a queue of the function, and its answer is a message in another one. The permission to
//! send to the first and to receive from the second allows nothing else. The code receives commands from the queue
//! whose address is in [`VARIABLE`], renews the message lock while it works, and sends the answer to the queue in the
//! message's `ReplyTo`, with the message's `MessageId` as `CorrelationId`
//! (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messages-payloads#message-routing-and-correlation>).
//!
//! The queue for answers has no sessions: the vendor receives by REST, which knows none, and code that was deployed
//! earlier sets no `SessionId`, without which nothing can be sent to such a queue
//! (<https://learn.microsoft.com/azure/service-bus-messaging/message-sessions>).

use alien_core::Result;
use alien_core::adapter::{ResultExt, last};
use serde_json::json;

use super::super::queue::calls::Found;
use crate::client::Context;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The environment variable with the address of the code's command queue.
pub(crate) const VARIABLE: &str = "ALIEN_COMMANDS";

/// The name of the scale rule that starts replicas for commands.
pub(crate) const RULE: &str = "commands";

/// How often callers who wait for other answers may look at an answer: the most that Service Bus allows.
const LOOKS: u32 = 2000;

/// The settings of a queue: for how long a receiver locks a message, how often it is delivered, and when it expires.
struct Settings {
    lock: &'static str,
    deliveries: u32,
    expiry: &'static str,
}

/// A command that was not received in time must not run later.
const COMMANDS: Settings = Settings { lock: "PT5M", deliveries: 10, expiry: "PT1H" };

const ANSWERS: Settings = Settings { lock: "PT30S", deliveries: LOOKS, expiry: "PT5M" };

/// Creates both queues, or configures them.
pub(crate) async fn set_up(cx: Context<'_>) -> Result<()> {
    for (scope, row, Settings { lock, deliveries, expiry }) in
        [(Scope::CommandQueue, op::PUT_COMMAND_QUEUE, COMMANDS), (Scope::AnswerQueue, op::PUT_ANSWER_QUEUE, ANSWERS)]
    {
        let id = cx.full_name(scope)?;
        let properties =
            json!({ "lockDuration": lock, "maxDeliveryCount": deliveries, "defaultMessageTimeToLive": expiry });
        let body = json!({ "properties": properties });
        cx.call(&[row], || async { cx.clients.put(id, &body).await }).await?;
    }
    Ok(())
}

/// How the queues are not as they should be; `None` if both are, or if none is needed.
pub(crate) async fn drift(cx: Context<'_>) -> Result<Option<String>> {
    if !cx.resource()?.settings().takes_commands() {
        return Ok(None);
    }
    for (scope, row, Settings { lock, deliveries, expiry }) in
        [(Scope::CommandQueue, op::GET_COMMAND_QUEUE, COMMANDS), (Scope::AnswerQueue, op::GET_ANSWER_QUEUE, ANSWERS)]
    {
        let id = cx.full_name(scope)?;
        let Some(found) = cx.call(&[row], || async { cx.clients.get::<Found>(id).await }).await.optional()? else {
            return Ok(Some(format!("the queue `{}` does not exist", last(id))));
        };
        if !found.is_as(lock, deliveries, expiry) {
            return Ok(Some(format!("the queue `{}` has other settings", last(id))));
        }
    }
    Ok(None)
}

/// Whether the queue for commands exists. Nobody but the deployment creates queues in its namespace.
pub(crate) async fn is_left(cx: Context<'_>) -> Result<bool> {
    if !cx.resource()?.settings().takes_commands() {
        return Ok(false);
    }
    let id = cx.full_name(Scope::CommandQueue)?;
    let found = cx.call(&[op::GET_COMMAND_QUEUE], || async { cx.clients.get::<Found>(id).await }).await;
    Ok(found.optional()?.is_some())
}

/// Deletes the queues for commands and answers, which the stack may no longer name. They hold no customer data.
pub(crate) async fn delete(cx: Context<'_>) -> Result<()> {
    let [commands, answers] = super::command_queues(Ids(cx.target()), cx.name(Scope::App)?);
    for (id, row) in [(commands, op::DELETE_COMMAND_QUEUE), (answers, op::DELETE_ANSWER_QUEUE)] {
        cx.call(&[row], || async { cx.clients.delete(&id, &[]).await }).await.optional()?;
    }
    Ok(())
}
