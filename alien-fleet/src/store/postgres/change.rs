//! Changes: a transaction each, repeated where others were faster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use deadpool_postgres::{Client, Transaction};
use futures_util::future::join_all;
use tokio::time::timeout_at;
use tokio_postgres::types::ToSql;

use super::connections::Connections;
use super::documents::{document, keys_by_table, read};
use super::failure::{is_broken, is_lost_race, told, too_slow};
use super::statements::{NOTIFY, Statements};
use crate::store::view::there_already;
use crate::store::{Change, Document, Key, Table, View};

/// How often a change is tried.
const ATTEMPTS: u32 = 20;

/// Who is told of a change: the channel, and what the handle that has made it is called there.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) own: String,
}

/// Why an attempt has written nothing, or may not have.
enum Failure {
    /// The change itself failed.
    Refused(Error),
    /// Before the commit.
    Before(tokio_postgres::Error),
    /// Somebody has put one of the same documents, perhaps one of these, which were not locked.
    There(BTreeSet<Key>),
    /// At the commit.
    At(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Before(error)
    }
}

/// Carries out a change; whether it is announced.
pub(super) async fn change(
    connections: &Connections,
    statements: &Statements,
    channel: &Channel,
    keys: &BTreeSet<Key>,
    mut change: Change,
) -> Result<bool> {
    let deadline = connections.deadline();
    // Documents that were not locked, and were there before the present attempt.
    let mut there = BTreeSet::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 && timeout_at(deadline, pause(attempt)).await.is_err() {
            break;
        }
        let mut client = connections.one(deadline).await?;
        let transaction = transact(&mut client, statements, channel, keys, &mut change, &there);
        let (error, is_lost) = match timeout_at(deadline, transaction).await {
            Ok(Ok(announced)) => return Ok(announced),
            Ok(Err(Failure::Refused(error))) => return Err(error),
            Ok(Err(Failure::There(put))) => {
                drop(client);
                let put: Vec<Key> = put.into_iter().collect();
                let found = read(connections, statements, &put).await?;
                there = put.into_iter().zip(found).filter_map(|(key, found)| found.map(|_| key)).collect();
                continue;
            }
            Ok(Err(Failure::Before(error) | Failure::At(error))) if is_lost_race(&error) => continue,
            Ok(Err(Failure::Before(error))) => (told(&error), is_broken(&error)),
            Ok(Err(Failure::At(error))) => (uncertain(told(&error)), true),
            Err(_) => (uncertain(too_slow()), true),
        };
        if is_lost {
            connections.drop_all(client);
        }
        return Err(error);
    }
    Err(Error::new(ErrorKind::Unavailable, "others change the same documents all the time"))
}

/// Whatever the database said, nobody knows.
fn uncertain(error: Error) -> Error {
    error.with_kind(ErrorKind::Unavailable).because("the change may have been written").with_sent()
}

async fn pause(attempt: u32) {
    let most = 4_u64.saturating_mul(1 << attempt.min(6));
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
}

async fn transact(
    client: &mut Client,
    statements: &Statements,
    channel: &Channel,
    keys: &BTreeSet<Key>,
    change: &mut Change,
    there: &BTreeSet<Key>,
) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    let mut view = View::of(load(&transaction, statements, keys).await?);
    change(&mut view).map_err(Failure::Refused)?;
    let writes = Writes::of(&view, keys);
    if let Some(key) = writes.unlocked.intersection(there).next() {
        return Err(Failure::Refused(there_already(key)));
    }
    let written = writes.write(&transaction, statements).await;
    if written.as_ref().is_err_and(is_unique_violation) {
        return Err(Failure::There(writes.unlocked));
    }
    written?;
    writes.check_removed(&transaction, statements).await?;
    if view.is_announced() {
        let notify = transaction.prepare_cached(NOTIFY).await?;
        transaction.query(&notify, &[&channel.name, &channel.own]).await?;
    }
    transaction.commit().await.map_err(Failure::At)?;
    Ok(view.is_announced())
}

fn is_unique_violation(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION)
}

/// Reads and locks documents, in the order of the keys.
async fn load(
    transaction: &Transaction<'_>,
    statements: &Statements,
    keys: &BTreeSet<Key>,
) -> Result<BTreeMap<Key, Option<Document>>, tokio_postgres::Error> {
    let mut loaded: BTreeMap<Key, Option<Document>> = keys.iter().map(|key| (key.clone(), None)).collect();
    for (table, (groups, ids)) in keys_by_table(keys) {
        let lock = transaction.prepare_cached(&statements.lock(table)).await?;
        for row in transaction.query(&lock, &[&groups, &ids]).await? {
            let key = Key::new(table, row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?);
            loaded.insert(key, Some(document(&row, 2)?));
        }
    }
    Ok(loaded)
}

/// The kinds of writes of a table: a statement each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Insert,
    Update,
    Delete,
}

/// Documents of one table, a column each.
#[derive(Debug, Default)]
struct Columns<'a> {
    groups: Vec<&'a str>,
    ids: Vec<&'a str>,
    texts: Vec<&'a str>,
    queues: Vec<Option<i16>>,
    places: Vec<Option<i64>>,
}

/// What a change has put into its view.
#[derive(Debug, Default)]
struct Writes<'a> {
    columns: BTreeMap<(Table, Kind), Columns<'a>>,
    /// Documents that are put without having been locked.
    unlocked: BTreeSet<Key>,
    /// Documents that are removed without having been locked.
    removed: BTreeMap<Table, (Vec<&'a str>, Vec<&'a str>)>,
}

impl<'a> Writes<'a> {
    fn of(view: &'a View, keys: &BTreeSet<Key>) -> Self {
        let mut writes = Self::default();
        for (key, document, was_there) in view.writes() {
            let is_locked = keys.contains(key);
            let kind = match document {
                Some(_) if was_there => Kind::Update,
                Some(_) => Kind::Insert,
                None if was_there => Kind::Delete,
                None => {
                    if !is_locked {
                        let (groups, ids) = writes.removed.entry(key.table).or_default();
                        groups.push(&key.group);
                        ids.push(&key.id);
                    }
                    continue;
                }
            };
            if !is_locked {
                writes.unlocked.insert(key.clone());
            }
            let columns = writes.columns.entry((key.table, kind)).or_default();
            columns.groups.push(&key.group);
            columns.ids.push(&key.id);
            if let Some(Document { text, place }) = document {
                columns.texts.push(text);
                columns.queues.push(place.map(|place| place.queue.into()));
                columns.places.push(place.map(|place| place.at));
            }
        }
        writes
    }

    /// Sends all statements, and waits for all answers at once.
    async fn write(&self, transaction: &Transaction<'_>, statements: &Statements) -> Result<(), tokio_postgres::Error> {
        let mut prepared = Vec::with_capacity(self.columns.len());
        for ((table, kind), columns) in &self.columns {
            let sql = match kind {
                Kind::Insert => statements.insert(*table),
                Kind::Update => statements.update(*table),
                Kind::Delete => statements.delete(*table),
            };
            let Columns { groups, ids, texts, queues, places } = columns;
            let parameters: Vec<&(dyn ToSql + Sync)> = match kind {
                Kind::Delete => vec![groups, ids],
                Kind::Insert | Kind::Update => vec![groups, ids, texts, queues, places],
            };
            prepared.push((transaction.prepare_cached(&sql).await?, parameters));
        }
        let sent = prepared.iter().map(|(statement, parameters)| transaction.execute(statement, parameters));
        // The first in this order is the reason: those behind it fail because the transaction has. Whichever answer is seen first may be one
        // of theirs, as another thread brings them.
        join_all(sent).await.into_iter().try_for_each(|done| done.map(drop))
    }

    /// Fails if a document is there that was to be removed without having been locked.
    async fn check_removed(&self, transaction: &Transaction<'_>, statements: &Statements) -> Result<(), Failure> {
        for (table, (groups, ids)) in &self.removed {
            let lock = transaction.prepare_cached(&statements.lock(*table)).await?;
            if let Some(row) = transaction.query(&lock, &[groups, ids]).await?.first() {
                let key = Key::new(*table, row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?);
                return Err(Failure::Refused(there_already(&key)));
            }
        }
        Ok(())
    }
}
