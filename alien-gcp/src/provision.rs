//! What the customer's admin calls: the engine's driver, and what is looked at before anything is done.

use std::fmt;

use alien_core::call::{CallConfig, Gate};
use alien_core::engine::{Claim, Data, Driver, Marks, Observed, Removal};
use alien_core::permission::Subject;
use alien_core::{DeploymentId, Engine, Kind, Problem, Result, by_kind};
use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::client::{Clients, Config, Context};
use crate::identity::calls as identity;
use crate::resource::{compute, container, function, kv, network, queue, storage};
use crate::target::Target;
use crate::{Gcp, preflight};

/// Provisions the deployment of this id at a target, with the credentials that `config` has.
///
/// Calls what [`operations`](crate::operations) lists for provisioning; `cloudresourcemanager.projects.testIamPermissions`
/// and `serviceusage.services.get` before anything is done. The custom roles that it defines are the project's: every
/// deployment there uses the same, and none is deleted.
#[must_use]
pub fn provisioner(config: &Config, id: DeploymentId, target: Target, how: CallConfig) -> Engine<Gcp, Admin> {
    Engine::new(Admin { config: config.clone(), clients: OnceCell::new() }, id, target, how)
}

/// The admin's calls.
pub struct Admin {
    config: Config,
    clients: OnceCell<Clients>,
}

/// Without the credentials.
impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Admin {
    async fn at<'a>(&'a self, subject: Subject, call: &'a Gate<Gcp>) -> Result<Context<'a>> {
        let clients = self.clients.get_or_try_init(|| Clients::new(&self.config)).await?;
        Ok(Context { clients, call, subject })
    }
}

/// What a subject is, to GCP.
enum What {
    Account,
    Logs,
    Resource(Kind),
}

fn what(subject: Subject, call: &Gate<Gcp>) -> Result<What> {
    Ok(match subject {
        Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => What::Account,
        Subject::Deployment => What::Logs,
        Subject::Resource(_) => What::Resource(call.site().resource(subject)?.kind()),
    })
}

#[async_trait]
impl Driver<Gcp> for Admin {
    fn revision(&self) -> u32 {
        1
    }

    async fn preflight(&self, call: &Gate<Gcp>) -> Result<Vec<Problem>> {
        preflight::look(self.at(Subject::Deployment, call).await?).await
    }

    async fn observe(&self, subject: Subject, call: &Gate<Gcp>) -> Result<Observed> {
        let cx = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::observe(cx).await,
            What::Logs => compute::logs::observe(cx).await,
            What::Resource(kind) => by_kind!(kind, observe(cx)),
        }
    }

    async fn create(&self, subject: Subject, marks: &Marks, call: &Gate<Gcp>) -> Result<()> {
        let cx = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::create(cx, marks).await,
            What::Logs => compute::logs::create(cx, marks).await,
            What::Resource(kind) => by_kind!(kind, create(cx, marks)),
        }
    }

    async fn configure(&self, subject: Subject, marks: &Marks, call: &Gate<Gcp>) -> Result<()> {
        let cx = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::configure(cx, marks).await,
            What::Logs => compute::logs::configure(cx, marks).await,
            What::Resource(kind) => by_kind!(kind, configure(cx, marks)),
        }
    }

    async fn delete(&self, subject: Subject, data: Data, call: &Gate<Gcp>) -> Result<Removal> {
        let cx = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::delete(cx).await,
            What::Logs => compute::logs::delete(cx).await,
            What::Resource(kind) => by_kind!(kind, delete(cx, data)),
        }
    }

    async fn claim(&self, call: &Gate<Gcp>) -> Result<Option<Claim>> {
        identity::claim(self.at(Subject::ManagementIdentity, call).await?).await
    }

    async fn write_claim(&self, claim: Option<&Claim>, call: &Gate<Gcp>) -> Result<()> {
        identity::write_claim(self.at(Subject::ManagementIdentity, call).await?, claim).await
    }

    async fn revoke(&self, call: &Gate<Gcp>) -> Result<()> {
        identity::revoke(self.at(Subject::ManagementIdentity, call).await?).await
    }
}
