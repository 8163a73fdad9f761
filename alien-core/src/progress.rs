//! The progress of a set-up, take-down or release.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::Gate;
use crate::clock::Clock;
use crate::cloud::Cloud;
use crate::deployment::DeploymentId;
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
    /// The deployment.
    pub deployment: DeploymentId,
    /// The digest of the stack that is set up, taken down or released.
    pub release: String,
    /// When that was.
    pub at: Timestamp,
    /// How long the step took, if it has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub took: Option<Duration>,
}

/// A step under way, of which events tell.
pub(crate) struct Told<'a> {
    pub(crate) progress: &'a dyn Progress,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) deployment: DeploymentId,
    pub(crate) release: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) since: Timestamp,
}

impl<'a> Told<'a> {
    /// A step about a subject, which begins now.
    pub(crate) fn about<C: Cloud>(gate: &'a Gate<C>, subject: Subject, progress: &'a dyn Progress) -> Self {
        let (deployment, clock) = (gate.deployment(), gate.clock());
        let (subject, kind) = (deployment.subject_name(subject), deployment.subject_kind(subject));
        let release = deployment.whole_stack().digest();
        Self { progress, clock, deployment: deployment.id, release, subject, kind, since: clock.now() }
    }

    /// Tells that it has reached a stage.
    pub(crate) fn tell(&self, stage: Stage) {
        let at = self.clock.now();
        let took = stage.is_end().then(|| Duration::try_from(at.duration_since(self.since)).unwrap_or_default());
        let (subject, kind, release) = (self.subject.to_owned(), self.kind.into(), self.release.to_owned());
        self.progress.event(&Event { subject, kind, stage, deployment: self.deployment, release, at, took });
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
