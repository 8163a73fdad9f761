//! The version of a form.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of every form of this protocol. Another one is refused.
pub(super) const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u32::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("version {found} of the form is not {VERSION}"));
        if found == VERSION { Ok(Self) } else { Err(wrong()) }
    }
}
