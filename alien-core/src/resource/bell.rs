//! `bell`: a kind that only the tests have. It shows what a new kind takes: this file, an entry in `kind.rs`, and a
//! file in each cloud that supports it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::describe::{Describe, check_range};
use crate::form::Collected;
use crate::problem::Problem;

/// Something that rings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Bell {
    /// How loud, 0 to 11.
    #[serde(default, skip_serializing_if = "is_silent")]
    pub(crate) volume: u32,
}

impl Bell {
    pub(crate) const FIELDS: &'static [&'static str] = &["volume"];
}

fn is_silent(volume: &u32) -> bool {
    *volume == 0
}

impl Describe for Bell {
    fn check(&self, problems: &mut Vec<Problem>) {
        check_range(problems, "volume", self.volume, 0..=11);
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self { volume } = self;
        fields.number("volume", *volume, 0);
    }

    fn updatable(&self) -> &'static [&'static str] {
        &["volume"]
    }
}
