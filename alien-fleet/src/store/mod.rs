//! Where a fleet keeps what it knows.
//!
//! A [`Store`] keeps small documents, and changes several of them at once. It knows nothing of fleets: what the documents
//! mean is written once, above it.

mod document;
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

pub use document::{Document, Key, Place, Span, Table};
pub use memory::InMemory;
#[cfg(feature = "postgres")]
pub use postgres::{Migration, Postgres, PostgresOptions};
#[cfg(feature = "redb")]
pub use redb::Embedded;
pub use view::View;
pub(crate) use view::{parse, parse_part};

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
