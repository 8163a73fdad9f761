//! Credentials: those that `gcp_auth` finds on this machine, and those of a session, in the form that Google's clients
//! take.

use std::fmt;
use std::sync::Arc;

use alien_core::{Error, ErrorKind, Result};
use gcp_auth::TokenProvider;
use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};

/// The OAuth scope of tokens. It does not limit them; IAM decides what they may do
/// (<https://docs.cloud.google.com/docs/authentication#authorization-gcp>).
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The credentials and the endpoint of calls.
#[derive(Clone)]
pub struct Config {
    pub(crate) credentials: Credentials,
    pub(crate) endpoint: Option<String>,
}

/// Shows no credentials.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Config {
    /// Finds the credentials of this machine. It tries, in this order: the service account file that
    /// `GOOGLE_APPLICATION_CREDENTIALS` names, the login of `gcloud auth application-default login`, the metadata
    /// server, and `gcloud` itself. <https://docs.cloud.google.com/docs/authentication/application-default-credentials>
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there are none.
    pub async fn found() -> Result<Self> {
        let provider = gcp_auth::provider().await.map_err(|error| {
            let help = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the file \
                        of a service account";
            Error::new(ErrorKind::Credentials, format!("there are no GCP credentials here ({error}); {help}"))
        })?;
        Ok(Self::new(provider))
    }

    /// Uses the credentials of a token provider.
    #[must_use]
    pub fn new(provider: Arc<dyn TokenProvider>) -> Self {
        Self { credentials: Credentials::from(Bridge(provider)), endpoint: None }
    }

    /// Uses an access token that was obtained elsewhere. It is not renewed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if it contains characters that no token has.
    pub fn from_token(token: &str) -> Result<Self> {
        Ok(Self { credentials: fixed(token)?, endpoint: None })
    }

    /// Sends the calls to all services to this URL, for example an emulator's. Credentials are sent there too.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The credentials in the form that Google's clients take, for calls of the host program.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// The same endpoint, with the token of a session.
    pub(crate) fn with_token(&self, token: &str) -> Result<Self> {
        Ok(Self { endpoint: self.endpoint.clone(), ..Self::from_token(token)? })
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
        let config = Config { credentials: fixed(secret).unwrap(), endpoint: None };
        let printed = format!("{config:?} {:?} {:?}", bearer(secret).unwrap(), fixed(secret).unwrap());
        assert!(!printed.contains(secret), "{printed}");
    }
}
