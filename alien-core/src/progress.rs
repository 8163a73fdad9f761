//! What is told while a set-up runs.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cloud::Cloud;
use crate::context::DeploymentContext;
use crate::permission::Subject;

/// Is told how a set-up or a take-down goes on.
pub trait Progress: Send + Sync {
    /// Something began or ended.
    fn event(&self, event: &Event);
}

/// Something began or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The resource's id, the profile's name, or what it is.
    pub subject: String,
    /// The kind of resource, `identity`, or `deployment` for what resources share.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// What happens with it.
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

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is being made.
    Creating,
    /// It was made.
    Created,
    /// It is being changed.
    Updating,
    /// It was changed.
    Updated,
    /// It is as it should be.
    Left,
    /// It is being removed.
    Deleting,
    /// It was removed.
    Deleted,
    /// It was to be removed and was kept.
    Kept,
    /// It is not as it was to be: the outcome says why.
    Failed,
}

impl Stage {
    /// Whether nothing more is done with it.
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

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event) {}
}
