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
    /// Another number for every session.
    fn serial(&self) -> u64;

    /// When its credentials end.
    fn expires(&self) -> Timestamp;

    /// How a resource is, never by a call that returns code, data or names of objects.
    async fn heartbeat(&self, id: &ResourceId) -> Result<Heartbeat>;

    /// Changes code and settings of a live function or container, and waits until it works.
    async fn update(&self, id: &ResourceId, change: &Change) -> Result<()>;

    /// Some lines of a log.
    async fn logs(&self, id: &ResourceId, query: &LogQuery) -> Result<LogPage>;

    /// Sends a command to a function that takes commands, and gives its answer.
    async fn dispatch(&self, id: &ResourceId, command: &[u8]) -> Result<Vec<u8>>;
}

/// How a resource is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// In a word.
    pub health: Health,
    /// Why, in the cloud's own words where it has some.
    pub reason: String,
}

impl Heartbeat {
    /// It is so, for this reason.
    #[must_use]
    pub fn new(health: Health, reason: impl Into<String>) -> Self {
        Self { health, reason: reason.into() }
    }
}

/// How a resource is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It works.
    Healthy,
    /// It is there and does not work as it should.
    Degraded,
    /// It is not there.
    Missing,
    /// The cloud does not let the vendor see it.
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

/// An update of a function or a container: what it is to be, and the bytes that takes.
#[derive(Clone)]
pub struct Change {
    /// What it is to be.
    pub resource: Resource,
    /// The bytes of its new code, where that is a zip.
    pub zip: Option<Arc<[u8]>>,
    /// The bytes of the code it has, where that is a zip and they are at hand: put back if the new code does not work.
    pub previous_zip: Option<Arc<[u8]>>,
    /// Whether an earlier update may have been interrupted: then all of it is set, whatever it was before.
    pub again: bool,
}

impl Change {
    /// What a resource of this kind is to be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] where it is of another kind.
    pub fn settings<S: ResourceSettings>(&self) -> Result<&S> {
        let other = || Error::new(ErrorKind::Internal, format!("an update to a {}", self.resource.kind()));
        self.resource.settings_of().ok_or_else(other)
    }

    /// What is to be done to something that is `old`: whether it gets other code, and whether other settings.
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
    /// From this time on.
    pub from: Timestamp,
    /// Where an earlier page ended; none for the first.
    pub cursor: Option<String>,
    /// At most so many lines, 1 to 1,000.
    pub limit: u16,
}

impl LogQuery {
    /// The first lines from a time on.
    #[must_use]
    pub const fn from(from: Timestamp) -> Self {
        Self { from, cursor: None, limit: 1000 }
    }
}

/// Some lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The lines, in order of time. A page may have none although there are more.
    pub lines: Vec<LogLine>,
    /// Where the next page begins; none where the log ends here for now.
    pub next: Option<String>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
}
