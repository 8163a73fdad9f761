//! An issuer of assertions with OpenID Connect discovery: <https://openid.net/specs/openid-connect-discovery-1_0.html>.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::federation::AUDIENCE;
use crate::azure::call::set;
use crate::azure::state::Shared;
use crate::jwt;

/// The id of the only key.
const KID: &str = "sim-issuer-key";

/// An issuer whose assertions a federated credential can trust. It publishes its keys under its URL.
#[derive(Clone)]
pub struct Issuer {
    url: String,
    shared: Shared,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The key pair, generated once per process because it takes a second. The issuers of an emulator differ only in their
/// URLs.
fn pair() -> Option<&'static KeyPair> {
    static PAIR: OnceLock<Option<KeyPair>> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).ok()).as_ref()
}

/// Signs claims with RS256. Returns `None` if the key pair cannot be used.
fn sign(pair: &KeyPair, header: &Value, claims: &Value) -> Option<String> {
    let signed = format!("{}.{}", jwt::part(header), jwt::part(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The key set of every issuer of an emulator.
pub(crate) fn keys() -> Value {
    json!({"keys": pair().map(|pair| jwt::public(pair, KID)).into_iter().collect::<Vec<_>>()})
}

/// The document at `{url}/.well-known/openid-configuration`.
pub(crate) fn discovery(url: &str) -> Value {
    json!({
        "issuer": url,
        "jwks_uri": format!("{url}/keys"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

impl Issuer {
    pub(crate) fn new(shared: &Shared, name: &str) -> Self {
        let url = format!("{}/issuers/{name}", shared.url());
        shared.lock().directory.issuers.insert(url.clone(), keys());
        Self { url, shared: shared.clone() }
    }

    /// The issuer's URL, which is the `iss` of its assertions.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Issues an assertion about a subject for an audience such as `api://AzureADTokenExchange`. It is valid for ten
    /// minutes of the emulator's clock.
    #[must_use]
    pub fn token(&self, subject: &str, audience: &str) -> String {
        self.sign(&json!({"sub": subject, "aud": audience}))
    }

    /// The key set that it publishes, for an issuer at another address that signs with the same key.
    #[must_use]
    pub fn keys(&self) -> Value {
        keys()
    }

    /// Signs an assertion with these claims. `iss`, `aud`, `iat`, `nbf` and `exp` are added if they are missing.
    ///
    /// # Panics
    ///
    /// If no RSA key can be generated.
    #[must_use]
    #[expect(clippy::panic, reason = "a test handle reports failures by panicking, as tests do")]
    pub fn sign(&self, claims: &Value) -> String {
        let now = self.shared.lock().now().as_second();
        let mut all = json!({"iss": self.url, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 600});
        for (name, value) in claims.as_object().into_iter().flatten() {
            set(&mut all, name, value.clone());
        }
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": KID});
        pair().and_then(|pair| sign(pair, &header, &all)).unwrap_or_else(|| panic!("no RSA key could be made"))
    }
}
