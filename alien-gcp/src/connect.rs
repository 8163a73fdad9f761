//! GCP behind the interface that all adapters implement.

use std::sync::Arc;

use alien_core::adapter::Connect;
use alien_core::{Admin, ConnectOption, Connection, DeploymentId, Impersonate, Result};
use async_trait::async_trait;

use crate::target::Target;
use crate::{Config, Gcp, admin, agent, vendor};

/// Connects to GCP with the credentials of the environment. For programs that serve several clouds.
#[derive(Debug, Clone, Copy)]
pub struct Adapter;

async fn config(connection: &Connection) -> Result<Config> {
    // Before this machine is searched for credentials.
    let url = connection.endpoint_url()?;
    let config = Config::found().await?.with_calls(connection.calls.clone());
    Ok(match url {
        Some(url) => config.with_endpoint(url),
        None => config,
    })
}

#[async_trait]
impl Connect for Adapter {
    type Cloud = Gcp;

    const OPTIONS: &'static [ConnectOption] = &[ConnectOption::ENDPOINT_URL];

    async fn admin(&self, id: DeploymentId, target: Target, connection: &Connection) -> Result<Admin> {
        Ok(admin(&config(connection).await?, id, target))
    }

    async fn vendor(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(vendor(&config(connection).await?))
    }

    async fn agent(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(agent(&config(connection).await?))
    }
}
