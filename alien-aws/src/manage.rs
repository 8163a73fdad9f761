//! What a session of the vendor's calls, by kind.

use alien_core::call::Caller;
use alien_core::manage::{Change, Heartbeat, LogPage, LogQuery};
use alien_core::permission::Subject;
use alien_core::{Error, ErrorKind, Kind, Operate, Result};
use async_trait::async_trait;
use aws_config::SdkConfig;

use crate::Aws;
use crate::client::{At, Clients};
use crate::resource::{container, function, kv, network, queue, storage};

/// Calls with a session's credentials.
#[derive(Debug)]
pub(crate) struct Session(Clients);

impl Session {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self(Clients::new(config))
    }

    fn at<'a>(&'a self, subject: Subject, call: &'a Caller<Aws>) -> Result<(Kind, At<'a>)> {
        let kind = call.site().resource(subject)?.kind();
        Ok((kind, At { clients: &self.0, call, subject }))
    }
}

fn unsupported(kind: Kind, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("a {kind} {what}"))
}

#[async_trait]
impl Operate<Aws> for Session {
    async fn heartbeat(&self, subject: Subject, call: &Caller<Aws>) -> Result<Heartbeat> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function => function::calls::heartbeat(at).await,
            Kind::Container => container::calls::heartbeat(at).await,
            Kind::Storage => storage::calls::heartbeat(at).await,
            Kind::Kv => kv::calls::heartbeat(at).await,
            Kind::Queue => queue::calls::heartbeat(at).await,
            Kind::Network => network::calls::heartbeat(at).await,
        }
    }

    async fn update(&self, subject: Subject, change: &Change, call: &Caller<Aws>) -> Result<()> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function => function::calls::update(at, change).await,
            Kind::Container => container::calls::update(at, change).await,
            other => Err(unsupported(other, "is updated by the customer's admin")),
        }
    }

    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Caller<Aws>) -> Result<LogPage> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function | Kind::Container => function::calls::logs(at, query).await,
            other => Err(unsupported(other, "has no log")),
        }
    }

    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Caller<Aws>) -> Result<Vec<u8>> {
        let (kind, at) = self.at(subject, call)?;
        match kind {
            Kind::Function => function::calls::dispatch(at, command).await,
            other => Err(unsupported(other, "takes no commands")),
        }
    }
}
