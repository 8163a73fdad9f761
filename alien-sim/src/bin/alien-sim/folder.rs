//! The folder with the files of credentials.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::{Failure, printable};

/// A folder that this program made, for its user alone. It is removed with all that is in it when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            // If standard error is closed, nobody can be told.
            let _ = writeln!(io::stderr(), "error: cannot remove {}: {error}", self.0.display());
        }
    }
}

impl Folder {
    /// Makes the given folder, or a temporary one.
    pub(crate) fn make(given: Option<&Path>) -> Result<Self, Failure> {
        let temporary = || std::env::temp_dir().join(format!("alien-sim-{:016x}", fastrand::u64(..)));
        let path = given.map_or_else(temporary, Path::to_owned);
        let shown = printable(&path.to_string_lossy()).into_owned();
        let path = std::path::absolute(path).map_err(|error| Failure::input(format!("`--folder`: {error}")))?;
        // It is printed, and copied into a shell.
        if path.to_str().is_none_or(|path| path.contains('\n') || matches!(printable(path), std::borrow::Cow::Owned(_)))
        {
            return Err(Failure::input(format!("`{shown}`: the path has characters that a terminal obeys")));
        }
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Failure::input(format!("`{shown}` exists: name a folder that does not, by `--folder`")))
            }
            Err(error) => Err(Failure::input(format!("cannot make the folder `{shown}`: {error}"))),
        }
    }

    /// The path of a file in it, or of itself.
    pub(crate) fn path(&self, name: &str) -> String {
        if name.is_empty() { self.0.display().to_string() } else { self.0.join(name).display().to_string() }
    }

    /// Writes a file that only its owner reads, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String, Failure> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| Failure::outside(&format!("cannot write `{path}`"), &error))?;
        Ok(path)
    }
}
