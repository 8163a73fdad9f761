//! How releases reach a deployment: pushed by the vendor, or pulled by an agent in the customer's network.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::name::{is_digest, sha256};
use crate::parsed_text;

/// How releases reach a deployment.
///
/// ```
/// use alien_core::Delivery;
///
/// let root = format!("sha256:{}", "0".repeat(64));
/// let pull = Delivery::Pull { manager: "https://releases.vendor.example".parse()?, root: root.parse()? };
/// assert_ne!(pull, Delivery::default());
/// # Ok::<(), alien_core::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Delivery {
    /// The vendor's manager assumes the identity that trusts it, and updates the deployment.
    #[default]
    Push,
    /// An agent in the customer's network asks the vendor's manager for releases. Only a principal of the customer's own
    /// account is trusted, and the vendor has no identity there.
    Pull {
        /// The URL of the vendor's manager, the only address of the vendor that the agent talks to.
        #[schemars(with = "String")]
        manager: ManagerUrl,
        /// The SHA-256 of the root file that lists the vendor's keys. The agent runs nothing that they did not sign.
        #[schemars(with = "String", regex(pattern = "^sha256:[0-9a-f]{64}$"))]
        root: RootDigest,
    },
}

impl Delivery {
    /// Whether the vendor pushes releases.
    #[must_use]
    pub fn is_push(&self) -> bool {
        *self == Self::Push
    }

    /// Who carries releases in.
    #[must_use]
    pub const fn model(&self) -> Model {
        match self {
            Self::Push => Model::Push,
            Self::Pull { .. } => Model::Pull,
        }
    }
}

/// Who carries releases into a deployment, and so whom its target names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Model {
    /// The vendor: the target names the vendor.
    Push,
    /// An agent of the customer's: the target names a principal of the customer's own account.
    Pull,
}

impl Model {
    /// Fails if whoever carries releases in so has no identity in a deployment of a model.
    pub(crate) fn enters(self, deployment: Self) -> Result<()> {
        let what = match (self, deployment) {
            (Self::Push, Self::Pull) => {
                "the deployment pulls its releases: the vendor has no identity there, and the customer's agent updates it"
            }
            (Self::Pull, Self::Push) => {
                "the vendor pushes releases into the deployment: an agent has no identity there"
            }
            (Self::Push, Self::Push) | (Self::Pull, Self::Pull) => return Ok(()),
        };
        Err(Error::new(ErrorKind::Unsupported, what))
    }
}

/// As a verb: `pushed` or `pulled`.
impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Push => "pushed",
            Self::Pull => "pulled",
        })
    }
}

parsed_text! {
    /// The address of a vendor's manager: `https://`, a host and perhaps a path, without user, query and fragment.
    ManagerUrl, "the address of a manager", "write `https://` and a host, without user, query and fragment", is_url
}

parsed_text! {
    /// The SHA-256 of a root file: `sha256:` and 64 hexadecimal digits in lower case.
    RootDigest, "the digest of a root file", "write `sha256:` and 64 hexadecimal digits in lower case", is_digest
}

impl RootDigest {
    /// The digest of a root file.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        Self(sha256(file))
    }
}

fn is_url(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(is_host_and_path)
}

/// Whether this is what may follow the scheme in an address that is called: a host, perhaps a port, and perhaps a path.
pub(crate) fn is_host_and_path(rest: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b);
    let authority = rest.split('/').next().unwrap_or_default();
    let port = match authority.rsplit_once(']') {
        Some((_, after)) => after.strip_prefix(':'),
        None => authority.split_once(':').map(|(_, port)| port),
    };
    rest.bytes().all(plain)
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}
