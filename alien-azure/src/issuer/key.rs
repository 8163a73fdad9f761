//! The private key that signs the vendor's tokens.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use alien_core::adapter::{create_key, open_key};
use alien_core::{Error, ErrorKind, Problem, Result};
use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

use super::pem;
use super::public::{IssuerPublicKey, LEAST_BITS, MOST_BITS, one, wrong};
use super::token::TokenSigner;

/// The private key with which the vendor signs its tokens: RSA of 2,048 to 8,192 bits.
///
/// It gives access to every deployment on Azure that trusts its issuer. It is never shown or serialized; only
/// [`save`](Self::save) writes it. AWS-LC holds it, and wipes the memory that it frees
/// (<https://github.com/aws/aws-lc/blob/main/crypto/mem.c>); the texts that are read and written on the way are wiped too.
/// A key in a key management service is better kept: see [`TokenSigner`].
#[derive(Clone)]
pub struct IssuerKey {
    pair: Arc<KeyPair>,
    public: IssuerPublicKey,
}

/// Shows only the id of the key.
impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKey").field("id", &self.public.id()).finish_non_exhaustive()
    }
}

impl IssuerKey {
    /// Generates a key of 2,048 bits. It takes up to a second.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if none can be generated.
    pub fn generate() -> Result<Self> {
        let failed = |what: String| Error::new(ErrorKind::Internal, what);
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| failed("no RSA key can be generated".to_owned()))?;
        Self::of(pair).map_err(|problem| failed(problem.what))
    }

    /// Reads a private key in PEM (PKCS#8, `PRIVATE KEY`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is not an RSA key in PKCS#8 and PEM, or too small or too large.
    pub fn from_pem(text: &str) -> Result<Self> {
        Self::read(text).map_err(one)
    }

    /// Reads a private key from a file in PEM (PKCS#8, `PRIVATE KEY`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the file cannot be read, and as [`from_pem`](Self::from_pem).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        open_key(path.as_ref(), Self::read)
    }

    /// Writes the private key to a new file in PEM, which only its owner may read (mode 600).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if there is such a file, which is left as it is; [`ErrorKind::Unavailable`] if it cannot be
    /// written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |why: &dyn fmt::Display| {
            Error::new(ErrorKind::Unavailable, format!("`{}` cannot be written: {why}", path.display()))
        };
        let der: Pkcs8V1Der<'_> = self.pair.as_der().map_err(|error| failed(&error))?;
        let text = pem::written("PRIVATE KEY", der.as_ref());
        create_key(path, &text)
    }

    /// The public half, to publish.
    #[must_use]
    pub const fn public(&self) -> &IssuerPublicKey {
        &self.public
    }

    fn of(pair: KeyPair) -> Result<Self, Problem> {
        let public = IssuerPublicKey::of(pair.public_key())?;
        Ok(Self { pair: Arc::new(pair), public })
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let not_pem = "give the file that begins with `-----BEGIN PRIVATE KEY-----`";
        let section = pem::section(text).ok_or_else(|| wrong("it is not in PEM", not_pem))?;
        match section.label {
            "PRIVATE KEY" => {}
            "RSA PRIVATE KEY" => {
                return Err(wrong("it is in PKCS#1", "convert it: `openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW`"));
            }
            "ENCRYPTED PRIVATE KEY" => {
                return Err(wrong("it is encrypted", "decrypt it: `openssl pkcs8 -in KEY -out NEW`"));
            }
            other => return Err(wrong(format!("it is `{other}`, not `PRIVATE KEY`"), not_pem)),
        }
        let der = section.der.ok_or_else(|| wrong("its PEM is broken", "copy the file again"))?;
        let pair = KeyPair::from_pkcs8(&der).map_err(|rejected| match rejected.description_() {
            "TooSmall" => wrong(
                format!("it has less than {LEAST_BITS} bits"),
                &format!("use RSA of {LEAST_BITS} to {MOST_BITS} bits"),
            ),
            "TooLarge" => wrong(
                format!("it has more than {MOST_BITS} bits"),
                &format!("use RSA of {LEAST_BITS} to {MOST_BITS} bits"),
            ),
            _ => wrong("it is not an RSA key in PKCS#8", "use an RSA key: Entra takes tokens that RS256 signed"),
        })?;
        Self::of(pair)
    }
}

#[async_trait]
impl TokenSigner for IssuerKey {
    fn key_id(&self) -> &str {
        self.public.id()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|_| Error::new(ErrorKind::Internal, "the issuer's key cannot sign"))?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// RSA of 1,024 bits, which nobody uses.
    const SMALL: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAPZINpT+9N/adgVO\n\
6xu+y3pYIl/FPZiYHBBcmz/3ysnO3Txddf7yzphmzJFNVevlFIM8yJlUWbYFsvD7\n\
MwjOFAXwcRSIDN3cDwAidUhIIHvNjRBPttfCIcX4tnMwV36X0X5j0245rS8Qi9fp\n\
osZikB5rWszugZVjG7Ne7FcNjR6nAgMBAAECgYALZNvhmMoLcTf0luoZpoITbvBo\n\
Ld/jp2Xk++PS2cvv+joSCODkoqccNeVQ85r+BuMkDzPYpCZiXXEh5P0/cwlKBdHU\n\
VzjaM5tS2sXZvIb2MGQ05SsiFxb2OIG9gRNXWBzLnAOHRZo2ZNp+2/dW259o11Us\n\
QPSRuuOIQL2sGUs2wQJBAPx5u+eI8xs3h8ZMLhoKHj96Mj7+NNFhvfTde4xXQc6y\n\
nfze7eRtaAHoAIK9NchRgM38/sYERrM2RDYp7OLWv3UCQQD5uFiJyV6OZBia60En\n\
8wMZBDyDjB5cvDSj72zu5+KoWVPWeqQJeNq5dOvLsVDb6SFvmktG0NaAK2q+4xqM\n\
tl4rAkEA44j2TmE+7v1psM2BEtihkAWZeOnyQe07m41rxfvxg8230mg6rw3mmSk0\n\
JJ9O9Bx336ytE1pROTuj18iLA5gT7QJAHe8rLdklrIvzJx7sQI2w4V7QojQ5r4Qg\n\
C0a4GCtT0DplAmDRKRGDppeNbG1k8/eOOoKUY3jFPbf2o8s1c4io4QJADr5mpQQl\n\
iDbQaVvhlPiPdENe+pHkLqRRZ1a2ZHU1XN8MST+mOmmPAC8Oab1mudlG/Y/4mAUp\n\
go5tVVN3BRBsSw==\n\
-----END PRIVATE KEY-----\n";

    /// Where a test writes files.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("alien-azure-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_key_is_saved_once_for_its_owner_and_read_again() {
        let (folder, key) = (Folder::new(), IssuerKey::generate().unwrap());
        let path = folder.0.join("issuer.pem");
        key.save(&path).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(IssuerKey::open(&path).unwrap().public(), key.public());
        let before = fs::read(&path).unwrap();
        let error = IssuerKey::generate().unwrap().save(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        assert!(fs::read(&path).unwrap() == before, "a key was written over");
        let error = key.save(folder.0.join("absent").join("issuer.pem")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }

    #[test]
    fn what_is_no_rsa_key_of_a_good_size_is_told_and_not_shown() {
        let key = IssuerKey::generate().unwrap();
        let der: Pkcs8V1Der<'_> = key.pair.as_der().unwrap();
        let pkcs8 = pem::written("PRIVATE KEY", der.as_ref());
        let relabelled = |label: &str| pkcs8.replace("PRIVATE KEY", label);
        let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let (begin, end) = pkcs8.split_at(pkcs8.len() / 2);
        for (text, words) in [
            (String::new(), "it is not in PEM"),
            (SMALL.to_owned(), "it has less than 2048 bits"),
            (elliptic, "it is not an RSA key in PKCS#8"),
            (relabelled("RSA PRIVATE KEY"), "it is in PKCS#1"),
            (relabelled("ENCRYPTED PRIVATE KEY"), "it is encrypted"),
            (relabelled("PUBLIC KEY"), "it is `PUBLIC KEY`, not `PRIVATE KEY`"),
            (begin.to_owned(), "its PEM is broken"),
            (format!("{begin}AAAA{end}"), "it is not an RSA key in PKCS#8"),
        ] {
            let error = IssuerKey::from_pem(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{error}");
            assert_eq!(error.problems().len(), 1, "{error}");
            let told = format!("{error} {error:?}");
            assert!(told.contains(words), "{words}: {told}");
            let lines = text.lines().filter(|line| line.len() > 32);
            lines.for_each(|line| assert!(!told.contains(line), "a key is shown"));
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let folder = Folder::new();
        let absent = IssuerKey::open(folder.0.join("absent.pem")).unwrap_err().to_string();
        assert!(absent.contains("absent.pem` cannot be read"), "{absent}");
        let path = folder.0.join("small.pem");
        fs::write(&path, SMALL).unwrap();
        let told = IssuerKey::open(&path).unwrap_err().to_string();
        assert!(told.contains("small.pem`: it has less than 2048 bits"), "{told}");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        let told = IssuerKey::open(&path).unwrap_err().to_string();
        assert!(told.contains("small.pem` is in UTF-16"), "{told}");
    }
}
