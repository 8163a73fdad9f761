//! Impersonates the management service account: `generateAccessToken`, for an hour at most.

use std::fmt;
use std::sync::Arc;

use alien_core::adapter::{Assume, AssumeRequest, AssumedSession, Impersonator, Proof, last};
use alien_core::{Error, ErrorKind, Impersonate, Model, Result};
use async_trait::async_trait;
use google_cloud_iam_credentials_v1::model::GenerateAccessTokenRequest;
use google_cloud_wkt::Duration;
use jiff::Timestamp;

use crate::Gcp;
use crate::client::{Clients, Config, Invoker, SCOPE, failed};
use crate::operations as op;

/// The lifetime of a token in seconds, the longest that needs no exception by the organisation
/// (<https://docs.cloud.google.com/iam/docs/create-short-lived-credentials-direct#sa-credentials-oauth>).
const LIFETIME: i64 = 3_600;

/// How long a grant may take to propagate. Google says typically two minutes, at times seven or more
/// (<https://docs.cloud.google.com/iam/docs/access-change-propagation>).
const PROPAGATION: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// Enters deployments by impersonating their management service accounts, with the credentials of `config`: those of the
/// service account that targets name as the vendor, or of the first in a chain to it ([`Config::with_delegates`]).
///
/// Calls `iamcredentials.projects.serviceAccounts.generateAccessToken`, and `generateIdToken` for commands; then, in
/// sessions, what [`operations`](crate::operations) lists for management.
#[must_use]
pub fn vendor(config: &Config) -> Arc<dyn Impersonate> {
    let delegates = config.delegates.iter().map(|email| account(email)).collect();
    entering(Model::Push, config, delegates)
}

/// Enters the deployments that an agent manages, with the credentials of `config`: those of the principal of the customer's
/// project that targets name, as the metadata server of its machine or its cluster gives them. There is no chain to it.
///
/// Calls what [`vendor`] calls.
#[must_use]
pub fn agent(config: &Config) -> Arc<dyn Impersonate> {
    entering(Model::Pull, config, Vec::new())
}

fn entering(model: Model, config: &Config, delegates: Vec<String>) -> Arc<dyn Impersonate> {
    let caller = Caller { model, config: config.clone(), delegates, clients: Clients::new(config) };
    Arc::new(Impersonator::new(caller, config.calls.clone()))
}

fn account(email: &str) -> String {
    format!("projects/-/serviceAccounts/{email}")
}

/// Impersonates management service accounts with the vendor's credentials, or an agent's.
struct Caller {
    model: Model,
    config: Config,
    delegates: Vec<String>,
    clients: Clients,
}

/// Shows no credentials.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("model", &self.model).field("delegates", &self.delegates).finish_non_exhaustive()
    }
}

#[async_trait]
impl Assume<Gcp> for Caller {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        op::GENERATE_ACCESS_TOKEN.call
    }

    fn model(&self) -> Model {
        self.model
    }

    /// None: whoever calls presents nothing but their own credentials. The grant names that principal, and
    /// applies only to the management account of this deployment.
    fn wrong_proofs(&self) -> &'static [Proof] {
        &[]
    }

    fn propagation(&self) -> std::time::Duration {
        PROPAGATION
    }

    async fn assume(&self, request: &AssumeRequest<Gcp>) -> Result<AssumedSession<Clients>> {
        let own = &self.clients;
        let email = last(request.deployment.identity());
        let asked = GenerateAccessTokenRequest::new()
            .set_name(account(email))
            .set_delegates(&self.delegates)
            .set_scope([SCOPE])
            .set_lifetime(Duration::clamp(LIFETIME, 0));
        let given = own.credentials().await?.generate_access_token().with_request(asked).send().await;
        let given = given.map_err(failed::credentials(own)).map_err(|error| match error.kind() {
            // The account does not exist. Google reveals that even to callers without access.
            ErrorKind::NotFound => error.with_kind(ErrorKind::Denied),
            _ => error,
        })?;
        let expires = given.expire_time.and_then(|at| Timestamp::from_second(at.seconds()).ok());
        let expires = expires.ok_or_else(|| Error::missing_field("time of expiry"))?;
        let mut clients = Clients::new(&self.config.with_token(&given.access_token)?);
        let delegates = self.delegates.clone();
        let vendor = own.credentials().await?.clone();
        clients.invoker =
            Some(Arc::new(Invoker { vendor, host: own.host("iamcredentials"), account: account(email), delegates }));
        Ok(AssumedSession { clients, expires })
    }
}

#[cfg(test)]
mod tests {
    use alien_conformance::world::release;
    use alien_core::adapter::{CallContext, Cloud, DeploymentContext, Gate, Operated};
    use alien_core::{DeploymentId, Function, Kv, Profile, Stack, Storage};
    use alien_sim::gcp::Gcp as Sim;

    use super::*;
    use crate::{Target, Trust, admin};

    /// A session builds the clients that it uses, and its opening the one that opens it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_session_builds_one_client_for_one_heartbeat() {
        let sim = Sim::start().await.unwrap();
        sim.project("customer-project", 123_456_789_012);
        sim.project("vendor-project", 210_987_654_321);
        let project = "//cloudresourcemanager.googleapis.com/projects/customer-project";
        sim.bind(project, "roles/owner", "user:admin@example.com");
        sim.repository("customer-project", "europe-west3", "app");
        let vendor = sim.service_account("vendor-project", "vendor");
        let config = |principal: &str| Config::from_token(&sim.token(principal)).unwrap().with_endpoint(sim.url());
        let target = Target {
            project: "customer-project".parse().unwrap(),
            project_number: "123456789012".parse().unwrap(),
            location: "europe-west3".parse().unwrap(),
            prefix: "lazy".parse().unwrap(),
            trust: Trust::Vendor(vendor.parse().unwrap()),
        };
        let mut stack = Stack::builder("lazy");
        let digest = "0".repeat(64);
        let image = format!("europe-west3-docker.pkg.dev/customer-project/app/echo@sha256:{digest}");
        stack.live("api", Function::new(image.parse::<alien_core::Code>().unwrap(), "api"));
        stack.frozen("data", Storage::new());
        stack.frozen("cache", Kv::new());
        stack.profile("api", Profile::new());
        let stack = stack.build().unwrap();
        let admin = admin(&config("user:admin@example.com"), DeploymentId::new(), target);
        let plan = admin.plan(&release(&stack, &[])).await.unwrap();
        let deployment = admin.apply(&plan).await.unwrap();

        let context = Arc::new(DeploymentContext::<Gcp>::of(&deployment).unwrap());
        let config = config(&format!("serviceAccount:{vendor}"));
        let (model, delegates) = (Model::Push, Vec::new());
        let vendor = Caller { model, config: config.clone(), delegates, clients: Clients::new(&config) };
        for (id, client) in [("api", "run"), ("data", "storage"), ("cache", "firestore")] {
            let subject = context.subject(id).unwrap();
            let grants = context.permissions().management.clone();
            let gate = Gate::new(Arc::clone(&context), grants, config.calls.clone());
            let (deployment, grants) = (Arc::clone(&context), gate.grants().clone());
            let request = AssumeRequest { deployment, grants, narrowed: false, proof: Proof::Expected };
            let session = vendor.assume(&request).await.unwrap();
            assert!(session.clients.built().is_empty(), "{:?}", session.clients.built());
            let cx = CallContext { clients: &session.clients, gate: &gate, subject };
            let calls = <<Gcp as Cloud>::Kinds as Operated<Gcp, Clients>>::calls(cx.resource().unwrap()).unwrap();
            calls.heartbeat(cx).await.unwrap();
            assert_eq!(session.clients.built(), [client], "{id}");
        }
        assert_eq!(vendor.clients.built(), ["credentials"]);
    }
}
