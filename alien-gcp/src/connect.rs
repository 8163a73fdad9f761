//! GCP behind the interface that all adapters implement.

use std::sync::Arc;

use alien_core::adapter::Connect;
use alien_core::{ConnectOption, Connection, DeploymentId, Impersonate, Provision, Result};
use async_trait::async_trait;

use crate::target::Target;
use crate::{Config, Gcp, impersonator, provisioner};

/// Connects to GCP with the credentials of the environment. For programs that serve several clouds.
#[derive(Debug, Clone, Copy)]
pub struct Adapter;

async fn config(connection: &Connection) -> Result<Config> {
    let config = Config::found().await?;
    Ok(match connection.get(ConnectOption::ENDPOINT_URL.name) {
        Some(url) => config.endpoint(url),
        None => config,
    })
}

#[async_trait]
impl Connect for Adapter {
    type Cloud = Gcp;

    const OPTIONS: &'static [ConnectOption] = &[ConnectOption::ENDPOINT_URL];

    async fn provisioner(
        &self,
        id: DeploymentId,
        target: Target,
        connection: &Connection,
    ) -> Result<Box<dyn Provision>> {
        Ok(Box::new(provisioner(&config(connection).await?, id, target, connection.calls.clone())))
    }

    async fn impersonator(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(Arc::new(impersonator(&config(connection).await?, connection.calls.clone())))
    }
}
