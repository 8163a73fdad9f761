//! Plan, set up, take down: once, for every cloud.
//!
//! There is no journal. Names follow from the stack, everything made carries the deployment's marks, and what was set
//! is sealed with a digest when it is finished: a run that was killed is found as it stands and finished by the next.
//! The identity that trusts the vendor is made first, trusting nobody, and carries the claim of the run, so that two
//! admins do not set up at once; it begins to trust the vendor when everything else stands. It is closed first when a
//! deployment is taken down, and removed last.

mod claim;
mod destroy;
mod driver;
pub mod mark;
mod plan;
mod walk;

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use claim::Carrier;
pub use destroy::DestroyReport;
pub use driver::{Claim, Data, Driver, Fingerprint, Marks, Observed, Removal};
pub use plan::{Action, Plan, Step, digest};

use crate::call::{CallConfig, Gate};
use crate::cloud::{Cloud, render};
use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};
use crate::permission::{Grant, GrantReason, Grants, Set, Subject};
use crate::progress::{Event, Progress, Stage};
use crate::provision::{Options, Provision};
use crate::release::Release;
use crate::site::DeploymentContext;

/// Provisions one deployment: a driver, a target, and how calls are made.
pub struct Engine<C: Cloud, D> {
    driver: D,
    id: DeploymentId,
    target: C::Target,
    how: CallConfig,
    width: NonZeroUsize,
    lease: Duration,
    cloud: PhantomData<C>,
}

impl<C: Cloud, D: fmt::Debug> fmt::Debug for Engine<C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("id", &self.id).field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// How many things are set up at once by default: what the clouds' rate limits take without complaint.
const WIDTH: NonZeroUsize = NonZeroUsize::new(8).unwrap();

impl<C: Cloud, D: Driver<C>> Engine<C, D> {
    /// Provisions the deployment of this id at a target: eight things at once, with a claim of one minute that is
    /// renewed while the run lasts.
    #[must_use]
    pub fn new(driver: D, id: DeploymentId, target: C::Target, how: CallConfig) -> Self {
        Self { driver, id, target, how, width: WIDTH, lease: Duration::from_secs(60), cloud: PhantomData }
    }

    /// So many things at once.
    #[must_use]
    pub const fn width(mut self, width: NonZeroUsize) -> Self {
        self.width = width;
        self
    }

    /// A claim of this length: how long others must wait after a run was killed, unless they take over.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    fn caller(&self, release: Release, data: Data) -> Gate<C> {
        let site = Arc::new(DeploymentContext::<C>::new(self.id, self.target.clone(), release));
        let mut holding = site.permissions.provisioning.clone();
        if data == Data::Delete {
            erase(&site, &mut holding);
        }
        Gate::new(site, holding, self.how.clone())
    }

    /// Looks at several subjects at once.
    async fn observe_all(
        &self,
        subjects: impl Iterator<Item = Subject> + Send,
        call: &Gate<C>,
    ) -> Result<Vec<(Subject, Observed)>> {
        let looks: Vec<_> = subjects.map(|subject| self.look(subject, call)).collect();
        stream::iter(looks).buffered(self.width.get()).try_collect().await
    }

    async fn look(&self, subject: Subject, call: &Gate<C>) -> Result<(Subject, Observed)> {
        Ok((subject, self.driver.observe(subject, call).await?))
    }

    fn marks(&self, subject: Subject, site: &DeploymentContext<C>) -> Marks {
        let seal = Fingerprint { revision: self.driver.revision(), digest: plan::digest(subject, site) };
        Marks { deployment: self.id, release: site.release().to_owned(), seal }
    }

    /// Does something under the run's claim, which is renewed meanwhile and given back in the end. A claim that was lost
    /// ends it.
    async fn claimed<T: Send>(
        &self,
        call: &Gate<C>,
        options: &Options,
        carrier: Carrier,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let claim = claim::Held::take(self, call, options, carrier).await?;
        let keep = std::pin::pin!(claim.keep());
        match select(std::pin::pin!(work), keep).await {
            Either::Left((done, _)) => {
                claim.give_back().await;
                done
            }
            Either::Right((lost, _)) => Err(lost),
        }
    }

    /// The deployment and the target that this provisions.
    fn whose(&self) -> Result<(DeploymentId, Value)> {
        let target = serde_json::to_value(&self.target);
        Ok((self.id, target.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?))
    }

    /// Refuses what is of another deployment, or of this one somewhere else.
    fn is_own(&self, what: &str, id: DeploymentId, target: &Value) -> Result<()> {
        let (own, own_target) = self.whose()?;
        if id == own && *target == own_target {
            return Ok(());
        }
        let what = if id == own {
            format!("{what} goes to {target}, and this provisioner to {own_target}")
        } else {
            format!("{what} is of deployment {id}, and this provisioner of {own}")
        };
        Err(Error::new(ErrorKind::Input, what))
    }
}

/// To delete data, the admin must be able to see and delete it: those sets are held for that run only.
fn erase<C: Cloud>(site: &DeploymentContext<C>, holding: &mut Grants) {
    for (position, resource) in site.stack().resources().iter().enumerate() {
        for set in [Set::DataRead, Set::DataWrite].into_iter().filter(|set| set.fits(resource.kind())) {
            holding.grants.push(Grant { subject: Subject::Resource(position), set, why: GrantReason::SetUp });
        }
    }
    holding.grants.sort_unstable();
}

#[async_trait]
impl<C: Cloud, D: Driver<C>> Provision for Engine<C, D> {
    async fn plan(&self, release: &Release, previous: Option<&Deployment>, options: &Options) -> Result<Plan> {
        let rendered = render::<C>(release.stack(), &self.target).map_err(|error| match error {
            crate::cloud::RenderError::Problems(problems) => Error::from(problems),
            breaches @ crate::cloud::RenderError::Breaches(_) => Error::new(ErrorKind::Internal, breaches.to_string()),
        })?;
        let call = self.caller(release.clone(), Data::default());
        if let Some(previous) = previous {
            self.is_own("the record", previous.id, &previous.target)?;
        }
        plan::plan(self, &call, rendered, previous, options).await
    }

    async fn apply(&self, plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Deployment> {
        self.is_own("the plan", plan.made_by.0, &plan.made_by.1)?;
        plan.refusal()?;
        let call = self.caller(plan.release.clone(), Data::default());
        let site = call.site();
        let work = async {
            let call = &call;
            let settle = |subject| async move {
                // The vendor is let in by whoever still has the claim: a revocation meanwhile has taken it.
                if subject == Subject::ManagementIdentity {
                    claim::is_held(&self.driver, call, &options.run).await?;
                }
                self.settle(subject, plan, call, progress).await
            };
            let ids = walk::forward(site, self.width, settle).await?;
            let mut retired = Vec::new();
            for stack in plan.previous.iter().flat_map(|previous| previous.stacks()) {
                let old = self.caller(Release::without_artifacts(stack.clone()), Data::default());
                let removed = destroy::remove_leftover(self, &old, site, Data::default(), progress).await?;
                if removed.iter().any(|(_, outcome)| matches!(outcome, destroy::Outcome::Kept(_))) {
                    retired.push(stack.clone());
                }
            }
            let changes = |step: &Step| matches!(step.action, Action::Update | Action::Delete);
            if plan.steps.iter().any(changes) {
                // What only those shared that are gone, or are otherwise now, can go too.
                settle(Subject::Deployment).await?;
            }
            let resources = site.stack().resources().iter().enumerate().filter_map(|(position, resource)| {
                Some((resource.id().clone(), ids.get(&Subject::Resource(position))?.clone()))
            });
            let record = site.record()?;
            let chosen = |id: &&String| !id.is_empty() && **id != record.identity;
            let identity_id = ids.get(&Subject::ManagementIdentity).filter(chosen).cloned();
            Ok(Deployment { resources: resources.collect(), retired, identity_id, ..record })
        };
        self.claimed(&call, options, Carrier::Stays, work).await
    }

    async fn destroy(
        &self,
        deployment: &Deployment,
        data: Data,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<DestroyReport> {
        self.is_own("the record", deployment.id, &deployment.target)?;
        destroy::destroy(self, deployment, data, options, progress).await
    }

    async fn revoke(&self, deployment: &Deployment, options: &Options) -> Result<()> {
        self.is_own("the record", deployment.id, &deployment.target)?;
        let call = self.caller(Release::without_artifacts(deployment.stack.clone()), Data::default());
        // A set-up that is under way would let the vendor in again: its claim is taken from it.
        let options = options.clone().take_over();
        if self.driver.observe(Subject::ManagementIdentity, &call).await? == Observed::Absent {
            let what = format!("there is no `{}`: nobody is let in", call.site().identity());
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        self.claimed(&call, &options, Carrier::Stays, self.driver.revoke(&call)).await
    }
}

impl<C: Cloud, D: Driver<C>> Engine<C, D> {
    /// Brings one subject to what the stack says of it. Gives its id.
    async fn settle(&self, subject: Subject, plan: &Plan, call: &Gate<C>, progress: &dyn Progress) -> Result<String> {
        let site = call.site();
        let tell = |stage| progress.event(&Event::of(site, subject, stage));
        let marks = self.marks(subject, site);
        let mut found = self.driver.observe(subject, call).await?;
        let decided = plan::decide(self, site, subject, &found, &plan.approved);
        match decided.action {
            Action::Refuse => {
                let kind = match found {
                    Observed::Foreign(_) => ErrorKind::NotOwned,
                    _ => ErrorKind::Input,
                };
                return Err(Error::new(kind, decided.why).at(site.subject_name(subject)));
            }
            Action::Leave if found == Observed::Unneeded => {}
            Action::Leave | Action::Adopt | Action::Delete => tell(Stage::Left),
            Action::Create => {
                tell(Stage::Creating);
                match self.driver.create(subject, &marks, call).await {
                    // Our own first attempt may have made it without our hearing of it.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    created => created?,
                }
                // Whoever else has made it since: it is configured only if it is ours.
                found = self.driver.observe(subject, call).await?;
                if let Observed::Foreign(whose) = &found {
                    return Err(Error::new(ErrorKind::NotOwned, whose.clone()).at(site.subject_name(subject)));
                }
                self.driver.configure(subject, &marks, call).await?;
                tell(Stage::Created);
            }
            Action::Update => {
                tell(Stage::Updating);
                self.driver.configure(subject, &marks, call).await?;
                tell(Stage::Updated);
            }
        }
        Ok(match found {
            Observed::Own { id, .. } | Observed::Adopted { id } => id,
            Observed::Absent | Observed::Foreign(_) | Observed::Unneeded => site.id_of(subject).to_owned(),
        })
    }
}

/// The resources whose frozen settings the admin agreed to change.
pub(crate) type Approved = BTreeSet<String>;
