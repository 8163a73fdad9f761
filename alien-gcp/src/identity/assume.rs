//! How the vendor gets in: `generateAccessToken` of the management service account, for an hour at most.

use std::fmt;
use std::sync::Arc;

use alien_core::adapter::{Assume, AssumeRequest, AssumedSession, Impersonator, Proof, last};
use alien_core::{CallConfig, Error, ErrorKind, Result};
use async_trait::async_trait;
use google_cloud_iam_credentials_v1::model::GenerateAccessTokenRequest;
use google_cloud_wkt::Duration;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::Gcp;
use crate::client::{Clients, Config, Invoker, SCOPE, failure};
use crate::operations as op;

/// How long a token lasts, in seconds: what an organisation allows without an exception
/// (<https://docs.cloud.google.com/iam/docs/create-short-lived-credentials-direct#sa-credentials-oauth>).
const LIFETIME: i64 = 3_600;

/// How long a grant may take to be known everywhere: Google says typically two minutes, seven or more at times
/// (<https://docs.cloud.google.com/iam/docs/access-change-propagation>).
const PROPAGATION: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// Impersonates the management service accounts of deployments, as the account whose credentials `config` has: the one
/// that the target names as the vendor.
///
/// Calls `iamcredentials.projects.serviceAccounts.generateAccessToken`, and `generateIdToken` for commands; then, in
/// sessions, what [`operations`](crate::operations) lists for management.
#[must_use]
pub fn impersonator(config: &Config, how: CallConfig) -> Impersonator<Gcp, Vendor> {
    impersonator_through(config, Vec::new(), how)
}

/// As [`impersonator`], through a chain of the vendor's own service accounts, by email, the last of which the target names:
/// each must let the one before it delegate.
/// <https://docs.cloud.google.com/iam/docs/create-short-lived-credentials-delegated>
#[must_use]
pub fn impersonator_through(config: &Config, delegates: Vec<String>, how: CallConfig) -> Impersonator<Gcp, Vendor> {
    let delegates = delegates.iter().map(|email| account(email)).collect();
    Impersonator::new(Vendor { config: config.clone(), delegates, clients: OnceCell::new() }, how)
}

fn account(email: &str) -> String {
    format!("projects/-/serviceAccounts/{email}")
}

/// The vendor's way in.
pub struct Vendor {
    config: Config,
    delegates: Vec<String>,
    clients: OnceCell<Clients>,
}

/// Without the credentials.
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

    /// Nothing is shown beside the vendor's own credentials: the grant names the vendor's account, and is on the one account
    /// of this deployment.
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
            // The account is gone, and Google tells so where nobody may know it.
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
