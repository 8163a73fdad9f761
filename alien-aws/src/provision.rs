//! What the customer's admin calls: the engine's driver, and what is looked at before anything is done.

use alien_core::call::{CallConfig, Gate};
use alien_core::engine::{Claim, Data, Driver, Marks, Observed, Removal};
use alien_core::permission::Subject;
use alien_core::{DeploymentId, Engine, Kind, Problem, Result, by_kind};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};

use crate::client::{Clients, Context};
use crate::identity::calls as identity;
use crate::resource::{container, function, kv, network, queue, storage};
use crate::target::{PolicyArn, Region, Target};
use crate::{Aws, preflight};

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
    how: CallConfig,
) -> Engine<Aws, Admin> {
    let region = aws_config::Region::new(target.region.to_string());
    let clients = Clients::new(&config.to_builder().region(region).build());
    Engine::new(Admin { clients, boundary }, id, target, how)
}

/// The admin's calls.
#[derive(Debug)]
pub struct Admin {
    clients: Clients,
    boundary: Option<PolicyArn>,
}

impl Admin {
    fn at<'a>(&'a self, subject: Subject, call: &'a Gate<Aws>) -> Context<'a> {
        Context { clients: &self.clients, call, subject }
    }
}

/// What a subject is, to AWS.
enum What {
    Role,
    Cluster,
    Resource(Kind),
}

fn what(subject: Subject, call: &Gate<Aws>) -> Result<What> {
    Ok(match subject {
        Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => What::Role,
        Subject::Deployment => What::Cluster,
        Subject::Resource(_) => What::Resource(call.site().resource(subject)?.kind()),
    })
}

#[async_trait]
impl Driver<Aws> for Admin {
    fn revision(&self) -> u32 {
        1
    }

    async fn preflight(&self, call: &Gate<Aws>) -> Result<Vec<Problem>> {
        preflight::look(self.at(Subject::ManagementIdentity, call)).await
    }

    async fn observe(&self, subject: Subject, call: &Gate<Aws>) -> Result<Observed> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Role => identity::observe(cx, self.boundary.as_ref()).await,
            What::Cluster => container::calls::cluster::observe(cx).await,
            What::Resource(kind) => by_kind!(kind, observe(cx)),
        }
    }

    async fn create(&self, subject: Subject, marks: &Marks, call: &Gate<Aws>) -> Result<()> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Role => identity::create(cx, marks, self.boundary.as_ref()).await,
            What::Cluster => container::calls::cluster::create(cx, marks).await,
            What::Resource(kind) => by_kind!(kind, create(cx, marks)),
        }
    }

    async fn configure(&self, subject: Subject, marks: &Marks, call: &Gate<Aws>) -> Result<()> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Role => identity::configure(cx, marks, self.boundary.as_ref()).await,
            What::Cluster => container::calls::cluster::configure(cx, marks).await,
            What::Resource(kind) => by_kind!(kind, configure(cx, marks)),
        }
    }

    async fn delete(&self, subject: Subject, data: Data, call: &Gate<Aws>) -> Result<Removal> {
        let cx = self.at(subject, call);
        match what(subject, call)? {
            What::Role => identity::delete(cx).await,
            What::Cluster => container::calls::cluster::delete(cx).await,
            What::Resource(kind) => by_kind!(kind, delete(cx, data)),
        }
    }

    async fn claim(&self, call: &Gate<Aws>) -> Result<Option<Claim>> {
        identity::claim(self.at(Subject::ManagementIdentity, call)).await
    }

    async fn write_claim(&self, claim: Option<&Claim>, call: &Gate<Aws>) -> Result<()> {
        identity::write_claim(self.at(Subject::ManagementIdentity, call), claim).await
    }

    async fn revoke(&self, call: &Gate<Aws>) -> Result<()> {
        identity::revoke(self.at(Subject::ManagementIdentity, call)).await
    }
}
