//! The queues of a function's commands and of their answers.
//!
//! A command is a message in a queue of the function's own, and its answer one in another: whoever may send to the first and
//! receive from the second can do nothing else. The code takes a command from the queue whose address is in
//! [`VARIABLE`], renews its lock while it works, and sends the answer to the queue that the message's `ReplyTo` names, with the
//! message's `MessageId` as `CorrelationId`
//! (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messages-payloads#message-routing-and-correlation>).

use alien_core::Result;
use alien_core::adapter::{Operation, ResultExt, last};
use serde_json::{Value, json};

use crate::client::Context;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The variable that tells the code the address of the queue with its commands.
pub(crate) const VARIABLE: &str = "ALIEN_COMMANDS";

/// The name of the rule by which commands start it.
pub(crate) const RULE: &str = "commands";

/// How often an answer may be looked at by those whom it is not for.
const LOOKS: u32 = 2000;

/// Makes both, or sets them as they should be.
pub(crate) async fn set_up(cx: Context<'_>) -> Result<()> {
    // What nobody took in time is not done later.
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

/// The queue that is not there; nothing where both are, or none is needed.
pub(crate) async fn missing(cx: Context<'_>) -> Result<Option<String>> {
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
pub(crate) async fn delete(cx: Context<'_>) -> Result<()> {
    let [commands, answers] = super::command_queues(Ids(cx.target()), cx.name(Scope::App)?);
    for (id, row) in [(commands, op::DELETE_COMMAND_QUEUE), (answers, op::DELETE_ANSWER_QUEUE)] {
        cx.call(&[row], || async { cx.clients.delete(&id, &[]).await }).await.optional()?;
    }
    Ok(())
}
