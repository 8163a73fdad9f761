//! Credentials: those that `gcp_auth` finds on this machine, and those of a session, in the form that Google's clients
//! take.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alien_core::adapter::read_text;
use alien_core::{CallConfig, ConnectOption, Connection, Error, ErrorKind, Problem, Result, Rule, Side};
use gcp_auth::{CustomServiceAccount, TokenProvider};
use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use tokio::time::timeout;

use super::error::{no_token, unbuilt, unfound, unsigned};

/// The OAuth scope of tokens. It does not limit them; IAM decides what they may do
/// (<https://docs.cloud.google.com/docs/authentication#authorization-gcp>).
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The variable with the host of a metadata server, as Google's own libraries read it
/// (<https://docs.rs/google-cloud-auth/latest/google_cloud_auth/credentials/mds/index.html>).
const METADATA_HOST: &str = "GCE_METADATA_HOST";

/// The option that names a file with credentials.
pub(crate) const CREDENTIALS: ConnectOption = ConnectOption {
    name: "credentials",
    help: "the file with the key of the service account whose credentials are used, in the place of those of the environment",
    side: Side::Both,
};

/// How long a token may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How GCP is called: with which credentials, where, and how often a call is tried again. It is either side's: the
/// customer's admin and the vendor each have one with their own credentials.
///
/// ```
/// use alien_core::DeploymentId;
/// use alien_gcp::{Config, Target, Trust};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::from_token("ya29.of-the-admin")?.with_endpoint("http://localhost:8080");
/// let target = Target {
///     project: "customer-project".parse()?,
///     project_number: "123456789012".parse()?,
///     location: "europe-west3".parse()?,
///     prefix: "acme".parse()?,
///     trust: Trust::Vendor("vendor@vendor-project.iam.gserviceaccount.com".parse()?),
/// };
/// let admin = alien_gcp::admin(&config, DeploymentId::new(), target);
/// let vendor = alien_gcp::vendor(&Config::from_token("ya29.of-the-vendor")?);
/// # let _ = (admin, vendor);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) credentials: Credentials,
    pub(crate) endpoint: Option<String>,
    /// The emails of a delegation chain.
    pub(crate) delegates: Vec<String>,
    pub(crate) calls: CallConfig,
}

/// Shows no credentials.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, delegates, .. } = self;
        f.debug_struct("Config").field("endpoint", endpoint).field("delegates", delegates).finish_non_exhaustive()
    }
}

impl Config {
    /// Finds the credentials of this machine. It tries, in this order: the service account file that
    /// `GOOGLE_APPLICATION_CREDENTIALS` names, the metadata server that `GCE_METADATA_HOST` names, the login of
    /// `gcloud auth application-default login`, the metadata server of Google's machines, and `gcloud` itself.
    /// <https://docs.cloud.google.com/docs/authentication/application-default-credentials>
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there are none; [`ErrorKind::Unavailable`] if that takes more than a minute;
    /// [`ErrorKind::Input`] if `GCE_METADATA_HOST` is no host.
    pub async fn found() -> Result<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // `gcp_auth` asks Google's own address alone.
        if let (Some(host), None) = (set(METADATA_HOST), set("GOOGLE_APPLICATION_CREDENTIALS")) {
            callable(&host)?;
            let found = google_cloud_auth::credentials::mds::Builder::default().with_scopes([SCOPE]).build();
            return found.map(|found| Self::of(found, Some(host))).map_err(|error| {
                let what = format!("the metadata server that `{METADATA_HOST}` names gives no credentials");
                Error::new(ErrorKind::Credentials, what).caused_by(&error)
            });
        }
        let provider = timeout(PATIENCE, gcp_auth::provider()).await.map_err(|_| no_token(None))?;
        Ok(Self::new(provider.map_err(|error| unfound(&error))?))
    }

    /// Reads the key of a service account, as `gcloud iam service-accounts keys create` writes it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if the file cannot be read, or has something else.
    pub fn of_key_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let wrong = |why: String| {
            let what = format!("`{}` has no key of a service account: {why}", path.display());
            Error::new(ErrorKind::Credentials, what)
        };
        let text = read_text(path).map_err(|unread| wrong(unread.to_string()))?;
        // What cannot be parsed is not repeated: it may be a key.
        let account = CustomServiceAccount::from_json(&text).map_err(|_| wrong("it is in another form".to_owned()))?;
        Ok(Self::new(Arc::new(account)))
    }

    /// Connects as the options say: with the credentials of the file that is named, or else with those of this machine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] for an address that is none; as [`found`](Self::found) and [`of_key_file`](Self::of_key_file).
    pub async fn connected(connection: &Connection) -> Result<Self> {
        // Before this machine is searched for credentials.
        let url = connection.endpoint_url()?;
        connection.without_answers()?;
        let found = match connection.get(CREDENTIALS.name) {
            Some(path) => Self::of_key_file(path).map_err(|error| error.at(CREDENTIALS.name))?,
            None => Self::found().await?,
        };
        let config = found.with_calls(connection.calls.clone());
        Ok(match url {
            Some(url) => config.with_endpoint(url),
            None => config,
        })
    }

    /// Uses the credentials of a token provider.
    #[must_use]
    pub fn new(provider: Arc<dyn TokenProvider>) -> Self {
        Self::of(Credentials::from(Bridge(provider)), None)
    }

    /// Uses an access token that was obtained elsewhere. It is not renewed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if it contains characters that no token has.
    pub fn from_token(token: &str) -> Result<Self> {
        Ok(Self::with(fixed(token)?))
    }

    /// `host` is who issues the tokens, where that is known.
    fn of(credentials: Credentials, host: Option<String>) -> Self {
        Self::with(Credentials::from(Patient { credentials, host }))
    }

    fn with(credentials: Credentials) -> Self {
        Self { credentials, endpoint: None, delegates: Vec::new(), calls: CallConfig::default() }
    }

    /// Sends the calls to all services to this URL, for example an emulator's. Credentials are sent there too.
    #[must_use]
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Enters deployments through a chain of the vendor's own service accounts, by email: each must let the one before it
    /// delegate, and targets name the last one. The admin's calls do not use it.
    /// <https://docs.cloud.google.com/iam/docs/create-short-lived-credentials-delegated>
    #[must_use]
    pub fn with_delegates<S: Into<String>>(mut self, emails: impl IntoIterator<Item = S>) -> Self {
        self.delegates = emails.into_iter().map(Into::into).collect();
        self
    }

    /// Makes calls in another way: with another clock, retries, or a recorder.
    #[must_use]
    pub fn with_calls(mut self, calls: CallConfig) -> Self {
        self.calls = calls;
        self
    }

    /// The credentials in the form that Google's clients take, for calls of the host program.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// The same endpoint, with the token of a session.
    pub(crate) fn with_token(&self, token: &str) -> Result<Self> {
        Ok(Self { credentials: fixed(token)?, ..self.clone() })
    }
}

/// Checks that requests to this metadata server can be made: Google's client of it panics if not, in a background task too.
fn callable(host: &str) -> Result<()> {
    let client = reqwest::Client::builder().build().map_err(unbuilt)?;
    if client.get(format!("http://{host}/computeMetadata/v1")).build().is_ok() {
        return Ok(());
    }
    let help = "write a host, and a port if it has one of its own, as in `127.0.0.1:8080`".to_owned();
    let what = format!("`{METADATA_HOST}` is `{host}`, which is not a host that can be called");
    Err(vec![Problem::error(Rule::Form, what, help)].into())
}

/// Does not wait without end for whoever issues tokens: neither `gcp_auth` nor Google's own library has a limit. Says who it is.
#[derive(Debug)]
struct Patient {
    credentials: Credentials,
    host: Option<String>,
}

impl CredentialsProvider for Patient {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let host = self.host.as_deref();
        let told = match timeout(PATIENCE, self.credentials.headers(extensions)).await {
            Ok(Ok(headers)) => return Ok(headers),
            Ok(Err(error)) => unsigned(&error, host),
            Err(_) => no_token(host),
        };
        Err(CredentialsError::from_source(told.kind() == ErrorKind::Unavailable, told))
    }

    async fn universe_domain(&self) -> Option<String> {
        timeout(PATIENCE, self.credentials.universe_domain()).await.ok().flatten()
    }
}

/// Adapts a `gcp_auth` token provider to Google's clients.
struct Bridge(Arc<dyn TokenProvider>);

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

impl CredentialsProvider for Bridge {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        // gcp_auth renews a token that is about to expire.
        let token = self.0.token(&[SCOPE]).await.map_err(|error| CredentialsError::from_source(false, error))?;
        headers(token.as_str()).map_err(|error| CredentialsError::from_source(false, error))
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// The token of a session. It is not renewed: a new session gets a new one.
struct Fixed(HeaderValue);

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixed").finish_non_exhaustive()
    }
}

impl CredentialsProvider for Fixed {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let data = HeaderMap::from_iter([(AUTHORIZATION, self.0.clone())]);
        Ok(CacheableResource::New { entity_tag: EntityTag::new(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// Builds credentials that consist of this token.
fn fixed(token: &str) -> Result<Credentials> {
    let value = bearer(token)
        .map_err(|_| Error::new(ErrorKind::Credentials, "the access token has characters that no token has"))?;
    Ok(Credentials::from(Fixed(value)))
}

/// Builds the `Authorization` header of a token, marked as sensitive so that it is never printed.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn headers(token: &str) -> Result<CacheableResource<HeaderMap>, http::header::InvalidHeaderValue> {
    let data = HeaderMap::from_iter([(AUTHORIZATION, bearer(token)?)]);
    Ok(CacheableResource::New { entity_tag: EntityTag::new(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let secret = "ya29.secret";
        let config = Config::from_token(secret).unwrap();
        let printed = format!("{config:?} {:?} {:?}", bearer(secret).unwrap(), fixed(secret).unwrap());
        assert!(!printed.contains(secret), "{printed}");
    }
}
