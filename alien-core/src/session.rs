//! One session, and what it checks before any call, for every cloud.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::call::{CallContext, Gate};
use crate::cloud::{Cloud, in_chosen_form};
use crate::error::{Error, ErrorKind, Result};
use crate::manage::{Change, Command, Comparison, Health, Heartbeat, LogPage, LogQuery, Manage, Runs};
use crate::name::ResourceId;
use crate::operate::{Operated, calls};
use crate::permission::Set;
use crate::resource::{Code, CodeForm, Resource};

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
impl<C: Cloud<Kinds: Operated<C, K>>, K: Send + Sync> Manage for Session<C, K> {
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

/// Whether the record has this code, or knows this version.
fn is_recorded<C: Cloud, K>(cx: CallContext<'_, C, K>, code: &str) -> bool {
    let Ok(resource) = cx.resource() else { return false };
    let form = resource.code().and_then(Code::only);
    form.as_ref().map(CodeForm::digest) == Some(code)
        || cx.deployment().versions.get(resource.id()).is_some_and(|version| version == code)
}
