//! The customer's admin: clients with the admin's credentials, and the checks before a set-up.

use std::fmt;

use alien_core::adapter::{Engine, Provider, Reconcile, ReconcileIdentity};
use alien_core::{Admin, DeploymentId, Problem, Result};
use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::client::{Clients, Config, Context};
use crate::identity::calls::Identities;
use crate::shared::Shared;
use crate::target::Target;
use crate::{Azure, preflight};

/// Sets up and takes down the deployment with this id at a target, with the credential of `config`: the customer's admin's.
///
/// Calls what [`operations`](crate::operations) lists for provisioning. Before that it calls `GET permissions` of the
/// resource group and `GET providers` of the subscription, which change nothing.
#[must_use]
pub fn admin(config: &Config, id: DeploymentId, target: Target) -> Admin {
    let provisioner = Provisioner { config: config.clone(), clients: OnceCell::new() };
    Admin::new(Engine::new(provisioner, id, target, config.calls.clone()))
}

/// Makes calls with the admin's credentials.
struct Provisioner {
    config: Config,
    clients: OnceCell<Clients>,
}

/// Shows no credentials.
impl fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioner").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider<Azure> for Provisioner {
    type Clients = Clients;

    async fn clients(&self) -> Result<&Clients> {
        let build = async || Ok(Clients::new(self.config.credential()?, &self.config.endpoint()?));
        self.clients.get_or_try_init(build).await
    }

    fn identity(&self) -> &dyn ReconcileIdentity<Azure, Clients> {
        &Identities
    }

    fn shared(&self) -> Option<&dyn Reconcile<Azure, Clients>> {
        Some(&Shared)
    }

    async fn account(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::account(cx).await
    }

    async fn preflight(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::look(cx).await
    }
}
