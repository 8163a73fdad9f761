//! A successful answer of Azure.

use alien_core::{Error, ErrorKind, Result};
use azure_core::Bytes;
use azure_core::http::headers::{HeaderName, Headers};
use serde::de::DeserializeOwned;

/// A successful answer. It has no `Debug`, because it may hold a key.
pub(crate) struct Answer {
    /// Its HTTP status.
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(super) body: Bytes,
}

impl Answer {
    /// Parses the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot read the answer of Azure: {error}")))
    }

    /// The bytes of the body.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The value of a header, if it is present.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get_optional_str(&HeaderName::from_static(name))
    }
}
