//! The calls for the Service Bus namespace, which all queues of a deployment share.

use std::time::Duration;

use alien_core::Result;
use alien_core::adapter::{Marks, Observed, Removal, ResultExt, last};
use serde::Deserialize;
use serde_json::json;

use crate::client::Context;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::naming::Ids;
use crate::operations as op;

/// How long the creation or deletion of a namespace may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A namespace. <https://learn.microsoft.com/rest/api/servicebus/controlplane-stable/namespaces/get>
#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    tags: Option<Tags>,
    properties: Says,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Says {
    provisioning_state: String,
    disable_local_auth: bool,
    minimum_tls_version: Option<String>,
}

impl Found {
    /// How the namespace is more open than it should be; `None` if it is not.
    fn open(&self) -> Option<&'static str> {
        let says = &self.properties;
        if !says.disable_local_auth {
            Some("its keys are on")
        } else if says.minimum_tls_version.as_deref().is_some_and(|least| least < LEAST_TLS) {
            Some("it can be used with an old version of TLS")
        } else {
            None
        }
    }
}

/// The oldest version of TLS that a namespace takes
/// (<https://learn.microsoft.com/azure/service-bus-messaging/transport-layer-security-enforce-minimum-version>).
const LEAST_TLS: &str = "1.2";

impl State for Found {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }
}

/// A queue in a list.
#[derive(Deserialize)]
struct Listed {
    name: String,
}

fn id(cx: Context<'_>) -> String {
    super::namespace(Ids(cx.target()))
}

async fn look(cx: Context<'_>) -> Result<Found> {
    let id = id(cx);
    cx.call(&[op::READ_NAMESPACE], || async { cx.clients.get(&id).await }).await
}

pub(crate) async fn observe(cx: Context<'_>) -> Result<Observed> {
    let found = look(cx).await.optional()?.filter(|found| !settle::is_going(found));
    let Some(found) = found else { return Ok(Observed::Absent) };
    let drift = found.open().map(str::to_owned);
    Ok(tags::observed(cx.deployment(), id(cx), found.tags.as_ref()).drifted(drift))
}

/// Creates the namespace, unless it exists and is as it should be. Its keys are off, so roles alone decide who may use
/// a queue. Returns whether it was created.
pub(crate) async fn make(cx: Context<'_>, marks: &Marks) -> Result<bool> {
    let id = id(cx);
    if let Some(found) = look(cx).await.optional()? {
        tags::usable(cx.deployment(), &id, found.tags.as_ref(), marks)?;
        if !settle::is_going(&found) {
            let found = settle::made(cx, PATIENCE, || look(cx)).await?;
            if found.open().is_some() {
                let closed = json!({ "properties": { "disableLocalAuth": true, "minimumTlsVersion": LEAST_TLS } });
                cx.call(&[op::CLOSE_NAMESPACE], || async { cx.clients.patch(&id, &closed).await }).await?;
                settle::made(cx, PATIENCE, || look(cx)).await?;
            }
            return Ok(false);
        }
        cx.until_gone(PATIENCE, || look(cx)).await?;
    }
    let body = json!({
        "location": cx.target().location,
        "tags": tags::unfinished(Tags::new(), marks, last(&id)),
        "sku": { "name": "Standard", "tier": "Standard" },
        "properties": { "disableLocalAuth": true, "minimumTlsVersion": LEAST_TLS },
    });
    cx.call(&[op::PUT_NAMESPACE], || async { cx.clients.put(&id, &body).await }).await?;
    settle::made(cx, PATIENCE, || look(cx)).await?;
    Ok(true)
}

pub(crate) async fn finish(cx: Context<'_>, marks: &Marks) -> Result<()> {
    tags::finish(cx, &id(cx), marks).await
}

/// Lists the names of the queues in the namespace, owned by this deployment or not. Empty if the namespace does not
/// exist.
pub(crate) async fn standing(cx: Context<'_>) -> Result<Vec<String>> {
    let queues = [&id(cx), "/queues"].concat();
    let listed = cx.call(&[op::LIST_QUEUES], || async { cx.clients.list::<Listed>(&queues, &[]).await });
    Ok(listed.await.optional()?.unwrap_or_default().into_iter().map(|queue| queue.name).collect())
}

/// Deletes the namespace, unless there are queues in it, which would be deleted with it.
pub(crate) async fn delete(cx: Context<'_>) -> Result<Removal> {
    let id = id(cx);
    let Some(found) = look(cx).await.optional()? else { return Ok(Removal::Gone) };
    if tags::own(cx.deployment(), &id, found.tags.as_ref()).is_err() {
        return Ok(Removal::Gone);
    }
    let standing = standing(cx).await?;
    if !standing.is_empty() {
        return Ok(Removal::HoldsData(format!("there are queues in its namespace: {}", standing.join(", "))));
    }
    cx.call(&[op::DELETE_NAMESPACE], || async { cx.clients.delete(&id, &[]).await }).await.optional()?;
    cx.until_gone(PATIENCE, || look(cx)).await?;
    Ok(Removal::Gone)
}
