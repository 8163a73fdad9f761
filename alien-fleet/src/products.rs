//! Products and their releases, as a store keeps them.

use std::collections::BTreeSet;

use alien_core::rollout::{Sequence, Twin};
use alien_core::{PublishedRelease, Result, StackName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clouds::refused;
use crate::log::Who;
use crate::rollout_id::RolloutId;
use crate::store::{Key, Table};

/// A product: what is counted by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Product {
    version: u32,
    /// The last sequence that was given to a release or its twin; 0 before the first.
    pub(crate) last: u64,
    /// The release that was published last.
    pub(crate) release: Option<Sequence>,
    /// How many rollouts there were.
    pub(crate) rollouts: u32,
    /// The rollouts that are not over.
    pub(crate) active: BTreeSet<u32>,
    /// How often something was changed that the plan of a rollout is made from.
    pub(crate) changes: u64,
}

impl Default for Product {
    fn default() -> Self {
        Self { version: 1, last: 0, release: None, rollouts: 0, active: BTreeSet::new(), changes: 0 }
    }
}

impl Product {
    pub(crate) fn key(product: &StackName) -> Key {
        Key::new(Table::Product, "", product.as_str())
    }

    /// The key of the first release that has a stack of this digest.
    pub(crate) fn content_key(product: &StackName, stack: &str) -> Key {
        Key::new(Table::Product, product.as_str(), stack)
    }

    pub(crate) fn active(&self, product: &StackName) -> Vec<RolloutId> {
        self.active.iter().map(|number| RolloutId::new(product.clone(), *number)).collect()
    }
}

/// A release as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct KeptRelease {
    version: u32,
    /// The bytes of `release-N.json`.
    file: String,
    pub(crate) digest: String,
    pub(crate) at: Timestamp,
    pub(crate) by: Who,
    /// The twin that was published with it; `None` for a twin, and for a release without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<Twin>,
}

impl KeptRelease {
    pub(crate) fn new(release: &PublishedRelease, at: Timestamp, by: Who, twin: Option<Twin>) -> Self {
        Self { version: 1, file: release.to_json(), digest: release.digest(), at, by, twin }
    }

    pub(crate) fn key(product: &StackName, sequence: Sequence) -> Key {
        Key::new(Table::Release, product.as_str(), format!("{:020}", sequence.number()))
    }

    pub(crate) fn release(&self) -> Result<PublishedRelease> {
        PublishedRelease::from_json(&self.file).map_err(refused)
    }
}
