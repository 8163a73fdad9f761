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
mod plan;
mod subjects;
mod walk;

use std::borrow::Cow;

use async_trait::async_trait;

use claim::Carrier;
pub use config::Engine;
use destroy::Outcome;

use crate::call::Gate;
use crate::cloud::{Documented, RenderError};
use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::operate::Operated;
use crate::permission::Subject;
use crate::progress::{Event, Progress, Stage};
use crate::provision::{Action, Data, DestroyReport, Options, Plan, Provision, Step};
use crate::reconcile::{Observed, Provider};
use crate::release::Release;

#[async_trait]
impl<C, P> Provision for Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    async fn plan(&self, release: &Release, previous: Option<&Deployment>, options: &Options) -> Result<Plan> {
        let mut release = Cow::Borrowed(release);
        if let Some(previous) = previous {
            self.is_own("the record", previous.id, &previous.target)?;
            release.stack().is_of_product(&previous.stack)?;
            let stack = release.stack().with_existing_of(&previous.stack)?;
            release = Cow::Owned(Release::partial(stack, release.artifacts().clone()));
        }
        let reviewed = C::reviewed(release.stack(), &self.target).map_err(|error| match error {
            RenderError::Problems(problems) => Error::from(problems),
            breaches @ RenderError::Breaches(_) => Error::new(ErrorKind::Internal, breaches.to_string()),
        })?;
        self.make_plan(&release, reviewed, previous, options).await
    }

    async fn apply(&self, plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Deployment> {
        self.is_own("the plan", plan.id, &plan.target)?;
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
            let ids = walk::forward(deployment, self.width, settle).await?;
            let mut retired = Vec::new();
            for stack in plan.previous.iter().flat_map(|previous| previous.stacks()) {
                let old = self.gate(Release::without_artifacts(stack.clone()), Data::default());
                let removed = self.remove_leftover(&old, deployment, Data::default(), progress).await?;
                if removed.iter().any(|(_, outcome)| matches!(outcome, Outcome::Kept(..))) {
                    retired.push(stack.clone());
                }
            }
            let changes = |step: &Step| matches!(step.action, Action::Update | Action::Delete);
            if plan.steps.iter().any(changes) {
                // What only deleted or changed resources shared can now be deleted too.
                settle(Subject::Deployment).await?;
            }
            let resources = deployment.stack().resources().iter().enumerate().filter_map(|(position, resource)| {
                Some((resource.id().clone(), ids.get(&Subject::Resource(position))?.clone()))
            });
            let record = deployment.record()?;
            let chosen = |id: &&String| !id.is_empty() && **id != record.identity;
            let identity_id = ids.get(&Subject::ManagementIdentity).filter(chosen).cloned();
            Ok(Deployment { resources: resources.collect(), retired, identity_id, ..record })
        };
        self.claimed(&gate, options, Carrier::Stays, work).await
    }

    async fn destroy(
        &self,
        deployment: &Deployment,
        data: Data,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<DestroyReport> {
        self.is_own("the record", deployment.id, &deployment.target)?;
        self.take_down(deployment, data, options, progress).await
    }

    async fn revoke(&self, deployment: &Deployment, options: &Options) -> Result<()> {
        self.is_own("the record", deployment.id, &deployment.target)?;
        let gate = self.gate(Release::without_artifacts(deployment.stack.clone()), Data::default());
        // A set-up in progress would grant the access again, so this run takes over its claim.
        let options = options.clone().take_over();
        if self.observe(Subject::ManagementIdentity, &gate).await? == Observed::Absent {
            let what = format!("`{}` does not exist: there is no access to revoke", gate.deployment().identity());
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        self.claimed(&gate, &options, Carrier::Stays, self.close(&gate)).await
    }
}

impl<C, P> Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    /// Brings one subject to the state that the stack describes. Returns its id.
    async fn settle(&self, subject: Subject, plan: &Plan, gate: &Gate<C>, progress: &dyn Progress) -> Result<String> {
        let deployment = gate.deployment();
        let tell = |stage| progress.event(&Event::of(deployment, subject, stage));
        let marks = self.marks(subject, deployment);
        let mut found = self.observe(subject, gate).await?;
        let decided = self.decide(deployment, subject, &found, |id| plan.approved.contains(id.as_str()));
        match decided.action {
            Action::Refuse => {
                let kind = match found {
                    Observed::Foreign(_) => ErrorKind::NotOwned,
                    _ => ErrorKind::Input,
                };
                return Err(Error::new(kind, decided.why).at(deployment.subject_name(subject)));
            }
            Action::Leave if found == Observed::Unneeded => {}
            Action::Leave | Action::Adopt | Action::Delete => tell(Stage::Left),
            Action::Create => {
                tell(Stage::Creating);
                match self.create(subject, &marks, gate).await {
                    // Our own first attempt may have created it, and only its answer was lost.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    created => created?,
                }
                // Somebody else may have created it since: it is configured only if it is ours.
                found = self.observe(subject, gate).await?;
                if let Observed::Foreign(whose) = &found {
                    return Err(Error::new(ErrorKind::NotOwned, whose.clone()).at(deployment.subject_name(subject)));
                }
                self.configure(subject, &marks, gate).await?;
                tell(Stage::Created);
            }
            Action::Update => {
                tell(Stage::Updating);
                self.configure(subject, &marks, gate).await?;
                tell(Stage::Updated);
            }
        }
        Ok(match found {
            Observed::Own { id, .. } | Observed::Adopted { id } => id,
            Observed::Absent | Observed::Foreign(_) | Observed::Unneeded => deployment.id_of(subject).to_owned(),
        })
    }
}
