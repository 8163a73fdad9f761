//! The calls for a bucket.
//!
//! Every call names the account that must own the bucket, because bucket names are shared by all of AWS
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>). The request that creates a
//! bucket also tags it, so a bucket without our tags is never ours
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html>).

use std::collections::BTreeMap;

use alien_core::adapter::{Marks, Observed, Operate, Reconcile, Removal, ResultExt, State, field_drift};
use alien_core::{Data, ErrorKind, Health, Heartbeat, Result, Storage};
use async_trait::async_trait;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, Tag, Tagging, VersioningConfiguration,
};

use super::bucket::{Bucket, incomplete};
use super::closing::{close, opened};
use super::emptying::{delete_if_empty, empty};
use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::operations as op;
use crate::operations::Scope;

#[async_trait]
impl Reconcile<Aws, Clients> for Storage {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let bucket = Bucket::of(cx, self)?;
        if locate(cx, &bucket).await.optional()?.is_none() {
            return Ok(Observed::Absent);
        }
        let tags = tags(cx, &bucket).await?;
        let tags = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let observed = Observed::marked(cx.full_name(Scope::Bucket)?, cx.deployment().owner(), tags);
        // Only the admin may read the settings.
        match observed {
            Observed::Own { state: State::Finished(_), .. } if !cx.is_vendors() => {
                Ok(observed.drifted(drift(cx, &bucket).await?))
            }
            observed => Ok(observed),
        }
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let bucket = Bucket::of(cx, self)?;
        let region = cx.target().region.as_str();
        // `us-east-1` is the default and may not be given as a constraint
        // (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>).
        let constraint = (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
        let tags = tag_set(marks.ownership(bucket.name).map(|(key, value)| (key.to_owned(), value)))?;
        let made =
            CreateBucketConfiguration::builder().set_location_constraint(constraint).set_tags(Some(tags)).build();
        let created = cx.call(&[op::CREATE_BUCKET, op::TAG_BUCKET], || async {
            let call = cx.clients.s3().create_bucket().bucket(bucket.name).create_bucket_configuration(made.clone());
            call.send().await.map_err(failure)
        });
        created.await?;
        // Wait until our tags are visible: an untagged bucket counts as somebody else's.
        cx.call(&[op::GET_BUCKET_TAGGING], || async { tag_list(cx, &bucket).await.map(drop).propagating() }).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let bucket = Bucket::of(cx, self)?;
        // A new bucket is private and encrypted; what keeps it so is the admin's to set
        // (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html>).
        if !cx.is_vendors() {
            close(cx, &bucket).await?;
        }
        if cx.holds(op::PUT_BUCKET_VERSIONING) {
            version(cx, &bucket).await?;
            expire(cx, &bucket).await?;
        }
        let mut tags = tags(cx, &bucket).await?;
        let ours = marks.all(bucket.name).into_iter();
        tags.extend(ours.map(|(key, value)| (key.to_owned(), value)));
        let tags = Tagging::builder().set_tag_set(Some(tag_set(tags)?)).build().map_err(incomplete)?;
        let finished = cx.call(&[op::PUT_BUCKET_TAGGING], || async {
            let call = cx.clients.s3().put_bucket_tagging().bucket(bucket.name).expected_bucket_owner(bucket.owner);
            call.tagging(tags.clone()).send().await.map_err(failure)
        });
        finished.await.map(drop)
    }

    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        let bucket = Bucket::of(cx, self)?;
        if delete_if_empty(cx, &bucket).await? {
            return Ok(Removal::Gone);
        }
        // The vendor has no permission on data, so it deletes an empty bucket alone.
        if data != Data::Delete || cx.is_vendors() {
            return Ok(Removal::HoldsData("it holds objects".to_owned()));
        }
        let left = empty(cx, &bucket).await?;
        if delete_if_empty(cx, &bucket).await? {
            return Ok(Removal::Gone);
        }
        let busy = || "something still writes to it: stop that first".to_owned();
        Ok(Removal::HoldsData(left.unwrap_or_else(busy)))
    }
}

#[async_trait]
impl Operate<Aws, Clients> for Storage {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        locate(cx, &Bucket::of(cx, self)?).await?;
        Ok(Heartbeat::new(Health::Healthy, "it is there"))
    }
}

/// Fails if the bucket does not exist. GetBucketLocation is the narrowest call that shows it.
async fn locate(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<()> {
    let located = cx.call(&[op::GET_BUCKET_LOCATION], || async {
        let call = cx.clients.s3().get_bucket_location().bucket(bucket.name).expected_bucket_owner(bucket.owner);
        call.send().await.map_err(failure)
    });
    located.await.map(drop).map_err(|error| match error.kind() {
        ErrorKind::Denied => error.because("or another account owns a bucket of this name"),
        _ => error,
    })
}

/// The tags of the bucket, without those of AWS itself, which nobody else may write.
async fn tags(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<BTreeMap<String, String>> {
    let tags = cx.call(&[op::GET_BUCKET_TAGGING], || tag_list(cx, bucket)).await.optional()?.unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).filter(|(key, _)| !key.starts_with("aws:")).collect())
}

async fn tag_list(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Vec<Tag>> {
    let call = cx.clients.s3().get_bucket_tagging().bucket(bucket.name).expected_bucket_owner(bucket.owner);
    Ok(call.send().await.map_err(failure)?.tag_set)
}

fn tag_set(tags: impl IntoIterator<Item = (String, String)>) -> Result<Vec<Tag>> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(incomplete)).collect()
}

/// What of a bucket's settings is not as the stack says.
async fn drift(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Option<String>> {
    let mut fields = opened(cx, bucket).await?;
    let is_versioned = versioning(cx, bucket).await? == Some(BucketVersioningStatus::Enabled);
    if is_versioned != bucket.storage.is_versioned() {
        fields.push("Versioning");
    }
    if expiry(cx, bucket).await? != bucket.storage.expiry_days() {
        fields.push("Lifecycle");
    }
    Ok(field_drift(&fields))
}

/// After how many days objects expire by the rule of the deployment; `None` if there is none that holds.
async fn expiry(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Option<u32>> {
    let Some(rules) = lifecycle(cx, bucket).await? else { return Ok(None) };
    let own = rules.into_iter().find(|rule| rule.id() == Some(EXPIRY) && rule.status == ExpirationStatus::Enabled);
    // Whom a filter leaves out does not expire.
    let own = own.filter(|rule| rule.filter().is_none_or(|filter| filter.prefix().is_none_or(str::is_empty)));
    Ok(own.and_then(|rule| u32::try_from(rule.expiration?.days?).ok()))
}

/// The rules of the bucket's lifecycle; `None` if it has none.
async fn lifecycle(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Option<Vec<LifecycleRule>>> {
    let found = cx.call(&[op::GET_BUCKET_LIFECYCLE], || async {
        let call = cx.clients.s3().get_bucket_lifecycle_configuration().bucket(bucket.name);
        call.expected_bucket_owner(bucket.owner).send().await.map_err(failure)
    });
    Ok(found.await.optional()?.map(|found| found.rules.unwrap_or_default()))
}

/// Enables or suspends versioning. A bucket that had versioning once cannot go back to having none
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>).
async fn version(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<()> {
    let wanted = match (bucket.storage.is_versioned(), versioning(cx, bucket).await?) {
        (true, Some(BucketVersioningStatus::Enabled)) => return Ok(()),
        (true, _) => BucketVersioningStatus::Enabled,
        (false, Some(BucketVersioningStatus::Enabled)) => BucketVersioningStatus::Suspended,
        (false, _) => return Ok(()),
    };
    let wanted = VersioningConfiguration::builder().status(wanted).build();
    let done = cx.call(&[op::PUT_BUCKET_VERSIONING], || async {
        let call = cx.clients.s3().put_bucket_versioning().bucket(bucket.name).expected_bucket_owner(bucket.owner);
        call.versioning_configuration(wanted.clone()).send().await.map_err(failure)
    });
    done.await.map(drop)
}

/// The state of versioning; `None` if it was never enabled.
async fn versioning(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Option<BucketVersioningStatus>> {
    let found = cx.call(&[op::GET_BUCKET_VERSIONING], || async {
        let call = cx.clients.s3().get_bucket_versioning().bucket(bucket.name).expected_bucket_owner(bucket.owner);
        call.send().await.map_err(failure)
    });
    Ok(found.await?.status)
}

/// The id of the deployment's own rule of a lifecycle.
const EXPIRY: &str = "alien-expiry";

/// Sets or removes the expiry of objects. Old versions of replaced and expired objects are kept: the stack asks for
/// them.
async fn expire(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<()> {
    let Some(days) = bucket.storage.expiry_days() else { return never_expire(cx, bucket).await };
    let expiration = LifecycleExpiration::builder().days(i32::try_from(days).unwrap_or(i32::MAX)).build();
    let rule = LifecycleRule::builder()
        .id(EXPIRY)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(expiration)
        .build();
    let rules = BucketLifecycleConfiguration::builder().rules(rule.map_err(incomplete)?).build().map_err(incomplete)?;
    let done = cx.call(&[op::PUT_BUCKET_LIFECYCLE], || async {
        let call = cx.clients.s3().put_bucket_lifecycle_configuration().bucket(bucket.name);
        let call = call.expected_bucket_owner(bucket.owner).lifecycle_configuration(rules.clone());
        call.send().await.map_err(failure)
    });
    done.await.map(drop)
}

async fn never_expire(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<()> {
    if lifecycle(cx, bucket).await?.is_none() {
        return Ok(());
    }
    // DeleteBucketLifecycle takes the permission to put a lifecycle
    // (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html>).
    let done = cx.call(&[op::PUT_BUCKET_LIFECYCLE], || async {
        let call = cx.clients.s3().delete_bucket_lifecycle().bucket(bucket.name).expected_bucket_owner(bucket.owner);
        call.send().await.map_err(failure)
    });
    done.await.map(drop)
}
