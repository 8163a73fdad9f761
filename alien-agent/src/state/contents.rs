//! What a state keeps.

use std::io::{self, Write};

use alien_core::rollout::Sequence;
use alien_core::{CommandId, Deployment, Error, ErrorKind, Result};
use alien_release::agent::{Attempt, Waits};
use alien_release::{Begun, SigningKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::sealed::{ROOM, VERSION};

/// The largest number of outcomes that wait to be reported. The earliest are dropped first.
const MOST_OUTCOMES: usize = 16;
/// The largest number of commands that are remembered. The earliest are dropped first.
const MOST_COMMANDS: usize = 1024;

/// What a state keeps. It has no `Debug`, because it holds the agent's key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Contents {
    version: u32,
    /// The agent's private key, in PEM.
    key: Zeroizing<String>,
    /// The record of the deployment, after the customer's admin has set it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<Deployment>,
    /// The digest of the record that the admin gave last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) given: Option<String>,
    /// The number of the newest release that was begun: nothing older is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) floor: Option<Sequence>,
    /// No message has a higher counter: the next start counts on from here.
    #[serde(default)]
    pub(crate) counter: u64,
    /// The release that runs, if the agent rolled one out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runs: Option<Sequence>,
    /// What was begun and has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<BegunAttempt>,
    /// What is not begun now, and why: for the customer's admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<Waiting>,
    /// How the last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<Attempt>,
    /// Outcomes that no manager has taken yet, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    untold: Vec<Attempt>,
    /// Commands that were taken or refused, the oldest first: none is carried out twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    commands: Vec<CommandId>,
}

/// A release that an agent does not begin for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "AgentWaiting")]
#[non_exhaustive]
pub struct Waiting {
    /// Its number.
    pub release: Sequence,
    /// Why.
    pub why: Waits,
}

/// A release that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BegunAttempt {
    pub(crate) release: Begun,
    /// The number of the attempt.
    pub(crate) fence: u64,
    /// How often it was tried and nobody knows how that ended.
    #[serde(default)]
    pub(crate) tries: u32,
}

impl Contents {
    pub(super) fn new(key: &SigningKey) -> Result<Self> {
        Ok(Self {
            version: VERSION,
            key: key.reveal_pem()?,
            record: None,
            given: None,
            floor: None,
            counter: 0,
            runs: None,
            begun: None,
            waiting: None,
            last: None,
            untold: Vec::new(),
            commands: Vec::new(),
        })
    }

    /// The agent's key.
    pub(super) fn signing_key(&self) -> Result<SigningKey> {
        SigningKey::from_pem(&self.key)
    }

    /// Keeps what is begun. From now on nothing older is.
    pub(crate) fn begin(&mut self, attempt: BegunAttempt) {
        self.floor = self.floor.max(Some(attempt.release.sequence));
        self.waiting = None;
        self.begun = Some(attempt);
    }

    /// Keeps the outcome of an attempt until the manager has taken its report.
    pub(crate) fn end(&mut self, attempt: Attempt) {
        if self.begun.as_ref().is_some_and(|begun| begun.fence == attempt.fence) {
            self.begun = None;
        }
        self.last = Some(attempt.clone());
        self.untold.push(attempt);
        let superfluous = self.untold.len().saturating_sub(MOST_OUTCOMES);
        self.untold.drain(..superfluous);
    }

    /// The outcome that is to be told: the oldest that no manager has taken, or else the last one.
    pub(crate) fn outcome(&self) -> Option<&Attempt> {
        self.untold.first().or(self.last.as_ref())
    }

    /// Whether outcomes wait to be told.
    pub(crate) fn is_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Forgets that an outcome is to be told.
    pub(crate) fn told(&mut self, attempt: &Attempt) {
        // What was told may lack the cloud's own words.
        if self.untold.first().is_some_and(|first| (first.release, first.fence) == (attempt.release, attempt.fence)) {
            self.untold.remove(0);
        }
    }

    /// Whether a command was taken or refused before.
    pub(crate) fn knows(&self, command: CommandId) -> bool {
        self.commands.contains(&command)
    }

    /// Remembers a command.
    pub(crate) fn remember(&mut self, command: CommandId) {
        self.commands.push(command);
        let superfluous = self.commands.len().saturating_sub(MOST_COMMANDS);
        self.commands.drain(..superfluous);
    }

    /// Its JSON, in one piece of memory that is wiped, with room for what sealing adds.
    pub(super) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>> {
        let defect =
            |error: serde_json::Error| Error::new(ErrorKind::Internal, "the state has no JSON form").caused_by(&error);
        // A buffer that grows would leave copies of the key behind.
        let mut counted = Counted(0);
        serde_json::to_writer(&mut counted, self).map_err(defect)?;
        let mut json = Zeroizing::new(Vec::with_capacity(counted.0 + ROOM));
        serde_json::to_writer(&mut *json, self).map_err(defect)?;
        Ok(json)
    }

    /// Reads the JSON of this version. The first version has none before it.
    pub(super) fn from_json(json: &[u8]) -> Result<Self> {
        // What was not expected is not quoted: it may be the key.
        serde_json::from_slice(json).map_err(|error| {
            let what = format!("its contents are not those of a state, at column {}", error.column());
            Error::new(ErrorKind::Rejected, what).because("run the program that wrote it, or a newer one")
        })
    }
}

/// Counts what is written.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
