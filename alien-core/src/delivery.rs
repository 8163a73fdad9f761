//! How releases reach a deployment: pushed by the vendor, or pulled by an agent in the customer's network.

use serde::{Deserialize, Serialize};

use crate::name::is_digest;
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Delivery {
    /// The vendor's manager assumes the identity that trusts it, and updates the deployment.
    #[default]
    Push,
    /// An agent in the customer's network asks the vendor's manager for releases. Nobody outside is trusted.
    ///
    /// No agent exists yet, so a deployment that pulls cannot be set up: that fails with
    /// [`Unsupported`](crate::ErrorKind::Unsupported).
    Pull {
        /// The URL of the vendor's manager, the only address of the vendor that the agent talks to.
        manager: ManagerUrl,
        /// The SHA-256 of the root file that lists the vendor's keys. The agent runs nothing that they did not sign.
        root: RootDigest,
    },
}

impl Delivery {
    /// Whether the vendor pushes releases.
    #[must_use]
    pub fn is_push(&self) -> bool {
        *self == Self::Push
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

fn is_url(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(|rest| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b);
        rest.bytes().all(plain) && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
    })
}
