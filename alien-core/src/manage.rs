//! What the vendor does day to day, in one session: heartbeat, update, logs, dispatch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::name::ResourceId;
use crate::reconcile::Removal;
use crate::resource::{Resource, ResourceSettings, Running};
use crate::rollout::Sequence;

/// One session with short-lived credentials, on one deployment.
#[async_trait]
pub trait Manage: Send + Sync + fmt::Debug {
    /// A number that differs for every session.
    fn serial(&self) -> u64;

    /// When its credentials expire.
    fn expires(&self) -> Timestamp;

    /// The health of a resource, never by a call that returns code, data or names of objects.
    async fn heartbeat(&self, id: &ResourceId) -> Result<Heartbeat>;

    /// Compares what runs of a live function or container with a wanted resource and with the record.
    async fn compare(&self, wanted: &Resource) -> Result<Comparison>;

    /// The number of the release that set a live function or container last; `None` if it was set otherwise, or if the cloud does
    /// not tell.
    async fn mark(&self, id: &ResourceId) -> Result<Option<Sequence>>;

    /// Changes code and settings of a live function or container, and waits until it works. Returns the version that
    /// runs then, if the cloud tells no more of it than that.
    async fn update(&self, id: &ResourceId, change: &Change) -> Result<Option<String>>;

    /// Starts new instances of the code and settings that run now of a live function or container, and waits until they
    /// work.
    async fn redeploy(&self, id: &ResourceId) -> Result<()>;

    /// Creates a resource, where the customer lets the vendor, and sets what the vendor may set of it. Leaves what
    /// exists of it. `release` is the digest of the release's stack, `zip` are the bytes of its code, if that is a zip.
    async fn create(&self, id: &ResourceId, release: &str, zip: Option<Arc<[u8]>>) -> Result<Created>;

    /// Deletes a resource with its data, where the customer lets the vendor. Data that only somebody with rights on it
    /// can delete is kept.
    async fn delete(&self, id: &ResourceId) -> Result<Removal>;

    /// A page of the log.
    async fn logs(&self, id: &ResourceId, query: &LogQuery) -> Result<LogPage>;

    /// Sends a command to a function that takes commands, and returns its answer.
    async fn dispatch(&self, id: &ResourceId, command: &Command) -> Result<Vec<u8>>;
}

/// A command for a function.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Its id. No two commands have the same.
    pub id: CommandId,
    /// The time after which nobody waits for its answer; it need not be carried out any more.
    pub deadline: Option<Timestamp>,
    /// Its bytes.
    pub body: Arc<[u8]>,
}

impl Command {
    /// Creates a command with a new id, and without a deadline.
    #[must_use]
    pub fn new(body: impl Into<Arc<[u8]>>) -> Self {
        Self { id: CommandId::new(), deadline: None, body: body.into() }
    }

    /// How long to wait for its answer: as long as the function may take, and no longer than until the deadline.
    #[must_use]
    pub fn patience(&self, now: Timestamp, longest: Duration) -> Duration {
        let left = self.deadline.map(|deadline| Duration::try_from(deadline.duration_since(now)).unwrap_or_default());
        left.map_or(longest, |left| left.min(longest))
    }

    /// Fails if it has more bytes than the cloud carries, before anything is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`].
    pub fn fits(&self, most: usize, carrier: &str) -> Result<()> {
        if self.body.len() <= most {
            return Ok(());
        }
        let what = format!("the command has {} bytes, but {carrier} holds {most}; it was not sent", self.body.len());
        Err(Error::new(ErrorKind::TooLarge, what))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.len();
        f.debug_struct("Command")
            .field("id", &self.id)
            .field("deadline", &self.deadline)
            .field("bytes", &bytes)
            .finish()
    }
}

/// The id of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CommandId(Uuid);

impl CommandId {
    /// Generates an id: a UUID of version 7, so that ids sort by the time they were made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "every call gives another one")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl From<Uuid> for CommandId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What a cloud tells of what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// Nothing: it counts as recorded.
    Untold,
    /// The part that the vendor may change.
    Settings(Running),
    /// The cloud's name of the version, and not what is in it.
    Version {
        /// The version that runs.
        runs: String,
        /// The version that the last set-up left running, if it is known.
        set: Option<String>,
    },
}

impl Runs {
    /// The same without the cloud's mark of this state: what is based on it may have been changed by oneself.
    pub(crate) fn unmarked(self) -> Option<Self> {
        match self {
            Self::Settings(running) => Some(Self::Settings(Running { revision: None, ..running })),
            Self::Untold => Some(Self::Untold),
            Self::Version { .. } => None,
        }
    }
}

/// What runs of a live function or container, compared with a wanted resource and with the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The fields in which what runs differs from the wanted resource; empty if nothing is to be done.
    pub differs: Vec<&'static str>,
    /// How what runs differs from the record, in words; `None` if it does not.
    pub unrecorded: Option<String>,
    /// What runs.
    pub runs: Runs,
}

/// A resource that the vendor has created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The cloud's id.
    pub id: String,
    /// The version that runs, if the cloud tells no more of what runs than that.
    pub version: Option<String>,
    /// What of it waits for the admin's next set-up; `None` if it is complete.
    pub waits: Option<String>,
}

/// The health of a resource, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// The health.
    pub health: Health,
    /// The reason, in the cloud's own words if it gives one.
    pub reason: String,
    /// What runs, if it runs code and the cloud tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runs: Option<Ran>,
}

/// What runs of a function or container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ran {
    /// The digest of the code, `sha256:…`; or the cloud's name of the version, if it tells no more.
    pub code: String,
    /// The digest of the stack in the record, if that has this code; `None` if the record does not know what runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release: Option<String>,
}

impl Heartbeat {
    /// Creates a heartbeat.
    #[must_use]
    pub fn new(health: Health, reason: impl Into<String>) -> Self {
        Self { health, reason: reason.into(), runs: None }
    }

    /// Sets what runs: the digest of the code, or the cloud's name of the version.
    #[must_use]
    pub fn running(mut self, code: impl Into<String>) -> Self {
        self.runs = Some(Ran { code: code.into(), release: None });
        self
    }
}

/// The health of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It works.
    Healthy,
    /// It exists, but does not work as it should.
    Degraded,
    /// It does not exist.
    Missing,
    /// The cloud does not allow the vendor to see it.
    Denied,
}

impl Health {
    /// The word used in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Missing => "missing",
            Self::Denied => "denied",
        }
    }
}

/// An update of a function or a container: the wanted resource, and the bytes of its code.
#[derive(Clone)]
pub struct Change {
    /// The wanted resource.
    pub resource: Resource,
    /// The bytes of the new code, if that is a zip.
    pub zip: Option<Arc<[u8]>>,
    /// The bytes of the present code, if that is a zip and they are at hand. They are put back if the new code does not work.
    pub previous_zip: Option<Arc<[u8]>>,
    /// Whether an earlier update may have been interrupted. If so, everything is set, whatever it was before.
    pub again: bool,
    /// What runs now; `None` if it is as recorded.
    pub runs: Option<Runs>,
}

impl Change {
    /// The wanted settings, if the resource is of this kind.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if it is of another kind.
    pub fn settings<S: ResourceSettings>(&self) -> Result<&S> {
        let other = || Error::new(ErrorKind::Internal, format!("an update to a {}", self.resource.kind()));
        self.resource.settings_of().ok_or_else(other)
    }

    /// The cloud's mark of the state that the change is based on, as the look before it found it; `None` if it is not
    /// known. Where the cloud takes it back, the adapter gives it with the first write, which the cloud refuses if somebody
    /// else has changed the resource since.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        match &self.runs {
            Some(Runs::Settings(running)) => running.revision.as_deref(),
            Some(Runs::Version { runs, .. }) => Some(runs),
            Some(Runs::Untold) | None => None,
        }
    }

    /// Compares with the present resource: whether the code changes, and whether other settings change.
    #[must_use]
    pub fn since(&self, old: &Resource) -> (bool, bool) {
        let new_code = self.resource.code() != old.code();
        let changed = self.resource.changed_fields(old);
        let is_marked = self.resource.mark == old.mark;
        (self.again || new_code, self.again || !is_marked || changed.iter().any(|field| *field != "code"))
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("resource", &self.resource).finish_non_exhaustive()
    }
}

/// Which lines of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The time of the first line.
    pub from: Timestamp,
    /// Where the page before ended; `None` for the first.
    pub cursor: Option<String>,
    /// The most lines of a page, 1 to 1,000.
    pub limit: u16,
}

impl LogQuery {
    /// Asks for the first page from a time on.
    #[must_use]
    pub const fn from(from: Timestamp) -> Self {
        Self { from, cursor: None, limit: 1000 }
    }
}

/// A page of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The lines, in order of time. A page may be empty although there are more lines.
    pub lines: Vec<LogLine>,
    /// Where the next page begins; `None` at the present end of the log.
    pub next: Option<String>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The text.
    pub text: String,
}
