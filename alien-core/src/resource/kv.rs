//! `kv`: a key-value store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::describe::Describe;
use crate::form::Collected;
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::{Problem, Rule};

/// A key-value store: records, by key.
///
/// ```
/// use alien_core::Kv;
/// let cache = Kv::new().with_time_to_live("expires");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Kv {
    /// The attribute that holds the time, in Unix seconds, after which a record may be deleted. If absent, records
    /// never expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_attribute: Option<String>,
}

impl Kv {
    pub(crate) const FIELDS: &'static [&'static str] = &["ttlAttribute"];

    /// Read records: for profiles.
    pub const DATA_READ: SetOf<Self, ForProfiles> = SetOf::new(Set::DataRead);
    /// Write and delete records: for profiles.
    pub const DATA_WRITE: SetOf<Self, ForProfiles> = SetOf::new(Set::DataWrite);
    /// See health: for profiles that watch.
    pub const WATCH: SetOf<Self, ForProfiles> = SetOf::new(Set::Heartbeat);
    /// Create and delete: for `management.extend`.
    pub const PROVISION: SetOf<Self, ForManagement> = SetOf::new(Set::Provision);
    /// Change settings that can move or destroy data: for `management.extend`.
    pub const RECONFIGURE: SetOf<Self, ForManagement> = SetOf::new(Set::Reconfigure);

    /// Creates a store whose records never expire.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the attribute that holds the time, in Unix seconds, after which a record may be deleted: 1 to 255 letters,
    /// digits and underscores, beginning with a letter.
    #[must_use]
    pub fn with_time_to_live(mut self, attribute: impl Into<String>) -> Self {
        self.ttl_attribute = Some(attribute.into());
        self
    }

    /// The attribute that says when a record may be deleted; `None` if records never expire.
    #[must_use]
    pub fn time_to_live(&self) -> Option<&str> {
        self.ttl_attribute.as_deref()
    }
}

impl Describe for Kv {
    fn check(&self, problems: &mut Vec<Problem>) {
        let Some(attribute) = &self.ttl_attribute else { return };
        let plain = attribute.len() <= 255
            && attribute.starts_with(|c: char| c.is_ascii_alphabetic())
            && attribute.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain {
            problems.push(Problem::error(
                Rule::Setting,
                format!("time-to-live attribute `{attribute}` is not one that every cloud takes"),
                "use 1 to 255 letters, digits and underscores, the first a letter".to_owned(),
            ));
        }
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self { ttl_attribute } = self;
        fields.optional_text("ttlAttribute", ttl_attribute.as_deref());
    }
}
