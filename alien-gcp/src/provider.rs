//! The customer's admin: clients with the admin's credentials, and the checks before a set-up.

use std::fmt;

use alien_core::adapter::{Engine, Provider, Reconcile, ReconcileIdentity};
use alien_core::{Admin, DeploymentId, Problem, Result};
use async_trait::async_trait;

use crate::client::{Clients, Config, Context, policy};
use crate::identity::calls::Accounts;
use crate::resource::compute::logs::Logs;
use crate::target::Target;
use crate::{Gcp, preflight};

/// Sets up and takes down the deployment with this id at a target, with the credentials of `config`: those of the
/// customer's admin.
///
/// Calls what [`operations`](crate::operations) lists for provisioning. Before that it calls
/// `cloudresourcemanager.projects.testIamPermissions` and `serviceusage.services.get`, which change nothing. The custom
/// roles that it defines belong to the project: all deployments there share them, and none is deleted.
#[must_use]
pub fn admin(config: &Config, id: DeploymentId, target: Target) -> Admin {
    let provisioner =
        Provisioner { config: config.clone(), clients: Clients::new(config).with_policies(&policy::Admins) };
    Admin::new(Engine::new(provisioner, id, target, config.calls.clone()))
}

/// Makes calls with the admin's credentials.
struct Provisioner {
    config: Config,
    clients: Clients,
}

/// Shows no credentials.
impl fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioner").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider<Gcp> for Provisioner {
    type Clients = Clients;

    async fn clients(&self) -> Result<&Clients> {
        Ok(&self.clients)
    }

    fn identity(&self) -> &dyn ReconcileIdentity<Gcp, Clients> {
        &Accounts
    }

    fn shared(&self) -> Option<&dyn Reconcile<Gcp, Clients>> {
        Some(&Logs)
    }

    async fn account(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::account(cx).await
    }

    async fn preflight(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::look(cx).await
    }
}
