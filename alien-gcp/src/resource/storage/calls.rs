//! The calls for a bucket.

use alien_core::adapter::{Marks, Observed, Operate, Reconcile, Removal, ResultExt};
use alien_core::{Data, ErrorKind, Health, Heartbeat, Result, Storage};
use async_trait::async_trait;
use google_cloud_gax::error::rpc::Code;
use google_cloud_storage::model::bucket::iam_config::UniformBucketLevelAccess;
use google_cloud_storage::model::bucket::lifecycle::Rule;
use google_cloud_storage::model::bucket::lifecycle::rule::{Action, Condition};
use google_cloud_storage::model::bucket::{IamConfig, Lifecycle, Versioning};
use google_cloud_storage::model::{Bucket, CreateBucketRequest};
use google_cloud_wkt::FieldMask;

use crate::Gcp;
use crate::client::{Clients, Context, failure, labels};
use crate::identity::bindings::{admit, dismiss};
use crate::naming::{Paths, relative};
use crate::operations as op;
use crate::operations::Scope;

/// `projects/_/buckets/` followed by the bucket's name.
fn path<'a>(cx: Context<'a>) -> Result<&'a str> {
    cx.full_name(Scope::Bucket).map(relative)
}

async fn look(cx: Context<'_>) -> Result<Bucket> {
    let name = path(cx)?;
    cx.call(&[op::GET_BUCKET], || async {
        cx.clients.storage().await?.get_bucket().set_name(name).send().await.map_err(failure)
    })
    .await
    .map_err(|error| match error.kind() {
        // All of Google Cloud shares the names of buckets.
        ErrorKind::Denied => error.because("or another project owns a bucket of this name"),
        _ => error,
    })
}

#[async_trait]
impl Reconcile<Gcp, Clients> for Storage {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(found) = look(cx).await.optional()? else { return Ok(Observed::Absent) };
        let target = cx.target();
        let projects = [target.project_number.as_str(), target.project.as_str()].map(|id| format!("projects/{id}"));
        if !projects.contains(&found.project) {
            return Ok(Observed::Foreign(format!("it is in `{}`", found.project)));
        }
        Ok(Observed::marked(cx.full_name(Scope::Bucket)?, cx.deployment().id, labels::marks(&found.labels)))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Bucket)?;
        let project = Paths(cx.target()).parent();
        let bucket = Bucket::new()
            .set_project(&project)
            .set_location(cx.target().location.to_string().to_uppercase())
            .set_labels(marks.ownership(name))
            .set_iam_config(closed())
            .set_versioning(versioning(self))
            .set_lifecycle(expiry(self));
        let request = CreateBucketRequest::new().set_parent("projects/_").set_bucket_id(name).set_bucket(bucket);
        cx.call(&[op::CREATE_BUCKET], || async {
            cx.clients.storage().await?.create_bucket().with_request(request.clone()).send().await.map_err(failure)
        })
        .await
        .map(drop)
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        admit(cx).await?;
        let (name, resource) = (path(cx)?, cx.name(Scope::Bucket)?);
        let bucket = &Bucket::new()
            .set_name(name)
            .set_iam_config(closed())
            .set_versioning(versioning(self))
            .set_lifecycle(expiry(self));
        let mask = &FieldMask::default().set_paths(["labels", "iam_config", "versioning", "lifecycle"]);
        // If somebody else wrote between our read and our write, both are repeated: no label of theirs is lost.
        cx.call(&[op::PATCH_BUCKET, op::GET_BUCKET], || async move {
            let found = cx.clients.storage().await?.get_bucket().set_name(name).send().await.map_err(failure)?;
            let ours = marks.ownership(resource).into_iter().chain(marks.finished());
            let bucket = bucket.clone().set_labels(labels::with(found.labels, ours));
            let call = cx.clients.storage().await?.update_bucket().set_bucket(bucket).set_update_mask(mask.clone());
            call.set_if_metageneration_match(found.metageneration).send().await.map_err(failure)
        })
        .await
        .map(drop)
    }

    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        if delete_if_empty(cx).await? {
            return Ok(Removal::Gone);
        }
        if data != Data::Delete {
            dismiss(cx).await?;
            return Ok(Removal::HoldsData("it holds objects".to_owned()));
        }
        if look(cx).await?.versioning.is_some_and(|versioning| versioning.enabled) {
            let why =
                "it keeps versions, which only its owner may delete: delete its objects and all their versions first";
            return Ok(Removal::HoldsData(why.to_owned()));
        }
        empty(cx).await?;
        if delete_if_empty(cx).await? {
            return Ok(Removal::Gone);
        }
        Ok(Removal::HoldsData("something still writes to it: stop that first".to_owned()))
    }
}

#[async_trait]
impl Operate<Gcp, Clients> for Storage {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        look(cx).await?;
        Ok(Heartbeat::new(Health::Healthy, "it is there"))
    }
}

/// Closed from its creation on: access by IAM alone, and public access prevented
/// (<https://docs.cloud.google.com/storage/docs/public-access-prevention>).
fn closed() -> IamConfig {
    let uniform = UniformBucketLevelAccess::new().set_enabled(true);
    IamConfig::new().set_uniform_bucket_level_access(uniform).set_public_access_prevention("enforced")
}

fn versioning(storage: &Storage) -> Versioning {
    Versioning::new().set_enabled(storage.is_versioned())
}

/// Sets or removes the expiry of objects. Old versions of replaced and expired objects are kept: the stack asks for
/// them.
fn expiry(storage: &Storage) -> Lifecycle {
    let rule = storage.expiry_days().map(|days| {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let condition = Condition::new().set_age_days(days).set_is_live(true);
        Rule::new().set_action(Action::new().set_type("Delete")).set_condition(condition)
    });
    Lifecycle::new().set_rule(rule)
}

/// Deletes the bucket if it is empty. Cloud Storage itself checks that, so no permission to list objects is needed. A
/// conflict with another write says nothing about that: the deletion is tried again.
async fn delete_if_empty(cx: Context<'_>) -> Result<bool> {
    let name = path(cx)?;
    let deleted = cx.call(&[op::DELETE_BUCKET], || async {
        match cx.clients.storage().await?.delete_bucket().set_name(name).send().await {
            Ok(()) => Ok(true),
            Err(error) => match error.status().map(|status| status.code) {
                Some(Code::FailedPrecondition) => Ok(false),
                _ => Err(failure(error)),
            },
        }
    });
    Ok(deleted.await.optional()?.unwrap_or(true))
}

/// Deletes all objects, a page at a time.
async fn empty(cx: Context<'_>) -> Result<()> {
    let name = path(cx)?;
    loop {
        let listed = cx.call(&[op::LIST_OBJECTS], || async {
            cx.clients.storage().await?.list_objects().set_parent(name).send().await.map_err(failure)
        });
        let objects = listed.await?.objects;
        if objects.is_empty() {
            return Ok(());
        }
        for object in objects {
            let deleted = cx.call(&[op::DELETE_OBJECT], || async {
                let call = cx.clients.storage().await?.delete_object().set_bucket(name).set_object(&object.name);
                call.send().await.map_err(failure)
            });
            deleted.await.optional()?;
        }
    }
}
