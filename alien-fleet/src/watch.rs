//! Watching: the health of every deployment, looked at again and again.

use alien_core::{DeploymentId, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::Pages;
use crate::store::{Key, Place, Table};

/// How a deployment was when somebody looked last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Watched {
    version: u32,
    /// When somebody looked last; `None` if nobody has yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When it is looked at next.
    pub next: Timestamp,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sight: Option<alien_core::rollout::Sight>,
}

pub(crate) fn key(id: DeploymentId) -> Key {
    Key::new(Table::Health, "", id.to_string())
}

/// The queue of those who are looked at next.
pub(crate) const QUEUE: u8 = 0;

pub(crate) fn place(watched: &Watched) -> Place {
    Place { queue: QUEUE, at: watched.next.as_millisecond() }
}

/// Begins to watch a deployment, unless it is watched already.
pub(crate) fn begin(pages: &mut Pages<'_>, id: DeploymentId, now: Timestamp) -> Result<()> {
    if pages.get::<Watched>(&key(id))?.is_some() {
        return Ok(());
    }
    let watched = Watched { version: 1, at: None, next: now, sight: None };
    pages.put(key(id), &watched, Some(place(&watched)))
}
