//! What an agent knows while it runs, and need not keep.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alien_core::{CommandId, ResourceId};
use alien_release::agent::{Condition, Desired, ETag, Report, State as Doing, Waits, Wanted};
use jiff::Timestamp;

/// What an agent knows while it runs.
pub(crate) struct Live {
    /// The last answer to a poll, and its tag.
    pub(crate) desired: Option<(ETag, Desired)>,
    /// What it does, as it reports it.
    pub(crate) doing: Doing,
    /// What it does not begin, and why, while that may still be so.
    pub(crate) parked: Option<Parked>,
    /// How the resources were, and when that was.
    pub(crate) resources: BTreeMap<ResourceId, Condition>,
    pub(crate) looked: Option<Timestamp>,
    /// Until when it looks more often.
    pub(crate) baking: Option<Timestamp>,
    /// What a manager took last, and when that was.
    pub(crate) told: Option<(Report, Timestamp)>,
    /// Whether an attempt goes on: it is verified, fetched, or carried out.
    pub(crate) is_updating: bool,
    /// Whether calls of an attempt change the deployment.
    pub(crate) is_carrying_out: bool,
    /// Whether the agent is to end: nothing more is begun.
    pub(crate) is_stopping: bool,
    pub(crate) is_looking: bool,
    /// The commands and logs that are being answered.
    pub(crate) answering: BTreeSet<CommandId>,
    /// How often in a row the manager did not answer.
    pub(crate) failures: u32,
    /// When what was begun is tried again.
    pub(crate) again: Option<Timestamp>,
    /// Whether the floor is no lower than what is marked in the cloud.
    pub(crate) is_marked: bool,
}

/// A release that is not begun.
pub(crate) struct Parked {
    pub(crate) wanted: Wanted,
    pub(crate) why: Waits,
}

impl Live {
    pub(crate) const fn new() -> Self {
        Self {
            desired: None,
            doing: Doing::Idle,
            parked: None,
            resources: BTreeMap::new(),
            looked: None,
            baking: None,
            told: None,
            is_updating: false,
            is_carrying_out: false,
            is_stopping: false,
            is_looking: false,
            answering: BTreeSet::new(),
            failures: 0,
            again: None,
            is_marked: false,
        }
    }

    /// How long the manager says to wait between polls.
    pub(crate) fn next_poll(&self) -> Option<Duration> {
        let (_, desired) = self.desired.as_ref()?;
        desired.next_poll.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Returns whether an update, a command or a log is in progress. Shutting down waits for those, and neither for a health check nor for the
    /// files of a release that was not begun.
    pub(crate) fn is_at_work(&self) -> bool {
        self.is_carrying_out || !self.answering.is_empty()
    }
}
