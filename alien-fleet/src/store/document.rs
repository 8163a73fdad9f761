//! The documents that a store keeps, where each is, and where it waits.

use std::fmt;

/// The tables of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Products: the last sequence of each, and its present rollout.
    Product,
    /// Releases, by product.
    Release,
    /// Records of deployments.
    Record,
    /// What operators say of deployments, by product.
    Deployment,
    /// Rollouts, by product.
    Rollout,
    /// The rows of deployments, by rollout.
    Row,
    /// How deployments were when somebody looked last.
    Health,
    /// The end of the log.
    Tail,
    /// The log.
    Log,
    /// Tokens of operators, by id.
    Token,
    /// What is known of the agents of deployments, and the keys that all managers share.
    Agent,
    /// What agents are asked: commands, and parts of logs.
    Request,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 12] = [
        Self::Product,
        Self::Release,
        Self::Record,
        Self::Deployment,
        Self::Rollout,
        Self::Row,
        Self::Health,
        Self::Tail,
        Self::Log,
        Self::Token,
        Self::Agent,
        Self::Request,
    ];

    /// Its name: lower-case letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Release => "release",
            Self::Record => "record",
            Self::Deployment => "deployment",
            Self::Rollout => "rollout",
            Self::Row => "row",
            Self::Health => "health",
            Self::Tail => "tail",
            Self::Log => "log",
            Self::Token => "token",
            Self::Agent => "agent",
            Self::Request => "request",
        }
    }
}

/// The key of a document. Keys are ordered by table, group and id: whoever locks several locks them in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The table.
    pub table: Table,
    /// The group within the table: documents of a group are listed together. It may be empty.
    pub group: String,
    /// The id within the group.
    pub id: String,
}

impl Key {
    /// Creates a key.
    #[must_use]
    pub fn new(table: Table, group: impl Into<String>, id: impl Into<String>) -> Self {
        Self { table, group: group.into(), id: id.into() }
    }
}

/// A document: JSON, and where it waits.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// The JSON text.
    pub text: String,
    /// Its place in a queue of its group; `None` if it waits in none.
    pub place: Option<Place>,
}

/// Shows its length: among the documents are the keys that managers share, and what a customer's function answered.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("bytes", &self.text.len()).field("place", &self.place).finish()
    }
}

/// A place in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the queue.
    pub queue: u8,
    /// The order in the queue.
    pub at: i64,
}

/// A part of a queue: the places from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The number of the queue.
    pub queue: u8,
    /// The first place.
    pub first: i64,
    /// The last place.
    pub last: i64,
}
