//! `queue`: a message queue.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::describe::{Describe, check_range};
use crate::form::Collected;
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::Problem;

/// A message queue: each message is handled at least once.
///
/// ```
/// use std::time::Duration;
/// use alien_core::Queue;
/// let jobs = Queue::new().with_visibility_timeout(Duration::from_secs(120)).with_dead_letters_after(5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Queue {
    /// Seconds that a received message stays hidden from others, 10 to 300.
    #[serde(default = "default_visibility", skip_serializing_if = "is_default_visibility")]
    #[schemars(range(min = 10, max = 300))]
    pub(crate) visibility_timeout_seconds: u32,
    /// Seconds that a message is kept, 600 to 604,800 (7 days).
    #[serde(default = "default_retention", skip_serializing_if = "is_default_retention")]
    #[schemars(range(min = 600, max = 604800))]
    pub(crate) retention_seconds: u32,
    /// Deliveries after which a message is moved to a dead-letter queue, 5 to 100. If absent, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 100))]
    pub(crate) dead_letter_after: Option<u32>,
}

fn default_visibility() -> u32 {
    30
}

fn is_default_visibility(seconds: &u32) -> bool {
    *seconds == default_visibility()
}

fn default_retention() -> u32 {
    4 * 24 * 60 * 60
}

fn is_default_retention(seconds: &u32) -> bool {
    *seconds == default_retention()
}

/// Whole seconds, fractions rounded up. A duration that does not fit becomes the maximum, which the check then refuses.
pub(super) fn whole_seconds(duration: Duration) -> u32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            visibility_timeout_seconds: default_visibility(),
            retention_seconds: default_retention(),
            dead_letter_after: None,
        }
    }
}

impl Queue {
    pub(crate) const FIELDS: &'static [&'static str] =
        &["visibilityTimeoutSeconds", "retentionSeconds", "deadLetterAfter"];

    /// Receive and acknowledge messages: for profiles.
    pub const DATA_READ: SetOf<Self, ForProfiles> = SetOf::new(Set::DataRead);
    /// Send messages: for profiles.
    pub const DATA_WRITE: SetOf<Self, ForProfiles> = SetOf::new(Set::DataWrite);
    /// See health: for profiles that watch.
    pub const WATCH: SetOf<Self, ForProfiles> = SetOf::new(Set::Heartbeat);
    /// Create and delete: for `management.extend`.
    pub const PROVISION: SetOf<Self, ForManagement> = SetOf::new(Set::Provision);
    /// Change settings that can move or destroy messages: for `management.extend`.
    pub const RECONFIGURE: SetOf<Self, ForManagement> = SetOf::new(Set::Reconfigure);

    /// Creates a queue: a received message is hidden for 30 seconds, messages are kept for 4 days, and there is no
    /// dead-letter queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a received message stays hidden from others, 10 to 300 seconds; fractions are rounded up.
    #[must_use]
    pub fn with_visibility_timeout(mut self, timeout: Duration) -> Self {
        self.visibility_timeout_seconds = whole_seconds(timeout);
        self
    }

    /// Sets how long a message is kept, 10 minutes to 7 days; fractions of a second are rounded up.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention_seconds = whole_seconds(retention);
        self
    }

    /// Moves a message to a dead-letter queue after this many deliveries, 5 to 100.
    #[must_use]
    pub fn with_dead_letters_after(mut self, deliveries: u32) -> Self {
        self.dead_letter_after = Some(deliveries);
        self
    }

    /// Whether it has a dead-letter queue.
    #[must_use]
    pub const fn has_dead_letters(&self) -> bool {
        self.dead_letter_after.is_some()
    }

    /// Seconds that a received message stays hidden from others.
    #[must_use]
    pub const fn visibility_timeout_seconds(&self) -> u32 {
        self.visibility_timeout_seconds
    }

    /// Seconds that a message is kept.
    #[must_use]
    pub const fn retention_seconds(&self) -> u32 {
        self.retention_seconds
    }

    /// Deliveries after which a message is moved to the dead-letter queue; `None` if there is no such queue.
    #[must_use]
    pub const fn dead_letters_after(&self) -> Option<u32> {
        self.dead_letter_after
    }
}

impl Describe for Queue {
    fn check(&self, problems: &mut Vec<Problem>) {
        check_range(problems, "visibility timeout in seconds", self.visibility_timeout_seconds, 10..=300);
        check_range(problems, "retention in seconds", self.retention_seconds, 600..=604_800);
        if let Some(deliveries) = self.dead_letter_after {
            check_range(problems, "deliveries before the dead-letter queue", deliveries, 5..=100);
        }
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self { visibility_timeout_seconds, retention_seconds, dead_letter_after } = self;
        fields.number("visibilityTimeoutSeconds", *visibility_timeout_seconds, default_visibility());
        fields.number("retentionSeconds", *retention_seconds, default_retention());
        fields.optional_number("deadLetterAfter", *dead_letter_after);
    }
}
