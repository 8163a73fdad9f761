//! `storage`: object storage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::describe::{Describe, check_range};
use crate::form::Collected;
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::Problem;

/// Object storage: objects, by name. It is private, encrypted, and reached over TLS only.
///
/// ```
/// use alien_core::Storage;
/// let data = Storage::new().with_versions().with_expiry_days(365);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Storage {
    /// Whether replaced and deleted objects are kept as versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) versioning: bool,
    /// Days after which objects are deleted, 1 to 3,650. If absent, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub(crate) expire_after_days: Option<u32>,
}

impl Storage {
    pub(crate) const FIELDS: &'static [&'static str] = &["versioning", "expireAfterDays"];

    /// Read and list objects: for profiles.
    pub const DATA_READ: SetOf<Self, ForProfiles> = SetOf::new(Set::DataRead);
    /// Write and delete objects: for profiles.
    pub const DATA_WRITE: SetOf<Self, ForProfiles> = SetOf::new(Set::DataWrite);
    /// See health: for profiles that watch.
    pub const WATCH: SetOf<Self, ForProfiles> = SetOf::new(Set::Heartbeat);
    /// Create and delete: for `management.extend`.
    pub const PROVISION: SetOf<Self, ForManagement> = SetOf::new(Set::Provision);
    /// Change settings that can move or destroy data: for `management.extend`.
    pub const RECONFIGURE: SetOf<Self, ForManagement> = SetOf::new(Set::Reconfigure);

    /// Creates a storage without versions, whose objects never expire.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps replaced and deleted objects as versions.
    #[must_use]
    pub fn with_versions(mut self) -> Self {
        self.versioning = true;
        self
    }

    /// Deletes objects after this many days, 1 to 3,650.
    #[must_use]
    pub fn with_expiry_days(mut self, days: u32) -> Self {
        self.expire_after_days = Some(days);
        self
    }

    /// Whether replaced and deleted objects are kept as versions.
    #[must_use]
    pub const fn is_versioned(&self) -> bool {
        self.versioning
    }

    /// Days after which objects are deleted; `None` if they never are.
    #[must_use]
    pub const fn expiry_days(&self) -> Option<u32> {
        self.expire_after_days
    }
}

impl Describe for Storage {
    fn check(&self, problems: &mut Vec<Problem>) {
        if let Some(days) = self.expire_after_days {
            check_range(problems, "expiry in days", days, 1..=3650);
        }
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self { versioning, expire_after_days } = self;
        fields.flag("versioning", *versioning);
        fields.optional_number("expireAfterDays", *expire_after_days);
    }
}
