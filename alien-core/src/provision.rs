//! What the customer's admin does, with the admin's own credentials: plan, apply, destroy, revoke.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cloud::Size;
use crate::deployment::{Deployment, DeploymentId};
use crate::error::Result;
use crate::problem::{Problem, Remedy, Rule};
use crate::progress::Progress;
use crate::release::{Artifacts, Release};
use crate::stack::Stack;
use crate::target::AnyTarget;

/// What an adapter provisions with: [`Admin`](crate::Admin) is its face for programs.
#[async_trait]
pub trait Provision: Send + Sync + fmt::Debug {
    /// Plans a set-up. Changes nothing.
    ///
    /// With the record of what is there, it says which settings changed, and removes what the stack has no more.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) where the cloud does not take the stack, all problems at once;
    /// [`Credentials`](crate::ErrorKind::Credentials); what the cloud's calls give.
    async fn plan(&self, release: &Release, previous: Option<&Deployment>, options: &Options) -> Result<Plan>;

    /// Does what a plan says, and gives the record for the vendor. It can be interrupted anywhere and begun again.
    ///
    /// A plan that was kept is checked again before anything is done: where what is there has changed since, so that other
    /// steps would be taken, it is refused.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) where the plan has a refusal, lacks the bytes of a zip, or is out of date;
    /// [`Locked`](crate::ErrorKind::Locked) where another run is under way; [`NotOwned`](crate::ErrorKind::NotOwned) where
    /// something of someone else's has a name that is needed; what the cloud's calls give.
    async fn apply(&self, plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Deployment>;

    /// Takes a deployment down, the vendor's access first. Says what is left, and makes sure that nothing else is.
    ///
    /// # Errors
    ///
    /// [`Locked`](crate::ErrorKind::Locked) where another run is under way; [`Busy`](crate::ErrorKind::Busy) where
    /// something is still there in the end; what the cloud's calls give.
    async fn destroy(
        &self,
        deployment: &Deployment,
        data: Data,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<DestroyReport>;

    /// Takes the vendor's access back, at once, and leaves everything running. It ends a set-up that is under way; a
    /// further one gives the access again.
    ///
    /// # Errors
    ///
    /// [`NotOwned`](crate::ErrorKind::NotOwned) where the identity of that name is not this deployment's;
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is none; what the cloud's calls give.
    async fn revoke(&self, deployment: &Deployment, options: &Options) -> Result<()>;
}

/// How a set-up is to be done. By default under a name of its own, after waiting for a run that was interrupted, and
/// leaving frozen resources as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name of the run: another one for every run, so that two at once see each other.
    pub run: String,
    /// Do not wait for the claim of a run that was interrupted.
    pub take_over: bool,
    /// Change frozen resources as well.
    pub allow_frozen_changes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new(uuid::Uuid::now_v7().to_string())
    }
}

impl Options {
    /// A run of this name, instead of one that is made: another one for every run.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into(), take_over: false, allow_frozen_changes: false }
    }

    /// Does not wait for the claim of a run that was interrupted.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.take_over = true;
        self
    }

    /// Changes frozen resources as well.
    #[must_use]
    pub fn allow_frozen_changes(mut self) -> Self {
        self.allow_frozen_changes = true;
        self
    }
}

/// What to do with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Keep every resource that can hold data.
    Keep,
    /// Keep what holds data, or may.
    #[default]
    KeepUnlessEmpty,
    /// Delete it.
    Delete,
}

/// What a set-up will do, in order, and the permission documents it will write. Nothing was changed to make it.
///
/// It can be kept as JSON, approved, and applied later. The bytes of zips are not kept with it: give them again, by
/// [`with_artifacts`](Self::with_artifacts).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The steps, in an order in which they can be done one by one.
    pub steps: Vec<Step>,
    /// What should be known, and what must be mended first.
    pub problems: Vec<Problem>,
    /// The size of each document against its limit.
    pub sizes: Vec<Size>,
    /// The permission documents of all three layers, in the cloud's own form.
    #[serde(deserialize_with = "crate::unique::value")]
    pub documents: Value,
    /// The deployment's id.
    pub id: DeploymentId,
    /// Where it goes and whom it trusts.
    pub target: AnyTarget,
    /// What is set up.
    pub stack: Stack,
    /// The record of what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Deployment>,
    /// Frozen resources whose settings may be changed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub approved: BTreeSet<String>,
    #[serde(skip)]
    pub(crate) artifacts: Artifacts,
    /// Whether it was made here just now, and not read.
    #[serde(skip)]
    pub(crate) is_fresh: bool,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The resource's id, the profile's name, or what it is.
    pub subject: String,
    /// The kind of resource, `identity`, or `deployment` for what resources share.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// What will be done.
    pub action: Action,
    /// Why.
    pub why: String,
    /// What helps, where it is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<Remedy>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Make it.
    Create,
    /// Change it.
    Update,
    /// Nothing: it is as it should be.
    Leave,
    /// Nothing: it is the customer's, and is used.
    Adopt,
    /// Remove it, unless it holds data.
    Delete,
    /// Nothing at all will be done before this is mended.
    Refuse,
}

impl Action {
    /// The word used in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Leave => "leave",
            Self::Adopt => "adopt",
            Self::Delete => "delete",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Plan {
    /// The same with the bytes of zips: for a plan that was kept.
    #[must_use]
    pub fn with_artifacts(mut self, artifacts: Artifacts) -> Self {
        self.artifacts = artifacts;
        self
    }

    /// Whether applying it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| matches!(step.action, Action::Leave | Action::Adopt))
    }

    /// Whether it can be applied.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) where it cannot: every refused step and every error.
    pub fn refusal(&self) -> Result<()> {
        let steps = self.steps.iter().filter(|step| step.action == Action::Refuse).map(|step| {
            let problem = Problem::error(Rule::SetFit, step.why.clone(), "mend it, and plan again".to_owned());
            Problem { remedy: step.remedy, ..problem.at(&step.subject) }
        });
        let reasons: Vec<Problem> =
            steps.chain(self.problems.iter().filter(|problem| problem.is_error()).cloned()).collect();
        if reasons.is_empty() { Ok(()) } else { Err(reasons.into()) }
    }

    pub(crate) fn release(&self) -> Release {
        Release::partial(self.stack.clone(), self.artifacts.clone())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { subject, kind, action, why, .. } in &self.steps {
            writeln!(f, "{action:<7} {subject} ({kind}): {why}")?;
        }
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        for Size { document, unit, size, limit, .. } in &self.sizes {
            writeln!(f, "{document}: {size} of {limit} {unit}")?;
        }
        Ok(())
    }
}

/// What is left of a deployment that was taken down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyReport {
    /// What was kept, and why.
    pub kept: Vec<Remaining>,
    /// What stands under a name of the deployment's and is not its own. It was not touched.
    pub foreign: Vec<Remaining>,
}

/// One thing that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remaining {
    /// The resource's id, the profile's name, or what it is.
    pub subject: String,
    /// Why it is left.
    pub why: String,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<Remedy>,
}
