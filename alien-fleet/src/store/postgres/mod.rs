//! A store in a PostgreSQL database.

mod address;
mod change;
mod connections;
mod documents;
mod failure;
mod listener;
mod migrations;
mod statements;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use alien_core::{Clock, Error, ErrorKind, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use self::address::Address;
use self::change::Channel;
use self::connections::Connections;
use self::failure::{told, too_slow};
use self::listener::Listener;
pub use self::migrations::Migration;
use self::statements::Statements;
use super::{Change, Document, Key, Span, Store, Table};

/// Keeps everything in a PostgreSQL database: for as many programs as there are.
///
/// Each kind of document has a table, in a schema of its own. A change locks the rows of its keys and is one transaction;
/// it is durable when it returns (`synchronous_commit`). Programs that open the same schema share the store, and hear of
/// each other's announcements by `NOTIFY`.
///
/// Every call is given up after a [time](PostgresOptions::timeout). While the database is away, calls fail with
/// [`Unavailable`](ErrorKind::Unavailable); when it is back, they work, and nothing has to be opened anew.
///
/// Tested with PostgreSQL 15. A pooler between program and database must pool sessions, not transactions: `LISTEN` and
/// prepared statements need that.
///
/// ```no_run
/// # async fn open() -> alien_core::Result<()> {
/// use alien_fleet::store::Postgres;
///
/// let store = Postgres::open("postgres://manager:secret@db.example/fleet?sslrootcert=/etc/ssl/db.pem").await?;
/// # drop(store); Ok(()) }
/// ```
pub struct Postgres {
    address: Address,
    connections: Connections,
    statements: Statements,
    channel: Channel,
    announced: watch::Sender<u64>,
    _listener: Listener,
}

/// Shows where the database is, and neither user nor password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.statements.schema();
        f.debug_struct("Postgres").field("address", &self.address).field("schema", &schema).finish_non_exhaustive()
    }
}

/// How to open a [`Postgres`].
#[derive(Clone)]
pub struct PostgresOptions {
    url: String,
    schema: String,
    connections: usize,
    timeout: Duration,
}

/// Does not show the URL: it may have a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, schema, connections, timeout } = self;
        let mut options = f.debug_struct("PostgresOptions");
        options.field("schema", schema).field("connections", connections).field("timeout", timeout);
        options.finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// Options for the database at a URL: see [`Postgres::open`].
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), schema: "alien".to_owned(), connections: 16, timeout: Duration::from_secs(15) }
    }

    /// Sets the schema; `alien` otherwise. Stores in different schemas of a database have nothing to do with each other.
    /// Its name begins with a lower-case letter, goes on with such letters, digits and `_`, and has up to 48 characters.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Sets how many connections there are at most, beside the one that listens; 16 otherwise, and at least 1.
    #[must_use]
    pub const fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// Sets how long a call may take, the wait for a connection included; 15 seconds otherwise.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Connects, and creates what is missing in the database.
    ///
    /// # Errors
    ///
    /// Like [`Postgres::open`].
    pub async fn open(self) -> Result<Postgres> {
        if !is_plain(&self.schema) {
            let rule = "lower-case letters, digits and `_`, with a letter first, and up to 48 of them";
            return Err(Error::new(
                ErrorKind::Input,
                format!("schema `{}` has a name that is not {rule}", self.schema),
            ));
        }
        let address = address::parse(&self.url)?;
        let connections = Connections::new(&address, self.connections, self.timeout)?;
        let mut client = connections.one(connections.deadline()).await?;
        // Another program may be at it.
        let migrated = timeout(self.timeout + migrations::WAIT, migrations::run(&mut client, &self.schema)).await;
        migrated.map_err(|_| too_slow())??;
        drop(client);
        let channel = Channel { name: format!("alien_fleet_{}", self.schema), own: Uuid::new_v4().to_string() };
        let announced = watch::Sender::new(0);
        let listener =
            Listener::begin(address.clone(), channel.name.clone(), channel.own.clone(), announced.clone()).await?;
        let statements = Statements::new(self.schema);
        Ok(Postgres { address, connections, statements, channel, announced, _listener: listener })
    }
}

/// Whether a name of a schema needs no escape anywhere. 63 bytes is the limit of a name in PostgreSQL, and the channel of the
/// schema has a longer one.
fn is_plain(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 48
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.starts_with("pg_")
        && name.bytes().all(is_word)
}

impl Postgres {
    /// Opens the store in schema `alien` of a database, and creates what is missing there. `url` is as libpq takes it:
    /// `postgres://user:password@host:port/database?option=value`, or pairs as `host=… user=…`
    /// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>).
    ///
    /// A connection that leaves this machine uses TLS, and checks that the certificate is the host's: by the authorities in
    /// the file `sslrootcert`, or else by those that this machine trusts. `sslmode` `require`, `verify-ca` and `verify-full`
    /// all do this, also on this machine; only `disable` does without. Other modes protect nothing and are refused.
    ///
    /// # Errors
    ///
    /// * [`Input`](ErrorKind::Input) if the URL cannot be read. The error has no part of it that may be a password.
    /// * [`Credentials`](ErrorKind::Credentials), [`NotFound`](ErrorKind::NotFound) or [`Denied`](ErrorKind::Denied) if the
    ///   database does not let the user in, is not there, or does not let the user create what is missing.
    /// * [`Unsupported`](ErrorKind::Unsupported) if a newer version has made the tables, or the encoding is not UTF-8.
    /// * [`Unavailable`](ErrorKind::Unavailable) if the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self> {
        PostgresOptions::new(url).open().await
    }

    /// What has been done to the database, step by step: [`open`](Self::open) does those that are missing, within one
    /// transaction. Whoever runs them in another way puts version and name into a table `migration` beside them. Then the
    /// program needs no right but to read and write the tables.
    #[must_use]
    pub const fn migrations() -> &'static [Migration] {
        migrations::ALL
    }
}

/// A limit as SQL takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for Postgres {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Document>>> {
        documents::read(&self.connections, &self.statements, keys).await
    }

    async fn list(
        &self,
        table: Table,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>> {
        let limit = rows(limit);
        let found = match after {
            None => self.connections.query(&self.statements.list(table), &[&group, &limit]).await?,
            Some(after) => {
                self.connections.query(&self.statements.list_after(table), &[&group, &limit, &after]).await?
            }
        };
        documents::listed(&found)
    }

    async fn change(&self, keys: BTreeSet<Key>, change: Change) -> Result<()> {
        let done = change::change(&self.connections, &self.statements, &self.channel, &keys, change).await;
        // Where it may have been written, others may have been told.
        if done.as_ref().map_or_else(Error::was_sent, |announced| *announced) {
            self.announced.send_modify(|number| *number += 1);
        }
        done.map(drop)
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
        let Span { queue, first, last } = span;
        let (queue, limit) = (i16::from(queue), rows(limit));
        let take = self.statements.take(table);
        let taken = self.connections.query(&take, &[&group, &queue, &first, &last, &now, &limit, &until]).await?;
        documents::listed(&taken)
    }

    async fn next(&self, table: Table, group: &str, queue: u8, after: i64) -> Result<Option<i64>> {
        let found = self.connections.query(&self.statements.next(table), &[&group, &i16::from(queue), &after]).await?;
        found.first().map(|row| row.try_get(0)).transpose().map_err(|error| told(&error))
    }

    fn announced(&self) -> watch::Receiver<u64> {
        self.announced.subscribe()
    }

    /// The database's own time.
    async fn time(&self, _: &dyn Clock) -> Result<Timestamp> {
        let found = self.connections.query(statements::TIME, &[]).await?;
        let now = found.first().map(|row| row.try_get(0)).transpose().map_err(|error| told(&error))?;
        now.ok_or_else(|| Error::new(ErrorKind::Internal, "the database does not say what time it is"))
    }
}
