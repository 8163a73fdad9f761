//! The folder of a state: a lock, and one file that is replaced as a whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use alien_core::adapter::{LARGEST_TEXT, read_bytes};
use alien_core::{Error, ErrorKind, Result};

/// The file with the state.
const STATE: &str = "state";
/// What is written before it takes the place of [`STATE`].
const NEW: &str = "state.new";
/// What [`STATE`] is called after another took its place on purpose.
const REPLACED: &str = "state.replaced";
/// The file that is locked.
const LOCK: &str = "lock";

/// A step of a write.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteStep {
    /// The new file is made.
    Create,
    /// Its bytes are written.
    Write,
    /// They are flushed to the disk.
    Flush,
    /// It takes the place of the one before.
    Move,
    /// The folder is flushed.
    FlushFolder,
    /// All is done.
    Done,
}

/// What becomes of a write instead.
#[doc(hidden)]
#[derive(Debug)]
#[non_exhaustive]
pub enum Stop {
    /// The program ends here.
    Killed,
    /// The disk fails.
    Failed(io::Error),
}

/// Asks before each step whether the write stops there: for tests of what is killed.
#[doc(hidden)]
pub type Watcher = Arc<dyn Fn(WriteStep) -> Option<Stop> + Send + Sync>;

/// How a write ended.
pub(super) enum Written {
    Whole,
    /// Only in a test: nothing happens after this.
    Killed,
}

/// The folder, while this program has it.
pub(super) struct Folder {
    path: PathBuf,
    watcher: Option<Watcher>,
    /// The lock ends with it.
    _lock: File,
}

/// How often it is tried to lock a folder, and how long it is waited in between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Takes a lock. What a program starts has the program's locks too, until it runs: so a lock may be held for an instant after its agent has
/// ended.
fn locked(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            ended => return ended,
        }
    }
    file.try_lock()
}

impl Folder {
    /// Takes the folder, which is made if it is not there, for its owner alone (mode 700).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] if another program has it; [`ErrorKind::Unavailable`] if it cannot be made or written.
    pub(super) fn take(path: &Path) -> Result<Self> {
        let failed = |error: &io::Error| unwritten(path, error);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(|error| failed(&error))?;
        let lock = owned().create(true).truncate(false).open(path.join(LOCK)).map_err(|error| failed(&error))?;
        locked(&lock).map_err(|error| match error {
            TryLockError::WouldBlock => {
                let what = format!("another agent runs on the state in `{}`", path.display());
                Error::new(ErrorKind::Locked, what).because("stop it first, or give each its own folder")
            }
            TryLockError::Error(error) => failed(&error),
        })?;
        Ok(Self { path: path.to_owned(), watcher: None, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn watch(&mut self, watcher: Watcher) {
        self.watcher = Some(watcher);
    }

    /// Puts what is there aside, under another name.
    pub(super) fn put_aside(&self) -> Result<()> {
        match fs::rename(self.path.join(STATE), self.path.join(REPLACED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritten(&self.path, &error)),
            _ => Ok(()),
        }
    }

    /// Replaces the file: after a kill at any point there is the old one or the new one, whole.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<Written> {
        match self.steps(bytes) {
            Ok(()) => Ok(Written::Whole),
            Err(Stop::Killed) => Ok(Written::Killed),
            Err(Stop::Failed(error)) => Err(unwritten(&self.path, &error)),
        }
    }

    fn steps(&self, bytes: &[u8]) -> std::result::Result<(), Stop> {
        let before = |step| self.watcher.as_ref().and_then(|watcher| watcher(step)).map_or(Ok(()), Err);
        let (new, at) = (self.path.join(NEW), self.path.join(STATE));
        before(WriteStep::Create)?;
        // One that was killed may have left it. Whoever has the lock has no use for it.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = owned().create_new(true).open(&new)?;
        if let Err(stop) = before(WriteStep::Write) {
            // As far as it came.
            file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            return Err(stop);
        }
        file.write_all(bytes)?;
        before(WriteStep::Flush)?;
        file.sync_all()?;
        before(WriteStep::Move)?;
        fs::rename(&new, &at)?;
        before(WriteStep::FlushFolder)?;
        // The move is on the disk when the folder is. Some file systems cannot flush a folder.
        let _ = File::open(&self.path).and_then(|folder| folder.sync_all());
        before(WriteStep::Done)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether there is a state in a folder.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path.join(STATE)).is_ok()
}

/// Reads the file of a folder, whoever has it: it is never half written.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let at = path.join(STATE);
    let unread = |why: String| {
        let what = format!("the state in `{}` cannot be read: {why}", path.display());
        Error::new(ErrorKind::Unavailable, what)
    };
    read_bytes(&at, LARGEST_TEXT).map_err(|error| {
        if error.is_missing() {
            let what = format!("there is no state in `{}`", path.display());
            return Error::new(ErrorKind::NotFound, what)
                .because("make one with `init`, or name the folder that has it");
        }
        unread(error.to_string())
    })
}

/// Opens files for writing that only their owner may read (mode 600).
fn owned() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let what = format!("the state in `{}` cannot be written: {error}", path.display());
    Error::new(ErrorKind::Unavailable, what).because("what was there before is as it was")
}
