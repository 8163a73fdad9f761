//! The calls for a table in its own storage account.

use alien_core::adapter::{Marks, Observed, Operate, Reconcile, Removal, ResultExt};
use alien_core::{Data, Heartbeat, Kv, Result};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::storage::calls as storage;
use crate::Azure;
use crate::client::{Clients, Context};
use crate::client::{settle, tags};
use crate::identity::calls::admit;
use crate::operations as op;
use crate::operations::Scope;

async fn look(cx: Context<'_>) -> Result<Value> {
    let id = cx.full_name(Scope::Table)?;
    cx.call(&[op::GET_TABLE], || async { cx.clients.get(id).await }).await
}

#[async_trait]
impl Reconcile<Azure, Clients> for Kv {
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        storage::create_account(cx, marks).await
    }

    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let account = storage::look_at_account(cx).await.optional()?.filter(|account| !settle::is_going(account));
        let Some(account) = account else { return Ok(Observed::Absent) };
        let table = look(cx).await.optional()?;
        Ok(storage::observed(cx, &account, cx.full_name(Scope::Table)?, table.as_ref()))
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        // Only the admin sets it.
        if cx.is_vendors() {
            return Ok(());
        }
        storage::close(cx).await?;
        let id = cx.full_name(Scope::Table)?;
        cx.call(&[op::PUT_TABLE], || async { cx.clients.put(id, &json!({})).await }).await?;
        admit(cx).await?;
        tags::finish(cx, cx.full_name(Scope::Account)?, marks).await
    }

    /// Keeps the table unless its data may be deleted: reading it is the only way to see whether it is empty.
    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        if data != Data::Delete {
            return storage::keep(cx).await;
        }
        let id = cx.full_name(Scope::Table)?;
        let gone = cx.call(&[op::DELETE_TABLE], || async { cx.clients.delete(id, &[]).await });
        if let Err(error) = gone.await.optional() {
            return storage::refused(cx, error).await;
        }
        // The account is the admin's.
        if cx.is_vendors() {
            return Ok(Removal::Gone);
        }
        storage::delete_account(cx, op::LIST_TABLES, "/tableServices/default/tables").await
    }
}

#[async_trait]
impl Operate<Azure, Clients> for Kv {
    /// The URL of the table. It contains no credentials.
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        let (account, table) = (cx.name(Scope::Account)?, cx.name(Scope::Table)?);
        Ok(format!("https://{account}.table.core.windows.net/{table}"))
    }

    /// Calls `GET storageAccounts` and `GET tableServices/tables`.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let account = storage::look_at_account(cx).await?;
        look(cx).await?;
        Ok(storage::health(&account))
    }
}
