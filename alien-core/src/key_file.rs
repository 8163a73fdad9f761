//! Files of private keys.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::problem::{Problem, Rule};
use crate::read_file::read_text;

/// Reads a private key from a file of text, which is wiped from memory. `read` tells what is wrong with the text.
///
/// # Errors
///
/// [`ErrorKind::Input`] if the file cannot be read, or its text is no key.
pub fn open_key<T>(path: &Path, read: impl FnOnce(&str) -> Result<T, Problem>) -> Result<T> {
    let one = |problem: Problem| Error::from(vec![problem]);
    let text = read_text(path).map_err(|unread| {
        let help = "name the file with the private key in PEM".to_owned();
        one(Problem::error(Rule::Form, unread.to_string(), help))
    })?;
    read(&text).map_err(|mut problem| {
        problem.what = format!("`{}`: {}", path.display(), problem.what);
        one(problem)
    })
}

/// Writes a private key to a new file, which only its owner may read (mode 600). What was begun and failed is taken away.
///
/// # Errors
///
/// [`ErrorKind::AlreadyExists`] if there is such a file, which is left as it is; [`ErrorKind::Unavailable`] if it cannot be
/// written.
pub fn create_key(path: &Path, text: &str) -> Result<()> {
    let failed = |why: &dyn fmt::Display| {
        Error::new(ErrorKind::Unavailable, format!("`{}` cannot be written: {why}", path.display()))
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let what = format!("`{}` already exists, and a key is never overwritten", path.display());
            Error::new(ErrorKind::AlreadyExists, what)
        }
        _ => failed(&error),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a key is of no use. It was made here, a moment ago.
        let _ = fs::remove_file(path);
        failed(&error)
    })
}
