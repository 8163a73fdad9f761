//! What a session of the vendor's calls, by kind: what a kind has not, core has refused before.

use alien_core::call::Gate;
use alien_core::manage::{Change, Heartbeat, LogPage, LogQuery};
use alien_core::permission::Subject;
use alien_core::{Kind, Operate, Result, by_kind};
use async_trait::async_trait;
use aws_config::SdkConfig;

use crate::Aws;
use crate::client::{Clients, Context};
use crate::resource::{compute, container, function, kv, network, queue, storage};

/// Calls with a session's credentials.
#[derive(Debug)]
pub(crate) struct Session(Clients);

impl Session {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self(Clients::new(config))
    }

    fn at<'a>(&'a self, subject: Subject, call: &'a Gate<Aws>) -> Context<'a> {
        Context { clients: &self.0, call, subject }
    }
}

#[async_trait]
impl Operate<Aws> for Session {
    async fn heartbeat(&self, subject: Subject, call: &Gate<Aws>) -> Result<Heartbeat> {
        let cx = self.at(subject, call);
        by_kind!(cx.resource()?.kind(), heartbeat(cx))
    }

    async fn update(&self, subject: Subject, change: &Change, call: &Gate<Aws>) -> Result<()> {
        let cx = self.at(subject, call);
        match cx.resource()?.kind() {
            Kind::Function => function::calls::update(cx, change).await,
            _ => container::calls::update(cx, change).await,
        }
    }

    async fn logs(&self, subject: Subject, query: &LogQuery, call: &Gate<Aws>) -> Result<LogPage> {
        compute::calls::logs(self.at(subject, call), query).await
    }

    async fn dispatch(&self, subject: Subject, command: &[u8], call: &Gate<Aws>) -> Result<Vec<u8>> {
        function::calls::dispatch(self.at(subject, call), command).await
    }
}
