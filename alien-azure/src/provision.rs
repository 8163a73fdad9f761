//! What the customer's admin calls: the engine's driver, and what is looked at before anything is done.

use std::fmt;

use alien_core::call::{CallConfig, Gate};
use alien_core::engine::{Claim, Data, Driver, Marks, Observed, Removal};
use alien_core::permission::Subject;
use alien_core::{DeploymentId, Engine, Kind, Problem, Result, by_kind};
use async_trait::async_trait;

use crate::client::{Clients, Config, Context};
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
pub fn provisioner(config: &Config, id: DeploymentId, target: Target, how: CallConfig) -> Engine<Azure, Admin> {
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
    fn at<'a>(&'a self, subject: Subject, call: &'a Gate<Azure>) -> Context<'a> {
        Context { clients: &self.clients, call, subject }
    }
}

/// What a subject is, to Azure.
enum What {
    Identity,
    Shared,
    Resource(Kind),
}

fn what(subject: Subject, call: &Gate<Azure>) -> Result<What> {
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

    async fn preflight(&self, call: &Gate<Azure>) -> Result<Vec<Problem>> {
        preflight::look(self.at(Subject::Deployment, call)).await
    }

    async fn observe(&self, subject: Subject, call: &Gate<Azure>) -> Result<Observed> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::observe(cx).await,
            What::Shared => shared::observe(cx).await,
            What::Resource(kind) => by_kind!(kind, observe(cx)),
        }
    }

    async fn create(&self, subject: Subject, marks: &Marks, call: &Gate<Azure>) -> Result<()> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::create(cx, marks).await,
            What::Shared => shared::create(cx, marks).await,
            What::Resource(kind) => by_kind!(kind, create(cx, marks)),
        }
    }

    async fn configure(&self, subject: Subject, marks: &Marks, call: &Gate<Azure>) -> Result<()> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::configure(cx, marks).await,
            What::Shared => shared::configure(cx, marks).await,
            What::Resource(kind) => by_kind!(kind, configure(cx, marks)),
        }
    }

    async fn delete(&self, subject: Subject, data: Data, call: &Gate<Azure>) -> Result<Removal> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Identity => identity::delete(cx).await,
            What::Shared => shared::delete(cx).await,
            What::Resource(kind) => by_kind!(kind, delete(cx, data)),
        }
    }

    async fn claim(&self, call: &Gate<Azure>) -> Result<Option<Claim>> {
        identity::claim(self.at(Subject::ManagementIdentity, call)).await
    }

    async fn write_claim(&self, claim: Option<&Claim>, call: &Gate<Azure>) -> Result<()> {
        identity::write_claim(self.at(Subject::ManagementIdentity, call), claim).await
    }

    async fn revoke(&self, call: &Gate<Azure>) -> Result<()> {
        identity::revoke(self.at(Subject::ManagementIdentity, call)).await
    }
}
