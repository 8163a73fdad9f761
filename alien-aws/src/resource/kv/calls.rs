//! The calls for a table.

use alien_core::adapter::{Marks, Observed, Operate, Reconcile, Removal, ResultExt, State, field_drift};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Kv, Result};
use async_trait::async_trait;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    PointInTimeRecoveryStatus, ScalarAttributeType, TableStatus, Tag, TimeToLiveSpecification, TimeToLiveStatus,
};

use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::operations as op;
use crate::operations::Scope;

/// The name of the one key of every table.
const KEY: &str = "key";

#[async_trait]
impl Reconcile<Aws, Clients> for Kv {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        // The name is free only after a deletion has finished.
        if leaving(cx).await.optional()?.is_none() {
            return Ok(Observed::Absent);
        }
        let arn = cx.full_name(Scope::Table)?;
        let mut tags: Vec<Tag> = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = cx.call(&[op::LIST_TABLE_TAGS], || async {
                let call = cx.clients.dynamodb().list_tags_of_resource().resource_arn(arn).set_next_token(next.clone());
                call.send().await.map_err(failure)
            });
            let Some(page) = page.await.optional()? else { return Ok(Observed::Absent) };
            tags.extend(page.tags.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let tags = tags.iter().map(|tag| (tag.key(), tag.value()));
        let observed = Observed::marked(arn, cx.deployment().owner(), tags);
        // Only the admin may read the settings.
        let (Observed::Own { state: State::Finished(_), .. }, false) = (&observed, cx.is_vendors()) else {
            return Ok(observed);
        };
        let name = cx.name(Scope::Table)?;
        let mut fields = Vec::new();
        if !has_backups(cx, name).await? {
            fields.push("PointInTimeRecovery");
        }
        if expiry(cx, name).await?.as_deref() != self.time_to_live() {
            fields.push("TimeToLive");
        }
        Ok(observed.drifted(field_drift(&fields)))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Table)?;
        let tags = tags(marks.ownership(name))?;
        let key =
            KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash).build().map_err(incomplete)?;
        let attribute =
            AttributeDefinition::builder().attribute_name(KEY).attribute_type(ScalarAttributeType::S).build();
        let attribute = attribute.map_err(incomplete)?;
        let created = cx.call(&[op::CREATE_TABLE, op::TAG_TABLE], || async {
            let call = cx.clients.dynamodb().create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
            let call =
                call.key_schema(key.clone()).attribute_definitions(attribute.clone()).set_tags(Some(tags.clone()));
            call.send().await.map_err(failure)
        });
        created.await.map(drop)
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Table)?;
        let arn = cx.full_name(Scope::Table)?;
        cx.call(&[op::DESCRIBE_TABLE], || async {
            match status(cx).await {
                Ok(TableStatus::Active) => Ok(()),
                Ok(_) => Err(Error::new(ErrorKind::Busy, "it is not active yet")),
                // The table was just created or found, so DynamoDB is still propagating it.
                Err(error) if error.kind() == ErrorKind::NotFound => Err(error.with_kind(ErrorKind::Propagating)),
                Err(error) => Err(error),
            }
        })
        .await?;
        if !cx.is_vendors() {
            keep_backups(cx, name).await?;
        }
        if cx.holds(op::UPDATE_TIME_TO_LIVE) {
            expire(cx, self, name).await?;
        }
        let tags = tags(marks.all(name))?;
        let finished = cx.call(&[op::TAG_TABLE], || async {
            let call = cx.clients.dynamodb().tag_resource().resource_arn(arn).set_tags(Some(tags.clone()));
            call.send().await.map_err(failure)
        });
        finished.await.map(drop)
    }

    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        if data != Data::Delete {
            let why = "nobody can tell whether it is empty without reading its data";
            return Ok(Removal::HoldsData(why.to_owned()));
        }
        let name = cx.name(Scope::Table)?;
        let deleted = cx.call(&[op::DELETE_TABLE], || async {
            let deleted = cx.clients.dynamodb().delete_table().table_name(name).send().await.map_err(failure);
            // The table is in use: it is being created, changed or deleted.
            deleted.map(drop).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => error.with_kind(ErrorKind::Busy),
                _ => error,
            })
        });
        deleted.await.optional()?;
        leaving(cx).await.optional()?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Aws, Clients> for Kv {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let status = cx.call(&[op::DESCRIBE_TABLE], || status(cx)).await?;
        let health = match status {
            TableStatus::Active | TableStatus::Updating => Health::Healthy,
            _ => Health::Degraded,
        };
        Ok(Heartbeat::new(health, status.as_str()))
    }
}

/// The status of the table.
async fn status(cx: Context<'_>) -> Result<TableStatus> {
    let name = cx.name(Scope::Table)?;
    let found = cx.clients.dynamodb().describe_table().table_name(name).send().await.map_err(failure)?;
    found.table.and_then(|table| table.table_status).ok_or_else(|| Error::missing_field("status of the table"))
}

/// Waits until a deletion in progress has finished. A table that is being deleted counts as busy, and the call is
/// repeated.
async fn leaving(cx: Context<'_>) -> Result<()> {
    cx.call(&[op::DESCRIBE_TABLE], || async {
        match status(cx).await? {
            TableStatus::Deleting => Err(Error::new(ErrorKind::Busy, "it is being deleted")),
            _ => Ok(()),
        }
    })
    .await
}

fn tags(tags: impl IntoIterator<Item = (&'static str, String)>) -> Result<Vec<Tag>> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(incomplete)).collect()
}

fn incomplete(error: BuildError) -> Error {
    Error::new(ErrorKind::Internal, error.to_string())
}

/// How long a table can be restored to, in days, unless somebody says otherwise
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoverySpecification.html>).
const DAYS: i32 = 35;

/// Whether there are backups from which every second of the last days can be restored.
async fn has_backups(cx: Context<'_>, name: &str) -> Result<bool> {
    let found = cx.call(&[op::DESCRIBE_CONTINUOUS_BACKUPS], || async {
        cx.clients.dynamodb().describe_continuous_backups().table_name(name).send().await.map_err(failure)
    });
    let found = found.await?.continuous_backups_description;
    let recovery = found.and_then(|found| found.point_in_time_recovery_description);
    Ok(recovery.is_some_and(|recovery| {
        recovery.point_in_time_recovery_status == Some(PointInTimeRecoveryStatus::Enabled)
            && recovery.recovery_period_in_days.is_none_or(|days| days == DAYS)
    }))
}

/// The attribute by which items expire; `None` if they do not.
async fn expiry(cx: Context<'_>, name: &str) -> Result<Option<String>> {
    let found = cx.call(&[op::DESCRIBE_TIME_TO_LIVE], || async {
        cx.clients.dynamodb().describe_time_to_live().table_name(name).send().await.map_err(failure)
    });
    let found = found.await?.time_to_live_description.filter(|found| {
        matches!(found.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    });
    Ok(found.and_then(|found| found.attribute_name))
}

/// Keeps backups from which every second of the last 35 days can be restored
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery.html>).
async fn keep_backups(cx: Context<'_>, name: &str) -> Result<()> {
    let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
    let recovery = recovery.map_err(incomplete)?;
    let done = cx.call(&[op::UPDATE_CONTINUOUS_BACKUPS], || async {
        let call = cx.clients.dynamodb().update_continuous_backups().table_name(name);
        call.point_in_time_recovery_specification(recovery.clone()).send().await.map_err(failure)
    });
    done.await.map(drop)
}

/// Sets the attribute by which items expire. Changing it takes two runs: the old attribute must be disabled first, and
/// DynamoDB then accepts no other for up to an hour
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html>).
async fn expire(cx: Context<'_>, kv: &Kv, name: &str) -> Result<()> {
    let found = expiry(cx, name).await?;
    let has = found.as_deref();
    let wanted = kv.time_to_live();
    if has == wanted {
        return Ok(());
    }
    if let Some(given_up) = has {
        set_expiry(cx, name, given_up, false).await?;
    }
    let Some(wanted) = wanted else { return Ok(()) };
    set_expiry(cx, name, wanted, true).await.map_err(|error| match error.kind() {
        ErrorKind::Rejected => {
            error.because("DynamoDB accepts no other expiry attribute for up to an hour: set up again after that")
        }
        _ => error,
    })
}

async fn set_expiry(cx: Context<'_>, name: &str, attribute: &str, enabled: bool) -> Result<()> {
    let setting = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled).build();
    let setting = setting.map_err(incomplete)?;
    let done = cx.call(&[op::UPDATE_TIME_TO_LIVE], || async {
        let call = cx.clients.dynamodb().update_time_to_live().table_name(name);
        call.time_to_live_specification(setting.clone()).send().await.map_err(failure)
    });
    done.await.map(drop)
}
