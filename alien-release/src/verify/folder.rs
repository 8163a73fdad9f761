//! A repository in a folder.

use std::io;
use std::path::{Path, PathBuf};

use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::transport::{ByteStream, Transport};

/// How much is read at once.
const PIECE: usize = 65_536;

/// Reads a repository from a folder.
#[derive(Debug, Clone)]
pub struct FolderTransport(PathBuf);

impl FolderTransport {
    /// Reads from this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }
}

#[async_trait]
impl Transport for FolderTransport {
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>> {
        // A name with a folder would lead out of this one.
        if name.starts_with('.') || name.contains(['/', '\\']) {
            return Ok(None);
        }
        let path = self.0.join(name);
        match File::open(&path).await {
            Ok(file) => Ok(Some(pieces(file, path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unread(&path, &error)),
        }
    }
}

/// Reads piece by piece.
pub(super) fn pieces(file: impl AsyncRead + Unpin + Send + Sync + 'static, path: PathBuf) -> ByteStream {
    Box::pin(stream::try_unfold((file, path), |(mut file, path)| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        match file.read_buf(&mut piece).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((piece.freeze(), (file, path)))),
            Err(error) => Err(unread(&path, &error)),
        }
    }))
}

pub(super) fn unread(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("`{}` cannot be read: {error}", path.display()))
}
