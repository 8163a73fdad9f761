//! Taking down: in reverse order, data kept, nothing of anyone else's touched, and a last check that nothing else is
//! left.

use std::fmt;

use super::claim::Carrier;
use super::config::Engine;
use super::found::unmarked;
use super::walk;
use crate::call::Gate;
use crate::cloud::{Cloud, Documented, NamedResource};
use crate::context::DeploymentContext;
use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::operate::Operated;
use crate::permission::{Holder, Subject};
use crate::problem::Remedy;
use crate::progress::{Progress, Stage, Told};
use crate::provision::{Data, DestroyReport, Options, Remaining};
use crate::reconcile::{Foreign, Observed, Provider, Removal};
use crate::release::Release;
use crate::stack::Stack;

/// What happened to something that was to be deleted, whoever owns it.
pub(super) enum Outcome {
    /// It was not there, or there was nothing to delete.
    Absent,
    Gone,
    Kept(String, Option<Remedy>),
    Foreign(Foreign),
}

/// How things are removed.
#[derive(Clone, Copy)]
pub(super) struct Removing<'a> {
    /// The record, which knows what is the deployment's although its marks are gone.
    pub(super) record: Option<&'a Deployment>,
    pub(super) data: Data,
    pub(super) progress: &'a dyn Progress,
}

impl DestroyReport {
    fn add<C: Cloud>(&mut self, deployment: &DeploymentContext<C>, subject: Subject, outcome: &Outcome) {
        let remaining = |why: &dyn fmt::Display, remedy| Remaining {
            subject: deployment.subject_name(subject).to_owned(),
            why: why.to_string(),
            remedy,
        };
        match outcome {
            Outcome::Kept(why, remedy) => self.kept.push(remaining(why, *remedy)),
            Outcome::Foreign(why) => self.foreign.push(remaining(why, None)),
            Outcome::Gone => self.deleted.push(deployment.subject_name(subject).to_owned()),
            Outcome::Absent => {}
        }
    }
}

impl<C, P> Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    /// Takes down what the record's stack has, and what earlier stacks had and was kept.
    pub(super) async fn take_down(
        &self,
        deployment: &Deployment,
        data: Data,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<DestroyReport> {
        let gate = |stack: &Stack| self.gate(Release::without_artifacts(stack.clone()), data);
        let retired: Vec<Gate<C>> = deployment.earlier_stacks().map(gate).collect();
        let gate = gate(&deployment.stack);
        self.check_account(&gate).await?;
        let mut found = self.all_left(gate.deployment().subjects(), &gate).await?;
        for old in &retired {
            found.extend(self.all_left(leftover(old.deployment(), gate.deployment()).into_iter(), old).await?);
        }
        let there = found.iter().any(|(_, found)| found.is_own());
        let work = async {
            // The vendor's access is revoked before anything is deleted.
            if there {
                self.close(&gate).await?;
            }
            let mut report = DestroyReport::default();
            let record = Some(deployment).filter(|_| !options.without_record);
            let removing = Removing { record, data, progress };
            for old in &retired {
                for (subject, outcome) in self.remove_leftover(old, gate.deployment(), removing).await? {
                    report.add(old.deployment(), subject, &outcome);
                }
            }
            self.remove_all(&gate, removing, report).await
        };
        // If nothing exists, no identity is created just to carry a claim.
        if there { self.claimed(&gate, options, Carrier::Goes, work).await } else { work.await }
    }

    async fn remove_all(
        &self,
        gate: &Gate<C>,
        removing: Removing<'_>,
        mut report: DestroyReport,
    ) -> Result<DestroyReport> {
        let deployment = gate.deployment();
        let remove = |subject| self.remove(subject, gate, removing);
        let outcomes = walk::backward(deployment, self.width, remove).await?;
        for (subject, outcome) in deployment.subjects().filter_map(|subject| Some((subject, outcomes.get(&subject)?))) {
            report.add(deployment, subject, outcome);
        }
        let gone = deployment
            .subjects()
            .filter(|subject| matches!(outcomes.get(subject), Some(Outcome::Gone | Outcome::Absent)));
        let seen = self.all_left(gone, gate).await?;
        let left = seen.iter().filter(|(_, found)| found.is_own());
        let left: Vec<&str> = left.map(|(subject, _)| deployment.subject_name(*subject)).collect();
        if left.is_empty() {
            return Ok(report);
        }
        let what = format!("still exists after it was deleted: {}; take the deployment down again", left.join(", "));
        Err(Error::new(ErrorKind::Busy, what))
    }

    async fn remove(&self, subject: Subject, gate: &Gate<C>, removing: Removing<'_>) -> Result<Outcome> {
        let Removing { record, data, progress } = removing;
        let deployment = gate.deployment();
        let told = Told::about(gate, subject, progress);
        let tell = |stage| told.tell(stage);
        match self.left(subject, gate).await? {
            Observed::Absent | Observed::Adopted { .. } | Observed::Unneeded => return Ok(Outcome::Absent),
            Observed::Foreign(whose) => {
                let known = record.is_some_and(|record| self.recorded(subject, deployment, record, &whose).is_some());
                if !known {
                    return Ok(Outcome::Foreign(whose));
                }
                let why = format!("{}, and take down again", unmarked(&whose));
                return Ok(Outcome::Kept(why, Some(Remedy::MarkAgain)));
            }
            Observed::Own { .. } => {}
        }
        let kept = |why, remedy| {
            tell(Stage::Kept);
            Ok(Outcome::Kept(why, Some(remedy)))
        };
        let holds_data = deployment.resource(subject).is_ok_and(|resource| resource.kind().holds_data());
        if holds_data && data == Data::Keep {
            return kept("all data is to be kept".to_owned(), Remedy::DeleteData);
        }
        tell(Stage::Deleting);
        match self.delete(subject, data, gate).await {
            Ok(Removal::HoldsData(why)) => return kept(why, Remedy::DeleteData),
            Ok(Removal::Pending(why)) => return kept(why, Remedy::TakeDownAgain),
            Ok(Removal::Gone) => {}
            Err(error) => return Err(error),
        }
        tell(Stage::Deleted);
        Ok(Outcome::Gone)
    }

    /// Deletes what a deployment had and its new release no longer has. Returns what happened to each.
    pub(super) async fn remove_leftover(
        &self,
        old: &Gate<C>,
        new: &DeploymentContext<C>,
        removing: Removing<'_>,
    ) -> Result<Vec<(Subject, Outcome)>> {
        let mut outcomes = Vec::new();
        // What others need is deleted after them.
        for subject in leftover(old.deployment(), new).into_iter().rev() {
            outcomes.push((subject, self.remove(subject, old, removing).await?));
        }
        Ok(outcomes)
    }
}

/// The subjects of an old release that a new one no longer has, in an order of set-up.
pub(super) fn leftover<C: Cloud>(old: &DeploymentContext<C>, new: &DeploymentContext<C>) -> Vec<Subject> {
    // Every deployment also names what is not its own, such as an account or a project.
    let own = |thing: NamedResource<'_, C::Scope>| thing.subject == Subject::Deployment && !C::is_shared(thing.scope);
    let has_shared = |deployment: &DeploymentContext<C>| deployment.names().things().any(own);
    old.subjects()
        .filter(|subject| match *subject {
            // To the cloud both kinds are the same thing: the one has become the other.
            Subject::Resource(position) if new.names().has_id(old.names().id(position)) => false,
            Subject::Resource(position) => old.stack().at(position).is_some_and(|resource| {
                // What the set-up created stays the deployment's, even if something of the customer's replaces it.
                new.stack()
                    .resource(resource.id().as_str())
                    .is_none_or(|kept| kept.kind() != resource.kind() || kept.is_adopted() && !resource.is_adopted())
            }),
            Subject::RuntimeIdentity(_) => match old.holder(*subject) {
                Some(Holder::Profile(profile)) => new.permissions().runtime_position(profile.as_str()).is_none(),
                Some(Holder::Platform) => new.permissions().platform_position().is_none(),
                _ => false,
            },
            Subject::Deployment => has_shared(old) && !has_shared(new),
            Subject::ManagementIdentity => false,
        })
        .collect()
}
