//! One session, and what it checks before any call, for every cloud.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::call::{CallContext, Gate};
use crate::cloud::{Cloud, chosen_code};
use crate::error::{Error, ErrorKind, Result};
use crate::manage::{Change, Health, Heartbeat, LogPage, LogQuery, Manage};
use crate::name::ResourceId;
use crate::operate::{Operated, calls};
use crate::permission::Set;

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
    assumed: AssumedSession<K>,
    gate: Gate<C>,
}

impl<C: Cloud, K> fmt::Debug for Session<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("serial", &self.serial).field("assumed", &self.assumed).finish_non_exhaustive()
    }
}

impl<C: Cloud, K> Session<C, K> {
    pub(crate) const fn new(serial: u64, assumed: AssumedSession<K>, gate: Gate<C>) -> Self {
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
            beat => beat,
        }
    }

    async fn update(&self, id: &ResourceId, change: &Change) -> Result<()> {
        let cx = self.context(id, Set::Management, "the vendor may not update it")?;
        let kind = cx.resource()?.kind();
        if change.resource.kind() != kind {
            let what = format!("a {kind} is not updated by the vendor as a {}", change.resource.kind());
            return Err(Error::new(ErrorKind::Unsupported, what).at(id.as_str()));
        }
        // The vendor's stack has every form of code; the session's has the one that runs here.
        let mut change = change.clone();
        if let Some(code) = chosen_code::<C>(&change.resource) {
            change.resource.set_code(code);
        }
        cx.placed(calls(cx)?.update(cx, &change).await)
    }

    async fn logs(&self, id: &ResourceId, query: &LogQuery) -> Result<LogPage> {
        let cx = self.context(id, Set::Logs, "the vendor may not read its logs")?;
        cx.placed(calls(cx)?.logs(cx, query).await)
    }

    async fn dispatch(&self, id: &ResourceId, command: &[u8]) -> Result<Vec<u8>> {
        let refusal = "it takes no commands; switch `commands` on in the stack";
        let cx = self.context(id, Set::Dispatch, refusal)?;
        cx.placed(calls(cx)?.dispatch(cx, command).await)
    }
}
