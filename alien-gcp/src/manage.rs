//! What a session of the vendor's calls, by kind: what a kind has not, core has refused before.

use alien_core::call::Gate;
use alien_core::manage::{Change, Heartbeat, LogPage, LogQuery};
use alien_core::permission::Subject;
use alien_core::{Operate, Result, by_kind};
use async_trait::async_trait;

use crate::Gcp;
use crate::client::{Clients, Context};
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

    fn at<'a>(&'a self, subject: Subject, call: &'a Gate<Gcp>) -> Context<'a> {
        Context { clients: &self.clients, call, subject }
    }
}

#[async_trait]
impl Operate<Gcp> for Session {
    async fn heartbeat(&self, subject: Subject, call: &Gate<Gcp>) -> Result<Heartbeat> {
        let cx = self.at(subject, call);
        by_kind!(cx.resource()?.kind(), heartbeat(cx))
    }

    async fn update(&self, subject: Subject, change: &Change, call: &Gate<Gcp>) -> Result<()> {
        compute::calls::update(self.at(subject, call), change).await
    }

    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Gate<Gcp>) -> Result<LogPage> {
        compute::logs::read(self.at(subject, call), query).await
    }

    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Gate<Gcp>) -> Result<Vec<u8>> {
        function::calls::dispatch(self.at(subject, call), &self.invoker, command).await
    }
}
