//! The calls for a storage account and its container.

use std::time::Duration;

use alien_core::adapter::{Marks, Observed, Operate, Operation, Reconcile, Removal, ResultExt, State as SetUp};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Result, Storage};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Azure;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::client::{Clients, Context};
use crate::identity::calls::{admit, dismiss};
use crate::operations as op;
use crate::operations::Scope;

/// How long the creation or deletion of an account may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A storage account. <https://learn.microsoft.com/rest/api/storagerp/storage-accounts/get-properties>
#[derive(Deserialize)]
pub(crate) struct Account {
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    properties: Says,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Says {
    provisioning_state: String,
    allow_shared_key_access: Option<bool>,
    allow_blob_public_access: Option<bool>,
    allow_cross_tenant_replication: Option<bool>,
    supports_https_traffic_only: Option<bool>,
    minimum_tls_version: Option<String>,
}

impl State for Account {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }
}

impl Account {
    /// How the account is more open than it should be; `None` if it is not.
    fn open(&self) -> Option<&'static str> {
        let says = &self.properties;
        [
            (says.allow_shared_key_access != Some(false), "its keys are on"),
            (says.allow_blob_public_access != Some(false), "it can be opened to the public"),
            (says.allow_cross_tenant_replication != Some(false), "it can be replicated to others"),
            (says.supports_https_traffic_only == Some(false), "it can be used without TLS"),
            (
                says.minimum_tls_version.as_deref().is_some_and(|least| least < "TLS1_2"),
                "it can be used with an old version of TLS",
            ),
        ]
        .into_iter()
        .find_map(|(is, what)| is.then_some(what))
    }
}

pub(crate) async fn look_at_account(cx: Context<'_>) -> Result<Account> {
    let id = cx.full_name(Scope::Account)?;
    cx.call(&[op::GET_ACCOUNT], || async { cx.clients.get(id).await }).await
}

async fn look(cx: Context<'_>) -> Result<Value> {
    let id = cx.full_name(Scope::Container)?;
    cx.call(&[op::GET_CONTAINER], || async { cx.clients.get(id).await }).await
}

/// Combines an account and the container or table in it: without that, the account is not finished.
pub(crate) fn observed(cx: Context<'_>, account: &Account, id: &str, thing: Option<&Value>) -> Observed {
    let found = tags::observed(cx.deployment(), id, account.tags.as_ref()).drifted(account.open().map(str::to_owned));
    match (found, thing) {
        (Observed::Own { id, drift, .. }, None) => Observed::Own { id, state: SetUp::Unfinished, drift },
        (found, _) => found,
    }
}

#[async_trait]
impl Reconcile<Azure, Clients> for Storage {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let account = look_at_account(cx).await.optional()?.filter(|account| !settle::is_going(account));
        let Some(account) = account else { return Ok(Observed::Absent) };
        let container = look(cx).await.optional()?;
        let observed = observed(cx, &account, cx.full_name(Scope::Container)?, container.as_ref());
        match observed {
            Observed::Own { state: SetUp::Finished(_), drift: None, .. } => {
                let is_public = container.as_ref().and_then(|found| found.pointer("/properties/publicAccess"));
                match is_public.and_then(Value::as_str) {
                    None | Some("" | "None") => Ok(observed.drifted(drift(cx, self).await?)),
                    Some(_) => Ok(observed.drifted(Some("its container is open to the public".to_owned()))),
                }
            }
            other => Ok(other),
        }
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        create_account(cx, marks).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        // Only the admin sets it.
        if cx.is_vendors() {
            return Ok(());
        }
        close(cx).await?;
        let service = cx.full_name(Scope::BlobService)?;
        let body = json!({ "properties": { "isVersioningEnabled": self.is_versioned() } });
        cx.call(&[op::PUT_BLOB_SERVICE], || async { cx.clients.put(service, &body).await }).await?;
        let container = cx.full_name(Scope::Container)?;
        let body = json!({ "properties": { "publicAccess": "None" } });
        cx.call(&[op::PUT_CONTAINER], || async { cx.clients.put(container, &body).await }).await?;
        expire(cx, self).await?;
        admit(cx).await?;
        tags::finish(cx, cx.full_name(Scope::Account)?, marks).await
    }

    /// Keeps the container unless its data may be deleted: reading blob names is the only way to see whether it is
    /// empty. Old versions and deleted blobs that are kept for a while go with the account, unless a legal hold or a
    /// policy protects them.
    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        if data != Data::Delete {
            return keep(cx).await;
        }
        let container = cx.full_name(Scope::Container)?;
        let gone = cx.call(&[op::DELETE_CONTAINER], || async { cx.clients.delete(container, &[]).await });
        if let Err(error) = gone.await.optional() {
            return refused(cx, error).await;
        }
        // The account is the admin's.
        if cx.is_vendors() {
            return Ok(Removal::Gone);
        }
        delete_account(cx, op::LIST_CONTAINERS, "/blobServices/default/containers").await
    }
}

#[async_trait]
impl Operate<Azure, Clients> for Storage {
    /// The URL of the container. It contains no credentials.
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        let (account, container) = (cx.name(Scope::Account)?, cx.name(Scope::Container)?);
        Ok(format!("https://{account}.blob.core.windows.net/{container}"))
    }

    /// Calls `GET storageAccounts` and `GET blobServices/containers`.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let account = look_at_account(cx).await?;
        look(cx).await?;
        Ok(health(&account))
    }
}

/// How versioning and expiry differ from the stack.
async fn drift(cx: Context<'_>, storage: &Storage) -> Result<Option<String>> {
    let id = cx.full_name(Scope::BlobService)?;
    let service: Value = cx.call(&[op::GET_BLOB_SERVICE], || async { cx.clients.get(id).await }).await?;
    let versioned = service.pointer("/properties/isVersioningEnabled").and_then(Value::as_bool).unwrap_or_default();
    if versioned != storage.is_versioned() {
        return Ok(Some("its versioning was changed".to_owned()));
    }
    let id = cx.full_name(Scope::LifecycleRules)?;
    let rules = cx.call(&[op::GET_LIFECYCLE], || async { cx.clients.get::<Value>(id).await }).await.optional()?;
    let rules = rules.as_ref().and_then(|rules| rules.pointer("/properties/policy/rules")).and_then(Value::as_array);
    let found: Vec<_> = rules.into_iter().flatten().map(says).collect();
    let due = storage.expiry_days().map(|days| rule(cx, days)).transpose()?;
    let due: Vec<_> = due.iter().map(says).collect();
    Ok((found != due).then(|| "the expiry of its blobs was changed".to_owned()))
}

/// What of a rule for expiry is ours to set: whether it holds, for which blobs, and after how many days.
fn says(rule: &Value) -> (bool, Option<&Value>, Option<f64>) {
    let days = rule.pointer("/definition/actions/baseBlob/delete/daysAfterModificationGreaterThan");
    let enabled = rule.get("enabled").and_then(Value::as_bool).unwrap_or(true);
    (enabled, rule.pointer("/definition/filters/prefixMatch"), days.and_then(Value::as_f64))
}

fn rule(cx: Context<'_>, days: u32) -> Result<Value> {
    Ok(json!({
        "name": "expire",
        "enabled": true,
        "type": "Lifecycle",
        "definition": {
            "filters": { "blobTypes": ["blockBlob"], "prefixMatch": [format!("{}/", cx.name(Scope::Container)?)] },
            "actions": { "baseBlob": { "delete": { "daysAfterModificationGreaterThan": days } } },
        },
    }))
}

/// The settings of a closed account: no keys, no public access, TLS only
/// (<https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent>).
fn closed() -> Value {
    json!({
        "allowSharedKeyAccess": false,
        "allowBlobPublicAccess": false,
        "allowCrossTenantReplication": false,
        "defaultToOAuthAuthentication": true,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": true,
    })
}

/// Creates the account for a storage or a kv, closed from its creation on. It uses locally redundant storage, which
/// every region has.
pub(crate) async fn create_account(cx: Context<'_>, marks: &Marks) -> Result<()> {
    settle::clear(cx, PATIENCE, || look_at_account(cx)).await?;
    let id = cx.full_name(Scope::Account)?;
    let body = json!({
        "location": cx.target().location,
        "tags": tags::unfinished(Tags::new(), marks, cx.name(Scope::Account)?),
        "kind": "StorageV2",
        "sku": { "name": "Standard_LRS" },
        "properties": closed(),
    });
    cx.call(&[op::PUT_ACCOUNT], || async { cx.clients.put(id, &body).await }).await?;
    settle::made(cx, PATIENCE, || look_at_account(cx)).await.map(drop)
}

/// Closes the account if it is open. Other settings that the customer chose stay.
pub(crate) async fn close(cx: Context<'_>) -> Result<()> {
    let found = settle::idle(cx, PATIENCE, || look_at_account(cx)).await?;
    if found.open().is_none() {
        return Ok(());
    }
    let id = cx.full_name(Scope::Account)?;
    let body = json!({ "properties": closed() });
    cx.call(&[op::CLOSE_ACCOUNT], || async { cx.clients.patch(id, &body).await }).await?;
    settle::made(cx, PATIENCE, || look_at_account(cx)).await.map(drop)
}

/// Sets or removes the expiry of blobs. Old versions of replaced and expired blobs are kept: the stack asks for them.
/// <https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure>
async fn expire(cx: Context<'_>, storage: &Storage) -> Result<()> {
    let id = cx.full_name(Scope::LifecycleRules)?;
    let Some(days) = storage.expiry_days() else {
        let gone = cx.call(&[op::DELETE_LIFECYCLE], || async { cx.clients.delete(id, &[]).await });
        return gone.await.optional().map(drop);
    };
    let body = json!({ "properties": { "policy": { "rules": [rule(cx, days)?] } } });
    cx.call(&[op::PUT_LIFECYCLE], || async { cx.clients.put(id, &body).await }).await.map(drop)
}

/// Keeps what may hold data, and removes the role assignments of the deployment's identities there.
pub(crate) async fn keep(cx: Context<'_>) -> Result<Removal> {
    dismiss(cx).await?;
    Ok(Removal::HoldsData("it may hold data, which this run may not read".to_owned()))
}

/// Keeps what Azure refuses to delete, with Azure's reason: a legal hold, a policy of immutability, a lock
/// (<https://learn.microsoft.com/azure/storage/blobs/immutable-storage-overview>).
pub(crate) async fn refused(cx: Context<'_>, error: Error) -> Result<Removal> {
    if error.kind() != ErrorKind::Rejected {
        return Err(error);
    }
    // A lock may hold the assignments there too. They end with their identities.
    let dismissed = if cx.is_vendors() { Ok(()) } else { dismiss(cx).await };
    match dismissed {
        Err(error) if error.kind() != ErrorKind::Rejected => Err(error),
        _ => Ok(Removal::HoldsData(format!("Azure does not delete it: {}", error.message()))),
    }
}

/// A container or a table in a list.
#[derive(Deserialize)]
struct Listed {
    name: String,
}

/// Deletes the account, unless others put something into it: containers or tables, as `row` lists them.
pub(crate) async fn delete_account(
    cx: Context<'_>,
    row: &'static Operation<Scope>,
    listed: &'static str,
) -> Result<Removal> {
    let id = cx.full_name(Scope::Account)?;
    let all = [id, listed].concat();
    let standing = cx.call(&[row], || async { cx.clients.list::<Listed>(&all, &[]).await }).await.optional()?;
    let standing: Vec<String> = standing.into_iter().flatten().map(|listed| format!("`{}`", listed.name)).collect();
    if !standing.is_empty() {
        dismiss(cx).await?;
        return Ok(Removal::HoldsData(format!("there is something of others in its account: {}", standing.join(", "))));
    }
    let gone = cx.call(&[op::DELETE_ACCOUNT], || async { cx.clients.delete(id, &[]).await });
    if let Err(error) = gone.await.optional() {
        return refused(cx, error).await;
    }
    cx.until_gone(PATIENCE, || look_at_account(cx)).await?;
    Ok(Removal::Gone)
}

/// The health of an account and of the container or table in it.
pub(crate) fn health(account: &Account) -> Heartbeat {
    match account.open() {
        Some(open) => Heartbeat::new(Health::Degraded, open),
        None => Heartbeat::new(Health::Healthy, "it is there"),
    }
}
