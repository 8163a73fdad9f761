//! What tokens give: a role, for some products or for all.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use alien_core::{StackName, TextError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do. Each role may also do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// Reads what the fleet knows, and changes nothing.
    Read,
    /// Publishes releases, rolls them out, sets what holds for deployments, and is in contact with them: logs, commands.
    Operate,
    /// Takes deployments in and out without a look at them, and makes and revokes tokens.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// Its name: lower-case letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some products, or all that there are and will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Products {
    /// All.
    All,
    /// These. There need not be such a product yet.
    Only(BTreeSet<StackName>),
}

impl Products {
    /// Whether a product is among them.
    #[must_use]
    pub fn has(&self, product: &StackName) -> bool {
        match self {
            Self::All => true,
            Self::Only(some) => some.contains(product),
        }
    }

    /// Whether all of the others are among them.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(these), Self::Only(others)) => others.is_subset(these),
        }
    }
}

/// As `shop, billing`, or `all products`.
impl fmt::Display for Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all products"),
            Self::Only(some) => {
                let names: Vec<&str> = some.iter().map(StackName::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// The id of a token: ten hexadecimal digits. It stands in the token's text, in lists and in the log, and is no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9a-f]{10}$"))]
pub struct TokenId(String);

impl TokenId {
    /// How many digits it has.
    pub(crate) const DIGITS: usize = 10;

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for TokenId {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        let is_id = text.len() == Self::DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        // Who gives a whole token by mistake does not see it again in an error.
        let shown = || text.chars().take(Self::DIGITS).collect::<String>();
        if is_id {
            Ok(Self(text))
        } else {
            Err(TextError::new(shown(), "the id of a token", "write the ten digits that `token list` shows"))
        }
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Products {
        Products::Only(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    #[test]
    fn all_products_cover_some_and_some_never_cover_all() {
        let (none, shop, both) = (only(&[]), only(&["shop"]), only(&["shop", "billing"]));
        for (covers, covered) in
            [(&Products::All, &Products::All), (&Products::All, &both), (&both, &shop), (&shop, &none)]
        {
            assert!(covers.cover(covered), "{covers:?} {covered:?}");
        }
        for (covers, covered) in [(&both, &Products::All), (&shop, &both), (&none, &shop)] {
            assert!(!covers.cover(covered), "{covers:?} {covered:?}");
        }
    }
}
