//! What was found of a subject. Of live code, what the vendor may change is taken as it runs, so that a set-up leaves it.

use std::sync::Arc;

use super::config::Engine;
use crate::call::Gate;
use crate::cloud::{Cloud, Documented, chosen_code, in_chosen_form};
use crate::context::DeploymentContext;
use crate::deployment::Deployment;
use crate::error::{Result, ResultExt};
use crate::manage::Runs;
use crate::marks::Fingerprint;
use crate::operate::Operated;
use crate::permission::{Holder, Subject};
use crate::reconcile::{Foreign, Observed, Provider, State};
use crate::release::Release;
use crate::resource::{Code, CodeForm, Resource};

/// A subject as it was found.
pub(super) struct Found<C: Cloud> {
    pub(super) observed: Observed,
    /// The gate for its calls: the deployment has what the vendor may change of it as it is to be.
    pub(super) gate: Gate<C>,
    pub(super) vendors: Vendors,
    /// The version that runs, if the cloud tells no more and it is left.
    pub(super) version: Option<String>,
    pub(super) lost: Lost,
    /// Whether the record has the resource with the settings that it is to have.
    pub(super) is_recorded: bool,
}

/// What became of the marks that say whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// They are there, or it is not known by the record.
    Nothing,
    /// They are gone, and the record knows the thing.
    Known,
    /// They are gone, the record knows the thing, and the admin has it marked again. It counts as the deployment's.
    MarkedAgain,
}

/// What the admin allows a set-up to do that it does not do by itself.
#[derive(Clone, Copy)]
pub(super) struct Allowed<'a> {
    /// Whether what the vendor has updated is set to what the stack says.
    pub(super) reset: bool,
    /// Whether the thing with this id is marked again, if the record knows it and its marks are gone.
    pub(super) mark_again: &'a (dyn Fn(&str) -> bool + Sync),
}

/// What runs otherwise than the stack says, of the part that the vendor may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Vendors {
    /// Nothing.
    Same,
    /// It is left as it runs.
    Left(String),
    /// It is set to what the stack says.
    Reset(String),
    /// It is left as it runs. What runs is not known, so nothing else of the resource can be changed.
    Unknown(String),
}

impl<C, P> Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    /// Observes a subject, and what of it is the vendor's.
    pub(super) async fn find(
        &self,
        subject: Subject,
        gate: &Gate<C>,
        previous: Option<&Deployment>,
        allowed: Allowed<'_>,
    ) -> Result<Found<C>> {
        let (observed, lost) = self.seen(subject, gate, previous, allowed).await?;
        let reset = allowed.reset;
        let deployment = gate.deployment();
        let wanted = deployment.resource(subject).ok();
        let recorded = wanted.and_then(|wanted| previous?.stack.resource(wanted.id().as_str()));
        let same = wanted.zip(recorded).is_some_and(|(wanted, recorded)| {
            recorded.kind() == wanted.kind()
                && recorded.lifecycle() == wanted.lifecycle()
                && recorded.changed_fields(wanted).is_empty()
        });
        let as_it_is = |observed| Found {
            observed,
            gate: gate.clone(),
            vendors: Vendors::Same,
            version: None,
            lost,
            is_recorded: same,
        };
        let Some(wanted) = wanted else { return Ok(as_it_is(observed)) };
        let keeps = match &observed {
            Observed::Own { state: State::Unfinished, .. } => recorded.is_some(),
            Observed::Own { .. } => true,
            _ => false,
        };
        if !keeps || !wanted.is_updatable() {
            return Ok(as_it_is(observed));
        }
        let Some(runs) = self.running(subject, gate).await.optional()? else { return Ok(as_it_is(observed)) };
        let recorded = recorded.filter(|recorded| recorded.kind() == wanted.kind()).map(in_chosen_form::<C>);
        let (now, version) = match runs {
            Runs::Untold => return Ok(as_it_is(observed)),
            Runs::Settings(running) => (Some(deployment.running(wanted, &running)), None),
            Runs::Version { runs, set } => {
                let known = previous.and_then(|previous| previous.versions.get(wanted.id())).or(set.as_ref());
                let now = (known == Some(&runs)).then(|| wanted.clone().with_vendors_part(recorded.as_ref()));
                (now, Some(runs))
            }
        };
        let Some(now) = now else {
            let version = version.unwrap_or_default();
            let what = format!("it runs version `{version}`, which the record at hand does not know");
            let vendors = if reset { Vendors::Reset(what) } else { Vendors::Unknown(what) };
            // What is not known must not get into the record as if it were.
            let known = previous.and_then(|previous| previous.versions.get(wanted.id())).cloned();
            return Ok(Found { vendors, version: known, ..as_it_is(observed) });
        };
        let fields = now.vendors_differences(wanted);
        if fields.is_empty() {
            // The number of a release beside it is no difference, and stays.
            let marked = (now.mark != wanted.mark).then(|| deployment.with_resource(&now).ok()).flatten();
            let Some(marked) = marked else { return Ok(Found { version, ..as_it_is(observed) }) };
            let gate = gate.on(Arc::new(marked));
            let (observed, lost) = self.seen(subject, &gate, previous, allowed).await?;
            return Ok(Found { observed, gate, vendors: Vendors::Same, version, lost, is_recorded: same });
        }
        let (changed, from, to) = (fields.join(", "), code(&now), code(wanted));
        if reset {
            let codes = if from == to { String::new() } else { format!("; code from `{from}` to `{to}`") };
            let vendors = Vendors::Reset(format!("DOWNGRADE of what the vendor has released: {changed}{codes}"));
            return Ok(Found { vendors, ..as_it_is(observed) });
        }
        // Numbers are the vendor's within what the customer approved, and beyond that nobody's: they alone are set.
        let as_it_runs = deployment.with_resource(&now);
        let (now, beyond) = now.within_what_is_approved(wanted);
        let is_beyond = !beyond.is_empty();
        let observed = match as_it_runs {
            _ if !is_beyond => observed,
            // How else it differs is told beside.
            Ok(runs) => {
                let (observed, _) = self.seen(subject, &gate.on(Arc::new(runs)), previous, allowed).await?;
                observed.also_drifted(beyond)
            }
            Err(_) => observed.drifted(beyond),
        };
        let fields = now.vendors_differences(wanted);
        if fields.is_empty() {
            return Ok(as_it_is(observed));
        }
        let changed = fields.join(", ");
        let Ok(kept) = deployment.with_resource(&now) else {
            let vendors = Vendors::Reset(format!("what runs is beyond what the stack allows: {changed}"));
            return Ok(Found { vendors, ..as_it_is(observed) });
        };
        let release = previous.map(|previous| previous.stack.digest());
        let is_recorded = recorded.is_some_and(|recorded| now.vendors_differences(&recorded).is_empty());
        let is_invited =
            previous.and_then(|previous| previous.invited.as_deref()) == Some(deployment.whole_stack().digest());
        let vendors = match (release.filter(|_| is_recorded), is_invited) {
            (Some(release), true) => format!("updated by the vendor: release {release} ({changed}); it is left"),
            (Some(release), false) => {
                format!("release {release} runs; the stack's {changed} waits for the vendor's next release")
            }
            (None, _) => format!("updated by the vendor: {changed}, code `{from}`; it is left"),
        };
        let gate = gate.on(Arc::new(kept));
        let (observed, lost) =
            if is_beyond { (observed, lost) } else { self.seen(subject, &gate, previous, allowed).await? };
        Ok(Found { observed, gate, vendors: Vendors::Left(vendors), version, lost, is_recorded: same })
    }

    /// Observes a subject. If the record knows it, its marks are gone, and the admin has it marked again, it counts as set
    /// up as the record says.
    async fn seen(
        &self,
        subject: Subject,
        gate: &Gate<C>,
        previous: Option<&Deployment>,
        allowed: Allowed<'_>,
    ) -> Result<(Observed, Lost)> {
        let observed = self.observe(subject, gate).await?;
        let Observed::Foreign(foreign) = &observed else { return Ok((observed, Lost::Nothing)) };
        let recorded = previous.and_then(|previous| self.recorded(subject, gate.deployment(), previous, foreign));
        Ok(match (recorded, foreign.id()) {
            (Some(set), Some(id)) if (allowed.mark_again)(id) => {
                let drift =
                    Some("it carries no deployment's mark, and the record knows it; it is marked again".to_owned());
                (Observed::Own { id: id.to_owned(), state: State::Finished(set), drift }, Lost::MarkedAgain)
            }
            (Some(_), _) => (observed, Lost::Known),
            (None, _) => (observed, Lost::Nothing),
        })
    }

    /// The fingerprint of a thing that carries no deployment's mark, as the record has it; `None` if the record does not know
    /// this very thing.
    pub(super) fn recorded(
        &self,
        subject: Subject,
        deployment: &DeploymentContext<C>,
        previous: &Deployment,
        foreign: &Foreign,
    ) -> Option<Fingerprint> {
        let id = foreign.id()?;
        let old = Release::without_artifacts(previous.stack.clone());
        let old = DeploymentContext::<C>::new(self.id, self.target.clone(), old);
        let known = match subject {
            Subject::Resource(_) => {
                let resource = deployment.resource(subject).ok()?.id();
                previous.resources.get(resource).filter(|recorded| *recorded == id)?;
                old.subject(resource.as_str()).ok()?
            }
            Subject::RuntimeIdentity(_) => Subject::RuntimeIdentity(match deployment.holder(subject)? {
                Holder::Profile(profile) => old.permissions().runtime_position(profile.as_str())?,
                Holder::Platform => old.permissions().platform_position()?,
                Holder::Admin | Holder::Vendor => return None,
            }),
            Subject::ManagementIdentity => {
                previous.identity_id.as_ref().is_none_or(|recorded| recorded == id).then_some(subject)?
            }
            Subject::Deployment => old.stack().resources().iter().any(C::needs_shared).then_some(subject)?,
        };
        Some(Fingerprint::of(known, &old))
    }
}

/// What is so of a thing that carries no deployment's mark and is known by the record.
pub(super) fn unmarked(whose: &Foreign) -> String {
    format!("{whose}, but the record knows it; if nobody else made it since, set up with the option to mark it again")
}

/// The digest of the code that a resource has, in the form that runs here.
fn code(resource: &Resource) -> String {
    let form = resource.code().and_then(Code::only);
    form.as_ref().map_or("", CodeForm::digest).to_owned()
}

impl<C: Cloud> Found<C> {
    /// The resource for the record, with every form of its code that the stack or the record knows. `None` if it is as
    /// the stack says. Of what is not known, the record says what it said.
    pub(super) fn kept(&self, subject: Subject, wanted: &Resource, previous: Option<&Deployment>) -> Option<Resource> {
        let recorded = previous.and_then(|previous| previous.stack.resource(wanted.id().as_str()));
        let mut kept = match self.vendors {
            Vendors::Left(_) => self.gate.deployment().resource(subject).ok()?.clone(),
            Vendors::Unknown(_) => return Some(wanted.clone().with_vendors_part(Some(recorded?))),
            Vendors::Same | Vendors::Reset(_) => return None,
        };
        let known = [Some(wanted), recorded].into_iter().flatten();
        let same = known.filter(|known| chosen_code::<C>(known).as_ref() == kept.code()).find_map(Resource::code);
        if let Some(code) = same {
            kept.set_code(code.clone());
        }
        Some(kept)
    }
}
