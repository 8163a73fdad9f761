//! What only a container's service has.

use alien_core::engine::Marks;
use alien_core::{Container as Settings, Result};
use google_cloud_run_v2::model::{Container, ContainerPort, ExecutionEnvironment, RevisionScaling, RevisionTemplate};

use super::super::compute::calls as compute;
use crate::client::Context;

pub(crate) use super::super::compute::calls::{create, delete, heartbeat, observe};

/// How long a request may take, in seconds: what Cloud Run takes where nothing is said.
const TIMEOUT: i64 = 300;

/// Instances run whether anyone asks or not. A service of less than one processor takes one request at a time, and has its
/// processor only meanwhile, in the first generation of the execution environment (<https://docs.cloud.google.com/run/docs/configuring/services/cpu>).
pub(crate) fn template(template: RevisionTemplate, container: Container, settings: &Settings) -> RevisionTemplate {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let whole = settings.cpu() >= 1000;
    let copies = settings.copies();
    let port = settings.listens_on().map(|port| ContainerPort::new().set_container_port(i32::from(port)));
    let container = container
        .set_resources(compute::limits(settings.cpu(), settings.memory()).set_cpu_idle(!whole))
        .set_ports(port);
    let scaling =
        RevisionScaling::new().set_min_instance_count(number(copies.min)).set_max_instance_count(number(copies.max));
    let timeout = google_cloud_wkt::Duration::clamp(TIMEOUT, 0);
    let template = template.set_containers([container]).set_scaling(scaling).set_timeout(timeout);
    if whole {
        return template;
    }
    template.set_max_instance_request_concurrency(1).set_execution_environment(ExecutionEnvironment::Gen1)
}

pub(crate) async fn configure(cx: Context<'_>, marks: &Marks) -> Result<()> {
    compute::set(cx).await?;
    compute::mark_set(cx, marks).await
}
