//! The calls for a bucket.

use alien_core::adapter::{Foreign, Marks, Observed, Operate, Reconcile, Removal, ResultExt};
use alien_core::{Data, ErrorKind, Health, Heartbeat, Result, Storage};
use async_trait::async_trait;
use google_cloud_gax::error::rpc::Code;
use google_cloud_storage::model::bucket::iam_config::UniformBucketLevelAccess;
use google_cloud_storage::model::bucket::lifecycle::Rule;
use google_cloud_storage::model::bucket::lifecycle::rule::{Action, Condition};
use google_cloud_storage::model::bucket::{IamConfig, Lifecycle, SoftDeletePolicy, Versioning};
use google_cloud_storage::model::{Bucket, CreateBucketRequest};
use google_cloud_wkt::{Duration, FieldMask};
use jiff::Timestamp;

use crate::Gcp;
use crate::client::{Clients, Context, failed, labels};
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
        cx.clients.storage().await?.get_bucket().set_name(name).send().await.map_err(failed::storage(cx.clients))
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
            return Ok(Observed::Foreign(Foreign::of(format!("it is in `{}`", found.project))));
        }
        let observed =
            Observed::marked(cx.full_name(Scope::Bucket)?, cx.deployment().owner(), labels::marks(&found.labels));
        Ok(observed.drifted(differs(self, &found).map(str::to_owned)))
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
            cx.clients
                .storage()
                .await?
                .create_bucket()
                .with_request(request.clone())
                .send()
                .await
                .map_err(failed::storage(cx.clients))
        })
        .await
        .map(drop)
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        if !cx.is_vendors() {
            admit(cx).await?;
        } else if !cx.holds(op::PATCH_BUCKET) {
            return Ok(());
        }
        let (name, resource) = (path(cx)?, cx.name(Scope::Bucket)?);
        let bucket = &Bucket::new()
            .set_name(name)
            .set_iam_config(closed())
            .set_versioning(versioning(self))
            .set_lifecycle(expiry(self));
        let mask = &FieldMask::default().set_paths(["labels", "iam_config", "versioning", "lifecycle"]);
        // If somebody else wrote between our read and our write, both are repeated: no label of theirs is lost.
        cx.call(&[op::PATCH_BUCKET, op::GET_BUCKET], || async move {
            let found = cx
                .clients
                .storage()
                .await?
                .get_bucket()
                .set_name(name)
                .send()
                .await
                .map_err(failed::storage(cx.clients))?;
            let bucket = bucket.clone().set_labels(labels::with(found.labels, marks.all(resource)));
            let call = cx.clients.storage().await?.update_bucket().set_bucket(bucket).set_update_mask(mask.clone());
            call.set_if_metageneration_match(found.metageneration).send().await.map_err(failed::storage(cx.clients))
        })
        .await
        .map(drop)
    }

    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        // The vendor has no permission on data, so it deletes an empty bucket alone.
        if data != Data::Delete || cx.is_vendors() {
            if delete_if_empty(cx).await? {
                return Ok(Removal::Gone);
            }
            if !cx.is_vendors() {
                dismiss(cx).await?;
            }
            return Ok(Removal::HoldsData("it holds objects".to_owned()));
        }
        keep_nothing(cx).await?;
        empty(cx).await?;
        let kept = kept_until(cx).await?;
        if !delete_if_empty(cx).await? {
            return Ok(Removal::HoldsData("something still writes to it: stop that first".to_owned()));
        }
        Ok(match kept {
            None => Removal::Gone,
            Some(until) => {
                let what = "it is deleted, but Cloud Storage keeps objects that were deleted before";
                Removal::Pending(format!("{what}, until {until}: it deletes them then, and nobody can do it earlier"))
            }
        })
    }
}

#[async_trait]
impl Operate<Gcp, Clients> for Storage {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        look(cx).await?;
        Ok(Heartbeat::new(Health::Healthy, "it is there"))
    }
}

/// How a bucket differs from what the stack says of it. Rules of its lifecycle that the customer added are not compared.
fn differs(storage: &Storage, found: &Bucket) -> Option<&'static str> {
    let config = found.iam_config.clone().unwrap_or_default();
    let expires = |rule: &Rule, due: &Rule| {
        let of = |rule: &Rule| {
            let condition = rule.condition.clone().unwrap_or_default();
            (rule.action.clone().unwrap_or_default().r#type, condition.age_days, condition.is_live)
        };
        of(rule) == of(due)
    };
    let rules = found.lifecycle.as_ref().map(|lifecycle| lifecycle.rule.as_slice()).unwrap_or_default();
    if config.public_access_prevention != ENFORCED {
        Some("public access is not prevented")
    } else if !config.uniform_bucket_level_access.is_some_and(|uniform| uniform.enabled) {
        Some("access is not by IAM alone")
    } else if found.versioning.as_ref().is_some_and(|versioning| versioning.enabled) != storage.is_versioned() {
        Some(if storage.is_versioned() { "it keeps no versions" } else { "it keeps versions" })
    } else if !expiry(storage).rule.iter().all(|due| rules.iter().any(|rule| expires(rule, due))) {
        Some("its objects do not expire")
    } else {
        None
    }
}

/// Public access is prevented. <https://docs.cloud.google.com/storage/docs/public-access-prevention>
const ENFORCED: &str = "enforced";

/// Closed from its creation on: access by IAM alone, and public access prevented
/// (<https://docs.cloud.google.com/storage/docs/public-access-prevention>).
fn closed() -> IamConfig {
    let uniform = UniformBucketLevelAccess::new().set_enabled(true);
    IamConfig::new().set_uniform_bucket_level_access(uniform).set_public_access_prevention(ENFORCED)
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
                _ => Err(failed::storage(cx.clients)(error)),
            },
        }
    });
    Ok(deleted.await.optional()?.unwrap_or(true))
}

/// Makes deletions final. By default Cloud Storage keeps what is deleted for a week, and the bucket with it
/// (<https://docs.cloud.google.com/storage/docs/soft-delete>).
async fn keep_nothing(cx: Context<'_>) -> Result<()> {
    let kept = |policy: SoftDeletePolicy| policy.retention_duration.is_some_and(|kept| kept != Duration::default());
    if !look(cx).await?.soft_delete_policy.is_some_and(kept) {
        return Ok(());
    }
    let policy = SoftDeletePolicy::new().set_retention_duration(Duration::default());
    let bucket = &Bucket::new().set_name(path(cx)?).set_soft_delete_policy(policy);
    cx.call(&[op::PATCH_BUCKET], || async move {
        let mask = FieldMask::default().set_paths(["soft_delete_policy"]);
        let call = cx.clients.storage().await?.update_bucket().set_bucket(bucket.clone()).set_update_mask(mask);
        call.send().await.map_err(failed::storage(cx.clients))
    })
    .await
    .map(drop)
}

/// Until when Cloud Storage keeps objects that were deleted before: another policy does not change that
/// (<https://docs.cloud.google.com/storage/docs/disable-soft-delete>). `None` if there are none.
async fn kept_until(cx: Context<'_>) -> Result<Option<Timestamp>> {
    let name = path(cx)?;
    let (mut last, mut page) = (None, String::new());
    loop {
        let token = &page;
        let listed = cx.call(&[op::LIST_OBJECTS], || async move {
            let call = cx.clients.storage().await?.list_objects().set_parent(name).set_soft_deleted(true);
            call.set_page_token(token).send().await.map_err(failed::storage(cx.clients))
        });
        let listed = listed.await?;
        let times = listed.objects.iter().filter_map(|object| object.hard_delete_time);
        let times = times.filter_map(|time| Timestamp::from_second(time.seconds()).ok());
        last = times.chain(last).max();
        if listed.next_page_token.is_empty() {
            return Ok(last);
        }
        page = listed.next_page_token;
    }
}

/// Deletes all objects with all their versions, a page at a time.
async fn empty(cx: Context<'_>) -> Result<()> {
    let name = path(cx)?;
    loop {
        let listed = cx.call(&[op::LIST_OBJECTS], || async {
            cx.clients
                .storage()
                .await?
                .list_objects()
                .set_parent(name)
                .set_versions(true)
                .send()
                .await
                .map_err(failed::storage(cx.clients))
        });
        let objects = listed.await?.objects;
        if objects.is_empty() {
            return Ok(());
        }
        for object in objects {
            let deleted = cx.call(&[op::DELETE_OBJECT], || async {
                let call = cx.clients.storage().await?.delete_object().set_bucket(name).set_object(&object.name);
                // A version that is named is deleted for good.
                call.set_generation(object.generation).send().await.map_err(failed::storage(cx.clients))
            });
            deleted.await.optional()?;
        }
    }
}
