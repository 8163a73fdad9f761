//! What the customer's admin calls: the engine's driver, and what is looked at before anything is done.

use std::fmt;

use alien_core::call::{Caller, Calling};
use alien_core::engine::{Claim, Data, Driver, Marks, Observed, Removal};
use alien_core::permission::Subject;
use alien_core::{DeploymentId, Engine, Kind, Problem, Result, by_kind};
use async_trait::async_trait;

use crate::client::{At, Clients, Config};
use crate::identity::calls as identity;
use crate::resource::{container, function, kv, network, queue, storage};
use crate::target::Target;
use crate::{Azure, preflight, shared};

/// The version of what this library sets on things.
pub(crate) const REVISION: u32 = 1;

/// Provisions the deployment of this id at a target, with the credentials that `config` has.
///
/// Calls what [`operations`](crate::operations) lists for provisioning; `GET permissions` of the resource group before anything
/// is done.
#[must_use]
pub fn provisioner(config: &Config, id: DeploymentId, target: Target, how: Calling) -> Engine<Azure, Admin> {
    Engine::new(Admin { clients: Clients::new(&config.credential, &config.endpoint) }, id, target, how)
}

/// The admin's calls.
pub struct Admin {
    clients: Clients,
}

/// Without the credentials.
impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Admin {
    fn at<'a>(&'a self, subject: Subject, call: &'a Caller<Azure>) -> At<'a> {
        At { clients: &self.clients, call, subject }
    }
}

/// What a subject is, to Azure.
enum What {
    Identity,
    Shared,
    Resource(Kind),
}

fn what(subject: Subject, call: &Caller<Azure>) -> Result<What> {
    Ok(match subject {
        Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => What::Identity,
        Subject::Deployment => What::Shared,
        Subject::Resource(_) => What::Resource(call.site().resource(subject)?.kind()),
    })
}

#[async_trait]
impl Driver<Azure> for Admin {
    fn revision(&self) -> u32 {
        REVISION
    }

    async fn preflight(&self, call: &Caller<Azure>) -> Result<Vec<Problem>> {
        preflight::look(self.at(Subject::Deployment, call)).await
    }

    async fn observe(&self, subject: Subject, call: &Caller<Azure>) -> Result<Observed> {
        let at = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::observe(at).await,
            What::Shared => shared::observe(at).await,
            What::Resource(kind) => by_kind!(kind, observe(at)),
        }
    }

    async fn create(&self, subject: Subject, marks: &Marks, call: &Caller<Azure>) -> Result<()> {
        let at = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::create(at, marks).await,
            What::Shared => shared::create(at, marks).await,
            What::Resource(kind) => by_kind!(kind, create(at, marks)),
        }
    }

    async fn configure(&self, subject: Subject, marks: &Marks, call: &Caller<Azure>) -> Result<()> {
        let at = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::configure(at, marks).await,
            What::Shared => shared::configure(at, marks).await,
            What::Resource(kind) => by_kind!(kind, configure(at, marks)),
        }
    }

    async fn delete(&self, subject: Subject, data: Data, call: &Caller<Azure>) -> Result<Removal> {
        let at = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::delete(at).await,
            What::Shared => shared::delete(at).await,
            What::Resource(kind) => by_kind!(kind, delete(at, data)),
        }
    }

    async fn claim(&self, call: &Caller<Azure>) -> Result<Option<Claim>> {
        identity::claim(self.at(Subject::ManagementIdentity, call)).await
    }

    async fn write_claim(&self, claim: Option<&Claim>, call: &Caller<Azure>) -> Result<()> {
        identity::write_claim(self.at(Subject::ManagementIdentity, call), claim).await
    }

    async fn revoke(&self, call: &Caller<Azure>) -> Result<()> {
        identity::revoke(self.at(Subject::ManagementIdentity, call)).await
    }
}
