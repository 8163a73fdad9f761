//! The version of a form in which something is kept or sent.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of a form, as a field of it: versions `FIRST` to `LAST` are read, and `LAST` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FormVersion<const FIRST: u32, const LAST: u32>;

impl<const FIRST: u32, const LAST: u32> Serialize for FormVersion<FIRST, LAST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(LAST)
    }
}

impl<'de, const FIRST: u32, const LAST: u32> Deserialize<'de> for FormVersion<FIRST, LAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u32::deserialize(deserializer)?;
        if (FIRST..=LAST).contains(&found) {
            return Ok(Self);
        }
        let read = if FIRST == LAST { LAST.to_string() } else { format!("one of {FIRST} to {LAST}") };
        Err(D::Error::custom(format!("version {found} of the form is not {read}; use the program that wrote it")))
    }
}

impl<const FIRST: u32, const LAST: u32> JsonSchema for FormVersion<FIRST, LAST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        if FIRST == LAST {
            return json_schema!({ "type": "integer", "const": LAST });
        }
        json_schema!({ "type": "integer", "minimum": FIRST, "maximum": LAST })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_version_is_written_and_those_from_the_first_on_are_read() {
        let read = |text: &str| serde_json::from_str::<FormVersion<2, 3>>(text).map_err(|error| error.to_string());
        assert_eq!(serde_json::to_string(&read("2").unwrap()).unwrap(), "3");
        assert_eq!(read("3"), Ok(FormVersion));
        for other in ["1", "4"] {
            let told = read(other).unwrap_err();
            assert!(told.starts_with(&format!("version {other} of the form is not one of 2 to 3; ")), "{told}");
        }
        let told = serde_json::from_str::<FormVersion<1, 1>>("2").unwrap_err().to_string();
        assert!(told.starts_with("version 2 of the form is not 1; "), "{told}");
    }
}
