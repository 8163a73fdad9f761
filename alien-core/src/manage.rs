//! What the vendor does day to day, in one session: heartbeat, update, logs, dispatch.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::name::ResourceId;
use crate::resource::{Resource, ResourceSettings};

/// One session with short-lived credentials, on one deployment.
#[async_trait]
pub trait Manage: Send + Sync + fmt::Debug {
    /// A number that differs for every session.
    fn serial(&self) -> u64;

    /// When its credentials expire.
    fn expires(&self) -> Timestamp;

    /// The health of a resource, never by a call that returns code, data or names of objects.
    async fn heartbeat(&self, id: &ResourceId) -> Result<Heartbeat>;

    /// Changes code and settings of a live function or container, and waits until it works.
    async fn update(&self, id: &ResourceId, change: &Change) -> Result<()>;

    /// A page of the log.
    async fn logs(&self, id: &ResourceId, query: &LogQuery) -> Result<LogPage>;

    /// Sends a command to a function that takes commands, and returns its answer.
    async fn dispatch(&self, id: &ResourceId, command: &[u8]) -> Result<Vec<u8>>;
}

/// The health of a resource, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The health.
    pub health: Health,
    /// The reason, in the cloud's own words if it gives one.
    pub reason: String,
}

impl Heartbeat {
    /// Creates a heartbeat.
    #[must_use]
    pub fn new(health: Health, reason: impl Into<String>) -> Self {
        Self { health, reason: reason.into() }
    }
}

/// The health of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// Compares with the present resource: whether the code changes, and whether other settings change.
    #[must_use]
    pub fn since(&self, old: &Resource) -> (bool, bool) {
        let new_code = self.resource.code() != old.code();
        let changed = self.resource.changed_fields(old);
        (self.again || new_code, self.again || changed.iter().any(|field| *field != "code"))
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The text.
    pub text: String,
}
