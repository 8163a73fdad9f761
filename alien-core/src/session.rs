//! One session, and what it checks before any call, for every cloud.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::call::{CallContext, Gate};
use crate::cloud::{Cloud, Documented, in_chosen_form};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::manage::{Change, Command, Comparison, Created, Health, Heartbeat, LogPage, LogQuery, Manage, Runs};
use crate::marks::{Fingerprint, Marks};
use crate::name::ResourceId;
use crate::operate::{Operated, calls};
use crate::permission::{Set, SubjectType};
use crate::provision::Data;
use crate::reconcile::{self, Observed, Removal};
use crate::resource::{Code, CodeForm, Resource};
use crate::rollout::Sequence;

/// Clients with short-lived credentials, and when these expire.
pub struct AssumedSession<K> {
    /// The clients of the cloud's services, with the credentials.
    pub clients: K,
    /// When the credentials expire.
    pub expires: Timestamp,
}

impl<K> fmt::Debug for AssumedSession<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumedSession").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// One session: what it was granted, and the clients that have its credentials.
pub(crate) struct Session<C: Cloud, K> {
    serial: u64,
    assumed: Arc<AssumedSession<K>>,
    gate: Gate<C>,
}

impl<C: Cloud, K> fmt::Debug for Session<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("serial", &self.serial).field("assumed", &self.assumed).finish_non_exhaustive()
    }
}

impl<C: Cloud, K> Session<C, K> {
    pub(crate) const fn new(serial: u64, assumed: Arc<AssumedSession<K>>, gate: Gate<C>) -> Self {
        Self { serial, assumed, gate }
    }

    /// The context of calls about a resource on which the session holds a set.
    fn context(&self, id: &ResourceId, set: Set, refusal: &str) -> Result<CallContext<'_, C, K>> {
        let subject = self.gate.deployment().subject(id.as_str())?;
        if self.gate.grants().sets_on(subject).contains(set) {
            return Ok(CallContext { clients: &self.assumed.clients, gate: &self.gate, subject });
        }
        let resource = self.gate.deployment().resource(subject)?;
        let kind = if set.fits(resource.kind()) { ErrorKind::NotGranted } else { ErrorKind::Unsupported };
        let what = format!("{} {}: {refusal}", resource.lifecycle(), resource.kind());
        Err(Error::new(kind, what).at(id.as_str()))
    }
}

#[async_trait]
impl<C: Documented<Kinds: Operated<C, K>>, K: Send + Sync> Manage for Session<C, K> {
    fn serial(&self) -> u64 {
        self.serial
    }

    fn expires(&self) -> Timestamp {
        self.assumed.expires
    }

    async fn heartbeat(&self, id: &ResourceId) -> Result<Heartbeat> {
        let cx = self.context(id, Set::Heartbeat, "this session is not for watching it")?;
        match cx.placed(calls(cx)?.heartbeat(cx).await) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Heartbeat::new(Health::Missing, error.message().to_owned()))
            }
            Ok(mut beat) => {
                if let Some(ran) = beat.runs.as_mut().filter(|ran| is_recorded(cx, &ran.code)) {
                    ran.release = Some(cx.deployment().whole_stack().digest().to_owned());
                }
                Ok(beat)
            }
            failed => failed,
        }
    }

    async fn compare(&self, wanted: &Resource) -> Result<Comparison> {
        let cx = self.context(wanted.id(), Set::Heartbeat, "this session is not for watching it")?;
        let wanted = in_chosen_form::<C>(wanted);
        let recorded = cx.resource()?;
        let runs = cx.placed(calls(cx)?.running(cx).await)?;
        let (differs, unrecorded) = match &runs {
            Runs::Settings(running) => {
                let now = cx.deployment().running(recorded, running);
                let fields = now.vendors_differences(recorded);
                let unrecorded = (!fields.is_empty()).then(|| format!("other {} than recorded", fields.join(", ")));
                (wanted.vendors_differences(&now), unrecorded)
            }
            Runs::Untold => (wanted.vendors_differences(recorded), None),
            Runs::Version { runs, set } => match cx.deployment().versions.get(wanted.id()).or(set.as_ref()) {
                Some(known) if known != runs => {
                    (vec!["code"], Some(format!("version `{runs}`, and the record knows `{known}`")))
                }
                _ => (wanted.vendors_differences(recorded), None),
            },
        };
        Ok(Comparison { differs, unrecorded, runs })
    }

    async fn mark(&self, id: &ResourceId) -> Result<Option<Sequence>> {
        let cx = self.context(id, Set::Heartbeat, "this session is not for watching it")?;
        match cx.placed(calls(cx)?.running(cx).await)? {
            Runs::Settings(running) => Ok(running.mark()),
            Runs::Untold | Runs::Version { .. } => Ok(None),
        }
    }

    async fn update(&self, id: &ResourceId, change: &Change) -> Result<Option<String>> {
        let cx = self.context(id, Set::Management, "the vendor may not update it")?;
        let kind = cx.resource()?.kind();
        if change.resource.kind() != kind {
            let what = format!("a {kind} is not updated by the vendor as a {}", change.resource.kind());
            return Err(Error::new(ErrorKind::Unsupported, what).at(id.as_str()));
        }
        let mut change = Change { resource: in_chosen_form::<C>(&change.resource), ..change.clone() };
        // The adapter sends what differs from what runs, and puts that back if the update fails.
        let now = match &change.runs {
            Some(Runs::Settings(running)) if !change.again => Some(cx.deployment().running(cx.resource()?, running)),
            _ => None,
        };
        match now.filter(|now| cx.resource().is_ok_and(|recorded| now != recorded)) {
            // What runs may be more than the stack may say: then everything is sent.
            Some(now) => match cx.deployment().with_resource(&now) {
                Ok(deployment) => {
                    let gate = self.gate.on(Arc::new(deployment));
                    let cx = CallContext { gate: &gate, ..cx };
                    cx.placed(calls(cx)?.update(cx, &change).await)?;
                }
                Err(_) => {
                    change.again = true;
                    cx.placed(calls(cx)?.update(cx, &change).await)?;
                }
            },
            None => cx.placed(calls(cx)?.update(cx, &change).await)?,
        }
        match &change.runs {
            Some(Runs::Settings(_) | Runs::Untold) => Ok(None),
            Some(Runs::Version { .. }) | None => match cx.placed(calls(cx)?.running(cx).await)? {
                Runs::Version { runs, .. } => Ok(Some(runs)),
                Runs::Settings(_) | Runs::Untold => Ok(None),
            },
        }
    }

    async fn redeploy(&self, id: &ResourceId) -> Result<()> {
        let cx = self.context(id, Set::Management, "the vendor may not start new instances of it")?;
        cx.placed(calls(cx)?.redeploy(cx).await)
    }

    async fn create(&self, id: &ResourceId, release: &str, zip: Option<Arc<[u8]>>) -> Result<Created> {
        let cx = self.context(id, Set::Provision, NOT_AGREED)?;
        let gate = self.gate.on(Arc::new(cx.deployment().with_artifacts(zip.into_iter().collect())));
        let cx = CallContext { gate: &gate, ..cx };
        if !C::VENDOR_CREATES {
            let what = format!("it is not there, or the vendor may not look at it; on {} {ADMINS}", C::NAME);
            return cx.placed(Err(Error::new(ErrorKind::NotGranted, what)));
        }
        let created = created(cx, release).await.map_err(|error| match error.kind() {
            ErrorKind::NotGranted => error.because(ADMINS),
            _ => error,
        });
        cx.placed(created)
    }

    async fn delete(&self, id: &ResourceId) -> Result<Removal> {
        let cx = self.context(id, Set::Provision, NOT_AGREED)?;
        cx.placed(deleted(cx).await)
    }

    async fn logs(&self, id: &ResourceId, query: &LogQuery) -> Result<LogPage> {
        let cx = self.context(id, Set::Logs, "the vendor may not read its logs")?;
        if !(1..=1000).contains(&query.limit) {
            let what = format!("a page has 1 to 1,000 lines, and {} are asked for", query.limit);
            return Err(Error::new(ErrorKind::Input, what).at(id.as_str()));
        }
        cx.placed(calls(cx)?.logs(cx, query).await)
    }

    async fn dispatch(&self, id: &ResourceId, command: &Command) -> Result<Vec<u8>> {
        let refusal = "it takes no commands; switch `commands` on in the stack";
        let cx = self.context(id, Set::Dispatch, refusal)?;
        cx.placed(calls(cx)?.dispatch(cx, command).await)
    }
}

const ADMINS: &str = "only the customer's admin creates it, by setting up again";

const NOT_AGREED: &str = "the customer does not let the vendor create and delete it";

/// Creates what a context is about, as far as the session may. Nothing is done to what is somebody else's.
async fn created<C, K>(cx: CallContext<'_, C, K>, release: &str) -> Result<Created>
where
    C: Documented<Kinds: Operated<C, K>>,
    K: Send + Sync,
{
    let (part, deployment) = (calls(cx)?, cx.deployment());
    let is_complete = holds_all(cx)?;
    let marks = Marks {
        deployment: deployment.id,
        place: C::place(deployment.target()).to_owned(),
        release: release.to_owned(),
        fingerprint: is_complete.then(|| Fingerprint::of(cx.subject, deployment)),
        // What lost its marks is for the admin to mark.
        again: false,
    };
    let own = |found| match found {
        Observed::Foreign(whose) => Err(Error::new(ErrorKind::NotOwned, format!("it already exists, and {whose}"))),
        Observed::Own { id, .. } => Ok(Some(id)),
        Observed::Absent | Observed::Adopted { .. } | Observed::Unneeded => Ok(None),
    };
    // Some clouds keep permissions on the thing itself: then nobody but the admin may look at one that is not there, or
    // that was just created.
    let unseen = |error: Error| if error.kind() == ErrorKind::Denied { Ok(None) } else { Err(error) };
    let mut found = part.observe(cx).await.map_or_else(unseen, own)?;
    if found.is_none() {
        let is_new = part.create(cx, &marks).await.unless_exists()?.is_some();
        found = match part.observe(cx).await {
            Err(error) if is_new => unseen(error)?,
            found => own(found?)?,
        };
    }
    let Some(id) = found else {
        let waits = "the permissions of everyone who uses it, which the cloud keeps on it".to_owned();
        return Ok(Created { id: deployment.id_of(cx.subject).to_owned(), version: None, waits: Some(waits) });
    };
    // It is there: whatever fails now leaves it unfinished.
    part.configure(cx, &marks).await.map_err(Error::with_sent)?;
    let version = if cx.resource()?.is_updatable() {
        match part.running(cx).await? {
            Runs::Version { runs, .. } => Some(runs),
            Runs::Settings(_) | Runs::Untold => None,
        }
    } else {
        None
    };
    let waits = (!is_complete).then(|| "what only the admin sets of it".to_owned());
    Ok(Created { id, version, waits })
}

/// Whether the session may set everything of a resource.
fn holds_all<C: Cloud, K>(cx: CallContext<'_, C, K>) -> Result<bool> {
    let kind = SubjectType::Kind(cx.resource()?.kind());
    let sets = [Set::Provision, Set::Reconfigure, Set::Setup];
    Ok(sets.iter().flat_map(|set| C::set(kind, *set)).all(|row| cx.holds(row)))
}

/// Deletes what a context is about, if it is the deployment's.
async fn deleted<C, K>(cx: CallContext<'_, C, K>) -> Result<Removal>
where
    C: Cloud<Kinds: Operated<C, K>>,
    K: Send + Sync,
{
    let part = calls(cx)?;
    match part.observe(cx).await? {
        Observed::Absent | Observed::Adopted { .. } | Observed::Unneeded => Ok(Removal::Gone),
        Observed::Foreign(whose) => Err(Error::new(ErrorKind::NotOwned, format!("it is not deleted: {whose}"))),
        Observed::Own { .. } => reconcile::delete(part, cx, Data::Delete).await,
    }
}

/// Whether the record has this code, or knows this version.
fn is_recorded<C: Cloud, K>(cx: CallContext<'_, C, K>, code: &str) -> bool {
    let Ok(resource) = cx.resource() else { return false };
    let form = resource.code().and_then(Code::only);
    form.as_ref().map(CodeForm::digest) == Some(code)
        || cx.deployment().versions.get(resource.id()).is_some_and(|version| version == code)
}
