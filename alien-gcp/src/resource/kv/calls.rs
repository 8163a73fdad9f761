//! The calls of a database, and of the topic that carries its labels: the topic is made first and removed last, so that a
//! database without it is never ours.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use alien_core::engine::mark::{ownership, seal};
use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Health, Heartbeat};
use alien_core::resource::Settings;
use alien_core::{Error, ErrorKind, Kv, OrAbsent, Result};
use google_cloud_firestore_admin_v1::model::database::{ConcurrencyMode, DatabaseType};
use google_cloud_firestore_admin_v1::model::field::TtlConfig;
use google_cloud_firestore_admin_v1::model::{CreateDatabaseRequest, Database, Field};
use google_cloud_pubsub::model::Topic;
use google_cloud_wkt::FieldMask;

use super::COLLECTION;
use crate::client::{At, failure, just_made, labels, refused_by_operation};
use crate::naming::{Paths, relative};
use crate::operations as op;
use crate::operations::Place;

/// How long a database may take to be made, changed or removed.
const PATIENCE: Duration = Duration::from_secs(300);

fn settings<'a>(at: At<'a>) -> Result<&'a Kv> {
    match at.resource()?.settings() {
        Settings::Kv(kv) => Ok(kv),
        _ => Err(Error::new(ErrorKind::Defect, "no kv")),
    }
}

async fn database(at: At<'_>) -> Result<Database> {
    let name = at.full_name(Place::Database)?;
    at.call(&[op::GET_DATABASE], || async {
        at.clients.firestore.get_database().set_name(name).send().await.map_err(failure)
    })
    .await
}

async fn marker(at: At<'_>) -> Result<Topic> {
    let name = relative(at.full_name(Place::Marker)?);
    at.call(&[op::GET_MARKER], || async { at.clients.topics.get_topic().set_topic(name).send().await.map_err(failure) })
        .await
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let found = database(at).await.or_absent()?;
    let Some(marker) = marker(at).await.or_absent()? else {
        let foreign = || Observed::Foreign("the topic that would mark it as a deployment's is not there".to_owned());
        return Ok(found.map_or(Observed::Absent, |_| foreign()));
    };
    Ok(match (found, labels::observed(at.site(), at.full_name(Place::Id)?, &marker.labels)) {
        // It was about to be made, or is all but removed: what is left to do is found by its mark.
        (None, Observed::Own { id, drift, .. }) => Observed::Own { id, seal: None, drift },
        (_, observed) => observed,
    })
}

pub(crate) async fn create(at: At<'_>, marks: &Marks) -> Result<()> {
    let marked = mark(at, marks, at.name(Place::Database)?).await?;
    make(at, marked).await
}

/// Makes the database. A mark that was `new` is taken back where someone else's was made between the look and this.
async fn make(at: At<'_>, new: bool) -> Result<()> {
    let made = Database::new()
        .set_location_id(at.site().target.location.as_str())
        .set_type(DatabaseType::FirestoreNative)
        .set_concurrency_mode(ConcurrencyMode::Pessimistic);
    let request = CreateDatabaseRequest::new()
        .set_parent(Paths(&at.site().target).parent())
        .set_database_id(at.name(Place::Database)?)
        .set_database(made);
    let attempts = AtomicU32::new(0);
    let started = at.call(&[op::CREATE_DATABASE], || async {
        attempts.fetch_add(1, Ordering::Relaxed);
        at.clients.firestore.create_database().with_request(request.clone()).send().await.map_err(failure)
    });
    match started.await {
        Ok(operation) => finished(at, operation.name).await?,
        Err(error) if error.kind() == ErrorKind::Exists && new && attempts.load(Ordering::Relaxed) == 1 => {
            unmark(at).await?;
            return Err(error);
        }
        // An earlier attempt of ours made it, and its answer was lost.
        Err(error) if error.kind() == ErrorKind::Exists => {}
        Err(error) => return Err(error),
    }
    let name = at.full_name(Place::Database)?;
    at.call(&[op::GET_DATABASE], || async {
        let found = at.clients.firestore.get_database().set_name(name).send().await;
        found.map_err(failure).map_err(just_made)
    })
    .await
    .map(drop)
}

/// Makes the topic with the marks of ownership. Gives whether it was not there.
async fn mark(at: At<'_>, marks: &Marks, name: &str) -> Result<bool> {
    let topic = Topic::new().set_name(relative(at.full_name(Place::Marker)?)).set_labels(ownership(marks, name));
    let made = at.call(&[op::CREATE_TOPIC], || async {
        at.clients.topics.create_topic().with_request(topic.clone()).send().await.map_err(failure)
    });
    match made.await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Exists => {
            let found = marker(at).await?;
            match labels::observed(at.site(), "", &found.labels) {
                Observed::Foreign(whose) => {
                    let what = format!("the topic `{}` is there, and {whose}", found.name);
                    Err(Error::new(ErrorKind::Foreign, what))
                }
                _ => Ok(false),
            }
        }
        Err(error) => Err(error),
    }
}

async fn unmark(at: At<'_>) -> Result<()> {
    let name = relative(at.full_name(Place::Marker)?);
    let gone = at.call(&[op::DELETE_MARKER], || async {
        at.clients.topics.delete_topic().set_topic(name).send().await.map_err(failure)
    });
    gone.await.or_absent().map(drop)
}

/// Waits for an operation on the database.
async fn finished(at: At<'_>, name: String) -> Result<()> {
    let name = &name;
    at.until(PATIENCE, || async move {
        let found = at.call(&[op::GET_DATABASE_OPERATION], || async {
            at.clients.firestore.get_operation().set_name(name).send().await.map_err(failure)
        });
        let found = found.await?;
        if !found.done {
            return Ok(ControlFlow::Continue("the operation on the database has not ended".to_owned()));
        }
        match found.error() {
            Some(status) => Err(refused_by_operation(status.code, &status.message)),
            None => Ok(ControlFlow::Break(())),
        }
    })
    .await
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    if database(at).await.or_absent()?.is_none() {
        make(at, false).await?;
    }
    if let Some(attribute) = settings(at)?.time_to_live_attribute() {
        expire(at, attribute).await?;
    }
    let found = marker(at).await?.labels;
    let labels = labels::with(found, ownership(marks, at.name(Place::Database)?).into_iter().chain(seal(marks)));
    let topic = Topic::new().set_name(relative(at.full_name(Place::Marker)?)).set_labels(labels);
    at.call(&[op::PATCH_MARKER], || async {
        let call = at.clients.topics.update_topic().set_topic(topic.clone());
        call.set_update_mask(FieldMask::default().set_paths(["labels"])).send().await.map_err(failure)
    })
    .await
    .map(drop)
}

/// Documents expire by this field, in the one collection group that code keeps them in
/// (<https://docs.cloud.google.com/firestore/native/docs/ttl>). A field that an earlier release named goes on: to take an
/// expiry back would keep what was to go.
async fn expire(at: At<'_>, attribute: &str) -> Result<()> {
    let name = format!("{}/collectionGroups/{COLLECTION}/fields/{attribute}", at.full_name(Place::Database)?);
    let found = at.call(&[op::GET_DATABASE_FIELD], || async {
        at.clients.firestore.get_field().set_name(&name).send().await.map_err(failure)
    });
    if found.await.or_absent()?.is_some_and(|field| field.ttl_config.is_some()) {
        return Ok(());
    }
    let field = Field::new().set_name(&name).set_ttl_config(TtlConfig::new());
    let started = at.call(&[op::PATCH_DATABASE_FIELD], || async {
        let call = at.clients.firestore.update_field().set_field(field.clone());
        call.set_update_mask(FieldMask::default().set_paths(["ttl_config"])).send().await.map_err(failure)
    });
    // To apply it to documents that are there may take hours, and is not waited for.
    started.await.map(drop)
}

pub(crate) async fn delete(at: At<'_>, data: Data) -> Result<Removal> {
    if data != Data::Delete && database(at).await.or_absent()?.is_some() {
        // To see whether it is empty, one must be able to read it.
        return Ok(Removal::Kept("it may hold data; delete it with --delete-data".to_owned()));
    }
    let name = at.full_name(Place::Database)?;
    let started = at.call(&[op::DELETE_DATABASE], || async {
        at.clients.firestore.delete_database().set_name(name).send().await.map_err(failure)
    });
    if let Some(operation) = started.await.or_absent()? {
        finished(at, operation.name).await?;
    }
    unmark(at).await?;
    Ok(Removal::Gone)
}

pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    database(at).await?;
    Ok(Heartbeat::new(Health::Healthy, "it is there"))
}
