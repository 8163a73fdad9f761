//! Signatures that stand beside what they sign.

use std::fmt;
use std::str::FromStr;

use alien_core::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::problem::{one, wrong};

/// The length of an Ed25519 signature (<https://www.rfc-editor.org/rfc/rfc8032#section-5.1.6>).
pub(super) const LENGTH: usize = 64;
/// What every message of a [`Signature`] begins with. A file of a repository begins with `{`, so no signature of one is a
/// signature of the other.
const DOMAIN: &[u8] = b"alien-signature-v1\0";

/// A signature over some bytes, in a context: what it is for, such as `example.com/receipt`.
///
/// What was signed in one context is not valid in another, nor as a part of a repository. Its text, and what it is in JSON, is
/// Base64.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; LENGTH]);

impl Signature {
    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    pub(super) const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }
}

/// The message for bytes in a context. Its length does not depend on theirs, because services sign only short messages.
pub(super) fn message(context: &str, bytes: &[u8]) -> Vec<u8> {
    // A length that a computer can hold has at most 64 bits.
    let length = u64::try_from(context.len()).unwrap_or(u64::MAX).to_be_bytes();
    [DOMAIN, &length, context.as_bytes(), &Sha256::digest(bytes)].concat()
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signature").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        let help = "give the signature as it was written: 88 characters of Base64";
        bytes.map(Self).ok_or_else(|| one(wrong("this is not a signature", help)))
    }
}

impl TryFrom<String> for Signature {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.to_string()
    }
}
