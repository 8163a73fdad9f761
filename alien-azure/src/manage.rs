//! What a session of the vendor's calls, by kind: what a kind has not, core has refused before.

use alien_core::call::Gate;
use alien_core::manage::{Change, Heartbeat, LogPage, LogQuery};
use alien_core::permission::Subject;
use alien_core::{Operate, Result, by_kind};
use async_trait::async_trait;

use crate::Azure;
use crate::client::{Clients, Context};
use crate::resource::{compute, container, function, kv, network, queue, storage};

/// Calls with a session's token.
#[derive(Debug)]
pub(crate) struct Session {
    clients: Clients,
}

impl Session {
    pub(crate) const fn new(clients: Clients) -> Self {
        Self { clients }
    }

    fn at<'a>(&'a self, subject: Subject, call: &'a Gate<Azure>) -> Context<'a> {
        Context { clients: &self.clients, call, subject }
    }
}

#[async_trait]
impl Operate<Azure> for Session {
    async fn heartbeat(&self, subject: Subject, call: &Gate<Azure>) -> Result<Heartbeat> {
        let cx = self.at(subject, call);
        by_kind!(cx.resource()?.kind(), heartbeat(cx))
    }

    async fn update(&self, subject: Subject, change: &Change, call: &Gate<Azure>) -> Result<()> {
        compute::calls::update(self.at(subject, call), change).await
    }

    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Gate<Azure>) -> Result<LogPage> {
        compute::logs::read(self.at(subject, call), query).await
    }

    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Gate<Azure>) -> Result<Vec<u8>> {
        function::calls::dispatch(self.at(subject, call), command).await
    }
}
