//! How many replicas of a container run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many replicas run at once: from `min` (at least 1) to `max` (at most 100).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replicas {
    /// The minimum, at least 1.
    pub min: u32,
    /// The maximum, at most 100.
    pub max: u32,
}

impl Default for Replicas {
    fn default() -> Self {
        Self { min: 1, max: 1 }
    }
}
