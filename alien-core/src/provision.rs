//! What the customer's admin does, with the admin's own credentials: plan, apply, destroy, revoke.

use async_trait::async_trait;

use crate::deployment::Deployment;
use crate::engine::{Data, DestroyReport, Plan};
use crate::error::Result;
use crate::progress::Progress;
use crate::release::Release;

/// Sets up and takes down one deployment. Only the customer's admin has a value of this.
#[async_trait]
pub trait Provision: Send + Sync {
    /// What a set-up will do. Changes nothing.
    ///
    /// With the record of what is there, it says which settings changed and removes what the stack has no more.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) where the cloud does not take the stack, all problems at once;
    /// [`Credentials`](crate::ErrorKind::Credentials); what the cloud's calls give.
    async fn plan(&self, release: &Release, previous: Option<&Deployment>, options: &Options) -> Result<Plan>;

    /// Does what a plan says, and gives the record for the vendor. It can be interrupted anywhere and begun again.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) where the plan has a refusal; [`Claimed`](crate::ErrorKind::Claimed) where
    /// another run is under way; [`Foreign`](crate::ErrorKind::Foreign) where something of someone else's has a name
    /// that is needed; what the cloud's calls give.
    async fn apply(&self, plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Deployment>;

    /// Takes a deployment down, the vendor's access first. Says what is left, and makes sure that nothing else is.
    ///
    /// # Errors
    ///
    /// [`Claimed`](crate::ErrorKind::Claimed) where another run is under way; [`Busy`](crate::ErrorKind::Busy) where
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
    /// [`Foreign`](crate::ErrorKind::Foreign) where the identity of that name is not this deployment's;
    /// [`Missing`](crate::ErrorKind::Missing) where there is none; what the cloud's calls give.
    async fn revoke(&self, deployment: &Deployment, options: &Options) -> Result<()>;
}

/// How a set-up is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name of the run: another one for every run, so that two at once see each other.
    pub run: String,
    /// Do not wait for the claim of a run that was interrupted.
    pub take_over: bool,
    /// Change frozen resources as well.
    pub allow_frozen_changes: bool,
}

impl Options {
    /// A run of this name: [`uuid::Uuid::now_v7`] makes a good one.
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
