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
use alien_core::adapter::{Operation, ResultExt, last};
use serde_json::{Value, json};

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

/// Creates both queues, or configures them.
pub(crate) async fn set_up(cx: Context<'_>) -> Result<()> {
    // A command that was not received in time must not run later.
    let commands = json!({ "lockDuration": "PT5M", "maxDeliveryCount": 10, "defaultMessageTimeToLive": "PT1H" });
    put(cx, Scope::CommandQueue, op::PUT_COMMAND_QUEUE, &commands).await?;
    let answers = json!({ "lockDuration": "PT30S", "maxDeliveryCount": LOOKS, "defaultMessageTimeToLive": "PT5M" });
    put(cx, Scope::AnswerQueue, op::PUT_ANSWER_QUEUE, &answers).await
}

async fn put(cx: Context<'_>, scope: Scope, row: &'static Operation<Scope>, properties: &Value) -> Result<()> {
    let id = cx.full_name(scope)?;
    let body = json!({ "properties": properties });
    cx.call(&[row], || async { cx.clients.put(id, &body).await }).await.map(drop)
}

/// The queue that is missing; `None` if both exist or none is needed.
pub(crate) async fn missing(cx: Context<'_>) -> Result<Option<String>> {
    if !cx.resource()?.settings().takes_commands() {
        return Ok(None);
    }
    for (scope, row) in [(Scope::CommandQueue, op::GET_COMMAND_QUEUE), (Scope::AnswerQueue, op::GET_ANSWER_QUEUE)] {
        let id = cx.full_name(scope)?;
        if cx.call(&[row], || async { cx.clients.get::<Value>(id).await }).await.optional()?.is_none() {
            return Ok(Some(format!("the queue `{}` does not exist", last(id))));
        }
    }
    Ok(None)
}

/// Deletes the queues for commands and answers, which the stack may no longer name. They hold no customer data.
pub(crate) async fn delete(cx: Context<'_>) -> Result<()> {
    let [commands, answers] = super::command_queues(Ids(cx.target()), cx.name(Scope::App)?);
    for (id, row) in [(commands, op::DELETE_COMMAND_QUEUE), (answers, op::DELETE_ANSWER_QUEUE)] {
        cx.call(&[row], || async { cx.clients.delete(&id, &[]).await }).await.optional()?;
    }
    Ok(())
}
