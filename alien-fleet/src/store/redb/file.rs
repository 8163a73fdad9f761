//! The file: made whole, opened by one program, and what its failures mean.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use alien_core::{Error, ErrorKind, Result};
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _, TableDefinition};
use uuid::Uuid;

/// The version of how documents are kept, under [`FORM_KEY`].
const FORM: TableDefinition<'_, &str, u64> = TableDefinition::new("form");
const FORM_KEY: &str = "form";
/// The version that is written, and the only one so far.
const PRESENT_FORM: u64 = 1;

pub(super) const DOCUMENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("documents");
pub(super) const PLACES: TableDefinition<'_, &[u8], ()> = TableDefinition::new("places");

/// Rows are small; what is read most is the tables' inner pages.
const CACHE: usize = 64 << 20;

/// What a call of the database ends with.
#[derive(Debug)]
pub(super) enum Failure {
    /// The call is wrong. The database is as it was.
    Call(Error),
    /// The database failed: it has to be opened again.
    Database(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

pub(super) fn damaged(what: &str) -> Failure {
    Failure::Database(redb::Error::Corrupted(what.to_owned()))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Every page is compared with its checksum: what was damaged is told here, and not by a wrong answer later.
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// Opens the store of this path, and makes it if there is none.
pub(super) fn open(path: &Path) -> Result<Database> {
    let opened = match builder().open(path) {
        Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))
            if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            create(path).and_then(|()| Ok(builder().open(path)?))
        }
        opened => opened.map_err(Failure::from),
    };
    let checked = opened.and_then(|database| {
        check_form(&database, path)?;
        Ok(database)
    });
    checked.map_err(|failure| told(path, failure))
}

/// Opens a store on another backend than a file, and prepares it if it is empty.
#[cfg(test)]
pub(super) fn open_on(backend: impl redb::StorageBackend, path: &Path) -> Result<Database> {
    let opened = || {
        let is_new = backend.len().map_err(redb::Error::Io)? == 0;
        let database = builder().create_with_backend(backend)?;
        if is_new {
            prepare(&database)?;
        }
        check_form(&database, path)?;
        Ok(database)
    };
    opened().map_err(|failure| told(path, failure))
}

/// Makes an empty store beside the path, and moves it there: whoever is killed leaves no half of one.
fn create(path: &Path) -> Result<(), Failure> {
    let name = path.file_name().ok_or_else(|| redb::Error::Io(io::ErrorKind::IsADirectory.into()))?;
    let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), Uuid::new_v4()));
    let made = make(&beside).and_then(|()| place(&beside, path).map_err(|error| redb::Error::Io(error).into()));
    let _ = fs::remove_file(&beside);
    made?;
    // The name is on the disk when the folder is. Some file systems cannot flush a folder.
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    Ok(())
}

fn make(path: &Path) -> Result<(), Failure> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    // What a fleet knows of its customers is for nobody else on this machine.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(redb::Error::Io)?;
    let database = builder().create_with_backend(FileBackend::new(file)?)?;
    prepare(&database)?;
    Ok(database.close()?)
}

/// Gives a file its name, unless somebody was faster: then theirs stays.
fn place(beside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Not every file system has hard links.
        Err(_) if fs::symlink_metadata(path).is_err() => fs::rename(beside, path),
        linked => linked,
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn prepare(database: &Database) -> Result<(), Failure> {
    let transaction = database.begin_write()?;
    transaction.open_table(DOCUMENTS)?;
    transaction.open_table(PLACES)?;
    transaction.open_table(FORM)?.insert(FORM_KEY, PRESENT_FORM)?;
    Ok(transaction.commit()?)
}

fn check_form(database: &Database, path: &Path) -> Result<(), Failure> {
    let wrong = |what: String| Failure::Call(Error::new(ErrorKind::Input, what));
    let form = database.begin_read()?.open_table(FORM)?.get(FORM_KEY)?.map(|form| form.value());
    match form {
        Some(PRESENT_FORM) => Ok(()),
        Some(form) if form > PRESENT_FORM => Err(wrong(format!(
            "`{}` was written by a newer version of this program: its form is {form}, and this version reads form \
             {PRESENT_FORM}; use the newer version",
            path.display()
        ))),
        _ => Err(wrong(format!("`{}` is not a fleet's store; name another file", path.display()))),
    }
}

/// What a failure means, and what to do.
pub(super) fn told(path: &Path, failure: Failure) -> Error {
    let error = match failure {
        Failure::Call(error) => return error,
        Failure::Database(error) => error,
    };
    let path = path.display();
    let (kind, what) = match &error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => (
            ErrorKind::Locked,
            format!("`{path}` is held by another program, and one at a time can use it; stop that one first"),
        ),
        redb::Error::Io(error) => return of_io(&path.to_string(), error),
        redb::Error::UpgradeRequired(version) => (
            ErrorKind::Input,
            format!("`{path}` has the file format {version}, which is too old to be read; restore a copy"),
        ),
        redb::Error::Corrupted(what) if what.contains("file format version") => (
            ErrorKind::Input,
            format!("`{path}` has a newer file format than this version of this program reads; use a newer version"),
        ),
        redb::Error::Corrupted(_) => (ErrorKind::Input, damaged_file(&path.to_string())),
        redb::Error::ValueTooLarge(size) => {
            (ErrorKind::TooLarge, format!("a document of {size} bytes is too large for `{path}`"))
        }
        redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => {
            (ErrorKind::Input, format!("`{path}` is not a fleet's store; name another file"))
        }
        _ => (ErrorKind::Unavailable, format!("`{path}` does not work at the moment; try again")),
    };
    Error::new(kind, what).caused_by(&error)
}

fn damaged_file(path: &str) -> String {
    format!("`{path}` is damaged; restore a copy of it")
}

fn of_io(path: &str, error: &io::Error) -> Error {
    let (kind, what) = match error.kind() {
        io::ErrorKind::InvalidData => {
            (ErrorKind::Input, format!("`{path}` is not a fleet's store, or is damaged; name another file"))
        }
        // The file is shorter than it says.
        io::ErrorKind::UnexpectedEof => (ErrorKind::Input, damaged_file(path)),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
            ErrorKind::Unavailable,
            format!("`{path}` cannot be written, since there is no space left; make space, and it works again"),
        ),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            (ErrorKind::Unavailable, format!("the folder of `{path}` is not there; make it first"))
        }
        io::ErrorKind::IsADirectory => (ErrorKind::Unavailable, format!("`{path}` is a folder; name a file")),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Unavailable,
            format!("`{path}` may not be written by this program; give it the right, or name another file"),
        ),
        _ => (ErrorKind::Unavailable, format!("`{path}` can be neither read nor written at the moment")),
    };
    Error::new(kind, what).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_bare_name_is_the_one_where_the_program_runs() {
        for (path, expected) in [("fleet.redb", "."), ("./fleet.redb", "."), ("/srv/fleet.redb", "/srv"), ("/", ".")] {
            assert_eq!(folder(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn each_failure_says_what_to_do() {
        let io = |kind: io::ErrorKind| redb::Error::Io(kind.into());
        for (error, kind, words) in [
            (redb::Error::DatabaseAlreadyOpen, ErrorKind::Locked, "is held by another program"),
            (redb::Error::UpgradeRequired(1), ErrorKind::Input, "has the file format 1, which is too old"),
            (redb::Error::Corrupted("file format version 9".to_owned()), ErrorKind::Input, "a newer file format"),
            (redb::Error::Corrupted("a page".to_owned()), ErrorKind::Input, "is damaged"),
            (redb::Error::ValueTooLarge(7), ErrorKind::TooLarge, "a document of 7 bytes is too large"),
            (redb::Error::TableDoesNotExist("form".to_owned()), ErrorKind::Input, "is not a fleet's store"),
            (redb::Error::PreviousIo, ErrorKind::Unavailable, "does not work at the moment"),
            (io(io::ErrorKind::InvalidData), ErrorKind::Input, "is not a fleet's store, or is damaged"),
            (io(io::ErrorKind::UnexpectedEof), ErrorKind::Input, "is damaged; restore a copy"),
            (io(io::ErrorKind::StorageFull), ErrorKind::Unavailable, "make space"),
            (io(io::ErrorKind::NotFound), ErrorKind::Unavailable, "is not there; make it first"),
            (io(io::ErrorKind::IsADirectory), ErrorKind::Unavailable, "is a folder; name a file"),
            (io(io::ErrorKind::PermissionDenied), ErrorKind::Unavailable, "give it the right"),
            (io(io::ErrorKind::TimedOut), ErrorKind::Unavailable, "can be neither read nor written"),
        ] {
            let told = told(Path::new("fleet.db"), Failure::Database(error));
            assert_eq!(told.kind(), kind, "{told}");
            assert!(told.to_string().contains(words), "{told}");
        }
    }
}
