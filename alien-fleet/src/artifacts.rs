//! The bytes of zips, by their digests.

#[cfg(feature = "object-store")]
mod bucket;
mod folder;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::adapter::{LARGEST_BYTES, sha256};
use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;

#[cfg(feature = "object-store")]
pub use bucket::ArtifactBucket;
pub use folder::ArtifactFolder;

/// Keeps the bytes of zips, by the SHA-256 digests that releases have for them.
#[async_trait]
pub trait ArtifactStore: Send + Sync + fmt::Debug {
    /// Keeps bytes, and returns their digest, `sha256:…`. Bytes that are kept already are kept once.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if there are more than 250 MiB; [`Unavailable`](ErrorKind::Unavailable),
    /// [`Denied`](ErrorKind::Denied) or [`Credentials`](ErrorKind::Credentials) if they cannot be kept.
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String>;

    /// The bytes of a digest; `None` if they are not kept.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if what is kept was changed and has another digest; [`TooLarge`](ErrorKind::TooLarge)
    /// if it has more than 250 MiB; [`Unavailable`](ErrorKind::Unavailable), [`Denied`](ErrorKind::Denied) or
    /// [`Credentials`](ErrorKind::Credentials) if it cannot be read.
    async fn get(&self, digest: &str) -> Result<Option<Arc<[u8]>>>;

    /// Whether the bytes of a digest are kept. They are not read.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable), [`Denied`](ErrorKind::Denied) or [`Credentials`](ErrorKind::Credentials).
    async fn has(&self, digest: &str) -> Result<bool>;
}

/// Keeps zips in this process.
#[derive(Default)]
pub struct ArtifactsInMemory(Mutex<HashMap<String, Arc<[u8]>>>);

impl fmt::Debug for ArtifactsInMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_map().entries(kept.iter().map(|(digest, bytes)| (digest, bytes.len()))).finish()
    }
}

#[async_trait]
impl ArtifactStore for ArtifactsInMemory {
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String> {
        check_size("a zip", bytes.len() as u64)?;
        let digest = sha256(&bytes);
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

/// The name under which the bytes of a digest are kept: `sha256-` and its digits. `None` if the text is no digest: nothing
/// is kept for it, and it names no file.
fn name_of(digest: &str) -> Option<String> {
    let digits = digest.strip_prefix("sha256:")?;
    let is_digits = digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_digits.then(|| format!("sha256-{digits}"))
}

fn check_size(what: &str, bytes: u64) -> Result<()> {
    if bytes <= LARGEST_BYTES {
        return Ok(());
    }
    let what = format!("{what} has {bytes} bytes, and {LARGEST_BYTES} are the most; use an image for larger code");
    Err(Error::new(ErrorKind::TooLarge, what))
}

/// Checks that what was found at a place is what was put there.
fn check_digest(place: &str, bytes: &[u8], digest: &str) -> Result<()> {
    let found = sha256(bytes);
    if found == digest {
        return Ok(());
    }
    let what = format!("`{place}` was changed: its digest is {found}, and not {digest}; put the zip there again");
    Err(Error::new(ErrorKind::Input, what))
}

/// Runs what takes long, as a digest or a disk does, on a thread that may wait.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "a call of the artifacts ended halfway").caused_by(&error))
    })
}
