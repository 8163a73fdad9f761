//! The calls of a table, in a storage account of its own.

use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::Heartbeat;
use alien_core::{OptionalExt, Result};
use serde_json::{Value, json};

use super::super::storage::calls as storage;
use crate::client::Context;
use crate::client::{settle, tags};
use crate::identity::calls::admit;
use crate::operations as op;
use crate::operations::Scope;

pub(crate) use storage::create;

async fn look(cx: Context<'_>) -> Result<Value> {
    let id = cx.full_name(Scope::Table)?;
    cx.call(&[op::GET_TABLE], || async { cx.clients.get(id).await }).await
}

pub(crate) async fn observe(cx: Context<'_>) -> Result<Observed> {
    let account = storage::look_at_account(cx).await.optional()?.filter(|account| !settle::is_going(account));
    let Some(account) = account else { return Ok(Observed::Absent) };
    let table = look(cx).await.optional()?;
    Ok(storage::observed(cx, &account, cx.full_name(Scope::Table)?, table.as_ref()))
}

pub(crate) async fn configure(cx: Context<'_>, marks: &Marks) -> Result<()> {
    storage::close(cx).await?;
    let id = cx.full_name(Scope::Table)?;
    cx.call(&[op::PUT_TABLE], || async { cx.clients.put(id, &json!({})).await }).await?;
    admit(cx).await?;
    tags::set_seal(cx, cx.full_name(Scope::Account)?, marks).await
}

/// Nobody can tell that a table is empty without reading it: what is not to be deleted is kept.
pub(crate) async fn delete(cx: Context<'_>, data: Data) -> Result<Removal> {
    if data != Data::Delete {
        return storage::keep(cx).await;
    }
    let id = cx.full_name(Scope::Table)?;
    cx.call(&[op::DELETE_TABLE], || async { cx.clients.delete(id, &[]).await }).await.optional()?;
    storage::delete_account(cx).await
}

/// `GET storageAccounts` and `GET tableServices/tables`.
pub(crate) async fn heartbeat(cx: Context<'_>) -> Result<Heartbeat> {
    let account = storage::look_at_account(cx).await?;
    look(cx).await?;
    Ok(storage::health(&account))
}
