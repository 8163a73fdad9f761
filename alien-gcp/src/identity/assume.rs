//! Impersonates the management service account: `generateAccessToken`, for an hour at most.

use std::fmt;
use std::sync::Arc;

use alien_core::adapter::{Assume, AssumeRequest, AssumedSession, Impersonator, Proof, last};
use alien_core::{Error, ErrorKind, Impersonate, Result};
use async_trait::async_trait;
use google_cloud_iam_credentials_v1::model::GenerateAccessTokenRequest;
use google_cloud_wkt::Duration;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::Gcp;
use crate::client::{Clients, Config, Invoker, SCOPE, failure};
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
    let vendor = Vendor { config: config.clone(), delegates, clients: OnceCell::new() };
    Arc::new(Impersonator::new(vendor, config.calls.clone()))
}

fn account(email: &str) -> String {
    format!("projects/-/serviceAccounts/{email}")
}

/// Impersonates management service accounts with the vendor's credentials.
struct Vendor {
    config: Config,
    delegates: Vec<String>,
    clients: OnceCell<Clients>,
}

/// Shows no credentials.
impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("delegates", &self.delegates).finish_non_exhaustive()
    }
}

#[async_trait]
impl Assume<Gcp> for Vendor {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        op::GENERATE_ACCESS_TOKEN.call
    }

    /// None: the vendor presents nothing but its own credentials. The grant names the vendor's service account, and
    /// applies only to the management account of this deployment.
    fn wrong_proofs(&self) -> &'static [Proof] {
        &[]
    }

    fn propagation(&self) -> std::time::Duration {
        PROPAGATION
    }

    async fn assume(&self, request: &AssumeRequest<Gcp>) -> Result<AssumedSession<Clients>> {
        let own = self.clients.get_or_try_init(|| Clients::new(&self.config)).await?;
        let email = last(request.deployment.identity());
        let asked = GenerateAccessTokenRequest::new()
            .set_name(account(email))
            .set_delegates(&self.delegates)
            .set_scope([SCOPE])
            .set_lifetime(Duration::clamp(LIFETIME, 0));
        let given = own.credentials.generate_access_token().with_request(asked).send().await;
        let given = given.map_err(failure).map_err(|error| match error.kind() {
            // The account does not exist. Google reveals that even to callers without access.
            ErrorKind::NotFound => error.with_kind(ErrorKind::Denied),
            _ => error,
        })?;
        let expires = given.expire_time.and_then(|at| Timestamp::from_second(at.seconds()).ok());
        let expires = expires.ok_or_else(|| Error::missing_field("time of expiry"))?;
        let mut clients = Clients::new(&self.config.with_token(&given.access_token)?).await?;
        let delegates = self.delegates.clone();
        clients.invoker =
            Some(Arc::new(Invoker { vendor: own.credentials.clone(), account: account(email), delegates }));
        Ok(AssumedSession { clients, expires })
    }
}
