//! Plan, set up, take down: once, for every cloud.
//!
//! There is no journal. Names follow from the stack, everything that is created carries the deployment's marks, and a
//! fingerprint of its settings is written last. If a run is killed, the next run finds what exists and finishes it. The
//! identity that trusts the vendor is created first, without any trust, and carries the claim of the run, so that two
//! admins do not set up at once. It gets its trust when everything else is set up. A take-down removes that trust
//! first, and deletes the identity last.

mod claim;
mod config;
mod destroy;
mod fingerprint;
mod found;
mod plan;
mod subjects;
mod walk;

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_trait::async_trait;

use claim::Carrier;
pub use config::Engine;
use destroy::{Outcome, Removing};
use found::{Allowed, Lost, Vendors};

use crate::call::Gate;
use crate::clock::Clock;
use crate::cloud::{Documented, RenderError};
use crate::context::DeploymentContext;
use crate::delivery::Delivery;
use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::manage::Runs;
use crate::marks::Marks;
use crate::name::ResourceId;
use crate::operate::Operated;
use crate::permission::Subject;
use crate::progress::{Progress, Stage, Told};
use crate::provision::{Action, Data, DestroyReport, Options, Plan, Provision, Step};
use crate::reconcile::{Observed, Provider};
use crate::release::Release;
use crate::resource::Resource;

#[async_trait]
impl<C, P> Provision for Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    async fn plan(
        &self,
        release: &Release,
        delivery: &Delivery,
        previous: Option<&Deployment>,
        options: &Options,
    ) -> Result<Plan> {
        self.suits(delivery)?;
        let mut release = Cow::Borrowed(release);
        if let Some(previous) = previous {
            self.is_of_place(previous)?;
            release.stack().is_of_product(&previous.stack)?;
            let stack = release.stack().with_existing_of(&previous.stack)?;
            release = Cow::Owned(Release::partial(stack, release.artifacts().clone()));
        }
        let reviewed = C::reviewed(release.stack(), &self.target).map_err(|error| match error {
            RenderError::Problems(problems) => Error::from(problems),
            breaches @ RenderError::Breaches(_) => Error::new(ErrorKind::Internal, breaches.to_string()),
        })?;
        self.make_plan(&release, delivery, reviewed, previous, options).await
    }

    async fn apply(&self, plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Deployment> {
        self.is_own("the plan", plan.id, &plan.target)?;
        self.suits(&plan.delivery)?;
        plan.refusal()?;
        if !plan.is_fresh {
            self.check_again(plan, options).await?;
        }
        let gate = self.gate(plan.release(), Data::default());
        let work = async {
            let (gate, deployment) = (&gate, gate.deployment());
            let settle = |subject| async move {
                // Only a run that still has the claim may add the trust: a revocation meanwhile has taken the claim.
                if subject == Subject::ManagementIdentity {
                    self.has_claim(gate, &options.run).await?;
                }
                self.settle(subject, plan, gate, progress).await
            };
            let settled = walk::forward(deployment, self.width, settle).await?;
            let mut retired = Vec::new();
            for stack in plan.previous.iter().flat_map(|previous| previous.stacks()) {
                let old = self.gate(Release::without_artifacts(stack.clone()), Data::default());
                let removal = Removing { record: plan.previous.as_ref(), data: Data::default(), progress };
                let removed = self.remove_leftover(&old, deployment, removal).await?;
                if removed.iter().any(|(_, outcome)| matches!(outcome, Outcome::Kept(..))) {
                    retired.push(stack.clone());
                }
            }
            let changes = |step: &Step| matches!(step.action, Action::Update | Action::Delete);
            if plan.steps.iter().any(changes) {
                // What only deleted or changed resources shared can now be deleted too.
                settle(Subject::Deployment).await?;
            }
            self.record(plan, deployment, &settled).map(|record| Deployment { retired, ..record })
        };
        let carrier = Carrier::Stays { mark_again: &|id| plan.marked_again.contains(id) };
        self.claimed(&gate, options, carrier, work).await
    }

    async fn destroy(
        &self,
        deployment: &Deployment,
        data: Data,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<DestroyReport> {
        self.is_of_place(deployment)?;
        self.take_down(deployment, data, options, progress).await
    }

    async fn revoke(&self, deployment: &Deployment, options: &Options) -> Result<()> {
        self.is_of_place(deployment)?;
        let gate = self.gate(Release::without_artifacts(deployment.stack.clone()), Data::default());
        self.check_account(&gate).await?;
        // A set-up in progress would grant the access again, so this run takes over its claim.
        let options = options.clone().take_over();
        if self.observe(Subject::ManagementIdentity, &gate).await? == Observed::Absent {
            let what = format!("`{}` does not exist: there is no access to revoke", gate.deployment().identity());
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        self.claimed(&gate, &options, Carrier::Stays { mark_again: &|_| false }, self.close(&gate)).await
    }

    fn clock(&self) -> &dyn Clock {
        &*self.config.clock
    }
}

impl<C, P> Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    /// Brings one subject to the state that the stack describes, except what the vendor may change of live code.
    async fn settle(&self, subject: Subject, plan: &Plan, gate: &Gate<C>, progress: &dyn Progress) -> Result<Settled> {
        let deployment = gate.deployment();
        let told = Told::about(gate, subject, progress);
        let tell = |stage| told.tell(stage);
        let name = deployment.subject_name(subject);
        let mark_again = |id: &str| plan.marked_again.contains(id);
        let allowed = Allowed { reset: plan.reset.contains(name), mark_again: &mark_again };
        let found = self.find(subject, gate, plan.previous.as_ref(), allowed).await?;
        let marks = Marks { again: found.lost == Lost::MarkedAgain, ..self.marks(subject, deployment) };
        let decided = self.decide(deployment, subject, &found, |id| plan.approved.contains(id.as_str()));
        let mut observed = found.observed.clone();
        let mut version = found.version.clone();
        match decided.action {
            Action::Refuse => {
                let kind = match observed {
                    Observed::Foreign(_) => ErrorKind::NotOwned,
                    _ => ErrorKind::Input,
                };
                return Err(Error::new(kind, decided.why).at(name));
            }
            Action::Leave if observed == Observed::Unneeded => {}
            Action::Leave | Action::Adopt | Action::Delete => tell(Stage::Left),
            Action::Create => {
                tell(Stage::Creating);
                self.create(subject, &marks, gate).await?;
                // Somebody else may have created it since: it is configured only if it is ours.
                observed = self.observe(subject, gate).await?;
                if let Observed::Foreign(whose) = &observed {
                    return Err(Error::new(ErrorKind::NotOwned, whose.to_string()).at(name));
                }
                self.configure(subject, &marks, gate).await?;
                version = self.version(subject, gate).await?;
                tell(Stage::Created);
            }
            Action::Update => {
                tell(Stage::Updating);
                self.configure(subject, &marks, &found.gate).await?;
                version = self.version(subject, gate).await?;
                tell(Stage::Updated);
            }
        }
        let id = match observed {
            Observed::Own { id, .. } | Observed::Adopted { id } => id,
            Observed::Absent | Observed::Foreign(_) | Observed::Unneeded => deployment.id_of(subject).to_owned(),
        };
        let wanted = deployment.whole_stack().resource(name);
        let kept = wanted.and_then(|wanted| found.kept(subject, wanted, plan.previous.as_ref()));
        // Of what the vendor does not update, nothing is left as it was found.
        let is_set = decided.action == Action::Create
            || matches!(found.vendors, Vendors::Reset(_))
            || wanted.is_some_and(|wanted| !wanted.is_updatable());
        Ok(Settled { id, kept, version, is_set })
    }

    /// The version of live code that runs, if the cloud tells no more of it.
    async fn version(&self, subject: Subject, gate: &Gate<C>) -> Result<Option<String>> {
        if !gate.deployment().resource(subject).is_ok_and(Resource::is_updatable) {
            return Ok(None);
        }
        match self.running(subject, gate).await? {
            Runs::Version { runs, .. } => Ok(Some(runs)),
            Runs::Settings(_) | Runs::Untold => Ok(None),
        }
    }

    /// The record of a deployment that was set up.
    fn record(
        &self,
        plan: &Plan,
        deployment: &DeploymentContext<C>,
        settled: &BTreeMap<Subject, Settled>,
    ) -> Result<Deployment> {
        let record = Deployment { delivery: plan.delivery.clone(), ..deployment.record()? };
        let each = || {
            deployment.stack().resources().iter().enumerate().filter_map(|(position, resource)| {
                Some((resource.id().clone(), settled.get(&Subject::Resource(position))?))
            })
        };
        let mut stack = record.stack;
        for kept in settled.values().filter_map(|settled| settled.kept.as_ref()) {
            stack = stack.with_resource(kept)?;
        }
        let resources = each().map(|(id, settled)| (id, settled.id.clone())).collect();
        let versions = each().filter_map(|(id, settled)| Some((id, settled.version.clone()?))).collect();
        // Of what the vendor began and did not end, a set-up leaves what runs.
        let previous = plan.previous.iter();
        let begun = previous.clone().flat_map(|previous| &previous.in_flight).flat_map(|release| &release.resources);
        let begun = previous.flat_map(|previous| &previous.uncertain).chain(begun);
        let is_left = |id: &&ResourceId| each().any(|(found, settled)| found == **id && !settled.is_set);
        let uncertain = begun.filter(is_left).cloned().collect();
        let identity = settled.get(&Subject::ManagementIdentity).filter(|_| C::IDENTITY_HAS_ID);
        let identity_id = identity.map(|settled| settled.id.clone());
        let (revision, writer) =
            plan.previous.as_ref().map_or((0, None), |previous| (previous.revision, previous.writer.clone()));
        Ok(Deployment { resources, versions, uncertain, identity_id, stack, revision, writer, ..record })
    }
}

/// A subject that is as it should be.
struct Settled {
    /// The cloud's id.
    id: String,
    /// The resource as it runs, if that is otherwise than the stack says, and left.
    kept: Option<Resource>,
    /// The version that runs, if the cloud tells no more.
    version: Option<String>,
    /// Whether what the vendor may change was set as well.
    is_set: bool,
}
