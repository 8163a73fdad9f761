//! What a session of the vendor's calls, by kind.

use alien_core::call::Caller;
use alien_core::manage::{Change, Heartbeat, LogPage, LogQuery};
use alien_core::permission::Subject;
use alien_core::{Error, ErrorKind, Kind, Operate, Result};
use async_trait::async_trait;

use crate::Azure;
use crate::client::{At, Clients};
use crate::resource::{compute, function, kv, network, queue, storage};

/// Calls with a session's token.
#[derive(Debug)]
pub(crate) struct Session {
    clients: Clients,
}

impl Session {
    pub(crate) const fn new(clients: Clients) -> Self {
        Self { clients }
    }

    fn at<'a>(&'a self, subject: Subject, call: &'a Caller<Azure>) -> Result<(Kind, At<'a>)> {
        let kind = call.site().resource(subject)?.kind();
        Ok((kind, At { clients: &self.clients, call, subject }))
    }
}

fn unsupported(kind: Kind, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("a {kind} {what}"))
}

#[async_trait]
impl Operate<Azure> for Session {
    async fn heartbeat(&self, subject: Subject, call: &Caller<Azure>) -> Result<Heartbeat> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function | Kind::Container => compute::calls::heartbeat(at).await,
            Kind::Storage => storage::calls::heartbeat(at).await,
            Kind::Kv => kv::calls::heartbeat(at).await,
            Kind::Queue => queue::calls::heartbeat(at).await,
            Kind::Network => network::calls::heartbeat(at).await,
        }
    }

    async fn update(&self, subject: Subject, change: &Change, call: &Caller<Azure>) -> Result<()> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function | Kind::Container => compute::calls::update(at, change).await,
            other => Err(unsupported(other, "is updated by the customer's admin")),
        }
    }

    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Caller<Azure>) -> Result<LogPage> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function | Kind::Container => compute::logs::read(at, query).await,
            other => Err(unsupported(other, "has no log")),
        }
    }

    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Caller<Azure>) -> Result<Vec<u8>> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function => function::calls::dispatch(at, command).await,
            other => Err(unsupported(other, "takes no commands")),
        }
    }
}
