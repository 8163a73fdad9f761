//! The calls for a container: what differs from a function's service.

use alien_core::adapter::{Change, LogPage, LogQuery, Marks, Observed, Operate, Reconcile, Removal, ResultExt, Runs};
use alien_core::{Container, Data, Heartbeat, Resource, Result};
use async_trait::async_trait;
use google_cloud_run_v2::model::{
    ContainerPort, ExecutionEnvironment, IngressTraffic, RevisionScaling, RevisionTemplate,
};

use super::super::compute::calls::{Access, Callers};
use super::super::compute::compared::limits;
use super::super::compute::{calls as compute, logs};
use crate::Gcp;
use crate::client::{Clients, Context};

/// A container can be reached only from inside the network.
const ACCESS: Access = Access { ingress: IngressTraffic::InternalOnly, callers: Callers::Named };

/// The longest request, in seconds: the default of Cloud Run.
const TIMEOUT: i64 = 300;

/// The revision of a container. Instances run whether there are requests or not. A service of less than one vCPU
/// handles one request at a time and has CPU only during requests, in the first generation of the execution environment
/// (<https://docs.cloud.google.com/run/docs/configuring/services/cpu>).
async fn template(cx: Context<'_>, resource: &Resource, settings: &Container) -> Result<RevisionTemplate> {
    let (template, container) = compute::revision(cx, resource).await?;
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let whole = settings.cpu_millis() >= 1000;
    let replicas = settings.replicas();
    let port = settings.port().map(|port| ContainerPort::new().set_container_port(i32::from(port)));
    let container = container
        .set_resources(limits(settings.cpu_millis(), settings.memory_mib()).set_cpu_idle(!whole))
        .set_ports(port);
    let scaling = RevisionScaling::new()
        .set_min_instance_count(number(replicas.min))
        .set_max_instance_count(number(replicas.max));
    let timeout = google_cloud_wkt::Duration::clamp(TIMEOUT, 0);
    let template = template.set_containers([container]).set_scaling(scaling).set_timeout(timeout);
    if whole {
        return Ok(template);
    }
    Ok(template.set_max_instance_request_concurrency(1).set_execution_environment(ExecutionEnvironment::Gen1))
}

#[async_trait]
impl Reconcile<Gcp, Clients> for Container {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(found) = compute::look(cx).await.optional()? else { return Ok(Observed::Absent) };
        compute::observed(cx, &found, &template(cx, cx.resource()?, self).await?, &ACCESS).await
    }

    /// Creates the service. It can be reached only from inside the network.
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        compute::create(cx, marks, ACCESS.ingress, template(cx, cx.resource()?, self).await?).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let wanted = template(cx, cx.resource()?, self).await?;
        let found = compute::set(cx, wanted.clone(), &ACCESS).await?;
        compute::finish(cx, marks, &ACCESS, &found, wanted).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        compute::delete(cx).await
    }
}

#[async_trait]
impl Operate<Gcp, Clients> for Container {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        compute::heartbeat(cx).await
    }

    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        compute::running(cx).await
    }

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        let old = template(cx, cx.resource()?, self).await?;
        let new = template(cx, &change.resource, change.settings()?).await?;
        compute::update(cx, change, old, new).await
    }

    async fn redeploy(&self, cx: Context<'_>) -> Result<()> {
        compute::redeploy(cx).await
    }

    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        logs::read(cx, query).await
    }
}
