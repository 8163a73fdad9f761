//! Why something is not taken.

use std::fmt;

use alien_core::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// It is older than what was seen before.
    Replay,
    /// It is valid no longer, or the machine's clock is wrong.
    Expired,
    /// It is valid for longer than it is made for: the machine's clock is wrong.
    WrongClock,
    /// Files that do not belong together are given as one repository.
    Mixed,
    /// Too few of the right keys signed it.
    Unsigned,
    /// A key signed it that was taken out.
    RotatedKey,
    /// Its version is so high that no later one could follow.
    FastForward,
    /// It is larger than it may be.
    Endless,
    /// It takes more memory than its agent has.
    TooLarge,
    /// Its bytes are not those that were signed.
    Altered,
    /// There is no root file with the digest that is trusted, or another is trusted in this folder.
    WrongRoot,
    /// The repository does not have it.
    Missing,
    /// It is signed, and is not what it should be.
    Malformed,
    /// The repository cannot be read at the moment.
    Unreachable,
    /// What is trusted on this machine cannot be read or written.
    Storage,
}

/// Why something is not taken. What was trusted before is as it was, or has later keys that its keys signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    kind: RefusalKind,
    message: String,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn storage(error: &Error) -> Self {
        Self::new(RefusalKind::Storage, error.message())
    }

    /// What kind of thing is wrong.
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// For programs that report all errors in one way.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.kind {
            RefusalKind::Missing => ErrorKind::NotFound,
            RefusalKind::Unreachable | RefusalKind::Storage => ErrorKind::Unavailable,
            RefusalKind::Expired => ErrorKind::Expired,
            _ => ErrorKind::Rejected,
        };
        Self::new(kind, refusal.message)
    }
}
