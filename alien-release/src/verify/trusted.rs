//! What is trusted on this machine: one small file, written whole.

use std::path::Path;

use alien_core::RootDigest;
use serde::{Deserialize, Serialize};
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{RoleType, Root, Signed, Snapshot, Timestamp};

use super::refusal::{Refusal, RefusalKind};
use crate::files;

const FILE: &str = "trusted.json";
const VERSION: u32 = 1;
/// How many keys that were taken out are remembered.
const MOST_RETIRED: usize = 256;

/// What is trusted: the latest keys, and the latest files that the online key signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trusted {
    version: u32,
    /// The root file with which trust began.
    pub(super) first: RootDigest,
    pub(super) root: Signed<Root>,
    /// The ids of keys that were taken out: to say so where one of them signs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retired: Vec<Decoded<Hex>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<Signed<Timestamp>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<Signed<Snapshot>>,
}

impl Trusted {
    pub(super) const fn first(first: RootDigest, root: Signed<Root>) -> Self {
        Self { version: VERSION, first, root, retired: Vec::new(), timestamp: None, snapshot: None }
    }

    /// Reads what is trusted; `None` before anything was.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, Refusal> {
        let Some(text) = files::read(folder, FILE).map_err(|error| Refusal::storage(&error))? else { return Ok(None) };
        let broken = |why: &str| {
            let at = folder.join(FILE);
            let help =
                "delete it to trust again from the root file on; then an older release than the last may be taken";
            Refusal::new(RefusalKind::Storage, format!("`{}` is damaged: {why}; {help}", at.display()))
        };
        let trusted: Self = serde_json::from_slice(&text).map_err(|error| broken(&error.to_string()))?;
        if trusted.version != VERSION {
            return Err(broken(&format!(
                "it is of version {}, and this program reads version {VERSION}",
                trusted.version
            )));
        }
        Ok(Some(trusted))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Refusal> {
        let text = serde_json::to_vec(self).map_err(|error| Refusal::new(RefusalKind::Storage, error.to_string()))?;
        files::write(folder, FILE, &text).map_err(|error| Refusal::storage(&error))
    }

    /// Takes a later root file. If the online keys were changed, what the earlier ones signed counts no more: they may have given
    /// it a version that no later one reaches (<https://theupdateframework.github.io/specification/latest/#update-root>, step 11).
    pub(super) fn take_root(&mut self, root: Signed<Root>) {
        if root.signed.version <= self.root.signed.version {
            return;
        }
        let is_changed = [RoleType::Timestamp, RoleType::Snapshot]
            .into_iter()
            .any(|role| self.root.signed.keys(role).ne(root.signed.keys(role)));
        if is_changed {
            (self.timestamp, self.snapshot) = (None, None);
        }
        for id in self.root.signed.keys.keys().filter(|id| !root.signed.keys.contains_key(id)) {
            if self.retired.len() < MOST_RETIRED && !self.retired.contains(id) {
                self.retired.push(id.clone());
            }
        }
        self.root = root;
    }
}
