//! A successful answer of Azure.

use alien_core::{Error, ErrorKind, Result};
use azure_core::Bytes;
use azure_core::http::headers::{HeaderName, Headers};
use serde::de::DeserializeOwned;
use zeroize::Zeroize;

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

    /// Parses the body as JSON that holds a secret, and wipes it; `None` if it cannot be parsed. The error is not kept: it may
    /// show the secret.
    pub(crate) fn into_secret<T: DeserializeOwned>(self) -> Option<T> {
        let parsed = serde_json::from_slice(&self.body).ok();
        wipe(self.body);
        parsed
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

/// Overwrites a body that nobody else reads. What the HTTP client and TLS buffered of it is theirs, and out of reach.
/// Returns whether it could.
fn wipe(body: Bytes) -> bool {
    body.try_into_mut().map(|mut body| body.as_mut().zeroize()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_wiped_unless_somebody_else_reads_it() {
        assert!(wipe(Bytes::from(b"secret".to_vec())));
        let body = Bytes::from(b"secret".to_vec());
        assert!(!wipe(body.clone()));
        assert_eq!(body, "secret");
        let answer = Answer { status: 200, headers: Headers::new(), body: Bytes::from(b"[\"secret\"]".to_vec()) };
        assert_eq!(answer.into_secret::<Vec<String>>(), Some(vec!["secret".to_owned()]));
    }
}
