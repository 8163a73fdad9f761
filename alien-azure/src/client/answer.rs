//! An answer of Azure's.

use alien_core::{Error, ErrorKind, Result};
use azure_core::Bytes;
use azure_core::http::headers::{HeaderName, Headers};
use serde::de::DeserializeOwned;

/// An answer that is no failure. It is not printed: it may hold a key.
pub(crate) struct Answer {
    /// Its HTTP status.
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(super) body: Bytes,
}

impl Answer {
    /// What it says.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("an answer that cannot be read: {error}")))
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// A header.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get_optional_str(&HeaderName::from_static(name))
    }
}
