//! The public half of a key.

use std::fmt;
use std::str::FromStr;

use alien_core::adapter::sha256;
use alien_core::{Error, ErrorKind, Problem, Result};
use aws_lc_rs::signature::{ED25519, ED25519_PUBLIC_KEY_LEN, UnparsedPublicKey};
use pkcs8::der::pem::{self, LineEnding};
use serde::{Deserialize, Serialize};

use super::problem::{one, wrong};
use super::signature::{Signature, message};

/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo`
/// (<https://www.rfc-editor.org/rfc/rfc8410#section-4>).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const LABEL: &str = "PUBLIC KEY";

/// A public key: Ed25519. Anybody may see it.
///
/// Its text, and what it is in JSON, is PEM.
///
/// ```
/// use alien_release::{PublicKey, SigningKey};
///
/// let key = SigningKey::generate()?;
/// let signature = key.sign("example.com/receipt", b"paid");
/// let public: PublicKey = key.public().to_string().parse()?;
/// public.verify("example.com/receipt", b"paid", &signature)?;
/// assert!(public.verify("example.com/invoice", b"paid", &signature).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; ED25519_PUBLIC_KEY_LEN]);

impl PublicKey {
    /// Takes the 32 bytes of an Ed25519 key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key in DER: a `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        [&PREFIX[..], &self.0].concat()
    }

    /// `sha256:` and the SHA-256 of its DER, in hexadecimal digits: the name to compare when a key is read out.
    ///
    /// `openssl pkey -pubin -in KEY -outform DER | sha256sum` prints the same digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256(&self.to_der())
    }

    /// Verifies what [`Signature::of`] made: the same context, the same bytes, this key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] if the signature is not this key's over these bytes in this context.
    pub fn verify(&self, context: &str, bytes: &[u8], signature: &Signature) -> Result<()> {
        if self.signed(&message(context, bytes), signature.as_bytes()) {
            return Ok(());
        }
        let what = format!("the signature is not that of the key {} over this content", self.fingerprint());
        Err(Error::new(ErrorKind::Rejected, what))
    }

    /// Whether this key signed the message as it is.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let help = "give the file that begins with `-----BEGIN PUBLIC KEY-----`";
        let (label, der) = pem::decode_vec(text.trim().as_bytes()).map_err(|_| wrong("it is not in PEM", help))?;
        match label {
            LABEL => {}
            "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                return Err(wrong("it is a private key", "give its public half, and keep this one to yourself"));
            }
            other => return Err(wrong(format!("it is `{other}`, not `{LABEL}`"), help)),
        }
        let key = der.strip_prefix(&PREFIX).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or_else(|| wrong("it is not an Ed25519 key", "make one: `openssl genpkey -algorithm ed25519`"))
    }
}

/// Shows its fingerprint.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.fingerprint()).finish()
    }
}

/// The key in PEM.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&pem::encode_string(LABEL, LineEnding::LF, &self.to_der()).map_err(|_| fmt::Error)?)
    }
}

/// Reads PEM.
impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::read(text).map_err(one)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}
