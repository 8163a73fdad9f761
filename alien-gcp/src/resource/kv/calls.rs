//! The calls for a database and for the topic that holds its labels. The topic is created first and deleted last, so a
//! database without it is never ours.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use alien_core::adapter::{Foreign, Marks, Observed, Operate, Reconcile, Removal, ResultExt, State};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Kv, Result};
use async_trait::async_trait;
use google_cloud_firestore_admin_v1::model::database::{ConcurrencyMode, DatabaseType, DeleteProtectionState};
use google_cloud_firestore_admin_v1::model::field::TtlConfig;
use google_cloud_firestore_admin_v1::model::{CreateDatabaseRequest, Database, Field};
use google_cloud_pubsub::model::Topic;
use google_cloud_wkt::FieldMask;

use super::COLLECTION;
use crate::Gcp;
use crate::client::{Clients, Context, failed, labels, refused_by_operation};
use crate::identity::calls::is_managed;
use crate::naming::{Paths, relative};
use crate::operations as op;
use crate::operations::Scope;

/// How long an operation on a database may take.
const PATIENCE: Duration = Duration::from_secs(300);

async fn database(cx: Context<'_>) -> Result<Database> {
    let name = cx.full_name(Scope::Database)?;
    cx.call(&[op::GET_DATABASE], || async {
        cx.clients.firestore().await?.get_database().set_name(name).send().await.map_err(failed::firestore(cx.clients))
    })
    .await
}

async fn marker(cx: Context<'_>) -> Result<Topic> {
    let name = relative(cx.full_name(Scope::Marker)?);
    cx.call(&[op::GET_MARKER], || async {
        cx.clients.topics().await?.get_topic().set_topic(name).send().await.map_err(failed::topics(cx.clients))
    })
    .await
}

#[async_trait]
impl Reconcile<Gcp, Clients> for Kv {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let found = database(cx).await.optional()?;
        let Some(marker) = marker(cx).await.optional()? else {
            let lost = "the topic that would mark it as a deployment's does not exist".to_owned();
            return Ok(match found {
                None => Observed::Absent,
                // Without the topic there is no fingerprint: the database is set again.
                Some(_) if !cx.is_vendors() && is_managed(cx, cx.full_name(Scope::Database)?).await? => {
                    let id = cx.full_name(Scope::Id)?.to_owned();
                    Observed::Own { id, state: State::Matches, drift: Some(lost) }
                }
                Some(_) => Observed::Foreign(Foreign::unmarked(cx.full_name(Scope::Id)?).because(lost)),
            });
        };
        let observed =
            Observed::marked(cx.full_name(Scope::Id)?, cx.deployment().owner(), labels::marks(&marker.labels));
        Ok(match (found, observed, self.time_to_live()) {
            // The database was about to be created or was just deleted: the topic is what remains, and shows that it is
            // ours.
            (None, Observed::Own { id, drift, .. }, _) => Observed::Own { id, state: State::Unfinished, drift },
            (_, observed @ Observed::Own { state: State::Finished(_), .. }, Some(attribute)) => {
                let drift = format!("documents do not expire by `{attribute}`");
                observed.drifted((!expires(cx, attribute).await?).then_some(drift))
            }
            (_, observed, _) => observed,
        })
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let marked = mark(cx, marks, cx.name(Scope::Database)?).await?;
        make(cx, marked).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        if marker(cx).await.optional()?.is_none() {
            mark(cx, marks, cx.name(Scope::Database)?).await?;
        }
        if database(cx).await.optional()?.is_none() {
            make(cx, false).await?;
        }
        if let Some(attribute) = self.time_to_live().filter(|_| cx.holds(op::PATCH_DATABASE_FIELD)) {
            expire(cx, attribute).await?;
        }
        let (name, database) = (relative(cx.full_name(Scope::Marker)?), cx.name(Scope::Database)?);
        cx.call(&[op::PATCH_MARKER, op::GET_MARKER], || async move {
            let found = cx
                .clients
                .topics()
                .await?
                .get_topic()
                .set_topic(name)
                .send()
                .await
                .map_err(failed::topics(cx.clients))?;
            let topic = Topic::new().set_name(name).set_labels(labels::with(found.labels, marks.all(database)));
            let call = cx.clients.topics().await?.update_topic().set_topic(topic);
            call.set_update_mask(FieldMask::default().set_paths(["labels"]))
                .send()
                .await
                .map_err(failed::topics(cx.clients))
        })
        .await
        .map(drop)
    }

    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        let found = database(cx).await.optional()?;
        if data != Data::Delete && found.is_some() {
            // Reading it is the only way to see whether it is empty.
            return Ok(Removal::HoldsData("it may hold data".to_owned()));
        }
        // <https://docs.cloud.google.com/firestore/native/docs/manage-databases#delete-protection>
        if found.is_some_and(|found| found.delete_protection_state == DeleteProtectionState::DeleteProtectionEnabled) {
            let why = "somebody protected it from deletion: switch its delete protection off first";
            return Ok(Removal::HoldsData(why.to_owned()));
        }
        let name = cx.full_name(Scope::Database)?;
        let started = cx.call(&[op::DELETE_DATABASE], || async {
            cx.clients
                .firestore()
                .await?
                .delete_database()
                .set_name(name)
                .send()
                .await
                .map_err(failed::firestore(cx.clients))
        });
        if let Some(operation) = started.await.optional()? {
            finished(cx, operation.name).await?;
        }
        unmark(cx).await?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Gcp, Clients> for Kv {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        database(cx).await?;
        Ok(Heartbeat::new(Health::Healthy, "it is there"))
    }
}

/// Creates the database. If somebody else created one of this name in the meantime, a topic that is `new` is deleted
/// again.
async fn make(cx: Context<'_>, new: bool) -> Result<()> {
    let made = Database::new()
        .set_location_id(cx.target().location.as_str())
        .set_type(DatabaseType::FirestoreNative)
        .set_concurrency_mode(ConcurrencyMode::Pessimistic);
    let request = CreateDatabaseRequest::new()
        .set_parent(Paths(cx.target()).parent())
        .set_database_id(cx.name(Scope::Database)?)
        .set_database(made);
    let attempts = AtomicU32::new(0);
    let started = cx.call(&[op::CREATE_DATABASE], || async {
        attempts.fetch_add(1, Ordering::Relaxed);
        cx.clients
            .firestore()
            .await?
            .create_database()
            .with_request(request.clone())
            .send()
            .await
            .map_err(failed::firestore(cx.clients))
    });
    match started.await {
        Ok(operation) => finished(cx, operation.name).await?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists && new && attempts.load(Ordering::Relaxed) == 1 => {
            unmark(cx).await?;
            return Err(error);
        }
        // An earlier attempt of ours created it, and its answer was lost.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let name = cx.full_name(Scope::Database)?;
    cx.call(&[op::GET_DATABASE], || async {
        let found = cx.clients.firestore().await?.get_database().set_name(name).send().await;
        found.map_err(failed::firestore(cx.clients)).propagating()
    })
    .await
    .map(drop)
}

/// Creates the topic with the marks of ownership. Returns whether it did not exist.
async fn mark(cx: Context<'_>, marks: &Marks, name: &str) -> Result<bool> {
    let topic = Topic::new().set_name(relative(cx.full_name(Scope::Marker)?)).set_labels(marks.ownership(name));
    let made = cx.call(&[op::CREATE_TOPIC], || async {
        cx.clients
            .topics()
            .await?
            .create_topic()
            .with_request(topic.clone())
            .send()
            .await
            .map_err(failed::topics(cx.clients))
    });
    match made.await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = match marker(cx).await {
                // An earlier run of the vendor made it, and the vendor may look at it when the admin has set up again.
                Err(error) if error.kind() == ErrorKind::Denied && cx.is_vendors() => return Ok(false),
                found => found?,
            };
            match Observed::marked("", cx.deployment().owner(), labels::marks(&found.labels)).refused(marks) {
                Some(whose) => {
                    let what = format!("the topic `{}` already exists, and {whose}", found.name);
                    Err(Error::new(ErrorKind::NotOwned, what))
                }
                None => Ok(false),
            }
        }
        Err(error) => Err(error),
    }
}

async fn unmark(cx: Context<'_>) -> Result<()> {
    let name = relative(cx.full_name(Scope::Marker)?);
    let gone = cx.call(&[op::DELETE_MARKER], || async {
        cx.clients.topics().await?.delete_topic().set_topic(name).send().await.map_err(failed::topics(cx.clients))
    });
    gone.await.optional().map(drop)
}

/// Waits until an operation on the database has finished.
async fn finished(cx: Context<'_>, name: String) -> Result<()> {
    let name = &name;
    cx.until(PATIENCE, || async move {
        let found = cx.call(&[op::GET_DATABASE_OPERATION], || async {
            cx.clients
                .firestore()
                .await?
                .get_operation()
                .set_name(name)
                .send()
                .await
                .map_err(failed::firestore(cx.clients))
        });
        let found = found.await?;
        if !found.done {
            return Ok(ControlFlow::Continue("the operation on the database has not finished".to_owned()));
        }
        match found.error() {
            Some(status) => Err(refused_by_operation(status.code, &status.message)),
            None => Ok(ControlFlow::Break(())),
        }
    })
    .await
}

/// The field by which documents expire, as calls name it.
fn expiring(cx: Context<'_>, attribute: &str) -> Result<String> {
    Ok(format!("{}/collectionGroups/{COLLECTION}/fields/{attribute}", cx.full_name(Scope::Database)?))
}

/// Whether documents expire by this field.
async fn expires(cx: Context<'_>, attribute: &str) -> Result<bool> {
    let name = &expiring(cx, attribute)?;
    let found = cx.call(&[op::GET_DATABASE_FIELD], || async {
        cx.clients.firestore().await?.get_field().set_name(name).send().await.map_err(failed::firestore(cx.clients))
    });
    Ok(found.await.optional()?.is_some_and(|field| field.ttl_config.is_some()))
}

/// Lets documents expire by this field, in the collection group for documents that expire
/// (<https://docs.cloud.google.com/firestore/native/docs/ttl>). A field of an earlier release stays: removing its
/// expiry would keep documents that should expire.
async fn expire(cx: Context<'_>, attribute: &str) -> Result<()> {
    if expires(cx, attribute).await? {
        return Ok(());
    }
    let field = Field::new().set_name(expiring(cx, attribute)?).set_ttl_config(TtlConfig::new());
    let started = cx.call(&[op::PATCH_DATABASE_FIELD], || async {
        let call = cx.clients.firestore().await?.update_field().set_field(field.clone());
        call.set_update_mask(FieldMask::default().set_paths(["ttl_config"]))
            .send()
            .await
            .map_err(failed::firestore(cx.clients))
    });
    // Applying it to existing documents may take hours, so this does not wait for it.
    started.await.map(drop)
}
