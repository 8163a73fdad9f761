//! How an agent says who it is.

use std::fmt;
use std::str::FromStr;

use alien_core::adapter::FormVersion;
use alien_core::{DeploymentId, Error, ErrorKind, Problem, Result, Rule};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::signed::{Message, sealed, too_long};
use super::version::Version;

/// The longest name of a host (<https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4>), and a port.
const LONGEST_HOST: usize = 253 + 6;

/// `POST /v1/agent/token`: asks for a bearer. Signed by the agent's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TokenRequest {
    version: Version,
    /// The deployment.
    pub deployment: DeploymentId,
    /// When it was made. A manager takes it for five minutes.
    pub time: Timestamp,
    /// A random number, taken once.
    pub nonce: Nonce,
    /// The host of the manager that it is for, with the port if it is not 443: no other manager takes it.
    pub host: String,
}

impl TokenRequest {
    /// Creates a request with a new random number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the machine gives no random numbers.
    pub fn new(deployment: DeploymentId, time: Timestamp, host: impl Into<String>) -> Result<Self> {
        Ok(Self { version: FormVersion, deployment, time, nonce: Nonce::random()?, host: host.into() })
    }
}

impl sealed::Sealed for TokenRequest {}

impl Message for TokenRequest {
    const CONTEXT: &'static str = "alien/agent/token";
    const MOST: usize = 1 << 10;
    const NAME: &'static str = "a request for a token";

    fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    fn problems(&self) -> Vec<Problem> {
        let length = self.host.len();
        (length > LONGEST_HOST).then(|| too_long("host", length, LONGEST_HOST)).into_iter().collect()
    }
}

/// A random number of 128 bits. Its text is 22 characters of Base64 for URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9_-]{21}[AQgw]$"))]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// Draws a number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the machine gives no random numbers.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| Error::new(ErrorKind::Internal, "the machine gives no random numbers"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Nonce {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        let wrong = || {
            let help = "write 16 random bytes as 22 characters of Base64 for URLs".to_owned();
            vec![Problem::error(Rule::Form, format!("`{text}` is not a nonce"), help)].into()
        };
        bytes.map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Nonce {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.to_string()
    }
}

/// The most bytes of a bearer.
const LONGEST_BEARER: usize = 128;

/// What lets whoever has it read what one deployment should run, for an hour. It is never shown, and wiped from memory.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Bearer(#[schemars(with = "String")] Zeroizing<String>);

impl Bearer {
    /// The text, for the header `Authorization: Bearer …`.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

impl TryFrom<String> for Bearer {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let text = Zeroizing::new(text);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=LONGEST_BEARER).contains(&text.len()) && text.bytes().all(is_token) {
            return Ok(Self(text));
        }
        // What it is stays unsaid: it is a secret, or takes the place of one.
        let what = "this is not a bearer".to_owned();
        Err(vec![Problem::error(Rule::Form, what, "ask for another token".to_owned())].into())
    }
}

impl FromStr for Bearer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.to_owned().try_into()
    }
}

/// What the manager answers to a [`TokenRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "AgentToken")]
pub struct Token {
    version: Version,
    /// The bearer.
    pub bearer: Bearer,
    /// Until when it is taken.
    pub expires: Timestamp,
    /// The counter of the last message that the manager has of the agent: the next one has a higher one.
    pub counter: u64,
}

impl Token {
    /// Creates the answer.
    #[must_use]
    pub const fn new(bearer: Bearer, expires: Timestamp, counter: u64) -> Self {
        Self { version: FormVersion, bearer, expires, counter }
    }

    /// Its JSON, which holds the bearer.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        /// A bearer has no JSON form by itself, so that it is written nowhere by accident.
        #[derive(Serialize)]
        struct Revealed<'a> {
            version: Version,
            bearer: &'a str,
            expires: Timestamp,
            counter: u64,
        }
        let Self { version, bearer, expires, counter } = self;
        let revealed = Revealed { version: *version, bearer: bearer.reveal(), expires: *expires, counter: *counter };
        // Texts and a number have a JSON form.
        Zeroizing::new(serde_json_canonicalizer::to_string(&revealed).unwrap_or_default())
    }

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is not of the form.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text).map_err(|error| {
            // serde_json quotes what it did not expect, which may be a bearer.
            let what = format!("this is not a token: it cannot be read at column {}", error.column());
            vec![Problem::error(Rule::Form, what, "ask for another one".to_owned())].into()
        })
    }
}
