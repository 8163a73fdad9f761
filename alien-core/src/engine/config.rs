//! What a set-up uses: the adapter, the target, the claim, and how calls are made.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::call::Gate;
use crate::calling::CallConfig;
use crate::cloud::{Cloud, Documented};
use crate::context::DeploymentContext;
use crate::delivery::{Delivery, Model};
use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};
use crate::marks::{Fingerprint, Marks};
use crate::permission::{Grant, GrantReason, Grants, Set, Subject};
use crate::provision::Data;
use crate::release::Release;
use crate::target::AnyTarget;

/// Provisions one deployment at a target, through the adapter of a cloud.
pub struct Engine<C: Cloud, P> {
    pub(super) provider: P,
    pub(super) id: DeploymentId,
    pub(super) target: C::Target,
    pub(super) config: CallConfig,
    pub(super) width: NonZeroUsize,
    pub(super) lease: Duration,
}

impl<C: Cloud, P: fmt::Debug> fmt::Debug for Engine<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("id", &self.id).field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// How many things are set up at once by default: as many as the clouds' rate limits allow.
const WIDTH: NonZeroUsize = NonZeroUsize::new(8).unwrap();

impl<C: Cloud, P> Engine<C, P> {
    /// Creates the engine of the deployment of this id at a target. It sets up eight things at once, under a claim of
    /// one minute that is renewed while the run lasts.
    #[must_use]
    pub fn new(provider: P, id: DeploymentId, target: C::Target, config: CallConfig) -> Self {
        Self { provider, id, target, config, width: WIDTH, lease: Duration::from_secs(60) }
    }

    /// Sets how many things are set up at once.
    #[must_use]
    pub const fn with_width(mut self, width: NonZeroUsize) -> Self {
        self.width = width;
        self
    }

    /// Sets how long a claim lasts: after a run was killed, other runs must wait that long, unless they take over.
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// The marks that are written on a subject.
    pub(super) fn marks(&self, subject: Subject, deployment: &DeploymentContext<C>) -> Marks
    where
        C: Documented,
    {
        let release = deployment.stack().digest().to_owned();
        Marks {
            deployment: self.id,
            place: C::place(&self.target).to_owned(),
            release,
            fingerprint: Some(Fingerprint::of(subject, deployment)),
            again: false,
        }
    }

    /// The gate for the admin's calls.
    pub(super) fn gate(&self, release: Release, data: Data) -> Gate<C> {
        let deployment = Arc::new(DeploymentContext::<C>::new(self.id, self.target.clone(), release));
        let mut grants = deployment.permissions().provisioning.clone();
        if data == Data::Delete {
            erase(&deployment, &mut grants);
        }
        Gate::new(deployment, grants, self.config.clone())
    }

    /// Fails if the target names somebody else than those who carry releases in.
    pub(super) fn suits(&self, delivery: &Delivery) -> Result<()> {
        AnyTarget::of::<C>(&self.target)?.suits::<C>(delivery)
    }

    /// Fails if a record is of another deployment, or of this one at another place. Whom it trusts may change where the
    /// customer decides that: from the vendor to an agent, to another agent, and back. Another vendor is refused.
    pub(super) fn is_of_place(&self, record: &Deployment) -> Result<()> {
        let own = AnyTarget::of::<C>(&self.target)?;
        // A record that cannot be read, or is of another cloud, is of no place.
        record.target::<C>()?;
        let is_moved = [&own, &record.target].iter().any(|target| target.model::<C>() == Model::Pull);
        if record.id == self.id && is_moved && own.place::<C>() == record.target.place::<C>() {
            return Ok(());
        }
        self.is_own("the record", record.id, &record.target)
    }

    /// Fails if a record or plan is of another deployment, or of this one at another target.
    pub(super) fn is_own(&self, what: &str, id: DeploymentId, target: &AnyTarget) -> Result<()> {
        if id != self.id {
            let what = format!("{what} is of deployment {id}, but this provisioner is for {}", self.id);
            return Err(Error::new(ErrorKind::Input, what));
        }
        if *target.typed::<C>()? != self.target {
            let own = AnyTarget::of::<C>(&self.target)?;
            let what = format!("{what} has another target ({target}) than this provisioner ({own})");
            return Err(Error::new(ErrorKind::Input, what));
        }
        Ok(())
    }
}

/// To delete data, the admin must be able to list and delete it. The admin holds those sets for that run only.
fn erase<C: Cloud>(deployment: &DeploymentContext<C>, grants: &mut Grants) {
    for (position, resource) in deployment.stack().resources().iter().enumerate() {
        for set in [Set::DataRead, Set::DataWrite].into_iter().filter(|set| set.fits(resource.kind())) {
            grants.grants.push(Grant { subject: Subject::Resource(position), set, why: GrantReason::SetUp });
        }
    }
    grants.grants.sort_unstable();
}
