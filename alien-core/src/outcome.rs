//! What became of a release, resource by resource.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::name::ResourceId;

/// What became of one resource in a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "error", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is as the release says already: no call was made.
    Unchanged,
    /// It was updated and works.
    Updated,
    /// It did not work as the release says. What was there before was put back, and runs again.
    PutBack(Error),
    /// Nothing was done to it: why not.
    NotUpdated(Error),
    /// The update began, and whether it was done is not known. The next release sets it anew.
    Unknown(Error),
}

impl Outcome {
    /// The word used in documents: `unchanged`, `updated`, `put-back`, `not-updated`, `unknown`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Updated => "updated",
            Self::PutBack(_) => "put-back",
            Self::NotUpdated(_) => "not-updated",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether it is now as the release says.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Updated)
    }

    /// Why it is not as the release says; none where it is.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Self::Unchanged | Self::Updated => None,
            Self::PutBack(error) | Self::NotUpdated(error) | Self::Unknown(error) => Some(error),
        }
    }
}

/// As `updated`, and `put back: ` with the reason.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.name().replace('-', " ");
        match self.error() {
            None => f.write_str(&word),
            Some(error) => write!(f, "{word}: {}", error.message()),
        }
    }
}

/// What became of a release: an outcome for every resource, or why it was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "what failed is told by `into_result` and `outcomes`"]
pub struct Released {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<Error>,
    outcomes: BTreeMap<ResourceId, Outcome>,
}

impl Released {
    pub(crate) const fn refused(error: Error) -> Self {
        Self { refusal: Some(error), outcomes: BTreeMap::new() }
    }

    pub(crate) const fn of(outcomes: BTreeMap<ResourceId, Outcome>) -> Self {
        Self { refusal: None, outcomes }
    }

    /// Why it was refused before any call; none where it was carried out.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Error> {
        self.refusal.as_ref()
    }

    /// Every resource of the release and what became of it, sorted by id; nothing where the release was refused.
    pub fn outcomes(&self) -> impl Iterator<Item = (&ResourceId, &Outcome)> {
        self.outcomes.iter()
    }

    /// Whether every resource is now as the release says.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.refusal.is_none() && self.outcomes.values().all(Outcome::is_ok)
    }

    /// The same as a result.
    ///
    /// # Errors
    ///
    /// Why the release was refused; else why a resource is not as it says. Of several, the first is told in full, and the
    /// others are named.
    pub fn into_result(self) -> Result<()> {
        if let Some(error) = self.refusal {
            return Err(error);
        }
        let mut failed = self.outcomes.iter().filter_map(|(id, outcome)| Some((id, outcome.error()?)));
        let Some((id, first)) = failed.next() else { return Ok(()) };
        let first = first.clone().at(id.as_str());
        let others: Vec<String> = failed.map(|(id, error)| format!("`{id}`: {}", error.message())).collect();
        Err(if others.is_empty() { first } else { first.because(format!("also {}", others.join("; "))) })
    }
}

/// One line for each resource, as `api: updated`; or why the release was refused.
impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.refusal {
            return write!(f, "refused: {error}");
        }
        for (position, (id, outcome)) in self.outcomes.iter().enumerate() {
            let line = if position == 0 { "" } else { "\n" };
            write!(f, "{line}{id}: {outcome}")?;
        }
        Ok(())
    }
}
