//! Where the vendor's tokens come from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::adapter::read_text;
use alien_core::{Clock, Error, ErrorKind, Result};
use futures_util::future::BoxFuture;

use crate::issuer::token::{self, TokenSigner};
use crate::target::{Issuer, Subject};

/// A source of the vendor's OpenID Connect tokens, with which the vendor assumes management identities.
///
/// A token names the vendor's issuer, the subject of one deployment, and the audience [`AUDIENCE`](crate::AUDIENCE). It
/// is signed by RS256 with a key that the issuer publishes. A new token is requested for every session, so it may be
/// short-lived. <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>
#[derive(Clone)]
pub struct VendorToken(Source);

/// Returns a token for a subject.
type Function = Arc<dyn Fn(String) -> BoxFuture<'static, Result<String>> + Send + Sync>;

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Variable(String),
    Function(Function),
    Signed { signer: Arc<dyn TokenSigner>, issuer: Issuer },
}

/// Shows no token and no key.
impl fmt::Debug for VendorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => f.debug_tuple("File").field(path).finish(),
            Source::Variable(name) => f.debug_tuple("Variable").field(name).finish(),
            Source::Function(_) => f.debug_tuple("Function").finish_non_exhaustive(),
            Source::Signed { signer, issuer } => {
                f.debug_struct("Signed").field("issuer", issuer).field("key", &signer.key_id()).finish()
            }
        }
    }
}

impl VendorToken {
    /// Reads the token from a file each time. Something else renews the file.
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(Source::File(path.as_ref().to_owned()))
    }

    /// Reads the token from an environment variable of this process each time.
    #[must_use]
    pub fn variable(name: impl Into<String>) -> Self {
        Self(Source::Variable(name.into()))
    }

    /// Calls a function of the host program for every token, with the subject of the deployment.
    ///
    /// ```
    /// # use alien_azure::VendorToken;
    /// # async fn sign(subject: &str) -> alien_core::Result<String> { Ok(subject.to_owned()) }
    /// let token = VendorToken::from_fn(|subject| async move { sign(&subject).await });
    /// ```
    #[must_use]
    pub fn from_fn<F: Future<Output = Result<String>> + Send + 'static>(
        give: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Source::Function(Arc::new(move |subject| Box::pin(give(subject)))))
    }

    /// Signs every token here, as this issuer, for the subject of the deployment that is entered: for a vendor with many
    /// deployments. A token has a random `jti`, and ends ten minutes after the time of the calls' clock. A deployment that
    /// trusts another issuer is refused before the network.
    ///
    /// RS256 is what Entra supports
    /// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations#supported-signing-algorithms-and-issuers>).
    /// It compares issuer and subject to the letter, and fetches the public keys from what [`Discovery`](crate::Discovery)
    /// publishes.
    ///
    /// ```
    /// # use alien_azure::{Config, IssuerKey, VendorToken};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let key = IssuerKey::generate()?; // or `IssuerKey::open("issuer/issuer-1.pem")?`
    /// let token = VendorToken::signed_by(key, "https://oidc.vendor.example.com".parse()?);
    /// let vendor = alien_azure::vendor(&Config::for_vendor(token));
    /// # let _ = vendor;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn signed_by(signer: impl TokenSigner + 'static, issuer: Issuer) -> Self {
        Self(Source::Signed { signer: Arc::new(signer), issuer })
    }

    /// Gets a token for a subject, of the issuer that a deployment trusts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there is none, or the target trusts another issuer than the one that signs; errors of
    /// the function and of the signer are passed on.
    pub(crate) async fn get(&self, trusted: &Issuer, subject: &Subject, clock: &dyn Clock) -> Result<String> {
        let none = |what: String| Error::new(ErrorKind::Credentials, what);
        let token = match &self.0 {
            Source::File(path) => {
                let read =
                    read_text(path).map_err(|unread| none(format!("the vendor's token is missing: {unread}")))?;
                read.trim().to_owned()
            }
            Source::Variable(name) => {
                std::env::var(name).map_err(|_| none(format!("the vendor's token is missing: `{name}` is not set")))?
            }
            Source::Function(give) => give(subject.to_string()).await?,
            Source::Signed { signer, issuer } if issuer == trusted => {
                token::signed(&**signer, issuer, subject, clock.now()).await?
            }
            Source::Signed { issuer, .. } => {
                let what = format!("the vendor signs as `{issuer}`, and the deployment trusts `{trusted}`");
                return Err(none(format!("{what}; sign as the issuer of its invitation")));
            }
        };
        Ok(token.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use alien_core::{CallConfig, SystemClock};

    use super::*;
    use crate::{Config, IssuerKey};

    #[tokio::test]
    async fn a_deployment_that_trusts_another_issuer_gets_no_token() {
        let signs = |issuer: &str| VendorToken::signed_by(IssuerKey::generate().unwrap(), issuer.parse().unwrap());
        let ours = signs("https://ours.example");
        let subject: Subject = "deployment:acme".parse().unwrap();
        let issuer = |issuer: &str| issuer.parse::<Issuer>().unwrap();
        assert!(ours.get(&issuer("https://ours.example"), &subject, &SystemClock).await.is_ok());
        // To the letter, as Entra compares it.
        for other in ["https://ours.example/", "https://Ours.example", "https://theirs.example"] {
            let error = ours.get(&issuer(other), &subject, &SystemClock).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
            assert!(error.to_string().contains(&format!("the deployment trusts `{other}`")), "{error}");
        }
    }

    #[tokio::test]
    async fn a_key_is_in_nothing_that_is_shown() {
        let path = std::env::temp_dir().join(format!("alien-azure-{}.pem", uuid::Uuid::new_v4()));
        let key = IssuerKey::generate().unwrap();
        key.save(&path).unwrap();
        let pem = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let token = VendorToken::signed_by(key.clone(), "https://ours.example".parse().unwrap());
        let (theirs, subject) = ("https://theirs.example".parse().unwrap(), "deployment:acme".parse().unwrap());
        let error = token.get(&theirs, &subject, &SystemClock).await.unwrap_err();
        let config = Config::for_vendor(token.clone()).with_calls(CallConfig::default());
        let vendor = crate::vendor(&config);
        let shown = format!("{key:?} {key:#?} {token:?} {config:?} {vendor:?} {error} {error:?}");
        let shown = shown + &serde_json::to_string(&error).unwrap();
        assert!(shown.contains(key.public().id()), "{shown}");
        let secret: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        assert!(secret.len() > 20, "{}", secret.len());
        for line in secret {
            assert!(!shown.contains(line.get(..24).unwrap_or(line)), "a key is shown: {shown}");
        }
    }
}
