//! Who makes signatures.

use std::fmt;

use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;

use super::public::PublicKey;
use super::signature::{LENGTH, Signature, message};

/// A private key, wherever it is: in memory ([`SigningKey`](super::SigningKey)), in an HSM, in a key management service.
///
/// ```
/// use alien_core::Result;
/// use alien_release::{PublicKey, Signer};
///
/// #[derive(Debug)]
/// struct Hsm {
///     public: PublicKey,
/// }
///
/// #[async_trait::async_trait]
/// impl Signer for Hsm {
///     fn public(&self) -> PublicKey {
///         self.public
///     }
///
///     async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
///         // Ask the device for an Ed25519 signature of the message as it is: "PureEdDSA".
///         # let _ = message;
///         # Err(alien_core::Error::new(alien_core::ErrorKind::Unavailable, "no device"))
///     }
/// }
/// ```
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    /// The public half.
    fn public(&self) -> PublicKey;

    /// Signs a message as it is, by Ed25519 without a hash before it. Returns 64 bytes.
    ///
    /// The message of a release key is a list of all that is in the repository, up to 512 KiB; that of other keys is below
    /// 64 KiB, and that of a [`Signature`] below 1 KiB.
    ///
    /// # Errors
    ///
    /// What the keeper of the key says; [`ErrorKind::Unavailable`] and [`ErrorKind::Throttled`] may be tried again.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

impl Signature {
    /// Signs bytes in a context.
    ///
    /// # Errors
    ///
    /// Those of the signer; [`ErrorKind::Credentials`] if what it returns is not its signature.
    pub async fn of(signer: &dyn Signer, context: &str, bytes: &[u8]) -> Result<Self> {
        signed(signer, &message(context, bytes)).await.map(Self::from_bytes)
    }
}

/// Has a message signed as it is, and looks at the answer.
pub(crate) async fn signed(signer: &dyn Signer, message: &[u8]) -> Result<[u8; LENGTH]> {
    let answer = signer.sign(message).await?;
    let public = signer.public();
    if let Ok(signature) = answer.as_slice().try_into()
        && public.signed(message, &answer)
    {
        return Ok(signature);
    }
    let what = format!(
        "the signer returned {} bytes, which are no signature by the key {}",
        answer.len(),
        public.fingerprint()
    );
    let help = "let it sign the message as it is, by Ed25519, with the private half of that key";
    Err(Error::new(ErrorKind::Credentials, format!("{what}; {help}")))
}
