//! The bytes of zips, by their digests.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::{Artifacts, Result};
use async_trait::async_trait;

/// Keeps the bytes of zips, by the SHA-256 digests that releases have for them.
#[async_trait]
pub trait ArtifactStore: Send + Sync + fmt::Debug {
    /// Keeps bytes, and returns their digest, `sha256:…`.
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String>;

    /// The bytes of a digest; `None` if they are not kept.
    async fn get(&self, digest: &str) -> Result<Option<Arc<[u8]>>>;

    /// Whether the bytes of a digest are kept.
    async fn has(&self, digest: &str) -> Result<bool>;
}

/// Keeps zips in this process.
#[derive(Debug, Default)]
pub struct ArtifactsInMemory(Mutex<HashMap<String, Arc<[u8]>>>);

#[async_trait]
impl ArtifactStore for ArtifactsInMemory {
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String> {
        let artifacts: Artifacts = [Arc::clone(&bytes)].into_iter().collect();
        let digest = artifacts.iter().next().map(|(digest, _)| digest.to_owned()).unwrap_or_default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), bytes);
        Ok(digest)
    }

    async fn get(&self, digest: &str) -> Result<Option<Arc<[u8]>>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned())
    }

    async fn has(&self, digest: &str) -> Result<bool> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(digest))
    }
}

#[async_trait]
impl<S: ArtifactStore + ?Sized> ArtifactStore for Arc<S> {
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String> {
        (**self).put(bytes).await
    }

    async fn get(&self, digest: &str) -> Result<Option<Arc<[u8]>>> {
        (**self).get(digest).await
    }

    async fn has(&self, digest: &str) -> Result<bool> {
        (**self).has(digest).await
    }
}
