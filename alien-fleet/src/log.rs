//! The audit log: what happened, who did it, and a proof that no entry was changed or removed since.

use std::fmt::Write as _;

use alien_core::rollout::{Action, Outcome, Sequence, Standing};
use alien_core::{DeploymentId, Error, ErrorKind, Result, StackName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::{Products, Role, TokenId};
use crate::rollout_id::RolloutId;
use crate::store::{Key, Table};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Who {
    /// The name.
    pub name: String,
    /// Whether that was only claimed: whoever can open the store can give any name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
}

impl Who {
    /// Somebody who gave this name, which nothing proves.
    #[must_use]
    pub fn claimed(name: impl Into<String>) -> Self {
        Self { name: name.into(), claimed: true }
    }
}

/// As `ann (claimed)`.
impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if self.claimed { f.write_str(" (claimed)") } else { Ok(()) }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum What {
    /// A release was published, with its twin if it has one.
    Published {
        /// The product.
        product: StackName,
        /// The release.
        release: Sequence,
        /// The digest of the release's file.
        digest: String,
        /// The release that its twin has the content of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        twin_of: Option<Sequence>,
    },
    /// A deployment was added, or its record was replaced by the one of a newer set-up.
    Registered {
        /// The deployment.
        deployment: DeploymentId,
        /// The product.
        product: StackName,
    },
    /// A deployment was removed.
    Removed {
        /// The deployment.
        deployment: DeploymentId,
        /// The product; older entries do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product: Option<StackName>,
    },
    /// An operator changed what holds for a deployment.
    Set {
        /// The deployment.
        deployment: DeploymentId,
        /// The product; older entries do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product: Option<StackName>,
        /// What was changed, in words.
        change: String,
        /// What holds now.
        standing: Standing,
    },
    /// A rollout was begun.
    Begun {
        /// The rollout.
        rollout: RolloutId,
        /// The release.
        release: Sequence,
        /// How many deployments it is for.
        deployments: u32,
    },
    /// An operator told a rollout something.
    Ordered {
        /// The rollout.
        rollout: RolloutId,
        /// What, as `pause: a customer complained`.
        order: String,
    },
    /// A worker took a deployment, to update it.
    Claimed {
        /// The rollout.
        rollout: RolloutId,
        /// The deployment.
        deployment: DeploymentId,
        /// The release that it is updated to.
        release: Sequence,
        /// The fencing number of the claim.
        fence: u64,
    },
    /// A worker handed a deployment to its agent, who pulls the release.
    Handed {
        /// The rollout.
        rollout: RolloutId,
        /// The deployment.
        deployment: DeploymentId,
        /// The release.
        release: Sequence,
        /// The fencing number of the claim.
        fence: u64,
    },
    /// The agent of a deployment told how far it is with a release.
    Reported {
        /// The rollout.
        rollout: RolloutId,
        /// The deployment.
        deployment: DeploymentId,
        /// The release.
        release: Sequence,
        /// The fencing number of the claim.
        fence: u64,
        /// What it told, in words, and whether it may go on.
        what: String,
    },
    /// The outcome of a deployment.
    Outcome {
        /// The rollout.
        rollout: RolloutId,
        /// The deployment.
        deployment: DeploymentId,
        /// Its outcome.
        outcome: Outcome,
    },
    /// A rollout moved on.
    Moved {
        /// The rollout.
        rollout: RolloutId,
        /// How.
        action: Action,
    },
    /// The health of a deployment changed.
    Health {
        /// The deployment.
        deployment: DeploymentId,
        /// The product; older entries do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product: Option<StackName>,
        /// What it is now, in words.
        health: String,
    },
    /// A command was sent to a function, or its log was read.
    Used {
        /// The deployment.
        deployment: DeploymentId,
        /// The product; older entries do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product: Option<StackName>,
        /// The function or container.
        resource: String,
        /// What was done, as `dispatch` or `logs`.
        operation: String,
    },
    /// A token was made.
    TokenMade {
        /// The token.
        token: TokenId,
        /// Who has it.
        name: String,
        /// The role that it gives.
        role: Role,
        /// The products that it is for.
        products: Products,
        /// Until when it is valid.
        expires: Timestamp,
    },
    /// A token was revoked.
    TokenRevoked {
        /// The token.
        token: TokenId,
    },
}

impl What {
    /// The product that it is about; `None` if it is about none, or does not say it.
    #[must_use]
    pub const fn product(&self) -> Option<&StackName> {
        match self {
            Self::Published { product, .. } | Self::Registered { product, .. } => Some(product),
            Self::Removed { product, .. }
            | Self::Set { product, .. }
            | Self::Health { product, .. }
            | Self::Used { product, .. } => product.as_ref(),
            Self::Begun { rollout, .. }
            | Self::Ordered { rollout, .. }
            | Self::Claimed { rollout, .. }
            | Self::Handed { rollout, .. }
            | Self::Reported { rollout, .. }
            | Self::Outcome { rollout, .. }
            | Self::Moved { rollout, .. } => Some(rollout.product()),
            Self::TokenMade { .. } | Self::TokenRevoked { .. } => None,
        }
    }
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 1 on, without a gap.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub who: Who,
    /// What happened.
    pub what: What,
    /// The hash of the entry before; 64 zeros for the first.
    pub before: String,
    /// The SHA-256 of this entry without this field, as compact JSON.
    pub hash: String,
}

/// What is to be written into the log.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) at: Timestamp,
    pub(crate) who: Who,
    pub(crate) what: What,
}

/// The end of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tail {
    number: u64,
    hash: String,
}

impl Default for Tail {
    fn default() -> Self {
        Self { number: 0, hash: "0".repeat(64) }
    }
}

impl Tail {
    /// The number of the last entry; 0 before the first.
    #[cfg(feature = "agents")]
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The key of the one document that has the end of the log.
    pub(crate) fn key() -> Key {
        Key::new(Table::Tail, "", "log")
    }

    /// Appends an entry.
    pub(crate) fn append(&mut self, draft: Draft) -> Result<Entry> {
        let Draft { at, who, what } = draft;
        let mut entry = Entry {
            number: self.number + 1,
            at,
            who,
            what,
            before: std::mem::take(&mut self.hash),
            hash: String::new(),
        };
        entry.hash = entry.expected_hash()?;
        *self = Self { number: entry.number, hash: entry.hash.clone() };
        Ok(entry)
    }
}

/// An entry without its hash.
#[derive(Serialize)]
struct Hashed<'a> {
    number: u64,
    at: Timestamp,
    who: &'a Who,
    what: &'a What,
    before: &'a str,
}

impl Entry {
    /// The key of the entry of this number.
    pub(crate) fn key(number: u64) -> Key {
        Key::new(Table::Log, "", format!("{number:020}"))
    }

    fn expected_hash(&self) -> Result<String> {
        let Self { number, at, who, what, before, .. } = self;
        let hashed = Hashed { number: *number, at: *at, who, what, before };
        let text = serde_json::to_vec(&hashed).map_err(|error| {
            Error::new(ErrorKind::Internal, "an entry of the log has no JSON form").caused_by(&error)
        })?;
        let digest = Sha256::digest(&text);
        Ok(digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }

    /// Checks that this entry follows the one before it, and that neither was changed. `None` is before the first.
    ///
    /// ```
    /// # use alien_fleet::Entry;
    /// // As `alien fleet export` writes it: an entry a line.
    /// fn check(lines: &str) -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut before = None;
    ///     for line in lines.lines() {
    ///         let entry: Entry = serde_json::from_str(line)?;
    ///         entry.follows(before.as_ref())?;
    ///         before = Some(entry);
    ///     }
    ///     Ok(())
    /// }
    /// # check("")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if an entry is missing between them, or this one was changed.
    pub fn follows(&self, before: Option<&Self>) -> Result<()> {
        let tail =
            before.map_or_else(Tail::default, |before| Tail { number: before.number, hash: before.hash.clone() });
        let wrong = |what: String| Err(Error::new(ErrorKind::Input, what));
        if self.number != tail.number + 1 {
            return wrong(format!("entry {} of the log comes after entry {}", self.number, tail.number));
        }
        if self.before != tail.hash {
            return wrong(format!("entry {} of the log does not follow from the one before it", self.number));
        }
        if self.hash != self.expected_hash()? {
            return wrong(format!("entry {} of the log was changed", self.number));
        }
        Ok(())
    }
}
