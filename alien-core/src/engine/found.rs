//! What was found of a subject. Of live code, what the vendor may change is taken as it runs, so that a set-up leaves it.

use std::sync::Arc;

use super::config::Engine;
use crate::call::Gate;
use crate::cloud::{Cloud, Documented, chosen_code, in_chosen_form};
use crate::deployment::Deployment;
use crate::error::{Result, ResultExt};
use crate::manage::Runs;
use crate::operate::Operated;
use crate::permission::Subject;
use crate::reconcile::{Observed, Provider, State};
use crate::resource::{Code, CodeForm, Resource};

/// A subject as it was found.
pub(super) struct Found<C: Cloud> {
    pub(super) observed: Observed,
    /// The gate for its calls: the deployment has what the vendor may change of it as it is to be.
    pub(super) gate: Gate<C>,
    pub(super) vendors: Vendors,
    /// The version that runs, if the cloud tells no more.
    pub(super) version: Option<String>,
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
    /// Observes a subject. `reset` says whether what the vendor has updated is set to what the stack says.
    pub(super) async fn find(
        &self,
        subject: Subject,
        gate: &Gate<C>,
        previous: Option<&Deployment>,
        reset: bool,
    ) -> Result<Found<C>> {
        let observed = self.observe(subject, gate).await?;
        let as_it_is = |observed| Found { observed, gate: gate.clone(), vendors: Vendors::Same, version: None };
        let deployment = gate.deployment();
        let Ok(wanted) = deployment.resource(subject) else { return Ok(as_it_is(observed)) };
        let recorded = previous.and_then(|previous| previous.stack.resource(wanted.id().as_str()));
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
            return Ok(Found { version, ..as_it_is(observed) });
        }
        let (changed, from, to) = (fields.join(", "), code(&now), code(wanted));
        if reset {
            let codes = if from == to { String::new() } else { format!("; code from `{from}` to `{to}`") };
            let vendors = Vendors::Reset(format!("DOWNGRADE of what the vendor has released: {changed}{codes}"));
            return Ok(Found { vendors, version, ..as_it_is(observed) });
        }
        let Ok(kept) = deployment.with_resource(&now) else {
            let vendors = Vendors::Reset(format!("what runs is beyond what the stack allows: {changed}"));
            return Ok(Found { vendors, version, ..as_it_is(observed) });
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
        let observed = self.observe(subject, &gate).await?;
        Ok(Found { observed, gate, vendors: Vendors::Left(vendors), version })
    }
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
