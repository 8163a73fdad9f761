//! Who may invoke a function: everyone through its URL, and the queues that trigger it.

use alien_core::adapter::{ResultExt, last};
use alien_core::{Error, ErrorKind, Function, Result};
use aws_sdk_lambda::types::FunctionUrlAuthType;
use serde_json::Value;

use crate::client::{Context, busy, failure};
use crate::operations as op;
use crate::operations::Scope;

/// The most messages that one invocation receives.
const BATCH: i32 = 10;

/// The two statements of the function's policy that open its URL to everyone
/// (<https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>).
const STATEMENTS: [(&str, &str); 2] =
    [("alien-public-url", "lambda:InvokeFunctionUrl"), ("alien-public-call", "lambda:InvokeFunction")];

/// How the URL, its permissions and the triggers differ from what the stack says.
pub(super) async fn drift(cx: Context<'_>, function: &Function) -> Result<Vec<String>> {
    let mut told = Vec::new();
    match look(cx).await? {
        Some(FunctionUrlAuthType::None) if function.is_public() => {}
        Some(_) if function.is_public() => told.push("its URL is not public".to_owned()),
        None if function.is_public() => told.push("its URL is missing".to_owned()),
        Some(_) => told.push("it has a URL, which the stack does not ask for".to_owned()),
        None => {}
    }
    if function.is_public() {
        let found = statements(cx).await?;
        let missing = STATEMENTS.iter().filter(|(statement, _)| !found.iter().any(|found| found == statement));
        told.extend(missing.map(|(statement, _)| format!("its permission `{statement}` is missing")));
    }
    let wanted = queues(cx)?;
    let found = mappings(cx).await?;
    for queue in &wanted {
        match found.iter().find(|mapping| mapping.queue == *queue) {
            Some(mapping) if mapping.is_on => {}
            Some(_) => told.push(format!("its trigger from `{}` is off", last(queue))),
            None => told.push(format!("its trigger from `{}` is missing", last(queue))),
        }
    }
    let others = found.iter().filter(|mapping| !wanted.contains(&mapping.queue.as_str()));
    told.extend(others.map(|mapping| format!("`{}` triggers it, which the stack does not say", mapping.queue)));
    Ok(told)
}

/// The names of the statements in the function's policy; none if it has no policy
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html>).
async fn statements(cx: Context<'_>) -> Result<Vec<String>> {
    let name = cx.name(Scope::Function)?;
    let found = cx
        .call(&[op::GET_FUNCTION_POLICY], || async {
            cx.clients.lambda().get_policy().function_name(name).send().await.map_err(failure)
        })
        .await
        .optional()?;
    let Some(policy) = found.and_then(|found| found.policy) else { return Ok(Vec::new()) };
    let policy: Value = serde_json::from_str(&policy).map_err(|_| Error::missing_field("policy that can be read"))?;
    let statements = policy.get("Statement").and_then(Value::as_array).into_iter().flatten();
    Ok(statements.filter_map(|statement| Some(statement.get("Sid")?.as_str()?.to_owned())).collect())
}

/// Opens or closes the public URL, as the stack says.
pub(super) async fn url(cx: Context<'_>, function: &Function) -> Result<()> {
    if !function.is_public() {
        return no_url(cx).await;
    }
    let name = cx.name(Scope::Function)?;
    let anyone = || FunctionUrlAuthType::None;
    match look(cx).await? {
        Some(FunctionUrlAuthType::None) => {}
        Some(_) => {
            cx.call(&[op::UPDATE_FUNCTION_URL], || async {
                let request = cx.clients.lambda().update_function_url_config().function_name(name).auth_type(anyone());
                request.send().await.map_err(busy)
            })
            .await?;
        }
        None => {
            let made = cx
                .call(&[op::CREATE_FUNCTION_URL], || async {
                    let request =
                        cx.clients.lambda().create_function_url_config().function_name(name).auth_type(anyone());
                    request.send().await.map_err(failure).map_err(conflict)
                })
                .await;
            made.unless_exists()?;
        }
    }
    for (statement, action) in STATEMENTS {
        let request = cx.clients.lambda().add_permission().function_name(name).statement_id(statement).action(action);
        let request = request.principal("*");
        let request = match action {
            "lambda:InvokeFunctionUrl" => request.function_url_auth_type(anyone()),
            _ => request.invoked_via_function_url(true),
        };
        let added = cx
            .call(&[op::ADD_FUNCTION_PERMISSION], || async {
                request.clone().send().await.map_err(failure).map_err(conflict)
            })
            .await;
        added.unless_exists()?;
    }
    Ok(())
}

/// Deletes the URL. Public access goes first and the URL last, so that a later run finds an interrupted removal.
pub(super) async fn no_url(cx: Context<'_>) -> Result<()> {
    let name = cx.name(Scope::Function)?;
    if look(cx).await?.is_none() {
        return Ok(());
    }
    for (statement, _) in STATEMENTS {
        cx.call(&[op::REMOVE_FUNCTION_PERMISSION], || async {
            let request = cx.clients.lambda().remove_permission().function_name(name).statement_id(statement);
            request.send().await.map_err(busy)
        })
        .await
        .optional()?;
    }
    cx.call(&[op::DELETE_FUNCTION_URL], || async {
        cx.clients.lambda().delete_function_url_config().function_name(name).send().await.map_err(busy)
    })
    .await
    .optional()
    .map(drop)
}

/// The auth type of the URL; `None` if the function has no URL.
async fn look(cx: Context<'_>) -> Result<Option<FunctionUrlAuthType>> {
    let name = cx.name(Scope::Function)?;
    let found = cx
        .call(&[op::GET_FUNCTION_URL], || async {
            cx.clients.lambda().get_function_url_config().function_name(name).send().await.map_err(failure)
        })
        .await
        .optional()?;
    Ok(found.map(|found| found.auth_type))
}

/// Lambda has one error code for what exists already and for what is being changed at the moment.
fn conflict(error: Error) -> Error {
    let there = error.kind() != ErrorKind::AlreadyExists || error.message().contains("exist");
    if there { error } else { error.with_kind(ErrorKind::Busy) }
}

/// An event source mapping from a queue to the function.
struct Mapping {
    id: String,
    queue: String,
    is_on: bool,
}

/// The queues that the stack names as triggers, by their ARNs.
fn queues(cx: Context<'_>) -> Result<Vec<&str>> {
    let deployment = cx.deployment();
    let triggers = cx.resource()?.settings().triggers();
    triggers.map(|queue| deployment.name(deployment.subject(queue)?, Scope::Queue)).collect()
}

/// Creates the mappings that the stack names and deletes all others. One that somebody turned off is created anew.
pub(super) async fn triggers(cx: Context<'_>) -> Result<()> {
    let name = cx.name(Scope::Function)?;
    let mut missing = queues(cx)?;
    for mapping in mappings(cx).await? {
        let wanted = missing.iter().position(|queue| mapping.is_on && *queue == mapping.queue);
        match wanted {
            Some(position) => drop(missing.remove(position)),
            None => remove(cx, &mapping).await?,
        }
    }
    for queue in missing {
        // While an old mapping of the same queue is being deleted, a new one cannot be created.
        cx.call(&[op::CREATE_MAPPING], || async {
            let request = cx.clients.lambda().create_event_source_mapping().function_name(name).event_source_arn(queue);
            request.batch_size(BATCH).send().await.map_err(busy)
        })
        .await?;
    }
    Ok(())
}

/// Deletes every mapping.
pub(super) async fn no_triggers(cx: Context<'_>) -> Result<()> {
    for mapping in mappings(cx).await? {
        remove(cx, &mapping).await?;
    }
    Ok(())
}

async fn remove(cx: Context<'_>, mapping: &Mapping) -> Result<()> {
    cx.call(&[op::DELETE_MAPPING], || async {
        cx.clients.lambda().delete_event_source_mapping().uuid(&mapping.id).send().await.map_err(busy)
    })
    .await
    .optional()
    .map(drop)
}

/// The mappings to the function, except those that are being deleted.
async fn mappings(cx: Context<'_>) -> Result<Vec<Mapping>> {
    let name = cx.name(Scope::Function)?;
    let mut found = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = cx
            .call(&[op::LIST_MAPPINGS], || async {
                let request = cx.clients.lambda().list_event_source_mappings().function_name(name);
                request.set_marker(marker.clone()).send().await.map_err(failure)
            })
            .await
            .optional()?;
        let Some(page) = page else { return Ok(found) };
        let there = page.event_source_mappings().iter().filter(|found| found.state() != Some("Deleting"));
        found.extend(there.filter_map(|found| {
            // <https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html>
            let is_on = !matches!(found.state(), Some("Disabled" | "Disabling"));
            Some(Mapping { id: found.uuid()?.to_owned(), queue: found.event_source_arn()?.to_owned(), is_on })
        }));
        marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(found);
        }
    }
}
