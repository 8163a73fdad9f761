//! What the customer's admin does, with the admin's own credentials: plan, apply, destroy, revoke.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Clock;
use crate::cloud::Size;
use crate::delivery::Delivery;
use crate::deployment::{Deployment, DeploymentId};
use crate::error::Result;
use crate::name::RunId;
use crate::problem::{Problem, Remedy, Rule};
use crate::progress::Progress;
use crate::release::{Artifacts, Release};
use crate::stack::Stack;
use crate::target::AnyTarget;

/// Provisions deployments, as an adapter implements it. Programs use it through [`Admin`](crate::Admin).
#[async_trait]
pub trait Provision: Send + Sync + fmt::Debug {
    /// Plans a set-up. Changes nothing.
    ///
    /// With the record of the present deployment, the plan says which settings changed, and removes what the stack no longer has.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) if the cloud rejects the stack, all problems at once, or if the target names
    /// somebody else than those who carry releases in; [`Credentials`](crate::ErrorKind::Credentials); errors of the cloud's
    /// calls.
    async fn plan(
        &self,
        release: &Release,
        delivery: &Delivery,
        previous: Option<&Deployment>,
        options: &Options,
    ) -> Result<Plan>;

    /// Applies a plan, and returns the record for the vendor. It can be interrupted at any point and run again.
    ///
    /// A plan that was stored is checked again first. If the deployment has changed since, so that the steps would differ, the
    /// plan is refused.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) if the plan has a refusal, lacks the bytes of a zip, or is out of date;
    /// [`Locked`](crate::ErrorKind::Locked) if another run is in progress; [`NotOwned`](crate::ErrorKind::NotOwned) if
    /// a needed name belongs to something of someone else's; errors of the cloud's calls.
    async fn apply(&self, plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Deployment>;

    /// Takes a deployment down, the vendor's access first. Reports what is left, after checking that nothing else is.
    ///
    /// # Errors
    ///
    /// [`Locked`](crate::ErrorKind::Locked) if another run is in progress; [`Busy`](crate::ErrorKind::Busy) if
    /// something still exists in the end; errors of the cloud's calls.
    async fn destroy(
        &self,
        deployment: &Deployment,
        data: Data,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<DestroyReport>;

    /// Revokes the vendor's access at once, and leaves everything running. It ends a set-up that is in progress; a later set-up
    /// grants the access again.
    ///
    /// # Errors
    ///
    /// [`NotOwned`](crate::ErrorKind::NotOwned) if the identity of that name is not this deployment's;
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none; errors of the cloud's calls.
    async fn revoke(&self, deployment: &Deployment, options: &Options) -> Result<()>;

    /// The clock that waiting uses.
    fn clock(&self) -> &dyn Clock;
}

/// Options of a run. By default it has a generated name, waits for the claim of an interrupted run, and leaves frozen resources
/// as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name of the run. It differs for every run, so that two at once see each other.
    pub run: RunId,
    /// Whether to ignore the claim of an interrupted run instead of waiting for it.
    pub take_over: bool,
    /// Whether to change frozen resources as well.
    pub allow_frozen_changes: bool,
    /// Whether to set what the vendor may change of live code to what the stack says, although the vendor has updated it.
    pub reset_live: bool,
    /// Whether to mark again what the record knows and carries no deployment's mark.
    pub mark_again: bool,
    /// Whether the record was not written by a set-up but follows from the invitation, so that it knows nothing of what
    /// carries no mark.
    pub without_record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new(RunId::new())
    }
}

impl Options {
    /// Names the run, instead of generating a name. Use another name for every run.
    #[must_use]
    pub const fn new(run: RunId) -> Self {
        Self {
            run,
            take_over: false,
            allow_frozen_changes: false,
            reset_live: false,
            mark_again: false,
            without_record: false,
        }
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

    /// Sets live code to what the stack says, although the vendor has updated it.
    #[must_use]
    pub fn reset_live(mut self) -> Self {
        self.reset_live = true;
        self
    }

    /// The record was not written by a set-up: it follows from the invitation.
    #[must_use]
    pub fn without_record(mut self) -> Self {
        self.without_record = true;
        self
    }

    /// Marks again what the record knows and carries no deployment's mark, such as after somebody replaced its tags.
    #[must_use]
    pub fn mark_again(mut self) -> Self {
        self.mark_again = true;
        self
    }
}

/// What happens to data when a deployment is taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Keep every resource that can hold data.
    Keep,
    /// Keep what holds data, or may hold some.
    #[default]
    KeepUnlessEmpty,
    /// Delete it.
    Delete,
}

/// What a set-up will do, in order, and the permission documents it will write. Planning changes nothing.
///
/// A plan can be stored as JSON, approved, and applied later. The bytes of zips are not part of it: give them again by
/// [`with_artifacts`](Self::with_artifacts).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The steps, in an order in which they can be done one after the other.
    pub steps: Vec<Step>,
    /// Warnings, and errors that must be fixed first.
    pub problems: Vec<Problem>,
    /// The size of each document against its limit.
    #[schemars(with = "Vec<Value>")]
    pub sizes: Vec<Size>,
    /// The permission documents of all three layers, in the cloud's own form.
    #[serde(deserialize_with = "crate::unique::value")]
    pub documents: Value,
    /// The deployment's id.
    pub id: DeploymentId,
    /// Where it goes and whom it trusts.
    pub target: AnyTarget,
    /// How releases will reach it.
    #[serde(default, skip_serializing_if = "Delivery::is_push")]
    pub delivery: Delivery,
    /// The stack to set up.
    pub stack: Stack,
    /// The record of the present deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Deployment>,
    /// The frozen resources that the admin allows to change, by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub approved: BTreeSet<String>,
    /// The live functions and containers whose code and sizes the admin sets to what the stack says, by id, although the
    /// vendor has updated them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reset: BTreeSet<String>,
    /// What the record knows, carries no deployment's mark, and is marked again: by the cloud's id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marked_again: BTreeSet<String>,
    #[serde(skip)]
    pub(crate) artifacts: Artifacts,
    /// Whether it was made here just now, and not read.
    #[serde(skip)]
    pub(crate) is_fresh: bool,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The resource's id, the profile's name, or a description.
    pub subject: String,
    /// The kind of resource, `identity`, or `deployment` for what resources share.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The cloud's id of it: an ARN (AWS), a full resource name (GCP) or a resource id (Azure); `None` for what resources share.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// The action.
    pub action: Action,
    /// The reason.
    pub why: String,
    /// What helps, if it is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<Remedy>,
    /// What runs otherwise than the stack says and is left, because it is the vendor's to change; `None` if nothing is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vendors: Option<String>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Create it.
    Create,
    /// Update it.
    Update,
    /// Nothing: it is up to date.
    Leave,
    /// Nothing: it is the customer's own, and is used.
    Adopt,
    /// Delete it, unless it holds data.
    Delete,
    /// Nothing: the whole plan is refused until this is fixed.
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
    /// Adds the bytes of zips, for a plan that was stored.
    #[must_use]
    pub fn with_artifacts(mut self, artifacts: Artifacts) -> Self {
        self.artifacts = artifacts;
        self
    }

    /// Whether applying the plan changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| matches!(step.action, Action::Leave | Action::Adopt))
    }

    /// Checks that the plan can be applied.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) if not: every refused step and every error.
    pub fn refusal(&self) -> Result<()> {
        let steps = self.steps.iter().filter(|step| step.action == Action::Refuse).map(|step| {
            let problem = Problem::error(Rule::SetFit, step.why.clone(), "fix it, and plan again".to_owned());
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
        for Step { subject, kind, action, why, vendors, .. } in &self.steps {
            write!(f, "{action:<7} {subject} ({kind}): {why}")?;
            match vendors {
                Some(vendors) => writeln!(f, "; {vendors}")?,
                None => writeln!(f)?,
            }
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DestroyReport {
    /// What was deleted: the resource's id, the profile's name, or a description.
    #[serde(default)]
    pub deleted: Vec<String>,
    /// What was kept, and why.
    pub kept: Vec<Remaining>,
    /// What has a name of the deployment's but does not belong to it. It was not touched.
    pub foreign: Vec<Remaining>,
}

impl DestroyReport {
    /// Whether nothing of the deployment was found: it was taken down before, or it is somewhere else.
    #[must_use]
    pub fn found_nothing(&self) -> bool {
        self.deleted.is_empty() && self.kept.is_empty() && self.foreign.is_empty()
    }
}

/// Something that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remaining {
    /// The resource's id, the profile's name, or a description.
    pub subject: String,
    /// The reason.
    pub why: String,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<Remedy>,
}
