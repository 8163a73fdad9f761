//! The calls of a storage account and its container.

use std::time::Duration;

use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Health, Heartbeat};
use alien_core::resource::Settings;
use alien_core::{Error, ErrorKind, OrAbsent, Result, Storage};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::At;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::identity::calls::{admit, dismiss};
use crate::operations as op;
use crate::operations::Place;

/// How long an account may take to be made or removed.
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
    /// Where it is more open than it should be.
    fn open(&self) -> Option<&'static str> {
        let says = &self.properties;
        [
            (says.allow_shared_key_access != Some(false), "its keys are on"),
            (says.allow_blob_public_access != Some(false), "it can be opened to the public"),
            (says.allow_cross_tenant_replication != Some(false), "it can be replicated to others"),
            (says.supports_https_traffic_only == Some(false), "it can be used without TLS"),
            (says.minimum_tls_version.as_deref().is_some_and(|least| least < "TLS1_2"), "it can be used by an old TLS"),
        ]
        .into_iter()
        .find_map(|(is, what)| is.then_some(what))
    }
}

fn settings<'a>(at: At<'a>) -> Result<&'a Storage> {
    match at.resource()?.settings() {
        Settings::Storage(storage) => Ok(storage),
        _ => Err(Error::new(ErrorKind::Defect, "no storage")),
    }
}

pub(crate) async fn look_at_account(at: At<'_>) -> Result<Account> {
    let id = at.full_name(Place::Account)?;
    at.call(&[op::GET_ACCOUNT], || async { at.clients.get(id).await }).await
}

async fn look(at: At<'_>) -> Result<Value> {
    let id = at.full_name(Place::Container)?;
    at.call(&[op::GET_CONTAINER], || async { at.clients.get(id).await }).await
}

/// What an account and the thing in it tell together: without the thing it is not finished.
pub(crate) fn observed(at: At<'_>, account: &Account, id: &str, thing: Option<&Value>) -> Observed {
    let tags = account.tags.clone().unwrap_or_default();
    let found = tags::observed(at.site(), id, &tags).drifted(account.open().map(str::to_owned));
    match (found, thing) {
        (Observed::Own { id, drift, .. }, None) => Observed::Own { id, seal: None, drift },
        (found, _) => found,
    }
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let Some(account) = look_at_account(at).await.or_absent()? else { return Ok(Observed::Absent) };
    let container = look(at).await.or_absent()?;
    let observed = observed(at, &account, at.full_name(Place::Container)?, container.as_ref());
    match observed {
        Observed::Own { seal: Some(_), drift: None, .. } => Ok(observed.drifted(drift(at).await?)),
        other => Ok(other),
    }
}

/// How versions and expiry are not as they were set.
async fn drift(at: At<'_>) -> Result<Option<String>> {
    let storage = settings(at)?;
    let id = at.full_name(Place::BlobService)?;
    let service: Value = at.call(&[op::GET_BLOB_SERVICE], || async { at.clients.get(id).await }).await?;
    let versioned = service.pointer("/properties/isVersioningEnabled").and_then(Value::as_bool).unwrap_or_default();
    if versioned != storage.is_versioned() {
        return Ok(Some("whether it keeps versions was changed".to_owned()));
    }
    let id = at.full_name(Place::LifecycleRules)?;
    let rules = at.call(&[op::GET_LIFECYCLE], || async { at.clients.get::<Value>(id).await }).await.or_absent()?;
    let rules = rules.as_ref().and_then(|rules| rules.pointer("/properties/policy/rules")).and_then(Value::as_array);
    let expires = |rule: &Value| {
        rule.pointer("/definition/actions/baseBlob/delete/daysAfterModificationGreaterThan").and_then(Value::as_f64)
    };
    let found: Vec<Option<f64>> = rules.into_iter().flatten().map(expires).collect();
    let due: Vec<Option<f64>> = storage.expiry_days().map(|days| Some(f64::from(days))).into_iter().collect();
    Ok((found != due).then(|| "when its blobs expire was changed".to_owned()))
}

/// Closed from the first moment: no keys, nothing public, TLS alone
/// (<https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent>). What it holds is kept three times in
/// one place: what every region has.
pub(crate) async fn put_account(at: At<'_>, tags: &Tags) -> Result<()> {
    let id = at.full_name(Place::Account)?;
    let body = json!({
        "location": at.site().target.location,
        "tags": tags,
        "kind": "StorageV2",
        "sku": { "name": "Standard_LRS" },
        "properties": {
            "accessTier": "Hot",
            "allowSharedKeyAccess": false,
            "allowBlobPublicAccess": false,
            "allowCrossTenantReplication": false,
            "defaultToOAuthAuthentication": true,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": true,
        },
    });
    at.call(&[op::PUT_ACCOUNT], || async { at.clients.put(id, &body).await }).await?;
    settle::made(at, PATIENCE, || look_at_account(at)).await.map(drop)
}

/// Makes the account, for storage or for a table.
pub(crate) async fn create(at: At<'_>, marks: &Marks) -> Result<()> {
    // A PUT replaces: what is there already is for its owner.
    if look_at_account(at).await.or_absent()?.is_some() {
        return Err(Error::new(ErrorKind::Exists, "the storage account is there"));
    }
    put_account(at, &tags::unsealed(Tags::new(), marks, at.name(Place::Account)?)).await
}

/// Closes the account again, where it is open.
pub(crate) async fn close(at: At<'_>, marks: &Marks) -> Result<()> {
    let found = settle::idle(at, PATIENCE, || look_at_account(at)).await?;
    if found.open().is_none() {
        return Ok(());
    }
    put_account(at, &tags::unsealed(found.tags.unwrap_or_default(), marks, at.name(Place::Account)?)).await
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    let storage = settings(at)?;
    close(at, marks).await?;
    let service = at.full_name(Place::BlobService)?;
    let body = json!({ "properties": { "isVersioningEnabled": storage.is_versioned() } });
    at.call(&[op::PUT_BLOB_SERVICE], || async { at.clients.put(service, &body).await }).await?;
    let container = at.full_name(Place::Container)?;
    let body = json!({ "properties": { "publicAccess": "None" } });
    at.call(&[op::PUT_CONTAINER], || async { at.clients.put(container, &body).await }).await?;
    expire(at, storage).await?;
    admit(at).await?;
    tags::set_seal(at, at.full_name(Place::Account)?, marks).await
}

/// Blobs expire, or do not. Versions that replaced and expired blobs leave are kept: the stack asks for them.
/// <https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure>
async fn expire(at: At<'_>, storage: &Storage) -> Result<()> {
    let id = at.full_name(Place::LifecycleRules)?;
    let Some(days) = storage.expiry_days() else {
        let gone = at.call(&[op::DELETE_LIFECYCLE], || async { at.clients.delete(id, &[]).await });
        return gone.await.or_absent().map(drop);
    };
    let prefix = at.name(Place::Container)?;
    let rule = json!({
        "name": "expire",
        "enabled": true,
        "type": "Lifecycle",
        "definition": {
            "filters": { "blobTypes": ["blockBlob"], "prefixMatch": [format!("{prefix}/")] },
            "actions": { "baseBlob": { "delete": { "daysAfterModificationGreaterThan": days } } },
        },
    });
    let body = json!({ "properties": { "policy": { "rules": [rule] } } });
    at.call(&[op::PUT_LIFECYCLE], || async { at.clients.put(id, &body).await }).await.map(drop)
}

/// Nobody can tell that a container is empty without seeing the names in it: what is not to be deleted is kept.
pub(crate) async fn delete(at: At<'_>, data: Data) -> Result<Removal> {
    if data != Data::Delete {
        return keep(at).await;
    }
    let container = at.full_name(Place::Container)?;
    at.call(&[op::DELETE_CONTAINER], || async { at.clients.delete(container, &[]).await }).await.or_absent()?;
    delete_account(at).await
}

/// Keeps what may hold data, and takes from the deployment's identities what they were assigned there.
pub(crate) async fn keep(at: At<'_>) -> Result<Removal> {
    dismiss(at).await?;
    Ok(Removal::Kept("it may hold data, which nobody here may see; delete it with --delete-data".to_owned()))
}

pub(crate) async fn delete_account(at: At<'_>) -> Result<Removal> {
    let id = at.full_name(Place::Account)?;
    at.call(&[op::DELETE_ACCOUNT], || async { at.clients.delete(id, &[]).await }).await.or_absent()?;
    at.until_gone(PATIENCE, || look_at_account(at)).await
}

/// How an account and the thing in it are.
pub(crate) fn health(account: &Account) -> Heartbeat {
    match account.open() {
        Some(open) => Heartbeat::new(Health::Degraded, open),
        None => Heartbeat::new(Health::Healthy, "it is there"),
    }
}

/// GetStorageAccount and GetBlobContainer.
pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    let account = look_at_account(at).await?;
    look(at).await?;
    Ok(health(&account))
}
