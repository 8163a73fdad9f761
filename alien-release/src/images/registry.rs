//! The registries of images, and how to call them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::credential::Credential;
use super::location;

/// The registries of images, and how to call them: by HTTPS, anonymously where no credential is given.
///
/// The addresses follow from the references of the images. A reference without a registry, such as `library/nginx`, is one of
/// Docker Hub.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(super) credentials: BTreeMap<String, Credential>,
    pub(super) timeout: Duration,
    pub(super) plain_on_loopback: bool,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// Creates the client of all registries, without credentials.
    #[must_use]
    pub const fn new() -> Self {
        Self { credentials: BTreeMap::new(), timeout: Duration::from_secs(30), plain_on_loopback: false }
    }

    /// Sets the credential for a registry: its host, with the port if references have one, as `registry.example.com` or
    /// `localhost:5000`. Docker Hub is `docker.io`.
    #[must_use]
    pub fn with_credential(mut self, host: impl Into<String>, credential: Credential) -> Self {
        self.credentials.insert(location::registry(&host.into()).to_owned(), credential);
        self
    }

    /// Sets how long one call may take, from its beginning to the last byte of the answer: 30 seconds unless set.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Calls registries on this machine (`localhost`, `127.0.0.1`, `[::1]`) by HTTP without TLS. Others are called by HTTPS
    /// all the same.
    #[must_use]
    pub const fn with_plain_http_on_loopback(mut self) -> Self {
        self.plain_on_loopback = true;
        self
    }
}
