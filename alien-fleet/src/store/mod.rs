//! Where a fleet keeps what it knows.
//!
//! A [`Store`] keeps small documents, and changes several of them at once. It knows nothing of fleets: what the documents
//! mean is written once, above it.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redb")]
mod redb;
mod view;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use alien_core::{Clock, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

pub use memory::InMemory;
#[cfg(feature = "postgres")]
pub use postgres::{Migration, Postgres, PostgresOptions};
#[cfg(feature = "redb")]
pub use redb::Embedded;
pub use view::View;
pub(crate) use view::{parse, parse_part};

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

/// A change of documents. It may be called several times: each time with the documents as they are then.
pub type Change = Box<dyn FnMut(&mut View) -> Result<()> + Send>;

/// Keeps documents, for one program or for many.
///
/// What a change has written is durable when [`change`](Self::change) returns, and all of it or nothing is. Every method
/// fails with [`Unavailable`](alien_core::ErrorKind::Unavailable) while the store cannot be reached, and works again
/// afterwards: whoever called repeats the call.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Reads documents, all as they are at one moment, in the order of the keys; `None` for each that is not there.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](alien_core::ErrorKind::Unavailable).
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Document>>>;

    /// Lists the documents of a group by id, in the order of its bytes: those after `after`, and at most `limit`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](alien_core::ErrorKind::Unavailable).
    async fn list(
        &self,
        table: Table,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>>;

    /// Changes documents: locks those of `keys`, calls `change` with them, and writes what it has put into the view. Others
    /// who change one of these wait. The change may put documents of other keys, if they are not there yet.
    ///
    /// # Errors
    ///
    /// What `change` fails with: then nothing is written. [`Internal`](alien_core::ErrorKind::Internal), and nothing is
    /// written, if it puts or removes a document that is there and that was not locked.
    /// [`Unavailable`](alien_core::ErrorKind::Unavailable): then it may have been written.
    async fn change(&self, keys: BTreeSet<Key>, change: Change) -> Result<()>;

    /// Takes documents out of a part of a queue of a group, the first ones by place and then by id, and at most `limit`.
    /// Until `until`, nobody is given them again, unless they are written before. A document stays in its queue: only writing
    /// moves it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](alien_core::ErrorKind::Unavailable).
    async fn take(
        &self,
        table: Table,
        group: &str,
        span: Span,
        limit: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(String, Document)>>;

    /// The first place of a queue of a group after `after`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](alien_core::ErrorKind::Unavailable).
    async fn next(&self, table: Table, group: &str, queue: u8, after: i64) -> Result<Option<i64>>;

    /// A number that grows whenever somebody, in this program or another, has [announced](View::announce) a change.
    fn announced(&self) -> watch::Receiver<u64>;

    /// The time, as all who use the store agree on it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](alien_core::ErrorKind::Unavailable).
    async fn time(&self, clock: &dyn Clock) -> Result<Timestamp> {
        Ok(clock.now())
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Document>>> {
        (**self).read(keys).await
    }

    async fn list(
        &self,
        table: Table,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>> {
        (**self).list(table, group, after, limit).await
    }

    async fn change(&self, keys: BTreeSet<Key>, change: Change) -> Result<()> {
        (**self).change(keys, change).await
    }

    async fn take(
        &self,
        table: Table,
        group: &str,
        span: Span,
        limit: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(String, Document)>> {
        (**self).take(table, group, span, limit, now, until).await
    }

    async fn next(&self, table: Table, group: &str, queue: u8, after: i64) -> Result<Option<i64>> {
        (**self).next(table, group, queue, after).await
    }

    fn announced(&self) -> watch::Receiver<u64> {
        (**self).announced()
    }

    async fn time(&self, clock: &dyn Clock) -> Result<Timestamp> {
        (**self).time(clock).await
    }
}
