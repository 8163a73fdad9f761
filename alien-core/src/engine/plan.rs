//! Planning: what a set-up will do.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::config::Engine;
use super::destroy::leftover;
use super::found::{Allowed, Found, Lost, Vendors, unmarked};
use crate::cloud::{Documented, Kinds, Reviewed, chosen_code};
use crate::context::DeploymentContext;
use crate::delivery::Delivery;
use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::Lifecycle;
use crate::marks::Fingerprint;
use crate::name::ResourceId;
use crate::operate::Operated;
use crate::permission::Subject;
use crate::problem::{Problem, Problems, Remedy, Rule};
use crate::provision::{Action, Data, Options, Plan, Step};
use crate::reconcile::{Observed, Provider, State};
use crate::release::Release;
use crate::resource::Resource;
use crate::stack::ChangeKind;
use crate::target::AnyTarget;

/// What is to be done with a subject, and why.
pub(super) struct Decision {
    pub(super) action: Action,
    pub(super) why: String,
    remedy: Option<Remedy>,
    /// Whether it changes or removes a frozen resource.
    is_frozen_change: bool,
}

impl<C: Documented, P> Engine<C, P> {
    /// Decides what to do with a subject, from what was found. `may_change` says whether the settings of a frozen
    /// resource may be changed.
    pub(super) fn decide(
        &self,
        deployment: &DeploymentContext<C>,
        subject: Subject,
        found: &Found<C>,
        may_change: impl Fn(&ResourceId) -> bool,
    ) -> Decision {
        let decision =
            |action, why: &str| Decision { action, why: why.to_owned(), remedy: None, is_frozen_change: false };
        let (state, drift) = match &found.observed {
            Observed::Unneeded => return decision(Action::Leave, "the stack needs nothing here"),
            Observed::Absent => return decision(Action::Create, "it is not there"),
            Observed::Adopted { .. } => {
                return decision(Action::Adopt, "it is the customer's: it is used, never changed");
            }
            Observed::Foreign(whose) if found.lost == Lost::Known => {
                return Decision { remedy: Some(Remedy::MarkAgain), ..decision(Action::Refuse, &unmarked(whose)) };
            }
            Observed::Foreign(whose) => {
                let why =
                    format!("something of this name already exists, and {whose}; remove it, or choose another prefix");
                return decision(Action::Refuse, &why);
            }
            Observed::Own { state, drift, .. } => (state, drift),
        };
        let wanted = Fingerprint::of(subject, deployment);
        let lifecycle = deployment.resource(subject).ok().filter(|resource| resource.kind().runs_code());
        let lifecycle = lifecycle.map(Resource::lifecycle);
        let same = match state {
            State::Unfinished => {
                let why = drift.as_ref().map(|how| format!("it is not finished: {how}"));
                return decision(Action::Update, why.as_deref().unwrap_or("an earlier run did not finish it"));
            }
            State::ByVendor => {
                let why = "the vendor created it, and what is the admin's to set is missing";
                return decision(Action::Update, why);
            }
            State::Revoked if C::agent(deployment.target()).is_some() => {
                return decision(Action::Update, "the agent's access was revoked; it is given again");
            }
            State::Revoked => return decision(Action::Update, "the vendor's access was revoked; it is given again"),
            State::Finished(set) if set.digest == wanted.digest && *set != wanted => {
                return decision(Action::Update, "another version of this library set it up");
            }
            State::Finished(set) if *set == wanted => true,
            State::Finished(set) => match lifecycle {
                // It was set when the fingerprint of live code covered what the vendor may change too.
                Some(Lifecycle::Live) => *set == Fingerprint::whole(subject, deployment),
                // It was live: then only a comparison tells whether it is as the stack says.
                Some(Lifecycle::Frozen) if drift.is_none() && *set == Fingerprint::admins(subject, deployment) => {
                    return decision(Action::Update, "it is frozen now, and was live");
                }
                _ => false,
            },
            State::Matches => true,
            // It carries no fingerprint. Where the stack says what it said before, somebody else changed it.
            State::Differs => found.is_recorded && drift.is_some(),
        };
        match &found.vendors {
            Vendors::Unknown(what) if !same || drift.is_some() => {
                let help = "give the record that the vendor has now, or reset what is live";
                let remedy = Some(Remedy::ResetLive);
                return Decision {
                    remedy,
                    ..decision(Action::Refuse, &format!("{what}, so it cannot be changed; {help}"))
                };
            }
            Vendors::Reset(what) => return decision(Action::Update, what),
            Vendors::Same | Vendors::Left(_) | Vendors::Unknown(_) => {}
        }
        if same {
            return match drift {
                None => decision(Action::Leave, "it is up to date"),
                Some(how) => decision(Action::Update, &format!("it is not as it was set up: {how}")),
            };
        }
        match subject {
            Subject::Resource(position) => {
                let frozen = |resource: &&Resource| resource.lifecycle() == Lifecycle::Frozen;
                match deployment.stack().at(position).filter(frozen) {
                    Some(resource) if !may_change(resource.id()) => Decision {
                        remedy: Some(Remedy::AllowFrozenChanges),
                        ..decision(
                            Action::Refuse,
                            "it is frozen, and its settings changed; take the change back, or allow changes of frozen \
                             resources",
                        )
                    },
                    Some(_) => Decision {
                        is_frozen_change: true,
                        ..decision(Action::Update, "it is frozen, its settings changed, and the admin allows it")
                    },
                    None => decision(Action::Update, "its settings changed"),
                }
            }
            Subject::Deployment => decision(Action::Update, "its settings changed"),
            Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => {
                decision(Action::Update, "its trust or its permissions changed")
            }
        }
    }
}

impl<C, P> Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    pub(super) async fn make_plan(
        &self,
        release: &Release,
        delivery: &Delivery,
        reviewed: Reviewed,
        previous: Option<&Deployment>,
        options: &Options,
    ) -> Result<Plan> {
        let gate = self.gate(release.clone(), Data::default());
        let deployment = gate.deployment();
        let mut problems = reviewed.warnings;
        problems.extend(self.preflight(&gate).await?);
        // Without the record of the present deployment, every frozen resource that differs counts as changed.
        let mut changed = BTreeMap::new();
        // A record has every form of code, and what is set up the one that the cloud runs.
        let before = previous.map(|previous| previous.stack.with_codes(chosen_code::<C>));
        for change in before.iter().flat_map(|before| deployment.stack().diff(before).changes) {
            if let ChangeKind::Settings { fields, .. } = change.kind {
                changed.insert(change.resource, fields.join(", "));
            }
        }
        let mark_again = |_: &str| options.mark_again;
        let allowed = Allowed { reset: options.reset_live, mark_again: &mark_again };
        let finds = deployment.subjects().map(|subject| {
            let gate = &gate;
            async move { Ok((subject, self.find(subject, gate, previous, allowed).await?)) }
        });
        let finds: Vec<_> = finds.collect();
        let found: Result<Vec<(Subject, Found<C>)>> =
            stream::iter(finds).buffered(self.width.get()).try_collect().await;
        // If the preflight found errors, they are reported, and not the failure that followed from them.
        let found = match found {
            Err(_) if problems.iter().any(Problem::is_error) => return Err(problems.into()),
            found => found?,
        };
        let mut steps = Vec::new();
        let (mut approved, mut reset, mut marked_again) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (subject, found) in found.iter().filter(|(_, found)| found.observed != Observed::Unneeded) {
            let mut decision = self.decide(deployment, *subject, found, |_| options.allow_frozen_changes);
            let name = deployment.subject_name(*subject);
            let is_kept = matches!(found.vendors, Vendors::Left(_));
            if let (Action::Create | Action::Update, Ok(resource), false) =
                (decision.action, deployment.resource(*subject), is_kept)
            {
                let forms = <C::Kinds as Kinds<C>>::code(resource.kind());
                let refused = |code| release.refused_artifact(C::NAME, resource, code, forms);
                problems.extend(resource.code().and_then(refused));
            }
            if let (Action::Update | Action::Refuse, Subject::Resource(_), Some(fields)) =
                (decision.action, subject, changed.get(name))
            {
                decision.why = format!("{} ({fields})", decision.why);
            }
            if decision.is_frozen_change {
                approved.insert(name.to_owned());
            }
            if matches!(found.vendors, Vendors::Reset(_)) {
                reset.insert(name.to_owned());
            }
            if let (Lost::MarkedAgain, Observed::Own { id, .. }) = (found.lost, &found.observed) {
                marked_again.insert(id.clone());
            }
            let vendors = match &found.vendors {
                Vendors::Left(what) | Vendors::Unknown(what) => Some(what.clone()),
                Vendors::Same | Vendors::Reset(_) => None,
            };
            steps.push(Step { vendors, ..step(deployment, *subject, decision) });
        }
        for stack in previous.iter().flat_map(|previous| previous.stacks()) {
            let without = Release::without_artifacts(stack.clone());
            let old = DeploymentContext::<C>::new(self.id, self.target.clone(), without);
            for subject in leftover(&old, deployment) {
                let decision = removal(old.resource(subject).ok(), options);
                if decision.is_frozen_change {
                    approved.insert(old.subject_name(subject).to_owned());
                }
                steps.push(step(&old, subject, decision));
            }
        }
        Ok(Plan {
            steps,
            problems,
            sizes: reviewed.sizes,
            documents: reviewed.documents,
            id: self.id,
            target: AnyTarget::of::<C>(&self.target)?,
            delivery: delivery.clone(),
            stack: deployment.whole_stack().clone(),
            previous: previous.cloned(),
            approved,
            reset,
            marked_again,
            artifacts: release.artifacts().clone(),
            is_fresh: true,
        })
    }

    /// Fails if planning now would give another plan than the stored one.
    pub(super) async fn check_again(&self, plan: &Plan, options: &Options) -> Result<()> {
        let reviewed =
            C::reviewed(&plan.stack, &self.target).map_err(|error| Error::new(ErrorKind::Input, error.to_string()))?;
        let mut problems = Vec::new();
        let mut stale = |what: String| {
            let help = "plan again, and have that approved".to_owned();
            problems.push(Problem::error(Rule::SetFit, what, help).at("plan"));
        };
        if reviewed.documents != plan.documents {
            stale("this version of the library renders other permission documents".to_owned());
        }
        let (allow_frozen_changes, reset_live) = (!plan.approved.is_empty(), !plan.reset.is_empty());
        let mark_again = !plan.marked_again.is_empty();
        let options = Options { allow_frozen_changes, reset_live, mark_again, ..options.clone() };
        let now = self.make_plan(&plan.release(), &plan.delivery, reviewed, plan.previous.as_ref(), &options).await?;
        now.refusal()?;
        for step in &now.steps {
            let planned =
                plan.steps.iter().find(|planned| planned.subject == step.subject && planned.kind == step.kind);
            // A step that has begun is continued, and a step that is done is left.
            let same = planned.is_some_and(|planned| {
                planned.action == step.action
                    || step.action == Action::Leave
                    || (planned.action, step.action) == (Action::Create, Action::Update)
            });
            if !same {
                let planned = planned.map_or("nothing", |planned| planned.action.name());
                let Step { subject, action, why, .. } = step;
                stale(format!("it says {planned} for `{subject}`, but now that would be {action}: {why}"));
            }
        }
        if let Some(more) = now.approved.iter().find(|id| !plan.approved.contains(*id)) {
            stale(format!("it does not allow a change of the frozen `{more}`"));
        }
        for more in now.marked_again.iter().filter(|id| !plan.marked_again.contains(*id)) {
            stale(format!("it does not say that `{more}` is marked again"));
        }
        Problems::none(problems)?;
        Ok(())
    }
}

/// Decides what to do with something that the stack no longer has.
fn removal(resource: Option<&Resource>, options: &Options) -> Decision {
    let frozen = resource.is_some_and(|resource| resource.lifecycle() == Lifecycle::Frozen);
    if frozen && !options.allow_frozen_changes {
        let why =
            "it is frozen, and the stack has it no more; take it back, or allow changes of frozen resources".to_owned();
        return Decision {
            action: Action::Refuse,
            why,
            remedy: Some(Remedy::AllowFrozenChanges),
            is_frozen_change: false,
        };
    }
    let holds_data = resource.is_some_and(|resource| resource.kind().holds_data());
    let kept = if holds_data { "; it is kept while it holds data" } else { "" };
    let why = format!("the stack has it no more{kept}");
    Decision { action: Action::Delete, why, remedy: None, is_frozen_change: frozen }
}

fn step<C: Documented>(deployment: &DeploymentContext<C>, subject: Subject, decision: Decision) -> Step {
    let Decision { action, why, remedy, .. } = decision;
    let kind = deployment.subject_kind(subject).into();
    let id = deployment.names().of_subject(subject).map(str::to_owned);
    Step { subject: deployment.subject_name(subject).to_owned(), kind, id, action, why, remedy, vendors: None }
}
