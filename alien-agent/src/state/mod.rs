//! What an agent keeps between two runs, sealed in one file.

mod contents;
mod folder;
mod key;
mod sealed;

use std::fmt;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alien_core::adapter::sha256;
use alien_core::rollout::Sequence;
use alien_core::{Deployment, DeploymentId, Error, ErrorKind, RecordStore, Result};
use alien_release::agent::Attempt;
use alien_release::{PublicKey, SigningKey};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

pub use self::contents::Waiting;
pub(crate) use self::contents::{BegunAttempt, Contents};
use self::folder::{Folder, Written};
pub use self::folder::{Stop, Watcher, WriteStep};
pub use self::key::{KeySource, StateKey};

/// Who writes the record, in words.
const WRITER: &str = "the agent";

/// The state of an agent: its private key, the record of its deployment, the newest release that was begun, what was begun and has not
/// ended, and what no manager has been told yet.
///
/// All of it is in one file, sealed by AES-256-GCM-SIV with the [`StateKey`] that the customer keeps, which is replaced as a whole with
/// every write: a program that is killed leaves the old or the new one. Only its owner may read it (mode 600). While a program has a
/// state, no other takes it; [`State::look`] reads beside it.
///
/// The file cannot tell that it is an old copy of itself. Then the manager, which has seen more messages of the agent, says so with
/// its next answer, and what the copy would begin again is what the manager names, signed, and not below the copy's floor.
///
/// ```
/// use alien_agent::{State, StateKey};
/// use alien_core::DeploymentId;
///
/// # let folder = std::env::temp_dir().join(format!("alien-agent-doc-{}", std::process::id()));
/// let key: StateKey = "5e".repeat(32).parse()?;
/// let state = State::create(&folder, &key, DeploymentId::new())?;
/// println!("register this with the vendor's manager: {}", state.public_key());
/// drop(state);
/// let state = State::open(&folder, &key)?;
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), alien_core::Error>(())
/// ```
pub struct State {
    deployment: DeploymentId,
    signing: SigningKey,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Whether a write has failed since somebody asked last.
    has_failed: bool,
    folder: Folder,
    key: StateKey,
    generation: u64,
    contents: Contents,
}

/// Shows where it is and of what.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

/// What a state says to the customer's admin. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AgentStatus")]
#[non_exhaustive]
pub struct Status {
    /// The deployment.
    pub deployment: DeploymentId,
    /// How often the state was written.
    pub generation: u64,
    /// The public half of the agent's key, in PEM.
    pub agent_key: String,
    /// Whether the agent has the deployment's record.
    pub has_record: bool,
    /// The newest release that was begun: nothing older is begun.
    pub floor: Option<Sequence>,
    /// The release that runs, if the agent rolled one out.
    pub runs: Option<Sequence>,
    /// The release that was begun and has not ended.
    pub begun: Option<Sequence>,
    /// The release that is not begun for now, and why.
    pub waiting: Option<Waiting>,
    /// How the last attempt ended.
    pub last: Option<Attempt>,
    /// Whether its manager was told of that.
    pub is_told: bool,
}

impl State {
    /// Makes the state of a deployment's agent, with a new Ed25519 key, in a folder that has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if the folder has a state, which is left as it is; [`ErrorKind::Locked`] if another program has the
    /// folder; [`ErrorKind::Unavailable`] if it cannot be written.
    pub fn create(folder: impl AsRef<Path>, key: &StateKey, deployment: DeploymentId) -> Result<Self> {
        let taken = Folder::take(folder.as_ref())?;
        if folder::is_there(taken.path()) {
            let what = format!("there is a state in `{}` already", taken.path().display());
            return Err(
                Error::new(ErrorKind::AlreadyExists, what).because("it is left as it is; replace it on purpose")
            );
        }
        Self::made(taken, key, deployment)
    }

    /// Makes a state as [`create`](Self::create) does, in the place of one whose key is lost or that cannot be read. That one is kept
    /// beside it, as `state.replaced`. The agent's new key must be set up and registered before the agent is let in again, and its
    /// floor is what it begins next.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] if another program has the folder; [`ErrorKind::Unavailable`] if it cannot be written.
    pub fn replace(folder: impl AsRef<Path>, key: &StateKey, deployment: DeploymentId) -> Result<Self> {
        let taken = Folder::take(folder.as_ref())?;
        taken.put_aside()?;
        Self::made(taken, key, deployment)
    }

    fn made(folder: Folder, key: &StateKey, deployment: DeploymentId) -> Result<Self> {
        let signing = SigningKey::generate()?;
        let contents = Contents::new(&signing)?;
        let inner = Inner { has_failed: false, folder, key: key.clone(), generation: 0, contents: contents.clone() };
        let state = Self { deployment, signing, inner: Mutex::new(inner) };
        let mut inner = state.lock();
        inner.write(deployment, contents)?;
        drop(inner);
        Ok(state)
    }

    /// Opens a state, and keeps other programs from it.
    ///
    /// # Errors
    ///
    /// In each case the file is left as it is: [`ErrorKind::NotFound`] if there is none; [`ErrorKind::Locked`] if another program has
    /// it; [`ErrorKind::Credentials`] if it was sealed with another key; [`ErrorKind::Unsupported`] if a newer program wrote it;
    /// [`ErrorKind::Rejected`] if it was cut off or changed; [`ErrorKind::Unavailable`] if it cannot be read.
    pub fn open(folder: impl AsRef<Path>, key: &StateKey) -> Result<Self> {
        let at = folder.as_ref();
        // A folder that has none is not made.
        folder::read(at)?;
        let taken = Folder::take(at)?;
        let (header, contents) = read(at, key)?;
        let signing = contents.signing_key()?;
        let inner =
            Inner { has_failed: false, folder: taken, key: key.clone(), generation: header.generation, contents };
        Ok(Self { deployment: header.deployment, signing, inner: Mutex::new(inner) })
    }

    /// Opens a state as [`open`](Self::open) does, if it is this deployment's.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`ErrorKind::Input`] if it is another deployment's.
    pub fn open_of(folder: impl AsRef<Path>, key: &StateKey, deployment: DeploymentId) -> Result<Self> {
        let at = folder.as_ref();
        let state = Self::open(at, key)?;
        if state.deployment == deployment {
            return Ok(state);
        }
        let what =
            format!("the state in `{}` is of deployment {}, not of {deployment}", at.display(), state.deployment);
        Err(Error::new(ErrorKind::Input, what).because("give the folder of this deployment, or the record of that one"))
    }

    /// Seals a state with another key. It is sealed with the old key or with the new one, whenever this is killed: run it again, which
    /// does nothing more if it was done, and throw the old key away only then.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open): [`ErrorKind::Credentials`] if neither key opens it.
    pub fn rekey(folder: impl AsRef<Path>, old: &StateKey, new: &StateKey) -> Result<()> {
        Self::rekey_watched(folder.as_ref(), old, new, None).map(drop)
    }

    #[doc(hidden)]
    pub fn rekey_watched(folder: &Path, old: &StateKey, new: &StateKey, watcher: Option<Watcher>) -> Result<()> {
        let state = match Self::open(folder, old) {
            Err(error) if error.kind() == ErrorKind::Credentials => {
                return Self::open(folder, new).map(drop).map_err(|_| error);
            }
            opened => opened?,
        };
        let mut inner = state.lock();
        if let Some(watcher) = watcher {
            inner.folder.watch(watcher);
        }
        inner.key = new.clone();
        let contents = inner.contents.clone();
        inner.write(state.deployment, contents).map(drop)
    }

    /// Reads what a state says to the admin, also while an agent runs on it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for [`ErrorKind::Locked`].
    pub fn look(folder: impl AsRef<Path>, key: &StateKey) -> Result<Status> {
        let (header, contents) = read(folder.as_ref(), key)?;
        Ok(Status {
            deployment: header.deployment,
            generation: header.generation,
            agent_key: contents.signing_key()?.public().to_string(),
            has_record: contents.record.is_some(),
            floor: contents.floor,
            runs: contents.runs,
            begun: contents.begun.as_ref().map(|begun| begun.release.sequence),
            waiting: contents.waiting.clone(),
            last: contents.last.clone(),
            is_told: !contents.is_untold(),
        })
    }

    /// The deployment.
    #[must_use]
    pub const fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// The public half of the agent's key, which the vendor's manager is given.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        self.signing.public()
    }

    /// Takes the record that the customer's admin has from the last set-up. One that was given before is not taken again, so that what
    /// was updated since is not forgotten: it may be given with each start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is of another deployment, or does not pull its releases; [`ErrorKind::Unavailable`] if it cannot be
    /// kept.
    pub fn give(&self, record: &Deployment) -> Result<()> {
        if record.id != self.deployment {
            let what = format!("the record is of deployment {}, and the state of {}", record.id, self.deployment);
            return Err(Error::new(ErrorKind::Input, what).because("give the record of this deployment"));
        }
        if record.delivery.is_push() {
            let what =
                "the record is of a deployment whose releases the vendor pushes: an agent has nothing to do there";
            return Err(Error::new(ErrorKind::Input, what).because("set up with an invitation to pull"));
        }
        let json = serde_json::to_vec(record);
        let json =
            json.map_err(|error| Error::new(ErrorKind::Internal, "the record has no JSON form").caused_by(&error));
        let digest = sha256(&json?);
        let mut inner = self.lock();
        if inner.contents.given.as_ref() == Some(&digest) {
            return Ok(());
        }
        let mut contents = inner.contents.clone();
        let mut next = record.clone();
        if let Some(before) = contents.record.take() {
            next.revision = before.revision + 1;
            next.uncertain.extend(before.uncertain);
            next.uncertain.retain(|id| next.stack.resource(id.as_str()).is_some());
            next.in_flight = before.in_flight;
        }
        (contents.record, contents.given) = (Some(next), Some(digest));
        inner.write(self.deployment, contents).map(drop)
    }

    /// The folder, in which an agent also keeps the vendor's keys that it trusts.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.lock().folder.path().to_owned()
    }

    /// Asks before each step of a write whether it stops there: for tests of what is killed.
    #[doc(hidden)]
    pub fn watch(&self, watcher: Watcher) {
        self.lock().folder.watch(watcher);
    }

    /// The agent's key.
    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Reads what is kept.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Contents) -> T) -> T {
        read(&self.lock().contents)
    }

    /// Changes what is kept, and writes it. If that fails, nothing is changed.
    pub(crate) async fn change<T>(&self, change: impl FnOnce(&mut Contents) -> Result<T>) -> Result<T> {
        let written = {
            let mut inner = self.lock();
            let mut contents = inner.contents.clone();
            let done = change(&mut contents)?;
            inner.write(self.deployment, contents).map(|written| (written, done))
        };
        match written? {
            (Written::Whole, done) => Ok(done),
            (Written::Killed, _) => pending().await,
        }
    }

    /// Whether a write has failed since this was asked last.
    pub(crate) fn has_failed(&self) -> bool {
        std::mem::take(&mut self.lock().has_failed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Writes the next generation.
    fn write(&mut self, deployment: DeploymentId, contents: Contents) -> Result<Written> {
        let generation = self.generation.saturating_add(1);
        let file = sealed::seal(contents.to_json()?, &self.key, deployment, generation)?;
        let written = self.folder.write(&file);
        self.has_failed |= written.is_err();
        let written = written?;
        (self.generation, self.contents) = (generation, contents);
        Ok(written)
    }
}

fn read(at: &Path, key: &StateKey) -> Result<(sealed::Header, Contents)> {
    let of = |error: Error| {
        let what = format!("the state in `{}` cannot be opened: {}", at.display(), error.message());
        Error::new(error.kind(), what)
    };
    let file = folder::read(at)?;
    let (header, json) = sealed::open(&file, key).map_err(of)?;
    let contents = Contents::from_json(&json).map_err(of)?;
    Ok((header, contents))
}

/// What a release changes in the record is kept in the state.
#[async_trait]
impl RecordStore for State {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        Ok(self.with(|contents| contents.record.clone()).filter(|record| record.id == id))
    }

    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        self.change(|contents| {
            let stored = record.kept_over(contents.record.as_ref(), WRITER)?;
            contents.record = Some(stored.clone());
            Ok(stored)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        Ok(self.with(|contents| contents.record.as_ref().map(|record| record.id)).into_iter().collect())
    }
}
