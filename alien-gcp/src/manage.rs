//! What a session of the vendor's calls, by kind: what a kind has not, core has refused before.

use alien_core::call::Caller;
use alien_core::manage::{Change, Heartbeat, LogPage, LogQuery};
use alien_core::permission::Subject;
use alien_core::{Operate, Result, by_kind};
use async_trait::async_trait;

use crate::Gcp;
use crate::client::{At, Clients};
use crate::resource::function::calls::Invoker;
use crate::resource::{compute, container, function, kv, network, queue, storage};

/// Calls with a session's token.
#[derive(Debug)]
pub(crate) struct Session {
    clients: Clients,
    invoker: Invoker,
}

impl Session {
    pub(crate) const fn new(clients: Clients, invoker: Invoker) -> Self {
        Self { clients, invoker }
    }

    fn at<'a>(&'a self, subject: Subject, call: &'a Caller<Gcp>) -> At<'a> {
        At { clients: &self.clients, call, subject }
    }
}

#[async_trait]
impl Operate<Gcp> for Session {
    async fn heartbeat(&self, subject: Subject, call: &Caller<Gcp>) -> Result<Heartbeat> {
        let at = self.at(subject, call);
        by_kind!(at.resource()?.kind(), heartbeat(at))
    }

    async fn update(&self, subject: Subject, change: &Change, call: &Caller<Gcp>) -> Result<()> {
        compute::calls::update(self.at(subject, call), change).await
    }

    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Caller<Gcp>) -> Result<LogPage> {
        compute::logs::read(self.at(subject, call), query).await
    }

    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Caller<Gcp>) -> Result<Vec<u8>> {
        function::calls::dispatch(self.at(subject, call), &self.invoker, command).await
    }
}
