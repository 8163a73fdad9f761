//! The calls of the Service Bus namespace, which all queues of a deployment stand in.

use std::time::Duration;

use alien_core::call::last;
use alien_core::engine::{Marks, Observed, Removal};
use alien_core::{OrAbsent, Result};
use serde::Deserialize;
use serde_json::json;

use crate::client::At;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::naming::Ids;
use crate::operations as op;

/// How long a namespace may take to be made or removed.
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
}

impl State for Found {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }
}

/// A queue, as it is listed.
#[derive(Deserialize)]
struct Listed {
    name: String,
}

fn id(at: At<'_>) -> String {
    super::namespace(Ids(&at.site().target))
}

async fn look(at: At<'_>) -> Result<Found> {
    let id = id(at);
    at.call(&[op::READ_NAMESPACE], || async { at.clients.get(&id).await }).await
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let found = look(at).await.or_absent()?.filter(|found| !settle::is_going(found));
    let Some(found) = found else { return Ok(Observed::Absent) };
    let drift = (!found.properties.disable_local_auth).then(|| "its keys are on".to_owned());
    Ok(tags::observed(at.site(), id(at), found.tags.as_ref().unwrap_or(&Tags::new())).drifted(drift))
}

/// Keys are off: who may use a queue is for roles to say. Makes it, unless it is there and as it should be.
pub(crate) async fn make(at: At<'_>, marks: &Marks) -> Result<bool> {
    let id = id(at);
    if let Some(found) = look(at).await.or_absent()? {
        tags::own(at.site(), &id, found.tags.as_ref().unwrap_or(&Tags::new()))?;
        if !settle::is_going(&found) {
            let found = settle::made(at, PATIENCE, || look(at)).await?;
            if !found.properties.disable_local_auth {
                let closed = json!({ "properties": { "disableLocalAuth": true } });
                at.call(&[op::CLOSE_NAMESPACE], || async { at.clients.patch(&id, &closed).await }).await?;
                settle::made(at, PATIENCE, || look(at)).await?;
            }
            return Ok(false);
        }
        at.until_gone(PATIENCE, || look(at)).await?;
    }
    let body = json!({
        "location": at.site().target.location,
        "tags": tags::unsealed(Tags::new(), marks, last(&id)),
        "sku": { "name": "Standard", "tier": "Standard" },
        "properties": { "disableLocalAuth": true, "minimumTlsVersion": "1.2" },
    });
    at.call(&[op::PUT_NAMESPACE], || async { at.clients.put(&id, &body).await }).await?;
    settle::made(at, PATIENCE, || look(at)).await?;
    Ok(true)
}

pub(crate) async fn seal(at: At<'_>, marks: &Marks) -> Result<()> {
    tags::set_seal(at, &id(at), marks).await
}

/// The queues that stand in it, whosever they are; none where it is not there.
pub(crate) async fn standing(at: At<'_>) -> Result<Vec<String>> {
    let queues = [&id(at), "/queues"].concat();
    let listed = at.call(&[op::LIST_QUEUES], || async { at.clients.list::<Listed>(&queues, &[]).await });
    Ok(listed.await.or_absent()?.unwrap_or_default().into_iter().map(|queue| queue.name).collect())
}

/// Removes it, unless queues stand in it: with it they would go, and what they hold.
pub(crate) async fn delete(at: At<'_>) -> Result<Removal> {
    let id = id(at);
    let Some(found) = look(at).await.or_absent()? else { return Ok(Removal::Gone) };
    if tags::own(at.site(), &id, found.tags.as_ref().unwrap_or(&Tags::new())).is_err() {
        return Ok(Removal::Gone);
    }
    let standing = standing(at).await?;
    if !standing.is_empty() {
        return Ok(Removal::Kept(format!("queues stand in its namespace: {}", standing.join(", "))));
    }
    at.call(&[op::DELETE_NAMESPACE], || async { at.clients.delete(&id, &[]).await }).await.or_absent()?;
    at.until_gone(PATIENCE, || look(at)).await
}
