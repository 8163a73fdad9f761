//! The customer's admin: clients with the admin's credentials, and the checks before a set-up.

use alien_core::adapter::{Engine, Provider, Reconcile, ReconcileIdentity};
use alien_core::{Admin, DeploymentId, Problem, Result};
use async_trait::async_trait;

use crate::Aws;
use crate::client::{Clients, Config, Context};
use crate::cluster::Cluster;
use crate::identity::calls::Roles;
use crate::preflight;
use crate::target::Target;

/// Sets up and takes down the deployment with this id at a target, with the credentials of `config`: those of the customer's
/// admin.
///
/// Calls what [`operations`](crate::operations) lists for provisioning. Before that it calls `sts:GetCallerIdentity`,
/// `iam:SimulatePrincipalPolicy` and `iam:GetAccountSummary`, which change nothing.
#[must_use]
pub fn admin(config: &Config, id: DeploymentId, target: Target) -> Admin {
    let clients = Clients::new(&config.sdk(&target.region));
    let provisioner = Provisioner { clients, roles: Roles { boundary: config.boundary.clone() } };
    Admin::new(Engine::new(provisioner, id, target, config.calls.clone()))
}

/// Makes calls with the admin's credentials.
#[derive(Debug)]
struct Provisioner {
    clients: Clients,
    roles: Roles,
}

#[async_trait]
impl Provider<Aws> for Provisioner {
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

    async fn account(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::account(cx).await
    }

    async fn preflight(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::look(cx, self.roles.boundary.as_ref()).await
    }
}
