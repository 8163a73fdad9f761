//! Where the files of a repository are read from.

use std::fmt;
use std::pin::Pin;

use alien_core::Result;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

/// The bytes of a file, piece by piece.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + Sync>>;

/// Where the files of a repository are read from. Nobody trusts it: whatever it gives is verified, and it may give anything.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Opens a file by its name, which has no folder; `None` if there is no such file.
    ///
    /// Give the bytes in pieces of at most 64 KiB, as they come. How much is read of an endless file is bounded.
    ///
    /// # Errors
    ///
    /// What keeps it from saying whether there is such a file.
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>>;
}
