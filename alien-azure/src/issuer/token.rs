//! A token of the vendor's for one deployment: <https://www.rfc-editor.org/rfc/rfc7519>, signed by RS256.

use std::fmt;

use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::public::{LEAST_BITS, MOST_BITS};
use crate::AUDIENCE;
use crate::target::{Issuer, Subject};

/// How long a token lasts, in seconds. It is used at once; Microsoft advises five to ten minutes
/// (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials#claims-payload>).
const LIFETIME: i64 = 600;

/// Signs the vendor's tokens: an [`IssuerKey`](crate::IssuerKey), or a key in a key management service or an HSM that never
/// leaves it.
///
/// ```
/// use alien_azure::TokenSigner;
/// use alien_core::Result;
///
/// #[derive(Debug)]
/// struct Kms {
///     key: String,
///     /// `IssuerPublicKey::from_pem(…)?.id()` of the key's public half.
///     key_id: String,
/// }
///
/// # async fn ask_kms(_: &str, _: &[u8]) -> Result<Vec<u8>> { Ok(Vec::new()) }
/// #[async_trait::async_trait]
/// impl TokenSigner for Kms {
///     fn key_id(&self) -> &str {
///         &self.key_id
///     }
///
///     async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
///         ask_kms(&self.key, message).await
///     }
/// }
/// ```
#[async_trait]
pub trait TokenSigner: Send + Sync + fmt::Debug {
    /// The id under which the public key is published, the `kid` of a token:
    /// [`IssuerPublicKey::id`](crate::IssuerPublicKey::id).
    fn key_id(&self) -> &str;

    /// Signs a message by RSASSA-PKCS1-v1_5 with SHA-256 (<https://www.rfc-editor.org/rfc/rfc7518#section-3.3>), and returns
    /// the signature as it is, without an encoding. The message, not its digest, is given; it has less than 4,096 bytes.
    /// AWS KMS calls this `RSASSA_PKCS1_V1_5_SHA_256`, Cloud KMS `RSA_SIGN_PKCS1_*_SHA256`, Key Vault `RS256`.
    ///
    /// # Errors
    ///
    /// Those of the key; the session is not opened, and the caller is told.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// The claims that Entra compares and those that limit a token
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation>).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'static str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

/// Makes a token for one subject.
///
/// # Errors
///
/// Those of the signer; [`ErrorKind::Credentials`] if what it returns is no signature.
pub(crate) async fn signed(
    signer: &dyn TokenSigner,
    issuer: &Issuer,
    subject: &Subject,
    now: Timestamp,
) -> Result<String> {
    let now = now.as_second();
    let header = Header { alg: "RS256", typ: "JWT", kid: signer.key_id() };
    let claims = Claims {
        iss: issuer.as_str(),
        sub: subject.as_str(),
        aud: AUDIENCE,
        iat: now,
        nbf: now,
        exp: now.saturating_add(LIFETIME),
        jti: Uuid::new_v4(),
    };
    let message = format!("{}.{}", part(&header)?, part(&claims)?);
    let signature = signer.sign(message.as_bytes()).await?;
    // A signature is as long as the key.
    if !(LEAST_BITS / 8..=MOST_BITS / 8).contains(&signature.len()) {
        let what = format!("the signer of the vendor's token returned {} bytes", signature.len());
        let help = format!("return the RS256 signature of an RSA key of {LEAST_BITS} to {MOST_BITS} bits as it is");
        return Err(Error::new(ErrorKind::Credentials, format!("{what}; {help}")));
    }
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn part(value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "a token cannot be written").caused_by(&error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
    use serde_json::{Value, json};

    use super::*;
    use crate::issuer::{Discovery, IssuerKey};

    const ISSUER: &str = "https://oidc.vendor.example.com";

    /// Verifies a token by the two published documents alone.
    fn verified(token: &str, discovery: &Discovery) -> Option<(Value, Value)> {
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { return None };
        let read = |part: &str| -> Value { serde_json::from_slice(&decoded(part)).unwrap() };
        let (header_read, claims_read) = (read(header), read(claims));
        let [_, keys] = discovery.documents();
        let keys: Value = serde_json::from_slice(&keys.content).unwrap();
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header_read["kid"])?;
        let part = |name: &str| decoded(key[name].as_str().unwrap());
        let key = RsaPublicKeyComponents { n: part("n"), e: part("e") };
        let message = format!("{header}.{claims}");
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &decoded(signature)).ok()?;
        Some((header_read, claims_read))
    }

    #[tokio::test]
    async fn a_token_says_who_for_whom_and_for_how_long_and_what_is_published_verifies_it() {
        let key = IssuerKey::generate().unwrap();
        let (issuer, subject) = (Issuer::parse(ISSUER).unwrap(), "deployment:acme".parse().unwrap());
        let now: Timestamp = "2026-01-31T12:00:00.9Z".parse().unwrap();
        let token = signed(&key, &issuer, &subject, now).await.unwrap();
        let published = Discovery::new(issuer.clone(), key.public().clone());
        let (header, mut claims) = verified(&token, &published).unwrap();
        assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": key.public().id() }));
        let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert!(id.as_str().unwrap().parse::<Uuid>().is_ok(), "{id}");
        let second = now.as_second();
        assert_eq!(
            claims,
            json!({ "iss": ISSUER, "sub": "deployment:acme", "aud": "api://AzureADTokenExchange",
                "iat": second, "nbf": second, "exp": second + 600 })
        );
        // Another key does not verify it, nor does the key verify what was changed.
        let other = Discovery::new(issuer.clone(), IssuerKey::generate().unwrap().public().clone());
        assert!(verified(&token, &other).is_none());
        let (head, rest) = token.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(json!({ "sub": "deployment:another" }).to_string());
        let signature = rest.split_once('.').unwrap().1;
        assert!(verified(&format!("{head}.{forged}.{signature}"), &published).is_none());
        // Each has an id of its own.
        let mut ids = BTreeSet::from([id.to_string()]);
        for _ in 0..8 {
            let token = signed(&key, &issuer, &subject, now).await.unwrap();
            assert!(ids.insert(verified(&token, &published).unwrap().1["jti"].to_string()));
        }
    }

    /// A key that is elsewhere: it keeps what it was given, and returns these bytes.
    #[derive(Debug)]
    struct Elsewhere(Result<Vec<u8>>, std::sync::Mutex<Vec<Vec<u8>>>);

    #[async_trait]
    impl TokenSigner for Elsewhere {
        fn key_id(&self) -> &'static str {
            "elsewhere"
        }

        async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
            self.1.lock().unwrap().push(message.to_owned());
            self.0.clone()
        }
    }

    #[tokio::test]
    async fn a_signer_elsewhere_gets_the_message_and_its_answer_is_taken_as_it_is() {
        let issuer = Issuer::parse(&format!("https://{}", "i".repeat(592))).unwrap();
        let subject: Subject = "s".repeat(600).parse().unwrap();
        let signer = Elsewhere(Ok(vec![7; 256]), std::sync::Mutex::default());
        let token = signed(&signer, &issuer, &subject, Timestamp::UNIX_EPOCH).await.unwrap();
        let message = signer.1.lock().unwrap().pop().unwrap();
        // The longest message that AWS KMS signs: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html>.
        assert!(message.len() <= 4_096, "{}", message.len());
        let signature = URL_SAFE_NO_PAD.encode([7; 256]);
        assert_eq!(token, format!("{}.{signature}", String::from_utf8(message).unwrap()));

        for (answer, kind, words) in [
            (Ok(Vec::new()), ErrorKind::Credentials, "returned 0 bytes"),
            (Ok(vec![7; 255]), ErrorKind::Credentials, "returned 255 bytes"),
            (Err(Error::new(ErrorKind::Throttled, "the KMS is busy")), ErrorKind::Throttled, "the KMS is busy"),
        ] {
            let signer = Elsewhere(answer, std::sync::Mutex::default());
            let error = signed(&signer, &issuer, &subject, Timestamp::UNIX_EPOCH).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
