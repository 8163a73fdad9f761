//! The customer's admin: the clients with the admin's credentials, and what is looked at before anything is done.

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

/// The configuration of the machine: environment variables, profiles and roles, as every SDK of AWS reads them.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
pub async fn client_config(endpoint_url: Option<&str>, region: &Region) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(aws_config::Region::new(region.to_string()));
    match endpoint_url {
        Some(url) => loader.endpoint_url(url).load().await,
        None => loader.load().await,
    }
}

/// Provisions the deployment of this id at a target, with the credentials that `config` has. Every role that is made gets
/// the permissions boundary, where one is given; the customer's admin chooses it.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>
///
/// Calls what [`operations`](crate::operations) lists for provisioning; `sts:GetCallerIdentity`,
/// `iam:SimulatePrincipalPolicy` and `iam:GetAccountSummary` before anything is done.
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

/// The admin's calls.
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
