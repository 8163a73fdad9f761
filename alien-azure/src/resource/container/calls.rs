//! The calls for a container: what differs from a function's app.

use alien_core::adapter::{Change, LogPage, LogQuery, Marks, Observed, Operate, Reconcile, Removal, Runs};
use alien_core::{Container, Data, Heartbeat, Result};
use async_trait::async_trait;

use super::super::compute::template::{Ingress, Part, Resources, Scale};
use super::super::compute::{calls as compute, logs};
use crate::Azure;
use crate::client::{Clients, Context};

/// The parts of a container's app. Replicas run whether there are requests or not.
fn part(container: &Container) -> Part {
    let copies = container.replicas();
    Part {
        resources: Resources::of_memory(container.memory_mib()),
        scale: Scale { min_replicas: copies.min, max_replicas: copies.max, rules: Vec::new() },
        variables: Vec::new(),
        ingress: container.port().map(Ingress::internal),
    }
}

#[async_trait]
impl Reconcile<Azure, Clients> for Container {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        compute::observe(cx, &part(self)).await
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        compute::create(cx, marks, &part(self)).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        compute::configure(cx, marks, &part(self)).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        compute::delete(cx).await
    }
}

#[async_trait]
impl Operate<Azure, Clients> for Container {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        compute::heartbeat(cx).await
    }

    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        compute::running(cx, self.memory_mib()).await
    }

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        compute::update(cx, change, &part(self), &part(change.settings()?)).await
    }

    async fn redeploy(&self, cx: Context<'_>) -> Result<()> {
        compute::redeploy(cx).await
    }

    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        logs::read(cx, query).await
    }
}
