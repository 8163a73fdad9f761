//! The number of a release.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of a release, which rises from one release of a product to the next. Release N has a twin N+1, with the
/// content to go back to, so the next release is N+2. [`PublishedRelease`](crate::PublishedRelease) has both as files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sequence(u64);

impl Sequence {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The number of the twin of this release.
    #[must_use]
    pub const fn twin(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl From<u64> for Sequence {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The twin of a release: the release to which a rollout is reverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Twin {
    /// The twin's own number: one more than the number of the release.
    pub sequence: Sequence,
    /// The release that the twin has the content of.
    pub content: Sequence,
}
