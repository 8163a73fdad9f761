//! Assumes the management identity: exchanges the vendor's OpenID Connect token at Entra for a token of the customer's
//! managed identity. <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alien_core::adapter::{Assume, AssumeRequest, AssumedSession, DeploymentContext, Impersonator, Proof};
use alien_core::{Clock, Error, ErrorKind, Impersonate, Result};
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::ClientMethodOptions;
use azure_identity::{ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::client::{ARM, Clients, Config, Endpoint, VendorToken, causes, entra, unsent};
use crate::target::Target;
use crate::{AUDIENCE, Azure};

/// The longest session. Entra's own tokens for managed identities may last a day
/// (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identities-faq>).
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// How long an assignment may take to propagate. Azure says ten minutes; a federated credential takes a while too
/// (<https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---role-assignment-changes-are-not-being-detected>).
const PROPAGATION: Duration = Duration::from_secs(15 * 60);

/// Enters deployments by their management identities, with the vendor's tokens of `config`: one for the subject of each
/// deployment's target.
///
/// Calls `POST /{tenant}/oauth2/v2.0/token` of Entra; then, in sessions, what [`operations`](crate::operations) lists
/// for management.
#[must_use]
pub fn vendor(config: &Config) -> Arc<dyn Impersonate> {
    // What is missing is told by the first session.
    let clock = Arc::clone(&config.calls.clock);
    let vendor = Vendor { token: config.vendor_token().cloned(), endpoint: config.endpoint(), clock };
    Arc::new(Impersonator::new(vendor, config.calls.clone()))
}

/// Impersonates management identities with the vendor's tokens.
#[derive(Debug)]
struct Vendor {
    token: Result<VendorToken>,
    endpoint: Result<Endpoint>,
    clock: Arc<dyn Clock>,
}

/// The claims of a token. Only Entra verifies them.
#[derive(Debug, Clone, Deserialize)]
struct Claims {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audience,
}

/// One audience, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => f.write_str(one),
            Self::Several(several) => f.write_str(&several.join(", ")),
        }
    }
}

impl Claims {
    fn read(token: &str) -> Option<Self> {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// How the claims differ from those that the identity trusts.
    fn differences(&self, deployment: &DeploymentContext<Azure>) -> Vec<String> {
        let target = deployment.target();
        let audience = self.aud.to_string();
        [
            ("issuer", self.iss.as_str(), target.issuer.as_str()),
            ("subject", self.sub.as_str(), target.subject.as_str()),
            ("audience", audience.as_str(), AUDIENCE),
        ]
        .into_iter()
        .filter(|(_, said, trusted)| said != trusted)
        .map(|(field, said, trusted)| format!("its {field} is `{said}`, and the identity trusts `{trusted}`"))
        .collect()
    }
}

/// Presents the vendor's token for the subject of one target, and remembers the claims of the last one.
struct Shown {
    token: VendorToken,
    target: Target,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<Claims>>>,
}

/// Shows no token.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("subject", &self.target.subject).finish_non_exhaustive()
    }
}

#[async_trait]
impl ClientAssertion for Shown {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let given = self.token.get(&self.target, &*self.clock).await;
        let token = given.map_err(|error| azure_core::Error::new(azure_core::error::ErrorKind::Credential, error))?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Claims::read(&token);
        Ok(token)
    }
}

/// Gets tokens of the management identity for each service, by an exchange when the first one is needed. Every failed
/// exchange gives the same kind of error.
struct Exchanged {
    credential: Arc<ClientAssertionCredential<Shown>>,
    last: Arc<Mutex<Option<Claims>>>,
    deployment: Arc<DeploymentContext<Azure>>,
}

/// Shows no tokens.
impl fmt::Debug for Exchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanged").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenCredential for Exchanged {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.credential.get_token(scopes, options).await.map_err(|error| {
            let claims = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let refused = refusal(&error, claims.as_ref(), &self.deployment);
            azure_core::Error::new(azure_core::error::ErrorKind::Credential, refused)
        })
    }
}

#[async_trait]
impl Assume<Azure> for Vendor {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        "POST oauth2/v2.0/token"
    }

    /// None: the vendor's own token is the proof. The identity's one federated credential must match its issuer and its
    /// subject exactly.
    fn wrong_proofs(&self) -> &'static [Proof] {
        &[]
    }

    fn propagation(&self) -> Duration {
        PROPAGATION
    }

    async fn assume(&self, request: &AssumeRequest<Azure>) -> Result<AssumedSession<Clients>> {
        let deployment = &*request.deployment;
        let (token, endpoint) = (self.token.clone()?, self.endpoint.as_ref().map_err(Clone::clone)?);
        let client = deployment.identity_id.clone().ok_or_else(|| {
            let what =
                "the record has no client id of the identity; ask the customer for the record that the set-up returned";
            Error::new(ErrorKind::Input, what)
        })?;
        let last = Arc::default();
        let (target, clock) = (deployment.target().clone(), Arc::clone(&self.clock));
        let shown = Shown { token, target, clock, last: Arc::clone(&last) };
        let options = ClientAssertionCredentialOptions { client_options: endpoint.options() };
        let credential =
            ClientAssertionCredential::new(deployment.target().tenant.to_string(), client, shown, Some(options))
                .map_err(|error| unsent(&error))?;
        let credential: Arc<dyn TokenCredential> =
            Arc::new(Exchanged { credential, last, deployment: Arc::clone(&request.deployment) });
        let token = credential.get_token(&[ARM], None).await.map_err(|error| unsent(&error))?;
        let ends = Timestamp::from_second(token.expires_on.unix_timestamp());
        let ends = ends.map_err(|_| Error::missing_field("time of expiry"))?;
        let soon = self.clock.now().saturating_add(LIFETIME).unwrap_or(ends);
        let clients = Clients::new(&credential, endpoint);
        Ok(AssumedSession { clients, expires: ends.min(soon) })
    }
}

/// Converts a refusal of Entra: the vendor's token is wrong, or the customer's identity does not trust it, or no longer
/// does. <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
fn refusal(error: &azure_core::Error, shown: Option<&Claims>, deployment: &DeploymentContext<Azure>) -> Error {
    if causes(error).any(|cause| cause.is::<Error>()) {
        return unsent(error);
    }
    let Some((code, words)) = entra(error) else { return unsent(error) };
    let said = format!("Entra says: {words} ({code})");
    let differences = shown.map(|claims| claims.differences(deployment)).unwrap_or_default();
    let wrong = |what: &str| Error::new(ErrorKind::Credentials, format!("{what}; {said}"));
    match code.trim_start_matches("AADSTS") {
        "70025" | "700211" | "700212" | "700213" | "7002138" | "700016" if differences.is_empty() => {
            Error::new(ErrorKind::Denied, said)
        }
        "70025" | "70021" | "700211" | "700212" | "700213" | "7002138" | "700016" => {
            wrong(&format!("the vendor's token does not match: {}", differences.join("; ")))
        }
        "700024" => {
            wrong("the vendor's token is not valid at this time: it has expired, or is not valid yet; get a new one")
        }
        "50166" => {
            let issuer = deployment.target().issuer.as_str();
            wrong(&format!(
                "Entra cannot read what `{issuer}` publishes: `.well-known/openid-configuration`, or its keys"
            ))
        }
        "700027" | "7000272" | "50013" | "5000224" | "50027" | "5002738" | "500011" | "700030" | "7000214"
        | "700021" => {
            let issuer = deployment.target().issuer.as_str();
            wrong(&format!("the signature of the vendor's token was not made with a key that `{issuer}` publishes"))
        }
        "90033" | "50196" | "90055" => Error::new(ErrorKind::Unavailable, said),
        _ => match error_status(error) {
            Some(429) => Error::new(ErrorKind::Throttled, said),
            Some(500..) => Error::new(ErrorKind::Unavailable, said),
            _ if differences.is_empty() => Error::new(ErrorKind::Credentials, said),
            _ => wrong(&format!("the vendor's token does not match: {}", differences.join("; "))),
        },
    }
}

fn error_status(error: &azure_core::Error) -> Option<u16> {
    let status = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<azure_core::Error>()?.http_status();
    causes(error).find_map(status).map(u16::from)
}
