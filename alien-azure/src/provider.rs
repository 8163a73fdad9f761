//! The customer's admin: clients with the admin's credentials, and the checks before a set-up.

use std::fmt;

use alien_core::adapter::{Engine, Provider, Reconcile, ReconcileIdentity};
use alien_core::{CallConfig, DeploymentId, Problem, Result};
use async_trait::async_trait;

use crate::client::{Clients, Config, Context};
use crate::identity::calls::Identities;
use crate::shared::Shared;
use crate::target::Target;
use crate::{Azure, preflight};

/// Provisions the deployment with this id at a target, with the credentials of `config`.
///
/// Calls what [`operations`](crate::operations) lists for provisioning. Before that it calls `GET permissions` of the
/// resource group, which changes nothing.
#[must_use]
pub fn provisioner(config: &Config, id: DeploymentId, target: Target, calls: CallConfig) -> Engine<Azure, Admin> {
    Engine::new(Admin { clients: Clients::new(&config.credential, &config.endpoint) }, id, target, calls)
}

/// Makes calls with the admin's credentials.
pub struct Admin {
    clients: Clients,
}

/// Shows no credentials.
impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("clients", &self.clients).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider<Azure> for Admin {
    type Clients = Clients;

    async fn clients(&self) -> Result<&Clients> {
        Ok(&self.clients)
    }

    fn identity(&self) -> &dyn ReconcileIdentity<Azure, Clients> {
        &Identities
    }

    fn shared(&self) -> Option<&dyn Reconcile<Azure, Clients>> {
        Some(&Shared)
    }

    async fn preflight(&self, cx: Context<'_>) -> Result<Vec<Problem>> {
        preflight::look(cx).await
    }
}
