//! Credentials: those that `gcp_auth` finds on this machine, and those of a session, as Google's clients take them.

use std::fmt;
use std::sync::Arc;

use alien_core::{Error, ErrorKind, Result};
use gcp_auth::TokenProvider;
use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};

/// What tokens are asked for: what they may do is for IAM to say
/// (<https://docs.cloud.google.com/docs/authentication#authorization-gcp>).
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Whose credentials calls are made with, and where to.
#[derive(Clone)]
pub struct Config {
    pub(crate) credentials: Credentials,
    pub(crate) endpoint: Option<String>,
}

/// Without the credentials.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Config {
    /// The credentials of this machine: the service account file that `GOOGLE_APPLICATION_CREDENTIALS` names, what
    /// `gcloud auth application-default login` left, the metadata server, `gcloud` itself, in this order.
    /// <https://docs.cloud.google.com/docs/authentication/application-default-credentials>
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] where there are none.
    pub async fn found() -> Result<Self> {
        let provider = gcp_auth::provider().await.map_err(|error| {
            let help = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the file \
                        of a service account";
            Error::new(ErrorKind::Credentials, format!("there are no GCP credentials here ({error}); {help}"))
        })?;
        Ok(Self::new(provider))
    }

    /// These credentials, from wherever the host gets them.
    #[must_use]
    pub fn new(provider: Arc<dyn TokenProvider>) -> Self {
        Self { credentials: Credentials::from(Bridge(provider)), endpoint: None }
    }

    /// An access token that was got elsewhere. It is not renewed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] where it has characters that no token has.
    pub fn from_token(token: &str) -> Result<Self> {
        Ok(Self { credentials: fixed(token)?, endpoint: None })
    }

    /// All services at this URL: an emulator's. Secrets go there too.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The credentials, as Google's clients take them: for calls of the host's own.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// The same endpoint with a session's token.
    pub(crate) fn with_token(&self, token: &str) -> Result<Self> {
        Ok(Self { endpoint: self.endpoint.clone(), ..Self::from_token(token)? })
    }
}

/// What `gcp_auth` gives, as Google's clients ask for it.
struct Bridge(Arc<dyn TokenProvider>);

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

impl CredentialsProvider for Bridge {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        // A token that is about to end is replaced by gcp_auth itself.
        let token = self.0.token(&[SCOPE]).await.map_err(|error| CredentialsError::from_source(false, error))?;
        headers(token.as_str()).map_err(|error| CredentialsError::from_source(false, error))
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// A session's token, which is not renewed: a new session has a new one.
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

/// Credentials of this token alone.
fn fixed(token: &str) -> Result<Credentials> {
    let value = bearer(token).map_err(|_| Error::new(ErrorKind::Credentials, "this is no access token"))?;
    Ok(Credentials::from(Fixed(value)))
}

/// The value of the header that shows a token, which is never printed.
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
