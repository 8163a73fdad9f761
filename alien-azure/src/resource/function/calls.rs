//! The calls for a function: scaling to zero, triggers and commands.

use std::time::Duration;

use alien_core::adapter::{
    Change, Command, LogPage, LogQuery, Marks, Observed, Operate, Reconcile, Removal, ResultExt, Runs, State,
};
use alien_core::{Data, Function, Grant, Heartbeat, Resource, Result, Set};
use async_trait::async_trait;
use azure_core::http::Method;
use serde_json::json;

use super::super::compute::template::{Ingress, Part, Resources, Rule, Scale};
use super::super::compute::{calls as compute, commands, logs};
use super::super::queue;
use super::answers;
use crate::Azure;
use crate::client::{Clients, Context};
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The port of a function: on every cloud that calls it by HTTP, its code listens there.
const PORT: u16 = 8080;

/// The most replicas.
const MOST: u32 = 100;

/// The largest command, in bytes. A message of the standard tier has 256 KiB, its properties included, for which one is
/// left. The same holds for an answer, which Service Bus refuses to its sender if it is larger
/// (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas>).
const LARGEST: usize = 255 * 1024;

/// The parts of a function's app. No replica runs while there is nothing to do.
fn part(cx: Context<'_>, resource: &Resource, function: &Function) -> Result<Part> {
    let identity = cx.full_name(Scope::RuntimeIdentity)?;
    let (mut rules, mut variables) = (Vec::new(), Vec::new());
    if function.takes_commands() {
        let queue = cx.full_name(Scope::CommandQueue)?;
        rules.push(Rule::queue(commands::RULE.to_owned(), queue, identity));
        variables.push((commands::VARIABLE.to_owned(), queue::address(queue)));
    }
    for id in resource.settings().triggers() {
        rules.push(Rule::queue(format!("queue-{id}"), &queue::queue(Ids(cx.target()), id), identity));
    }
    let ingress = match function.is_public() {
        true => Some(Ingress::public(PORT)),
        false => is_invoked(cx).then(|| Ingress::internal(PORT)),
    };
    if ingress.is_some() {
        rules.push(Rule::http());
    }
    Ok(Part {
        resources: Resources::of_memory(function.memory_mib()),
        scale: Scale { min_replicas: 0, max_replicas: MOST, rules },
        variables,
        ingress,
    })
}

/// Whether the stack allows other code to call it.
fn is_invoked(cx: Context<'_>) -> bool {
    let invokes = |grant: &Grant| grant.subject == cx.subject && grant.set == Set::Invoke;
    cx.deployment().permissions().runtime.iter().any(|grants| grants.grants.iter().any(invokes))
}

#[async_trait]
impl Reconcile<Azure, Clients> for Function {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let observed = compute::observe(cx, &part(cx, cx.resource()?, self)?).await?;
        match observed {
            Observed::Own { state: State::Finished(_), drift: None, .. } if !cx.is_vendors() => {
                Ok(observed.drifted(commands::drift(cx).await?))
            }
            // The vendor may have deleted the app, where the customer lets it, and left its queues.
            Observed::Absent if !cx.is_vendors() && commands::is_left(cx).await? => {
                let (id, state) = (cx.full_name(Scope::App)?.to_owned(), State::Unfinished);
                let drift = Some("its app does not exist, and its queues for commands do".to_owned());
                Ok(Observed::Own { id, state, drift })
            }
            _ => Ok(observed),
        }
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        compute::create(cx, marks, &part(cx, cx.resource()?, self)?).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        if self.takes_commands() {
            commands::set_up(cx).await?;
        }
        let part = part(cx, cx.resource()?, self)?;
        if compute::look(cx).await.optional()?.is_none() {
            compute::create(cx, marks, &part).await?;
        }
        compute::configure(cx, marks, &part).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        compute::delete(cx).await
    }
}

#[async_trait]
impl Operate<Azure, Clients> for Function {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        compute::heartbeat(cx).await
    }

    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        compute::running(cx, self.memory_mib()).await
    }

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        let old = part(cx, cx.resource()?, self)?;
        let new = part(cx, &change.resource, change.settings()?)?;
        compute::update(cx, change, &old, &new).await
    }

    async fn redeploy(&self, cx: Context<'_>) -> Result<()> {
        compute::redeploy(cx).await
    }

    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        logs::read(cx, query).await
    }

    /// Sends a command and waits for its answer. The message has the command's id, and expires when nobody waits for the
    /// answer any more. It is sent again only if the queue certainly did not accept it.
    /// <https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue>
    async fn dispatch(&self, cx: Context<'_>, command: &Command) -> Result<Vec<u8>> {
        command.fits(LARGEST, "a message of Service Bus")?;
        let patience = command.patience(cx.gate.clock().now(), self.timeout() + Duration::from_secs(60));
        let (namespace, commands) = queue::split(cx.full_name(Scope::CommandQueue)?);
        let (_, answers) = queue::split(cx.full_name(Scope::AnswerQueue)?);
        let id = command.id.to_string();
        let properties = json!({ "MessageId": id, "ReplyTo": answers, "TimeToLive": patience.as_secs() });
        let headers = [("content-type", "application/json".to_owned()), ("brokerproperties", properties.to_string())];
        let path = format!("/{commands}/messages");
        let place = answers::enter(cx, &id)?;
        cx.call_once(&[op::SEND_COMMAND], || async {
            cx.clients.bus(Method::Post, namespace, &path, &headers, command.body.to_vec()).await
        })
        .await?;
        let answer = answers::wait(cx, place, patience).await;
        answer.map_err(|error| error.in_operation(op::RECEIVE_ANSWER.call).at(cx.deployment().subject_name(cx.subject)))
    }
}
