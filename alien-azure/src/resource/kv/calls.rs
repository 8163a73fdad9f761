//! The calls of a table, in a storage account of its own.

use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::Heartbeat;
use alien_core::{OrAbsent, Result};
use serde_json::{Value, json};

use super::super::storage::calls as storage;
use crate::client::At;
use crate::client::{settle, tags};
use crate::identity::calls::admit;
use crate::operations as op;
use crate::operations::Place;

pub(crate) use storage::create;

async fn look(at: At<'_>) -> Result<Value> {
    let id = at.full_name(Place::Table)?;
    at.call(&[op::GET_TABLE], || async { at.clients.get(id).await }).await
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let account = storage::look_at_account(at).await.or_absent()?.filter(|account| !settle::is_going(account));
    let Some(account) = account else { return Ok(Observed::Absent) };
    let table = look(at).await.or_absent()?;
    Ok(storage::observed(at, &account, at.full_name(Place::Table)?, table.as_ref()))
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    storage::close(at).await?;
    let id = at.full_name(Place::Table)?;
    at.call(&[op::PUT_TABLE], || async { at.clients.put(id, &json!({})).await }).await?;
    admit(at).await?;
    tags::set_seal(at, at.full_name(Place::Account)?, marks).await
}

/// Nobody can tell that a table is empty without reading it: what is not to be deleted is kept.
pub(crate) async fn delete(at: At<'_>, data: Data) -> Result<Removal> {
    if data != Data::Delete {
        return storage::keep(at).await;
    }
    let id = at.full_name(Place::Table)?;
    at.call(&[op::DELETE_TABLE], || async { at.clients.delete(id, &[]).await }).await.or_absent()?;
    storage::delete_account(at).await
}

/// `GET storageAccounts` and `GET tableServices/tables`.
pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    let account = storage::look_at_account(at).await?;
    look(at).await?;
    Ok(storage::health(&account))
}
