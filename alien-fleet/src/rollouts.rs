//! Rollouts as a store keeps them: a document for the rollout's own row, and one for each deployment's.

use std::fmt;
use std::str::FromStr;

use alien_core::{StackName, TextError};
use serde::{Deserialize, Serialize};

/// The id of a rollout: the product, and a number that rises with each rollout of it. Its text is `shop/3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product, self.number)
    }
}

impl FromStr for RolloutId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let wrong = || TextError::new(text.to_owned(), "a rollout", "write the product and a number, as `shop/3`");
        let (product, number) = text.split_once('/').ok_or_else(wrong)?;
        let (product, number) = (product.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
        let id = Self { product, number };
        if id.to_string() == text { Ok(id) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for RolloutId {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        text.parse()
    }
}

impl From<RolloutId> for String {
    fn from(id: RolloutId) -> Self {
        id.to_string()
    }
}
