//! The public half of a key that signs tokens, as a member of a key set: <https://www.rfc-editor.org/rfc/rfc7517>.

use std::fmt;

use alien_core::{Error, Problem, Result, Rule};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicKey;
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::pem;

/// The least size of a key in bits: <https://www.rfc-editor.org/rfc/rfc7518#section-3.3>.
pub(super) const LEAST_BITS: usize = 2_048;
/// The largest size that the library signs with.
pub(super) const MOST_BITS: usize = 8_192;

/// The public half of a key that signs the vendor's tokens: RSA of 2,048 to 8,192 bits.
///
/// [`Discovery`](crate::Discovery) publishes it.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    id: String,
}

impl fmt::Debug for IssuerPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IssuerPublicKey").field(&self.id).finish()
    }
}

/// A member of a key set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    #[serde(rename = "use", default)]
    usage: String,
    #[serde(default)]
    alg: String,
    #[serde(default)]
    pub(super) kid: String,
    n: String,
    e: String,
}

impl IssuerPublicKey {
    /// Reads a public key in PEM (`PUBLIC KEY`), as key management services give it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it is not an RSA key in PEM, or too small or too large.
    pub fn from_pem(text: &str) -> Result<Self> {
        let key = match pem::section(text) {
            None => Err(wrong("it is not in PEM", "give the file that begins with `-----BEGIN PUBLIC KEY-----`")),
            Some(section) if !matches!(section.label, "PUBLIC KEY" | "RSA PUBLIC KEY") => {
                let what = format!("it is `{}`, not `PUBLIC KEY`", section.label);
                Err(wrong(what, "give the public half of the key"))
            }
            Some(section) => {
                let der = section.der.unwrap_or_default();
                PublicKey::from_der(&der).map_err(|_| not_rsa()).and_then(|key| Self::of(&key))
            }
        };
        key.map_err(one)
    }

    /// The id of the key, which is the `kid` of tokens: its thumbprint, as <https://www.rfc-editor.org/rfc/rfc7638> says.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Takes a key over, if it is of a size that is allowed.
    pub(super) fn of(key: &PublicKey) -> Result<Self, Problem> {
        let modulus = key.modulus().big_endian_without_leading_zero().to_vec();
        let exponent = key.exponent().big_endian_without_leading_zero().to_vec();
        let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        sized(modulus.len() * 8 - leading)?;
        let id = thumbprint(&encoded(&modulus), &encoded(&exponent));
        Ok(Self { modulus, exponent, id })
    }

    pub(super) fn jwk(&self) -> Jwk {
        Jwk {
            kty: "RSA".to_owned(),
            usage: "sig".to_owned(),
            alg: "RS256".to_owned(),
            kid: self.id.clone(),
            n: encoded(&self.modulus),
            e: encoded(&self.exponent),
        }
    }

    /// Reads a member of a key set.
    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, Problem> {
        let number = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let parts = (jwk.kty == "RSA").then(|| Some((number(&jwk.n)?, number(&jwk.e)?))).flatten();
        let (n, e) = parts.ok_or_else(not_rsa)?;
        let components = RsaPublicKeyComponents { n, e };
        let der: Result<PublicKeyX509Der<'_>, _> = components.as_der();
        let key = der.map_err(|_| not_rsa())?;
        let key = Self::of(&PublicKey::from_der(key.as_ref()).map_err(|_| not_rsa())?)?;
        if key.id == jwk.kid {
            return Ok(key);
        }
        let what = format!("its `kid` is `{}`, and its thumbprint `{}`", jwk.kid, key.id);
        Err(wrong(what, "publish it under its thumbprint, which is the `kid` of the tokens that it signs"))
    }
}

/// Checks the size of a key.
pub(super) fn sized(bits: usize) -> Result<(), Problem> {
    let help = format!("use RSA of {LEAST_BITS} to {MOST_BITS} bits");
    match bits {
        0..LEAST_BITS => Err(wrong(format!("it has {bits} bits, which is too few"), &help)),
        LEAST_BITS..=MOST_BITS => Ok(()),
        _ => Err(wrong(format!("it has {bits} bits, which is too many"), &help)),
    }
}

pub(super) fn wrong(what: impl Into<String>, help: &str) -> Problem {
    Problem::error(Rule::Form, what.into(), help.to_owned())
}

pub(super) fn one(problem: Problem) -> Error {
    vec![problem].into()
}

fn not_rsa() -> Problem {
    wrong("it is not an RSA key", "use an RSA key: Entra takes tokens that RS256 signed")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The thumbprint of an RSA key: <https://www.rfc-editor.org/rfc/rfc7638#section-3>. The members are in the order that
/// it gives, without spaces.
fn thumbprint(n: &str, e: &str) -> String {
    encoded(digest(&SHA256, format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://www.rfc-editor.org/rfc/rfc7638#section-3.1>.
    fn example() -> Jwk {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let kid = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        let text = |text: &str| text.to_owned();
        Jwk { kty: text("RSA"), usage: text("sig"), alg: text("RS256"), kid: text(kid), n: text(n), e: text("AQAB") }
    }

    #[test]
    fn the_id_is_the_thumbprint_of_the_standards_example() {
        let key = IssuerPublicKey::from_jwk(&example()).unwrap();
        assert_eq!(key.id(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(key.jwk().n, example().n);
    }

    #[test]
    fn a_member_of_a_key_set_that_is_no_such_key_is_refused() {
        let told = |change: &dyn Fn(&mut Jwk)| {
            let mut jwk = example();
            change(&mut jwk);
            IssuerPublicKey::from_jwk(&jwk).unwrap_err().to_string()
        };
        assert!(told(&|jwk| "EC".clone_into(&mut jwk.kty)).contains("not an RSA key"));
        assert!(told(&|jwk| "*".clone_into(&mut jwk.n)).contains("not an RSA key"));
        assert!(told(&|jwk| jwk.n.clear()).contains("not an RSA key"));
        assert!(told(&|jwk| "another".clone_into(&mut jwk.kid)).contains("its `kid` is `another`"));
        let small = told(&|jwk| jwk.n.truncate(172));
        assert!(small.contains("it has 1031 bits, which is too few") || small.contains("not an RSA key"), "{small}");
    }

    #[test]
    fn a_size_has_bounds() {
        assert!(sized(2_047).is_err() && sized(2_048).is_ok() && sized(8_192).is_ok() && sized(8_193).is_err());
    }

    #[test]
    fn a_public_key_is_read_from_pem() {
        let of_jwk = IssuerPublicKey::from_jwk(&example()).unwrap();
        let components = RsaPublicKeyComponents { n: of_jwk.modulus.clone(), e: of_jwk.exponent.clone() };
        let der: PublicKeyX509Der<'_> = components.as_der().unwrap();
        let text = pem::written("PUBLIC KEY", der.as_ref());
        assert_eq!(IssuerPublicKey::from_pem(&text).unwrap(), of_jwk);
        for (text, words) in [
            ("", "it is not in PEM"),
            ("-----BEGIN PRIVATE KEY-----", "it is `PRIVATE KEY`, not `PUBLIC KEY`"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "it is not an RSA key"),
        ] {
            let told = IssuerPublicKey::from_pem(text).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
    }
}
