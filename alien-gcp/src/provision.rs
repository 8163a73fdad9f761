//! What the customer's admin calls: the engine's driver, and what is looked at before anything is done.

use std::fmt;

use alien_core::call::{Caller, Calling};
use alien_core::engine::{Claim, Data, Driver, Marks, Observed, Removal};
use alien_core::permission::Subject;
use alien_core::{DeploymentId, Engine, Kind, Problem, Result, by_kind};
use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::client::{At, Clients, Config};
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
pub fn provisioner(config: &Config, id: DeploymentId, target: Target, how: Calling) -> Engine<Gcp, Admin> {
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
    async fn at<'a>(&'a self, subject: Subject, call: &'a Caller<Gcp>) -> Result<At<'a>> {
        let clients = self.clients.get_or_try_init(|| Clients::new(&self.config)).await?;
        Ok(At { clients, call, subject })
    }
}

/// What a subject is, to GCP.
enum What {
    Account,
    Logs,
    Resource(Kind),
}

fn what(subject: Subject, call: &Caller<Gcp>) -> Result<What> {
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

    async fn preflight(&self, call: &Caller<Gcp>) -> Result<Vec<Problem>> {
        preflight::look(self.at(Subject::Deployment, call).await?).await
    }

    async fn observe(&self, subject: Subject, call: &Caller<Gcp>) -> Result<Observed> {
        let at = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::observe(at).await,
            What::Logs => compute::logs::observe(at).await,
            What::Resource(kind) => by_kind!(kind, observe(at)),
        }
    }

    async fn create(&self, subject: Subject, marks: &Marks, call: &Caller<Gcp>) -> Result<()> {
        let at = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::create(at, marks).await,
            What::Logs => compute::logs::create(at, marks).await,
            What::Resource(kind) => by_kind!(kind, create(at, marks)),
        }
    }

    async fn configure(&self, subject: Subject, marks: &Marks, call: &Caller<Gcp>) -> Result<()> {
        let at = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::configure(at, marks).await,
            What::Logs => compute::logs::configure(at, marks).await,
            What::Resource(kind) => by_kind!(kind, configure(at, marks)),
        }
    }

    async fn delete(&self, subject: Subject, data: Data, call: &Caller<Gcp>) -> Result<Removal> {
        let at = self.at(subject, call).await?;
        match what(subject, call)? {
            What::Account => identity::delete(at).await,
            What::Logs => compute::logs::delete(at).await,
            What::Resource(kind) => by_kind!(kind, delete(at, data)),
        }
    }

    async fn claim(&self, call: &Caller<Gcp>) -> Result<Option<Claim>> {
        identity::claim(self.at(Subject::ManagementIdentity, call).await?).await
    }

    async fn write_claim(&self, claim: Option<&Claim>, call: &Caller<Gcp>) -> Result<()> {
        identity::write_claim(self.at(Subject::ManagementIdentity, call).await?, claim).await
    }

    async fn revoke(&self, call: &Caller<Gcp>) -> Result<()> {
        identity::revoke(self.at(Subject::ManagementIdentity, call).await?).await
    }
}
