//! Zips in a bucket of any cloud.

use std::sync::Arc;

use alien_core::adapter::sha256;
use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::{ArtifactStore, aside, check_digest, check_size, name_of};

/// What is larger is sent in parts of this size, so that none takes longer than a request may. S3 takes no part below 5 MiB:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const PART: usize = 8 << 20;

/// Keeps zips in a bucket, each as an object that is named by its digest: the prefix, `sha256-` and the digits.
///
/// Whoever reads an object compares it with its digest. A large zip is sent in parts: one that was not sent to the end is
/// never read, but its parts may stay, until a rule of the bucket removes them.
#[derive(Debug, Clone)]
pub struct ArtifactBucket {
    bucket: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl ArtifactBucket {
    /// Keeps zips in a bucket, below a prefix, which may be empty.
    #[must_use]
    pub fn new(bucket: Arc<dyn ObjectStore>, prefix: impl Into<Path>) -> Self {
        Self { bucket, prefix: prefix.into() }
    }

    async fn send(&self, path: &Path, bytes: Bytes) -> object_store::Result<()> {
        if bytes.len() <= PART {
            return self.bucket.put(path, bytes.into()).await.map(drop);
        }
        let mut upload = self.bucket.put_multipart(path).await?;
        let sent = async {
            for begin in (0..bytes.len()).step_by(PART) {
                let end = bytes.len().min(begin + PART);
                upload.put_part(bytes.slice(begin..end).into()).await?;
            }
            upload.complete().await.map(drop)
        };
        let sent = sent.await;
        if sent.is_err() {
            // The first failure is the one to tell.
            let _ = upload.abort().await;
        }
        sent
    }
}

#[async_trait]
impl ArtifactStore for ArtifactBucket {
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String> {
        check_size("a zip", bytes.len() as u64)?;
        let hashed = Arc::clone(&bytes);
        let digest = aside(move || Ok(sha256(&hashed))).await?;
        if let Some(name) = name_of(&digest) {
            let path = self.prefix.clone().join(name);
            self.send(&path, Bytes::from_owner(bytes)).await.map_err(|error| failed("written", &path, &error))?;
        }
        Ok(digest)
    }

    async fn get(&self, digest: &str) -> Result<Option<Arc<[u8]>>> {
        let Some(name) = name_of(digest) else { return Ok(None) };
        let path = self.prefix.clone().join(name);
        let found = match self.bucket.get(&path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed("read", &path, &error)),
        };
        check_size(&format!("`{path}`"), found.meta.size)?;
        let bytes = found.bytes().await.map_err(|error| failed("read", &path, &error))?;
        let digest = digest.to_owned();
        aside(move || {
            check_digest(path.as_ref(), &bytes, &digest)?;
            Ok(Some(Arc::from(&*bytes)))
        })
        .await
    }

    async fn has(&self, digest: &str) -> Result<bool> {
        let Some(name) = name_of(digest) else { return Ok(false) };
        let path = self.prefix.clone().join(name);
        match self.bucket.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed("read", &path, &error)),
        }
    }
}

fn failed(what: &str, path: &Path, error: &object_store::Error) -> Error {
    let (kind, advice) = match error {
        object_store::Error::PermissionDenied { .. } => (ErrorKind::Denied, "; give its identity the right"),
        object_store::Error::Unauthenticated { .. } => (ErrorKind::Credentials, "; its credentials are not valid"),
        _ => (ErrorKind::Unavailable, " at the moment; try again"),
    };
    Error::new(kind, format!("`{path}` cannot be {what} in the bucket{advice}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_apart_from_a_bucket_that_does_not_answer() {
        let path = || "zips/sha256-1".to_owned();
        for (error, kind) in [
            (object_store::Error::PermissionDenied { path: path(), source: "no".into() }, ErrorKind::Denied),
            (object_store::Error::Unauthenticated { path: path(), source: "who?".into() }, ErrorKind::Credentials),
            (object_store::Error::Generic { store: "S3", source: "slow down".into() }, ErrorKind::Unavailable),
        ] {
            assert_eq!(failed("read", &Path::from(path()), &error).kind(), kind, "{error}");
        }
    }
}
