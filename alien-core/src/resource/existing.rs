//! What the customer has already.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that the customer has already, given in the place of a resource that a set-up would make: used, never changed.
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
    /// The subnets of a network that code is placed in; where none is given, those that the cloud's page names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
}

impl Existing {
    /// Names something of the customer's: the id of a VPC on AWS, the name of a network on GCP and Azure.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), subnets: Vec::new() }
    }

    /// Names the subnets that code is placed in.
    #[must_use]
    pub fn with_subnets<S: Into<String>>(mut self, subnets: impl IntoIterator<Item = S>) -> Self {
        self.subnets = subnets.into_iter().map(Into::into).collect();
        self
    }
}
