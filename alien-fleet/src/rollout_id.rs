//! The id of a rollout, and where a store keeps what is of it.

use std::fmt;
use std::str::FromStr;

use alien_core::{DeploymentId, StackName, TextError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{Key, Table};

/// The id of a rollout: the product, and a number that rises with each rollout of it. Its text is `shop/3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z][a-z0-9-]*/[0-9]+$"))]
pub struct RolloutId {
    product: StackName,
    number: u32,
}

impl RolloutId {
    pub(crate) const fn new(product: StackName, number: u32) -> Self {
        Self { product, number }
    }

    /// The product.
    #[must_use]
    pub const fn product(&self) -> &StackName {
        &self.product
    }

    /// The number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(Table::Rollout, self.product.as_str(), format!("{:010}", self.number))
    }

    /// The group of the rows of its deployments.
    pub(crate) fn rows(&self) -> String {
        self.to_string()
    }

    pub(crate) fn row_key(&self, deployment: DeploymentId) -> Key {
        Key::new(Table::Row, self.rows(), deployment.to_string())
    }

    /// The fencing number from which those of its claims go on. They are higher than those of every earlier rollout, so
    /// that no worker of an earlier one can write any more; and below 2⁵³, so that every reader of JSON reads them.
    pub(crate) const fn fence(&self) -> u64 {
        (self.number as u64) << 20
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product, self.number)
    }
}

impl FromStr for RolloutId {
    type Err = TextError;

    fn from_str(text: &str) -> std::result::Result<Self, TextError> {
        let wrong = || TextError::new(text.to_owned(), "a rollout", "write the product and a number, as `shop/3`");
        let (product, number) = text.split_once('/').ok_or_else(wrong)?;
        let (product, number) = (product.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
        let id = Self { product, number };
        if id.to_string() == text { Ok(id) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for RolloutId {
    type Error = TextError;

    fn try_from(text: String) -> std::result::Result<Self, TextError> {
        text.parse()
    }
}

impl From<RolloutId> for String {
    fn from(id: RolloutId) -> Self {
        id.to_string()
    }
}
