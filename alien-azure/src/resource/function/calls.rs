//! The calls for a function: scaling to zero, triggers and commands.

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::{Change, LogPage, LogQuery, Marks, Observed, Operate, Reconcile, Removal, ResultExt, State};
use alien_core::{Data, Error, ErrorKind, Function, Grant, Heartbeat, Resource, Result, Set};
use async_trait::async_trait;
use azure_core::http::Method;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::compute::template::{Ingress, Part, Resources, Rule, Scale};
use super::super::compute::{calls as compute, commands, logs};
use super::super::queue;
use crate::Azure;
use crate::client::{Answer, Clients, Context};
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The port of a function: on every cloud that calls it by HTTP, its code listens there.
const PORT: u16 = 8080;

/// The most replicas.
const MOST: u32 = 100;

/// How long one poll for an answer waits, in seconds.
const LOOK: u64 = 20;

/// The largest answer, in bytes: the largest message of the standard tier
/// (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas>).
const LARGEST: usize = 256 * 1024;

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
    let ingress = |external| Ingress { external, target_port: PORT, allow_insecure: false };
    Ok(Part {
        resources: Resources::of_memory(function.memory_mib()),
        scale: Scale { min_replicas: 0, max_replicas: MOST, rules },
        variables,
        ingress: match function.is_public() {
            true => Some(ingress(true)),
            false => is_invoked(cx).then(|| ingress(false)),
        },
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
            Observed::Own { state: State::Finished(_), drift: None, .. } => {
                Ok(observed.drifted(commands::missing(cx).await?))
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
        compute::configure(cx, marks, &part(cx, cx.resource()?, self)?).await
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

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        let old = part(cx, cx.resource()?, self)?;
        let new = part(cx, &change.resource, change.settings()?)?;
        compute::update(cx, change, &old, &new).await
    }

    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        logs::read(cx, query).await
    }

    /// Sends a command and waits for its answer. It is repeated only if the queue certainly did not accept it.
    /// <https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue>
    async fn dispatch(&self, cx: Context<'_>, command: &[u8]) -> Result<Vec<u8>> {
        let patience = self.timeout() + Duration::from_secs(60);
        let (namespace, commands) = queue::split(cx.full_name(Scope::CommandQueue)?);
        let (_, answers) = queue::split(cx.full_name(Scope::AnswerQueue)?);
        let id = Uuid::new_v4().to_string();
        let properties = json!({ "MessageId": id, "ReplyTo": answers, "TimeToLive": patience.as_secs() });
        let headers = [("content-type", "application/json".to_owned()), ("brokerproperties", properties.to_string())];
        let path = format!("/{commands}/messages");
        cx.call_once(&[op::SEND_COMMAND], || async {
            cx.clients.bus(Method::Post, namespace, &path, &headers, command.to_vec()).await
        })
        .await?;
        cx.until(patience, || async {
            Ok(match take(cx, namespace, answers, &id).await? {
                Some(answer) => ControlFlow::Break(answer),
                None => ControlFlow::Continue("no answer yet; the command may have run nevertheless".to_owned()),
            })
        })
        .await
        .map_err(|error| error.in_operation(op::RECEIVE_ANSWER.call).at(cx.deployment().subject_name(cx.subject)))
    }
}

/// The broker properties of a message. <https://learn.microsoft.com/rest/api/servicebus/message-headers-and-properties>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Broker {
    #[serde(default)]
    correlation_id: String,
    sequence_number: u64,
    lock_token: Uuid,
}

/// Looks through the waiting answers and takes the one with this id. Answers to others stay locked meanwhile, so that
/// the ones after them become visible, and are then unlocked.
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
        // If unlocking fails, the message becomes visible again when its lock expires.
        let _ = settle(Method::Put, &lock).await;
    }
    let Some((found, _)) = looked? else { return Ok(None) };
    if found.bytes().len() > LARGEST {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("the answer has {} bytes, but at most {LARGEST} are accepted", found.bytes().len()),
        ));
    }
    Ok(Some(found.bytes().to_vec()))
}

/// Locks one answer after another until it finds the right one or there are no more. Returns it with its lock, and adds
/// the locks of the others to `others`.
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
        // Only the first poll waits: the next answers are there already, or there are none.
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
