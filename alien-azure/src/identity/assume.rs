//! Assumes the management identity: exchanges the vendor's OpenID Connect token at Entra for a token of the customer's
//! managed identity. <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alien_core::adapter::{Assume, AssumeRequest, AssumedSession, DeploymentContext, Impersonator, Proof};
use alien_core::{Clock, Error, ErrorKind, Impersonate, Model, Result, Set};
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::ClientMethodOptions;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::client::{
    ARM, CLOCK, Clients, Config, Endpoint, VendorToken, entra, is_outage, is_untimely, issuers_status, issuers_words,
    unsent,
};
use crate::target::{Issuer, Subject};
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
    entering(Model::Push, config)
}

/// Enters the deployments that an agent manages: on a machine, by the tokens of the management identity that its metadata
/// service gives it; in a cluster, by the tokens of the agent's service account, of `config`.
///
/// Calls `GET /metadata/identity/oauth2/token` of the machine, or what [`vendor`] calls, and looks whether the identity
/// still has a role.
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
#[must_use]
pub fn agent(config: &Config) -> Arc<dyn Impersonate> {
    entering(Model::Pull, config)
}

fn entering(model: Model, config: &Config) -> Arc<dyn Impersonate> {
    // What is missing is told by the first session.
    let clock = Arc::clone(&config.calls.clock);
    let caller = Caller { model, token: config.vendor_token().cloned(), endpoint: config.endpoint(), clock };
    Arc::new(Impersonator::new(caller, config.calls.clone()))
}

/// Enters management identities with the vendor's tokens, or as an agent.
#[derive(Debug)]
struct Caller {
    model: Model,
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
        let Some((issuer, subject)) = deployment.target().federated() else { return Vec::new() };
        let audience = self.aud.to_string();
        [
            ("issuer", self.iss.as_str(), issuer.as_str()),
            ("subject", self.sub.as_str(), subject.as_str()),
            ("audience", audience.as_str(), AUDIENCE),
        ]
        .into_iter()
        .filter(|(_, said, trusted)| said != trusted)
        .map(|(field, said, trusted)| format!("its {field} is `{said}`, and the identity trusts `{trusted}`"))
        .collect()
    }
}

/// Presents the token for the subject of one target, and remembers the claims of the last one.
struct Shown {
    token: VendorToken,
    issuer: Issuer,
    subject: Subject,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<Claims>>>,
}

/// Shows no token.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("subject", &self.subject).finish_non_exhaustive()
    }
}

#[async_trait]
impl ClientAssertion for Shown {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let given = self.token.get(&self.issuer, &self.subject, &*self.clock).await;
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
impl Assume<Azure> for Caller {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        "POST oauth2/v2.0/token"
    }

    fn model(&self) -> Model {
        self.model
    }

    /// None: the token is the proof. The identity's one federated credential must match its issuer and its
    /// subject exactly.
    fn wrong_proofs(&self) -> &'static [Proof] {
        &[]
    }

    fn propagation(&self) -> Duration {
        PROPAGATION
    }

    async fn assume(&self, request: &AssumeRequest<Azure>) -> Result<AssumedSession<Clients>> {
        let deployment = &*request.deployment;
        let endpoint = self.endpoint.as_ref().map_err(Clone::clone)?;
        let client = deployment.identity_id.clone().ok_or_else(|| {
            let what =
                "the record has no client id of the identity; ask the customer for the record that the set-up returned";
            Error::new(ErrorKind::Input, what)
        })?;
        let federated = deployment.target().federated();
        let credential: Arc<dyn TokenCredential> = match federated.clone() {
            Some((issuer, subject)) => {
                let (token, last, clock) = (self.token.clone()?, Arc::default(), Arc::clone(&self.clock));
                let shown = Shown { token, issuer, subject, clock, last: Arc::clone(&last) };
                let options = ClientAssertionCredentialOptions { client_options: endpoint.options() };
                let tenant = deployment.target().tenant.to_string();
                let credential = ClientAssertionCredential::new(tenant, client, shown, Some(options))
                    .map_err(|error| unsent(&error))?;
                Arc::new(Exchanged { credential, last, deployment: Arc::clone(&request.deployment) })
            }
            None => {
                let user_assigned_id = Some(UserAssignedId::ClientId(client));
                let client_options = endpoint.options();
                let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
                let credential = ManagedIdentityCredential::new(Some(options)).map_err(|error| unsent(&error))?;
                Arc::new(Assigned(credential))
            }
        };
        let token = credential.get_token(&[ARM], None).await.map_err(|error| unsent(&error))?;
        let ends = Timestamp::from_second(token.expires_on.unix_timestamp());
        let ends = ends.map_err(|_| Error::missing_field("time of expiry"))?;
        let soon = self.clock.now().saturating_add(LIFETIME).unwrap_or(ends);
        let clients = Clients::new(&credential, endpoint);
        if federated.is_none() {
            is_of_use(&clients, request).await?;
        }
        Ok(AssumedSession { clients, expires: ends.min(soon) })
    }
}

/// The tokens of an identity that is assigned to this machine.
#[derive(Debug)]
struct Assigned(Arc<ManagedIdentityCredential>);

#[async_trait]
impl TokenCredential for Assigned {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.0.get_token(scopes, options).await.map_err(|error| {
            let unsent = unsent(&error);
            let told = match issuers_status(&error) {
                Some(400) if refuses(&error) => {
                    let what = "the deployment's identity is not assigned to this machine; assign it";
                    Error::new(ErrorKind::Denied, what)
                }
                // So it answers while it is updated, too.
                Some(404 | 410) => {
                    Error::new(ErrorKind::Unavailable, "the metadata service of this machine does not answer")
                        .caused_by(&unsent)
                }
                _ if unsent.kind() != ErrorKind::Credentials => unsent,
                _ => {
                    let what = "this machine gives no token of a managed identity";
                    Error::new(ErrorKind::Credentials, what).caused_by(&unsent)
                }
            };
            azure_core::Error::new(azure_core::error::ErrorKind::Credential, told)
        })
    }
}

/// Whether a refusal is in the words of the metadata service: something on the way may refuse with the same status
/// (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling>).
fn refuses(error: &azure_core::Error) -> bool {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "error")]
        _error: String,
    }
    issuers_words(error).is_some_and(|words| serde_json::from_slice::<Refusal>(words).is_ok())
}

/// Fails if an identity that is assigned to a machine may look at nothing of the deployment. The machine gives tokens of it
/// also after the customer has revoked the access, by taking its roles away.
async fn is_of_use(clients: &Clients, request: &AssumeRequest<Azure>) -> Result<()> {
    let mut refused = None;
    for (_, set, row, names) in request.deployment.layout.granted(&request.grants) {
        // Of a resource itself, whose type the permission names.
        let is_of = |name: &str| row.permission.strip_suffix("/read").is_some_and(|of| resource_type(name) == of);
        if set != Set::Heartbeat {
            continue;
        }
        for name in names.filter(|name| is_of(name)) {
            match clients.get::<serde_json::Value>(name).await {
                Err(error) if error.kind() == ErrorKind::Denied => refused = Some(error),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => return Ok(()),
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

/// The type of a resource, as permissions name it: `Microsoft.App/containerApps`.
fn resource_type(id: &str) -> String {
    let rest = id.rsplit_once("/providers/").map_or("", |(_, rest)| rest);
    let mut segments = rest.split('/');
    let provider = segments.next().unwrap_or_default().to_owned();
    segments.step_by(2).fold(provider, |of, kind| format!("{of}/{kind}"))
}

/// Converts a refusal of Entra: the vendor's token is wrong, or the customer's identity does not trust it, or no longer
/// does. <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
fn refusal(error: &azure_core::Error, shown: Option<&Claims>, deployment: &DeploymentContext<Azure>) -> Error {
    let Some((code, words)) = entra(error).filter(|(code, _)| is_outage(error, code).is_none()) else {
        return unsent(error);
    };
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
        _ if is_untimely(&code) => wrong("the vendor's token is not valid at this time").because(CLOCK),
        "50166" => {
            let issuer = trusted(deployment);
            wrong(&format!(
                "Entra cannot read what `{issuer}` publishes: `.well-known/openid-configuration`, or its keys"
            ))
        }
        "700027" | "7000272" | "50013" | "5000224" | "50027" | "5002738" | "500011" | "700030" | "7000214"
        | "700021" => {
            let issuer = trusted(deployment);
            wrong(&format!("the signature of the vendor's token was not made with a key that `{issuer}` publishes"))
        }
        _ if differences.is_empty() => Error::new(ErrorKind::Credentials, said),
        _ => wrong(&format!("the vendor's token does not match: {}", differences.join("; "))),
    }
}

/// The issuer whose tokens an identity trusts.
fn trusted(deployment: &DeploymentContext<Azure>) -> String {
    deployment.target().federated().map_or_else(String::new, |(issuer, _)| issuer.to_string())
}
