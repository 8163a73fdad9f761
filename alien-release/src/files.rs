//! Files that are there whole, or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use alien_core::adapter::{LARGEST_BYTES, read_bytes};
use alien_core::{Error, ErrorKind, Result};

/// Whoever holds this writes in a folder alone.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Takes the lock of a folder, or fails if another has it.
pub(crate) fn lock(folder: &Path) -> Result<Lock> {
    let (path, file) = lock_file(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(fs::TryLockError::WouldBlock) => {
            let what = format!("another program writes in `{}`", folder.display());
            Err(Error::new(ErrorKind::Locked, what))
        }
        Err(fs::TryLockError::Error(error)) => Err(failed(&path, &error)),
    }
}

/// Waits for the lock of a folder.
pub(crate) fn wait(folder: &Path) -> Result<Lock> {
    let (path, file) = lock_file(folder)?;
    file.lock().map_err(|error| failed(&path, &error))?;
    Ok(Lock { _file: file })
}

fn lock_file(folder: &Path) -> Result<(PathBuf, File)> {
    let path = folder.join(".lock");
    let file = File::options().create(true).append(true).open(&path).map_err(|error| failed(&path, &error))?;
    Ok((path, file))
}

/// Writes a file, in the place of one of that name.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (new, path) = (folder.join(format!(".new-{name}")), folder.join(name));
    let written = || {
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| failed(&path, &error))
}

/// Reads a file; `None` if there is none.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = folder.join(name);
    match read_bytes(&path, LARGEST_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(none) if none.is_missing() => Ok(None),
        Err(unread) => Err(Error::new(ErrorKind::Unavailable, unread.to_string())),
    }
}

pub(crate) fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("`{}`: {error}", path.display()))
}
