//! One session: what is checked before any call, whatever the cloud.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::call::Gate;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::manage::{Change, Health, Heartbeat, LogPage, LogQuery, Manage};
use crate::name::ResourceId;
use crate::permission::{Set, Subject};

/// Makes the calls of a session, with its credentials. Every one goes through the [`Gate`]. A kind is asked only for what it
/// has: updates and logs are for functions and containers, commands for functions.
#[async_trait]
pub trait Operate<C: Cloud>: Send + Sync {
    /// How a resource is. A resource that is not there may be told by [`ErrorKind::NotFound`].
    async fn heartbeat(&self, subject: Subject, call: &Gate<C>) -> Result<Heartbeat>;

    /// Changes code and settings of a function or container from what the site says to what the change says, and waits
    /// until it works. Where it does not, what was is put back, as far as that can be done.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Failed`] where it does not work: in which state it is and why, and what runs now.
    async fn update(&self, subject: Subject, change: &Change, call: &Gate<C>) -> Result<()>;

    /// Some lines of the log of a function or container.
    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Gate<C>) -> Result<LogPage>;

    /// Sends a command to a function.
    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Gate<C>) -> Result<Vec<u8>>;
}

/// Let in.
pub struct AssumedSession<C: Cloud> {
    /// Makes calls with the credentials.
    pub operate: Box<dyn Operate<C>>,
    /// When they end.
    pub expires: Timestamp,
}

impl<C: Cloud> fmt::Debug for AssumedSession<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// One session.
pub(crate) struct Session<C: Cloud> {
    serial: u64,
    entered: AssumedSession<C>,
    call: Gate<C>,
}

impl<C: Cloud> fmt::Debug for Session<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("serial", &self.serial).field("entered", &self.entered).finish_non_exhaustive()
    }
}

impl<C: Cloud> Session<C> {
    pub(crate) const fn new(serial: u64, entered: AssumedSession<C>, call: Gate<C>) -> Self {
        Self { serial, entered, call }
    }

    /// The subject of a resource on which the session holds a set.
    fn subject(&self, id: &ResourceId, set: Set, refusal: &str) -> Result<Subject> {
        let subject = self.call.site().subject(id.as_str())?;
        if self.call.holding().sets_on(subject).contains(set) {
            return Ok(subject);
        }
        let resource = self.call.site().resource(subject)?;
        let kind = if set.fits(resource.kind()) { ErrorKind::NotGranted } else { ErrorKind::Unsupported };
        let what = format!("{} {}: {refusal}", resource.lifecycle(), resource.kind());
        Err(Error::new(kind, what).at(id.as_str()))
    }
}

#[async_trait]
impl<C: Cloud> Manage for Session<C> {
    fn serial(&self) -> u64 {
        self.serial
    }

    fn expires(&self) -> Timestamp {
        self.entered.expires
    }

    async fn heartbeat(&self, id: &ResourceId) -> Result<Heartbeat> {
        let subject = self.subject(id, Set::Heartbeat, "this session is not for watching it")?;
        match self.entered.operate.heartbeat(subject, &self.call).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Heartbeat::new(Health::Missing, error.message().to_owned()))
            }
            beat => beat,
        }
    }

    async fn update(&self, id: &ResourceId, change: &Change) -> Result<()> {
        let subject = self.subject(id, Set::Management, "the vendor may not update it")?;
        let resource = self.call.site().resource(subject)?;
        if !resource.kind().runs_code() || change.resource.kind() != resource.kind() {
            let what = format!("a {} is not updated by the vendor as a {}", resource.kind(), change.resource.kind());
            return Err(Error::new(ErrorKind::Unsupported, what).at(id.as_str()));
        }
        self.entered.operate.update(subject, change, &self.call).await
    }

    async fn logs(&self, id: &ResourceId, query: &LogQuery) -> Result<LogPage> {
        let subject = self.subject(id, Set::Logs, "the vendor may not read its logs")?;
        self.entered.operate.logs(subject, query, &self.call).await
    }

    async fn dispatch(&self, id: &ResourceId, command: &[u8]) -> Result<Vec<u8>> {
        let refusal = "it takes no commands; switch `commands` on in the stack";
        let subject = self.subject(id, Set::Dispatch, refusal)?;
        self.entered.operate.dispatch(subject, command, &self.call).await
    }
}
