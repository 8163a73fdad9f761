//! JSON Web Tokens: <https://datatracker.ietf.org/doc/html/rfc7519>, signed with RS256.

use std::fmt;

use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A parsed token, not yet verified.
pub(crate) struct Jwt<'a> {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl fmt::Debug for Jwt<'_> {
    /// Whoever holds the signature can act as the subject of the claims.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'a> Jwt<'a> {
    /// Parses a token, or says what is wrong with it.
    pub(crate) fn parse(token: &'a str) -> Result<Self, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("it has no signature")?;
        let (header, claims) = signed.split_once('.').ok_or("it has no claims")?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok();
        let parse = |part: &str| -> Option<Value> { serde_json::from_slice(&bytes(part)?).ok() };
        Ok(Self {
            header: parse(header).ok_or("its header is not JSON")?,
            claims: parse(claims).ok_or("its claims are not JSON")?,
            signed,
            signature: bytes(signature).ok_or("its signature is not base64")?,
        })
    }

    /// Whether a key in a set (<https://datatracker.ietf.org/doc/html/rfc7517>) signed it with RS256: the key that its
    /// header names, or any key if it names none.
    pub(crate) fn is_of_set(&self, keys: &Value) -> bool {
        let named = self.header.get("kid").and_then(Value::as_str).unwrap_or_default();
        let keys = keys.get("keys").and_then(Value::as_array).into_iter().flatten();
        keys.filter(|key| named.is_empty() || key.get("kid").and_then(Value::as_str) == Some(named)).any(|key| {
            let number = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?.trim_end_matches('=')).ok();
            let (Some(n), Some(e)) = (number("n"), number("e")) else { return false };
            RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature)
                .is_ok()
        })
    }
}

/// Encodes the header or the claims as a part of a token.
pub(crate) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A random string that cannot be guessed.
pub(crate) fn random() -> String {
    let bytes: [u8; 24] = std::array::from_fn(|_| fastrand::u8(..));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token in the form of a JWT, which is verified by looking it up.
pub(crate) fn unsigned(claims: &Value) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "sim"});
    format!("{}.{}.{}", part(&header), part(claims), random())
}

/// The public key of a pair, as a member of a key set.
pub(crate) fn public(pair: &KeyPair, kid: &str) -> Value {
    let key = pair.public_key();
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": kid,
        "n": number(key.modulus().big_endian_without_leading_zero()),
        "e": number(key.exponent().big_endian_without_leading_zero()),
    })
}
