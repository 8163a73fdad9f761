//! A repository in a folder.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::task::spawn_blocking;

use super::transport::{ByteStream, Transport};

/// How many bytes are read at once.
const PIECE: u16 = 60 * 1024;

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
        let open = |path: &Path| {
            // A pipe that nobody writes to is never opened, and a device has no end.
            let is_file = fs::metadata(path)?.is_file();
            if is_file { File::open(path) } else { Err(io::Error::other("it is not a file")) }
        };
        match pieces(path.clone(), open).await {
            Ok(pieces) => Ok(Some(pieces)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unread(&path, &error)),
        }
    }
}

/// Opens a file, and reads it piece by piece. What has one piece is opened and read in one turn of another thread, because a turn
/// takes longer than to read it.
pub(super) async fn pieces<F: Read + Send + Sync + 'static>(
    path: PathBuf,
    open: impl FnOnce(&Path) -> io::Result<F> + Send + 'static,
) -> io::Result<ByteStream> {
    let at = path.clone();
    let (first, rest) = read(move || piece(open(&at)?)).await?;
    let rest = stream::try_unfold((rest, path), |(rest, path)| async move {
        let Some(file) = rest else { return Ok(None) };
        let (next, rest) = read(move || piece(file)).await.map_err(|error| unread(&path, &error))?;
        Ok(Some((next, (rest, path))))
    });
    Ok(Box::pin(stream::iter([Ok(first)]).chain(rest)))
}

/// The next piece, and the file unless that was its end.
fn piece<F: Read>(file: F) -> io::Result<(Bytes, Option<F>)> {
    let mut piece = Vec::with_capacity(PIECE.into());
    let mut file = file.take(PIECE.into());
    file.read_to_end(&mut piece)?;
    let is_end = file.limit() > 0;
    Ok((piece.into(), (!is_end).then(|| file.into_inner())))
}

async fn read<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await?
}

pub(super) fn unread(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("`{}` cannot be read: {error}", path.display()))
}
