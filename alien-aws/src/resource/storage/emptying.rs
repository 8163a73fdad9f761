//! Empties a bucket: all versions of all objects, delete markers, and uploads that were never completed.

use alien_core::{Error, Result};
use std::collections::BTreeSet;

use alien_core::adapter::ResultExt;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, Error as S3Error, ObjectIdentifier};

use super::bucket::{Bucket, incomplete};
use crate::client::{Context, failure};
use crate::operations as op;

/// Deletes the bucket if it is empty. S3 itself checks that, so no permission to list objects is needed.
pub(super) async fn delete_if_empty(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<bool> {
    cx.call(&[op::DELETE_BUCKET], || async {
        let call = cx.clients.s3().delete_bucket().bucket(bucket.name).expected_bucket_owner(bucket.owner);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("BucketNotEmpty") => Ok(false),
            Err(error) => Err(failure(error)),
        }
    })
    .await
}

/// Deletes everything that a bucket holds. Returns what S3 did not delete, as a sentence: a retention or a policy of the
/// customer's may forbid it.
pub(super) async fn empty(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Option<String>> {
    abort_uploads(cx, bucket).await?;
    delete_versions(cx, bucket).await
}

/// Deletes versions in batches of a thousand, the limit of one list call and one delete call. In a bucket that never had
/// versioning each object is a version of the id `null`
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>).
///
/// What was listed is deleted, so the next list begins where the one before did: behind the last object that S3 did not
/// delete. Keys are listed in the order of their bytes.
async fn delete_versions(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Option<String>> {
    let (mut left, mut code, mut last) = (0, None, None::<String>);
    loop {
        let listed = cx.call(&[op::LIST_BUCKET_VERSIONS], || async {
            let call = cx.clients.s3().list_object_versions().bucket(bucket.name).expected_bucket_owner(bucket.owner);
            call.set_key_marker(last.clone()).send().await.map_err(failure)
        });
        let page = listed.await?;
        let versions = page.versions.unwrap_or_default().into_iter().map(|found| (found.key, found.version_id));
        let markers = page.delete_markers.unwrap_or_default().into_iter().map(|found| (found.key, found.version_id));
        let batch = versions.chain(markers).filter_map(|(key, version)| {
            Some(ObjectIdentifier::builder().key(key?).set_version_id(version).build().map_err(incomplete))
        });
        let batch: Vec<ObjectIdentifier> = batch.collect::<Result<_>>()?;
        if batch.is_empty() {
            let why = code.unwrap_or_else(|| "no reason".to_owned());
            return Ok((left > 0).then(|| format!("S3 did not delete all versions of {left} of its objects ({why})")));
        }
        let batch = Delete::builder().set_objects(Some(batch)).quiet(true).build().map_err(incomplete)?;
        let deleted = cx.call(&[op::DELETE_OBJECT_VERSION], || async {
            let call = cx.clients.s3().delete_objects().bucket(bucket.name).expected_bucket_owner(bucket.owner);
            call.delete(batch.clone()).send().await.map_err(failure)
        });
        let refused = deleted.await?.errors.unwrap_or_default();
        code = code.or_else(|| refused.iter().find_map(|refused| refused.code.clone()));
        let key = |refused: S3Error| refused.key.ok_or_else(|| Error::missing_field("key of an object"));
        let keys: BTreeSet<String> = refused.into_iter().map(key).collect::<Result<_>>()?;
        left += keys.len();
        last = keys.last().cloned().or(last);
    }
}

/// Aborts uploads in parts, whose parts are stored and paid for until then
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>).
async fn abort_uploads(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<()> {
    let (mut key, mut upload) = (None::<String>, None::<String>);
    loop {
        let listed = cx.call(&[op::LIST_BUCKET_UPLOADS], || async {
            let call = cx.clients.s3().list_multipart_uploads().bucket(bucket.name).expected_bucket_owner(bucket.owner);
            let call = call.set_key_marker(key.clone()).set_upload_id_marker(upload.clone());
            call.send().await.map_err(failure)
        });
        let page = listed.await?;
        for found in page.uploads.unwrap_or_default() {
            let (Some(key), Some(upload)) = (found.key, found.upload_id) else { continue };
            let aborted = cx.call(&[op::ABORT_MULTIPART_UPLOAD], || async {
                let call = cx.clients.s3().abort_multipart_upload().bucket(bucket.name).key(&key).upload_id(&upload);
                call.expected_bucket_owner(bucket.owner).send().await.map_err(failure)
            });
            aborted.await.optional()?;
        }
        (key, upload) = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) || key.is_none() {
            return Ok(());
        }
    }
}
