//! Records as files: a folder of them, or one.
//!
//! A file is replaced as a whole: the new text is written beside it, flushed to the disk, and moved into its place, so a
//! program that is killed leaves the old record or the new one. While a program compares and writes, it holds a lock on
//! a file beside the record, `.NAME.lock`, which stays. A symbolic link is followed, and the mode of the file is kept.
//!
//! Reading and writing block the thread for as long as the disk takes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::store::RecordStore;
use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};
use crate::name::RunId;
use crate::read_file::read_text;

/// Keeps each record in a file of its own, `<id>.json`, in one folder.
#[derive(Debug, Clone)]
pub struct RecordFolder {
    folder: PathBuf,
    writer: String,
}

impl RecordFolder {
    /// Keeps records in a folder, which must exist. `writer` says who this program is, for those who find that it has
    /// written a record before them: `ann@build-7`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, writer: impl Into<String>) -> Self {
        Self { folder: folder.into(), writer: writer.into() }
    }

    fn file(&self, id: DeploymentId) -> RecordFile {
        RecordFile::new(self.folder.join(format!("{id}.json")), self.writer.clone())
    }
}

#[async_trait]
impl RecordStore for RecordFolder {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        self.file(id).load(id).await
    }

    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        self.file(record.id).save(record).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(|error| unread(&self.folder, &error))? {
            let entry = entry.map_err(|error| unread(&self.folder, &error))?;
            let name = entry.file_name();
            let id: Option<DeploymentId> =
                name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|id| id.parse().ok());
            ids.extend(id);
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

/// Keeps the record of one deployment in one file, at any path.
#[derive(Debug, Clone)]
pub struct RecordFile {
    path: PathBuf,
    writer: String,
}

impl RecordFile {
    /// Keeps a record at this path. `writer` is as for [`RecordFolder::new`].
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, writer: impl Into<String>) -> Self {
        Self { path: path.into(), writer: writer.into() }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the record, whichever deployment it is of; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if the file is no record; [`Unavailable`](ErrorKind::Unavailable) if it cannot be
    /// read.
    pub fn read(&self) -> Result<Option<Deployment>> {
        match read_text(&self.path) {
            Ok(text) => Ok(Some(Deployment::from_json(&text)?)),
            Err(none) if none.is_missing() => Ok(None),
            Err(unread) if unread.is_unavailable() => {
                Err(Error::new(ErrorKind::Unavailable, format!("{unread}; name a file that can be read")))
            }
            Err(unread) => Err(unread.into()),
        }
    }

    /// Checks that the record can be written, so that a program fails before it changes anything else. Leaves nothing
    /// behind.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if it cannot be written, [`Input`](ErrorKind::Input) if it is a folder, a pipe or a device.
    pub fn check(&self) -> Result<()> {
        let place = self.place()?;
        let tried = File::create_new(&place.beside).and_then(|_| fs::remove_file(&place.beside));
        tried.map_err(|error| unwritten(&self.path, &error))
    }

    fn place(&self) -> Result<Place> {
        // Of a link, the file that it leads to is replaced, and not the link.
        let target = match fs::canonicalize(&self.path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            Err(error) => return Err(unwritten(&self.path, &error)),
        };
        // Of a pipe or a device nothing is read back, and it would be replaced by a file.
        let is_file = fs::metadata(&target).map_or(true, |there| there.is_file());
        let Some(name) = target.file_name().filter(|_| is_file) else {
            let what = format!("`{}` is no file; name a file that can be written", self.path.display());
            return Err(Error::new(ErrorKind::Input, what));
        };
        let name = name.to_string_lossy();
        let beside = target.with_file_name(format!(".{name}.{}", RunId::new()));
        let lock = target.with_file_name(format!(".{name}.lock"));
        Ok(Place { target, beside, lock })
    }
}

/// Where a record is written.
struct Place {
    target: PathBuf,
    beside: PathBuf,
    lock: PathBuf,
}

impl Place {
    /// Waits until no other program writes the record. The lock ends with the file.
    fn lock(&self) -> Result<File> {
        let locked = File::options().create(true).append(true).open(&self.lock).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        locked.map_err(|error| unwritten(&self.target, &error))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let written = File::create_new(&self.beside).and_then(|mut file| {
            match fs::metadata(&self.target) {
                Ok(old) => file.set_permissions(old.permissions())?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&self.beside, &self.target)
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&self.beside);
            return Err(error);
        }
        // The move is on the disk when the folder is. Some file systems cannot flush a folder.
        if let Some(folder) = self.target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

#[async_trait]
impl RecordStore for RecordFile {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        match self.read()? {
            Some(other) if other.id != id => {
                let what = format!("`{}` is the record of deployment {}, not of {id}", self.path.display(), other.id);
                Err(Error::new(ErrorKind::Input, what))
            }
            found => Ok(found),
        }
    }

    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        let place = self.place()?;
        let _lock = place.lock()?;
        let kept = self.load(record.id).await?;
        let stored = record.kept_over(kept.as_ref(), &self.writer)?;
        let text = serde_json::to_string_pretty(&stored);
        let text = text.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        place.write(&text).map_err(|error| unwritten(&self.path, &error))?;
        Ok(stored)
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        Ok(self.read()?.map(|record| record.id).into_iter().collect())
    }
}

fn unread(path: &Path, error: &io::Error) -> Error {
    let what = format!("`{}` cannot be read: {error}; name a file that can be read", path.display());
    Error::new(ErrorKind::Unavailable, what).caused_by(error)
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let what = format!("`{}` cannot be written: {error}; name a file that can be written", path.display());
    Error::new(ErrorKind::Unavailable, what).caused_by(error)
}
