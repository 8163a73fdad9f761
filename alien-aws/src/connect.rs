//! AWS behind the interface that all adapters implement.

use std::sync::Arc;

use alien_core::adapter::Connect;
use alien_core::{ConnectOption, Connection, DeploymentId, Error, ErrorKind, Impersonate, Provision, Result, Side};
use async_trait::async_trait;

use crate::target::Target;
use crate::{Aws, client_config, impersonator, provisioner};

/// Connects to AWS with the credentials of the environment. For programs that serve several clouds.
#[derive(Debug, Clone, Copy)]
pub struct Adapter;

const BOUNDARY: ConnectOption = ConnectOption {
    name: "permissionsBoundary",
    help: "the ARN of the permissions boundary that your organisation puts on every role",
    side: Side::Admin,
};

#[async_trait]
impl Connect for Adapter {
    type Cloud = Aws;

    const OPTIONS: &'static [ConnectOption] = &[BOUNDARY, ConnectOption::ENDPOINT_URL];

    async fn provisioner(
        &self,
        id: DeploymentId,
        target: Target,
        connection: &Connection,
    ) -> Result<Box<dyn Provision>> {
        let wrong = |what: String| Error::new(ErrorKind::Input, what).at(BOUNDARY.name);
        let boundary = connection.get(BOUNDARY.name).map(str::parse).transpose();
        let boundary = boundary.map_err(|error: alien_core::TextError| wrong(error.to_string()))?;
        let config = client_config(connection.get(ConnectOption::ENDPOINT_URL.name), &target.region).await;
        Ok(Box::new(provisioner(&config, id, target, boundary, connection.calls.clone())))
    }

    async fn impersonator(&self, target: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        let config = client_config(connection.get(ConnectOption::ENDPOINT_URL.name), &target.region).await;
        Ok(Arc::new(impersonator(&config, &connection.operator, connection.calls.clone())))
    }
}
