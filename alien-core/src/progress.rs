//! The progress of a set-up, take-down or release.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cloud::Cloud;
use crate::context::DeploymentContext;
use crate::permission::Subject;

/// Receives the progress of a set-up or take-down.
pub trait Progress: Send + Sync {
    /// Called when a step begins or ends.
    fn event(&self, event: &Event);
}

/// A step that began or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The resource's id, the profile's name, or a description.
    pub subject: String,
    /// The kind of resource, `identity`, or `deployment` for what resources share.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The stage that it has reached.
    pub stage: Stage,
}

impl Event {
    pub(crate) fn of<C: Cloud>(deployment: &DeploymentContext<C>, subject: Subject, stage: Stage) -> Self {
        let kind = deployment.subject_kind(subject).into();
        Self { subject: deployment.subject_name(subject).to_owned(), kind, stage }
    }
}

/// As `created api (function)`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.stage.name(), self.subject, self.kind)
    }
}

/// The stage of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is being created.
    Creating,
    /// It was created.
    Created,
    /// It is being updated.
    Updating,
    /// It was updated.
    Updated,
    /// Nothing: it is up to date.
    Left,
    /// It is being deleted.
    Deleting,
    /// It was deleted.
    Deleted,
    /// It was to be deleted, but was kept.
    Kept,
    /// The step failed: the outcome says why.
    Failed,
}

impl Stage {
    /// Whether the step has ended.
    #[must_use]
    pub const fn is_end(self) -> bool {
        !matches!(self, Self::Creating | Self::Updating | Self::Deleting)
    }

    /// The word used in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Updating => "updating",
            Self::Updated => "updated",
            Self::Left => "left",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Kept => "kept",
            Self::Failed => "failed",
        }
    }
}

impl<F: Fn(&Event) + Send + Sync> Progress for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// Ignores the progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event) {}
}
