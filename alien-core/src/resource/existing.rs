//! What the customer already has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that the customer already has, given in place of a resource that the set-up would create. It is used, and
/// never changed.
///
/// ```
/// use alien_core::Existing;
///
/// let vpc = Existing::new("vpc-0a1b2c3d4e5f60718").with_subnets(["subnet-0a1b2c3d4e5f60718"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Existing {
    /// The cloud's name for it: the id of a VPC on AWS, the name of a network on GCP and Azure.
    pub id: String,
    /// The subnets of the network in which code runs. If none is given, a default that the cloud's documentation page
    /// names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
}

impl Existing {
    /// Creates it from the cloud's name for it: the id of a VPC on AWS, the name of a network on GCP and Azure.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), subnets: Vec::new() }
    }

    /// Sets the subnets in which code runs.
    #[must_use]
    pub fn with_subnets<S: Into<String>>(mut self, subnets: impl IntoIterator<Item = S>) -> Self {
        self.subnets = subnets.into_iter().map(Into::into).collect();
        self
    }
}
