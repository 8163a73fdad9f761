//! Who may start a function: anyone over its URL, and the queues that trigger it.

use alien_core::OrAbsent;
use alien_core::resource::Resource;
use alien_core::{Error, ErrorKind, Function, Result};
use aws_sdk_lambda::types::FunctionUrlAuthType;

use crate::client::{At, busy, failure};
use crate::operations as op;
use crate::operations::Place;

/// Messages that one call of the function is given at most.
const BATCH: i32 = 10;

/// The two statements of its policy that open a URL to everyone
/// (<https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>).
const STATEMENTS: [(&str, &str); 2] =
    [("alien-public-url", "lambda:InvokeFunctionUrl"), ("alien-public-call", "lambda:InvokeFunction")];

/// Opens or closes its public URL, as the stack says.
pub(super) async fn url(at: At<'_>, function: &Function) -> Result<()> {
    if !function.is_public() {
        return no_url(at).await;
    }
    let name = at.name(Place::Function)?;
    let anyone = || FunctionUrlAuthType::None;
    match look(at).await? {
        Some(FunctionUrlAuthType::None) => {}
        Some(_) => {
            at.call(&[op::UPDATE_FUNCTION_URL], || async {
                let request = at.clients.lambda.update_function_url_config().function_name(name).auth_type(anyone());
                request.send().await.map_err(busy)
            })
            .await?;
        }
        None => {
            let made = at
                .call(&[op::CREATE_FUNCTION_URL], || async {
                    let request =
                        at.clients.lambda.create_function_url_config().function_name(name).auth_type(anyone());
                    request.send().await.map_err(failure).map_err(conflict)
                })
                .await;
            is_there(made)?;
        }
    }
    for (statement, action) in STATEMENTS {
        let request = at.clients.lambda.add_permission().function_name(name).statement_id(statement).action(action);
        let request = request.principal("*");
        let request = match action {
            "lambda:InvokeFunctionUrl" => request.function_url_auth_type(anyone()),
            _ => request.invoked_via_function_url(true),
        };
        let added = at
            .call(&[op::ADD_FUNCTION_PERMISSION], || async {
                request.clone().send().await.map_err(failure).map_err(conflict)
            })
            .await;
        is_there(added)?;
    }
    Ok(())
}

/// Closes its URL: first to everyone, then altogether, so that an interrupted removal is found again.
pub(super) async fn no_url(at: At<'_>) -> Result<()> {
    let name = at.name(Place::Function)?;
    if look(at).await?.is_none() {
        return Ok(());
    }
    for (statement, _) in STATEMENTS {
        at.call(&[op::REMOVE_FUNCTION_PERMISSION], || async {
            let request = at.clients.lambda.remove_permission().function_name(name).statement_id(statement);
            request.send().await.map_err(busy)
        })
        .await
        .or_absent()?;
    }
    at.call(&[op::DELETE_FUNCTION_URL], || async {
        at.clients.lambda.delete_function_url_config().function_name(name).send().await.map_err(busy)
    })
    .await
    .or_absent()
    .map(drop)
}

/// How callers of its URL prove themselves; nothing where it has no URL.
async fn look(at: At<'_>) -> Result<Option<FunctionUrlAuthType>> {
    let name = at.name(Place::Function)?;
    let found = at
        .call(&[op::GET_FUNCTION_URL], || async {
            at.clients.lambda.get_function_url_config().function_name(name).send().await.map_err(failure)
        })
        .await
        .or_absent()?;
    Ok(found.map(|found| found.auth_type))
}

/// Lambda has one code for what is there already and for what is being changed at the moment.
fn conflict(error: Error) -> Error {
    let there = error.kind() != ErrorKind::Exists || error.message().contains("exist");
    if there { error } else { error.with_kind(ErrorKind::Busy) }
}

fn is_there<T>(made: Result<T>) -> Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::Exists => Ok(()),
        made => made.map(drop),
    }
}

/// A mapping from a queue to the function.
struct Mapping {
    id: String,
    queue: String,
}

/// Makes the mappings that the stack names and removes all others.
pub(super) async fn triggers(at: At<'_>, resource: &Resource) -> Result<()> {
    let site = at.site();
    let name = at.name(Place::Function)?;
    let wanted: Vec<&str> = resource
        .settings()
        .triggers()
        .map(|queue| site.name(site.subject(queue)?, Place::Queue))
        .collect::<Result<_>>()?;
    let mut missing = wanted.clone();
    for mapping in mappings(at).await? {
        missing.retain(|queue| *queue != mapping.queue);
        if !wanted.contains(&mapping.queue.as_str()) {
            remove(at, &mapping).await?;
        }
    }
    for queue in missing {
        // A mapping of the same queue that is being deleted is in the way for a while.
        at.call(&[op::CREATE_MAPPING], || async {
            let request = at.clients.lambda.create_event_source_mapping().function_name(name).event_source_arn(queue);
            request.batch_size(BATCH).send().await.map_err(busy)
        })
        .await?;
    }
    Ok(())
}

/// Removes every mapping.
pub(super) async fn no_triggers(at: At<'_>) -> Result<()> {
    for mapping in mappings(at).await? {
        remove(at, &mapping).await?;
    }
    Ok(())
}

async fn remove(at: At<'_>, mapping: &Mapping) -> Result<()> {
    at.call(&[op::DELETE_MAPPING], || async {
        at.clients.lambda.delete_event_source_mapping().uuid(&mapping.id).send().await.map_err(busy)
    })
    .await
    .or_absent()
    .map(drop)
}

/// The mappings to the function, without those that are being deleted.
async fn mappings(at: At<'_>) -> Result<Vec<Mapping>> {
    let name = at.name(Place::Function)?;
    let mut found = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = at
            .call(&[op::LIST_MAPPINGS], || async {
                let request = at.clients.lambda.list_event_source_mappings().function_name(name);
                request.set_marker(marker.clone()).send().await.map_err(failure)
            })
            .await
            .or_absent()?;
        let Some(page) = page else { return Ok(found) };
        found.extend(page.event_source_mappings().iter().filter(|found| found.state() != Some("Deleting")).filter_map(
            |found| Some(Mapping { id: found.uuid()?.to_owned(), queue: found.event_source_arn()?.to_owned() }),
        ));
        marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(found);
        }
    }
}
