//! Zips in a folder.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::adapter::sha256;
use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use uuid::Uuid;

use super::{ArtifactStore, aside, check_digest, check_size, name_of};

/// Keeps zips in a folder, each in a file that is named by its digest: `sha256-` and the digits.
///
/// The folder is made with the first zip, if the one above it is there; it and its files are for nobody else on the machine.
/// A file is written under another name, flushed to the disk, and moved into its place. Whoever reads it compares it with its
/// digest.
#[derive(Debug, Clone)]
pub struct ArtifactFolder(PathBuf);

impl ArtifactFolder {
    /// Keeps zips in a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }
}

#[async_trait]
impl ArtifactStore for ArtifactFolder {
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String> {
        check_size("a zip", bytes.len() as u64)?;
        let folder = self.0.clone();
        aside(move || {
            let digest = sha256(&bytes);
            if let Some(name) = name_of(&digest) {
                make(&folder).map_err(|error| unwritten(&folder, &error))?;
                write(&folder, &name, &bytes).map_err(|error| unwritten(&folder.join(name), &error))?;
            }
            Ok(digest)
        })
        .await
    }

    async fn get(&self, digest: &str) -> Result<Option<Arc<[u8]>>> {
        let Some(name) = name_of(digest) else { return Ok(None) };
        let (path, digest) = (self.0.join(name), digest.to_owned());
        aside(move || {
            let place = path.display().to_string();
            let found = match fs::metadata(&path) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(unread(&path, &error)),
            };
            // A pipe is not opened: nobody may ever write to it.
            if !found.is_file() {
                let what = format!("`{place}` is no file; remove it, and put the zip there again");
                return Err(Error::new(ErrorKind::Input, what));
            }
            let length = found.len();
            check_size(&format!("`{place}`"), length)?;
            let file = File::open(&path).map_err(|error| unread(&path, &error))?;
            let mut bytes = Vec::with_capacity(usize::try_from(length + 1).unwrap_or_default());
            // A file that grows meanwhile is not read without end; its digest differs.
            let read = file.take(length + 1).read_to_end(&mut bytes);
            read.map_err(|error| unread(&path, &error))?;
            check_digest(&place, &bytes, &digest)?;
            Ok(Some(bytes.into()))
        })
        .await
    }

    async fn has(&self, digest: &str) -> Result<bool> {
        let Some(name) = name_of(digest) else { return Ok(false) };
        let path = self.0.join(name);
        aside(move || path.try_exists().map_err(|error| unread(&path, &error))).await
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.{}", Uuid::new_v4()));
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, folder.join(name))
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    // The move is on the disk when the folder is. Some file systems cannot flush a folder.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn make(folder: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

fn unread(path: &Path, error: &io::Error) -> Error {
    let what = format!("`{}` cannot be read; give this program the right, or name another folder", path.display());
    Error::new(ErrorKind::Unavailable, what).caused_by(error)
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let path = path.display();
    let what = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            format!("`{path}` cannot be written, since there is no space left; make space, and try again")
        }
        io::ErrorKind::NotFound => format!("`{path}` cannot be written; make the folder above it first"),
        _ => format!("`{path}` cannot be written; give this program the right, or name another folder"),
    };
    Error::new(ErrorKind::Unavailable, what).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_says_what_to_do() {
        for (kind, words) in [
            (io::ErrorKind::StorageFull, "make space"),
            (io::ErrorKind::NotFound, "make the folder above it first"),
            (io::ErrorKind::PermissionDenied, "give this program the right"),
        ] {
            let told = unwritten(Path::new("zips/sha256-1"), &kind.into());
            assert_eq!(told.kind(), ErrorKind::Unavailable);
            assert!(told.to_string().contains(words), "{told}");
        }
    }
}
