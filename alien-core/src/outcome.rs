//! The outcomes of a release, for each resource.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::name::ResourceId;

/// The result of a release for one resource.
///
/// ```
/// # use std::sync::Arc;
/// # use alien_core::{memory, *};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mut stack = Stack::builder("shop");
/// # let api = stack.live("api", Function::new(Code::zip(b"first"), "api").with_commands());
/// # stack.profile("api", Profile::new());
/// # let stack = stack.build()?;
/// # let first = Release::new(stack.clone(), [Arc::from(*b"first")].into_iter().collect())?;
/// # let config = memory::Config::new(memory::Account::default());
/// # let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
/// # let deployment = admin.apply(&admin.plan(&first).await?).await?;
/// # let manager = Manager::new(memory::vendor(&config), deployment);
/// // Code that does not start: what ran before is put back.
/// let next = stack.with_code(&api, Code::zip(memory::BROKEN))?;
/// let release = Release::new(next, [Arc::from(memory::BROKEN)].into_iter().collect())?;
/// let released = manager.release(&release).await;
/// let outcomes: Vec<_> = released.outcomes().collect();
/// assert!(matches!(outcomes[..], [(_, Outcome::PutBack(_))]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", content = "error", rename_all = "kebab-case")]
pub enum Outcome {
    /// It already was as the release says: no call was made.
    Unchanged,
    /// It was updated and works.
    Updated,
    /// The vendor created it, because the customer lets it. What of it waits for the customer's admin is told:
    /// [`Released::waits`].
    Created,
    /// The vendor deleted it, because the release no longer has it and the customer lets it.
    Deleted,
    /// The update failed. What ran before was put back, and runs again.
    PutBack(Error),
    /// Nothing was changed, for this reason.
    NotUpdated(Error),
    /// The update began, but it is unknown whether it was done. The next release repeats it.
    Unknown(Error),
}

impl Outcome {
    /// The word used in documents: `unchanged`, `updated`, `created`, `deleted`, `put-back`, `not-updated`, `unknown`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Updated => "updated",
            Self::Created => "created",
            Self::Deleted => "deleted",
            Self::PutBack(_) => "put-back",
            Self::NotUpdated(_) => "not-updated",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether it is now as the release says.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.error().is_none()
    }

    /// Why it is not as the release says; `None` if it is.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Self::Unchanged | Self::Updated | Self::Created | Self::Deleted => None,
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

/// The result of a release: an outcome for every resource, or why it was refused as a whole.
///
/// ```
/// # use std::sync::Arc;
/// # use alien_core::{memory, *};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mut stack = Stack::builder("shop");
/// # let api = stack.live("api", Function::new(Code::zip(b"first"), "api").with_commands());
/// # stack.profile("api", Profile::new());
/// # let stack = stack.build()?;
/// # let first = Release::new(stack.clone(), [Arc::from(*b"first")].into_iter().collect())?;
/// # let config = memory::Config::new(memory::Account::default());
/// # let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
/// # let deployment = admin.apply(&admin.plan(&first).await?).await?;
/// # let manager = Manager::new(memory::vendor(&config), deployment);
/// let next = stack.with_code(&api, Code::zip(b"second"))?;
/// let release = Release::new(next, [Arc::from(*b"second")].into_iter().collect())?;
/// let released = manager.release(&release).await;
/// assert_eq!(released.to_string(), "api: updated");
/// released.into_result()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[must_use = "what failed is told by `into_result` and `outcomes`"]
pub struct Released {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<Error>,
    pub(crate) outcomes: BTreeMap<ResourceId, Outcome>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) unrecorded: BTreeMap<ResourceId, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) waits: BTreeMap<ResourceId, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unsaved: Option<Error>,
}

impl Released {
    pub(crate) fn refused(error: Error) -> Self {
        Self { refusal: Some(error), ..Self::default() }
    }

    /// Why it was refused before any call; `None` if it was carried out.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Error> {
        self.refusal.as_ref()
    }

    /// Every resource of the release with its outcome, sorted by id; empty if the release was refused.
    pub fn outcomes(&self) -> impl Iterator<Item = (&ResourceId, &Outcome)> {
        self.outcomes.iter()
    }

    /// The resources that ran something else than the record says before the release, each with how it differed.
    pub fn unrecorded(&self) -> impl Iterator<Item = (&ResourceId, &str)> {
        self.unrecorded.iter().map(|(id, how)| (id, how.as_str()))
    }

    /// The resources that the vendor created and the customer's admin must finish by setting up again, each with what
    /// waits for that.
    pub fn waits(&self) -> impl Iterator<Item = (&ResourceId, &str)> {
        self.waits.iter().map(|(id, what)| (id, what.as_str()))
    }

    /// Why the record could not be saved after the release; `None` if it was. The outcomes are as they are told all the
    /// same, and the next release finds out what runs.
    #[must_use]
    pub const fn unsaved(&self) -> Option<&Error> {
        self.unsaved.as_ref()
    }

    /// Whether every resource is now as the release says, and the record too.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.refusal.is_none() && self.unsaved.is_none() && self.outcomes.values().all(Outcome::is_ok)
    }

    /// Turns it into a [`Result`], for a program that only needs to know whether everything is as the release says.
    ///
    /// # Errors
    ///
    /// Why the release was refused, or why a resource is not as it says. Of several resources, the first error is
    /// complete, and the others are named in it.
    pub fn into_result(self) -> Result<()> {
        if let Some(error) = self.refusal {
            return Err(error);
        }
        let mut failed = self.outcomes.iter().filter_map(|(id, outcome)| Some((id, outcome.error()?)));
        let Some((id, first)) = failed.next() else {
            return self.unsaved.map_or(Ok(()), |error| {
                Err(error.because("everything is as the release says, and the record is not saved; release again"))
            });
        };
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
            if let Some(waits) = self.waits.get(id) {
                write!(f, "; the customer's admin sets up again for {waits}")?;
            }
        }
        Ok(())
    }
}
