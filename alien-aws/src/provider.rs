//! The customer's admin: clients with the admin's credentials, and the checks before a set-up.

use alien_core::adapter::{Engine, Provider, Reconcile, ReconcileIdentity};
use alien_core::{CallConfig, DeploymentId, Problem, Result};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};

use crate::Aws;
use crate::client::{Clients, Context};
use crate::cluster::Cluster;
use crate::identity::calls::Roles;
use crate::preflight;
use crate::target::{PolicyArn, Region, Target};

/// Loads the configuration of the machine: environment variables, profiles and roles, as every AWS SDK reads them.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
pub async fn client_config(endpoint_url: Option<&str>, region: &Region) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(aws_config::Region::new(region.to_string()));
    match endpoint_url {
        Some(url) => loader.endpoint_url(url).load().await,
        None => loader.load().await,
    }
}

/// Provisions the deployment with this id at a target, with the credentials of `config`. Every role gets the
/// permissions boundary if there is one; the customer's admin chooses it.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>
///
/// Calls what [`operations`](crate::operations) lists for provisioning. Before that it calls `sts:GetCallerIdentity`,
/// `iam:SimulatePrincipalPolicy` and `iam:GetAccountSummary`, which change nothing.
#[must_use]
pub fn provisioner(
    config: &SdkConfig,
    id: DeploymentId,
    target: Target,
    boundary: Option<PolicyArn>,
    calls: CallConfig,
) -> Engine<Aws, Admin> {
    let region = aws_config::Region::new(target.region.to_string());
    let clients = Clients::new(&config.to_builder().region(region).build());
    Engine::new(Admin { clients, roles: Roles { boundary } }, id, target, calls)
}

/// Makes calls with the admin's credentials.
#[derive(Debug)]
pub struct Admin {
    clients: Clients,
    roles: Roles,
}

#[async_trait]
impl Provider<Aws> for Admin {
    type Clients = Clients;

    async fn clients(&self) -> Result<&Clients> {
        Ok(&self.clients)
    }

    fn identity(&self) -> &dyn ReconcileIdentity<Aws, Clients> {
        &self.roles
    }

    fn shared(&self) -> Option<&dyn Reconcile<Aws, Clients>> {
        Some(&Cluster)
    }

    async fn preflight(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::look(cx).await
    }
}
