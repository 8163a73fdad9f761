//! A private key in memory, and its file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use alien_core::adapter::{create_key, open_key};
use alien_core::{Error, ErrorKind, Problem, Result};
use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use pkcs8::PrivateKeyInfo;
use pkcs8::der::pem::{self, LineEnding};
use zeroize::Zeroizing;

use super::passphrase::{self, Passphrase};
use super::problem::{one, wrong};
use super::public::PublicKey;
use super::signature::{Signature, message};
use super::signer::Signer;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// A private key: Ed25519.
///
/// It is never shown or serialized; only [`save`](Self::save) and [`save_encrypted`](Self::save_encrypted) write it. AWS-LC holds it,
/// and wipes the memory that it frees (<https://github.com/aws/aws-lc/blob/main/crypto/mem.c>); what is read and written on
/// the way is wiped too. A key in an HSM or a key management service is better kept: see [`Signer`].
///
/// ```
/// use alien_release::{Passphrase, SigningKey};
///
/// # fn main() -> alien_core::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("alien-release-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("root.pem");
/// let passphrase = Passphrase::new("correct horse battery staple")?;
/// let key = SigningKey::generate()?;
/// key.save_encrypted(&path, &passphrase)?;
/// println!("{}", key.public().fingerprint());
///
/// let again = SigningKey::open_encrypted(&path, &passphrase)?;
/// assert_eq!(again.public(), key.public());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    public: PublicKey,
}

/// Shows only the fingerprint of the public half.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public.fingerprint()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Generates a key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the machine gives no random numbers.
    pub fn generate() -> Result<Self> {
        let failed = || Error::new(ErrorKind::Internal, "no Ed25519 key can be generated");
        Self::of(Ed25519KeyPair::generate().map_err(|_| failed())?).ok_or_else(failed)
    }

    /// Reads a private key in PEM (PKCS#8, `PRIVATE KEY`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is not an Ed25519 key in PKCS#8 and PEM, or is encrypted.
    pub fn from_pem(text: &str) -> Result<Self> {
        Self::read(text, None).map_err(one)
    }

    /// Reads an encrypted private key in PEM (PKCS#8, `ENCRYPTED PRIVATE KEY`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is not an Ed25519 key in PKCS#8 and PEM, is not encrypted, or the passphrase is wrong.
    pub fn from_encrypted_pem(text: &str, passphrase: &Passphrase) -> Result<Self> {
        Self::read(text, Some(passphrase)).map_err(one)
    }

    /// Whether a text in PEM is a private key that is encrypted.
    #[must_use]
    pub fn is_encrypted(text: &str) -> bool {
        pem::decode_label(text.trim().as_bytes()).is_ok_and(|label| label == ENCRYPTED)
    }

    /// Reads a private key from a file in PEM.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the file cannot be read, and as [`from_pem`](Self::from_pem).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        open_key(path.as_ref(), |text| Self::read(text, None))
    }

    /// Reads an encrypted private key from a file in PEM.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the file cannot be read, and as [`from_encrypted_pem`](Self::from_encrypted_pem).
    pub fn open_encrypted(path: impl AsRef<Path>, passphrase: &Passphrase) -> Result<Self> {
        open_key(path.as_ref(), |text| Self::read(text, Some(passphrase)))
    }

    /// Writes the private key to a new file in PEM, which only its owner may read (mode 600).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if there is such a file, which is left as it is; [`ErrorKind::Unavailable`] if it cannot
    /// be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let text = self.pkcs8().and_then(|der| written(PLAIN, &der));
        created(path.as_ref(), text)
    }

    /// Writes the private key to a new file in PEM, encrypted, which only its owner may read (mode 600). It takes about half a
    /// second. OpenSSL reads it: PKCS#8, by PBES2 with PBKDF2, HMAC-SHA-256 and AES-256-CBC.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub fn save_encrypted(&self, path: impl AsRef<Path>, passphrase: &Passphrase) -> Result<()> {
        let der = self.pkcs8().and_then(|der| passphrase::encrypted(&der, passphrase));
        created(path.as_ref(), der.and_then(|der| written(ENCRYPTED, &der)))
    }

    /// The private key in PEM (PKCS#8, not encrypted), as [`from_pem`](Self::from_pem) reads it: for a program that keeps it in a place
    /// that is sealed as a whole.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if it cannot be encoded.
    pub fn reveal_pem(&self) -> Result<Zeroizing<String>> {
        let text = self.pkcs8().and_then(|der| written(PLAIN, &der));
        text.ok_or_else(|| Error::new(ErrorKind::Internal, "the key cannot be encoded"))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs bytes in a context, as [`Signature::of`] does.
    #[must_use]
    pub fn sign(&self, context: &str, bytes: &[u8]) -> Signature {
        Signature::from_bytes(self.signature(&message(context, bytes)))
    }

    fn signature(&self, message: &[u8]) -> [u8; 64] {
        // An Ed25519 signature has 64 bytes: <https://www.rfc-editor.org/rfc/rfc8032#section-5.1.6>.
        self.pair.sign(message).as_ref().try_into().unwrap_or([0; 64])
    }

    /// In the first version of PKCS#8, which every OpenSSL reads.
    fn pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        // AWS-LC wipes the document that it gives.
        self.pair.to_pkcs8v1().ok().map(|document| Zeroizing::new(document.as_ref().to_vec()))
    }

    fn of(pair: Ed25519KeyPair) -> Option<Self> {
        let public = PublicKey::from_bytes(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair: Arc::new(pair), public })
    }

    fn read(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, Problem> {
        let not_pem = "give the file that begins with `-----BEGIN PRIVATE KEY-----`, or `ENCRYPTED PRIVATE KEY`";
        let text = text.trim().as_bytes();
        let (label, der) = pem::decode_vec(text).map_err(|_| wrong("it is not in PEM", not_pem))?;
        let der = Zeroizing::new(der);
        let plain = match (label, passphrase) {
            (PLAIN, None) => der,
            (ENCRYPTED, Some(passphrase)) => passphrase::decrypted(&der, passphrase)?,
            (PLAIN, Some(_)) => {
                return Err(wrong("it is not encrypted", "open it without a passphrase, or encrypt it"));
            }
            (ENCRYPTED, None) => return Err(wrong("it is encrypted", "give its passphrase")),
            ("PUBLIC KEY", _) => return Err(wrong("it is a public key", "give its private half")),
            (other, _) => return Err(wrong(format!("it is `{other}`, not `{PLAIN}`"), not_pem)),
        };
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&plain).ok().and_then(Self::of);
        pair.ok_or_else(|| match passphrase {
            // One wrong passphrase in 256 gives bytes that end as they must, and are no key.
            Some(_) if PrivateKeyInfo::try_from(plain.as_slice()).is_err() => passphrase::mistaken(),
            _ => wrong("it is not an Ed25519 key in PKCS#8", "make one: `openssl genpkey -algorithm ed25519`"),
        })
    }
}

#[async_trait]
impl Signer for SigningKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.signature(message).to_vec())
    }
}

fn written(label: &'static str, der: &[u8]) -> Option<Zeroizing<String>> {
    pem::encode_string(label, LineEnding::LF, der).ok().map(Zeroizing::new)
}

fn created(path: &Path, text: Option<Zeroizing<String>>) -> Result<()> {
    let unencoded = || {
        let what = format!("`{}` cannot be written: the key cannot be encoded", path.display());
        Error::new(ErrorKind::Internal, what)
    };
    create_key(path, &text.ok_or_else(unencoded)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_revealed_is_read_back() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pem(&key.reveal_pem().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
    }

    /// One wrong passphrase in 256 gives bytes that end as padding does.
    #[test]
    fn bytes_that_are_no_key_at_all_mean_a_wrong_passphrase() {
        let passphrase = Passphrase::new("five words chosen at random").unwrap();
        let read = |text: &[u8]| {
            let der = passphrase::encrypted(text, &passphrase).unwrap();
            let text = written(ENCRYPTED, &der).unwrap();
            SigningKey::read(&text, Some(&passphrase)).map(drop).unwrap_err().to_string()
        };
        assert!(read(b"no key").contains(&passphrase::mistaken().to_string()), "{}", read(b"no key"));
    }
}
