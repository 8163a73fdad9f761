//! A store in one file, for one program at a time.

mod file;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};
use tokio::sync::{OwnedMutexGuard, watch};

use self::file::{DOCUMENTS, Failure, PLACES, damaged};
use super::view::there_already;
use super::{Change, Document, Key, Place, Span, Store, Table, View};

/// Keeps everything in one file, which one program at a time holds.
///
/// A change is on the disk when it returns. After a write that failed (a disk that is full), the file is opened again at the
/// next call, as it was after the last change that was written whole. Clones are handles of the same store; the file is
/// released with the last of them.
#[derive(Clone)]
pub struct Embedded(Arc<Shared>);

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Embedded").field(&self.0.path).finish()
    }
}

type Open = Box<dyn Fn(&Path) -> Result<Database> + Send + Sync>;

struct Shared {
    path: PathBuf,
    open: Open,
    /// `None` after a failure, until the next call.
    database: RwLock<Option<Database>>,
    /// Until when somebody was given a document. One program has the file, so nobody else has to know.
    taken: Mutex<HashMap<Key, Timestamp>>,
    /// The one change that is carried out. Whoever waits for it holds no thread.
    turn: Arc<tokio::sync::Mutex<()>>,
    announced: watch::Sender<u64>,
}

impl Embedded {
    /// Opens the store in a file, and makes the file if it is not there: in a folder that is there, readable for nobody
    /// else. Every page of the file is checked first, which takes as long as reading it. Needs a tokio runtime, as every
    /// call does.
    ///
    /// # Errors
    ///
    /// [`Locked`](ErrorKind::Locked) if another program holds the file; [`Input`](ErrorKind::Input) if it is something else,
    /// is damaged, or was written by a newer version; [`Unavailable`](ErrorKind::Unavailable) if it can be neither read nor
    /// written.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::with(path.into(), Box::new(file::open)).await
    }

    async fn with(path: PathBuf, open: Open) -> Result<Self> {
        let first = path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let database = open(&first)?;
            Ok((database, open))
        });
        // The database panics at some kinds of damage.
        let (database, open) =
            opened.await.unwrap_or_else(|_| Err(file::told(&path, damaged("the database cannot be opened"))))?;
        Ok(Self(Arc::new(Shared {
            path,
            open,
            database: RwLock::new(Some(database)),
            taken: Mutex::default(),
            turn: Arc::default(),
            announced: watch::Sender::new(0),
        })))
    }

    /// Checks that each document waits where the index of places says, and that the index says nothing else.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if they differ: the file is damaged. [`Unavailable`](ErrorKind::Unavailable).
    pub async fn check(&self) -> Result<()> {
        self.run(|_, database| check(&database.begin_read()?)).await
    }

    /// Runs something on the database, on a thread that may wait for the disk.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || shared.run(work)).await;
        done.unwrap_or_else(|error| {
            let what = format!("a call of `{}` ended halfway", self.0.path.display());
            Err(Error::new(ErrorKind::Internal, what).caused_by(&error))
        })
    }
}

impl Shared {
    fn run<T>(&self, work: impl FnOnce(&Self, &Database) -> Result<T, Failure>) -> Result<T> {
        loop {
            let kept = self.database.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(database) = &*kept {
                let done = work(self, database);
                drop(kept);
                if matches!(done, Err(Failure::Database(_))) {
                    // After a failure it answers nothing more.
                    drop(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
                }
                return done.map_err(|failure| file::told(&self.path, failure));
            }
            drop(kept);
            let mut kept = self.database.write().unwrap_or_else(PoisonError::into_inner);
            if kept.is_none() {
                *kept = Some((self.open)(&self.path)?);
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Key, Timestamp>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(
        &self,
        database: &Database,
        keys: BTreeSet<Key>,
        mut change: Change,
        _turn: OwnedMutexGuard<()>,
    ) -> Result<(), Failure> {
        let transaction = database.begin_write()?;
        let view = {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            let mut places = transaction.open_table(PLACES)?;
            let mut loaded = Vec::with_capacity(keys.len());
            for key in keys {
                let found = documents.get(&*keys::document(&key))?.map(|found| decode(found.value())).transpose()?;
                loaded.push((key, found));
            }
            let mut view = View::of(loaded);
            // Unwinding through the transaction would not give its pages back.
            let changed = panic::catch_unwind(AssertUnwindSafe(|| change(&mut view)));
            changed.unwrap_or_else(|_| Err(panicked())).map_err(Failure::Call)?;
            for (key, document, was_there) in view.writes() {
                let name = keys::document(key);
                let before = match document {
                    Some(document) => documents.insert(&*name, &*keys::encode(document))?,
                    None => documents.remove(&*name)?,
                };
                if let Some(before) = before {
                    if !was_there {
                        return Err(Failure::Call(there_already(key)));
                    }
                    if let Some(place) = decode_place(before.value())? {
                        places.remove(&*keys::place(key.table, &key.group, place, &key.id))?;
                    }
                }
                if let Some(place) = document.and_then(|document| document.place) {
                    places.insert(&*keys::place(key.table, &key.group, place, &key.id), ())?;
                }
            }
            view
        };
        if view.writes().next().is_some() {
            // Nobody takes a document between the writing and its release.
            let mut taken = self.taken();
            transaction.commit()?;
            for (key, ..) in view.writes() {
                taken.remove(key);
            }
        } else {
            transaction.abort()?;
        }
        if view.is_announced() {
            self.announced.send_modify(|number| *number += 1);
        }
        Ok(())
    }

    fn take(
        &self,
        database: &Database,
        (table, group): (Table, &str),
        span: Span,
        limit: usize,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Vec<(String, Document)>, Failure> {
        // Held while reading: a document that is written meanwhile is released after this.
        let mut taken = self.taken();
        let transaction = database.begin_read()?;
        let (documents, places) = (transaction.open_table(DOCUMENTS)?, transaction.open_table(PLACES)?);
        let queue = keys::queue(table, group, span.queue);
        let first = keys::place(table, group, Place { queue: span.queue, at: span.first }, "");
        let mut found = Vec::new();
        for place in places.range(&*first..)? {
            if found.len() >= limit {
                break;
            }
            let (place, _) = place?;
            let Some(rest) = place.value().strip_prefix(&*queue) else { break };
            let (at, id) = keys::waiting(rest).ok_or_else(|| damaged("a place that cannot be read"))?;
            if at > span.last {
                break;
            }
            let key = Key::new(table, group, id);
            if taken.get(&key).is_some_and(|until| *until > now) {
                continue;
            }
            let document = documents.get(&*keys::document(&key))?;
            let document = document.ok_or_else(|| damaged("a place of a document that is not there"))?;
            found.push((key, decode(document.value())?));
        }
        taken.extend(found.iter().map(|(key, _)| (key.clone(), until)));
        Ok(found.into_iter().map(|(key, document)| (key.id, document)).collect())
    }
}

fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "a change of the store panicked, and nothing of it was written")
}

fn decode(bytes: &[u8]) -> Result<Document, Failure> {
    keys::decode(bytes).ok_or_else(|| damaged("a document that cannot be read"))
}

fn decode_place(bytes: &[u8]) -> Result<Option<Place>, Failure> {
    keys::decode_place(bytes).map(|(place, _)| place).ok_or_else(|| damaged("a document that cannot be read"))
}

fn check(transaction: &ReadTransaction) -> Result<(), Failure> {
    let (documents, places) = (transaction.open_table(DOCUMENTS)?, transaction.open_table(PLACES)?);
    let mut waiting = 0;
    for document in documents.iter()? {
        let (key, document) = document?;
        if let Some(place) = decode(document.value())?.place {
            let place = keys::waits_at(key.value(), place).ok_or_else(|| damaged("a key that cannot be read"))?;
            if places.get(&*place)?.is_none() {
                return Err(damaged("a document that waits, and is not in the index"));
            }
            waiting += 1;
        }
    }
    if places.len()? == waiting { Ok(()) } else { Err(damaged("a place where no document waits")) }
}

fn list(
    database: &Database,
    (table, group): (Table, &str),
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Document)>, Failure> {
    let of_group = keys::group(table, group);
    let after = after.map(|after| keys::document(&Key::new(table, group, after)));
    let first = after.as_deref().map_or(Bound::Included(&*of_group), Bound::Excluded);
    let mut found = Vec::new();
    for document in database.begin_read()?.open_table(DOCUMENTS)?.range::<&[u8]>((first, Bound::Unbounded))? {
        if found.len() >= limit {
            break;
        }
        let (key, document) = document?;
        let Some(id) = key.value().strip_prefix(&*of_group) else { break };
        let id = std::str::from_utf8(id).map_err(|_| damaged("a key that cannot be read"))?;
        found.push((id.to_owned(), decode(document.value())?));
    }
    Ok(found)
}

#[async_trait]
impl Store for Embedded {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Document>>> {
        let names: Vec<_> = keys.iter().map(keys::document).collect();
        self.run(move |_, database| {
            let documents = database.begin_read()?.open_table(DOCUMENTS)?;
            let found = names.iter().map(|name| {
                let found = documents.get(&**name)?;
                found.map(|found| decode(found.value())).transpose()
            });
            found.collect()
        })
        .await
    }

    async fn list(
        &self,
        table: Table,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>> {
        let (group, after) = (group.to_owned(), after.map(str::to_owned));
        self.run(move |_, database| list(database, (table, &group), after.as_deref(), limit)).await
    }

    async fn change(&self, keys: BTreeSet<Key>, change: Change) -> Result<()> {
        let turn = Arc::clone(&self.0.turn).lock_owned().await;
        self.run(move |shared, database| shared.change(database, keys, change, turn)).await
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
        let group = group.to_owned();
        self.run(move |shared, database| shared.take(database, (table, &group), span, limit, (now, until))).await
    }

    async fn next(&self, table: Table, group: &str, queue: u8, after: i64) -> Result<Option<i64>> {
        let Some(at) = after.checked_add(1) else { return Ok(None) };
        let (line, first) = (keys::queue(table, group, queue), keys::place(table, group, Place { queue, at }, ""));
        self.run(move |_, database| {
            let places = database.begin_read()?.open_table(PLACES)?;
            let Some(place) = places.range(&*first..)?.next() else { return Ok(None) };
            let (place, _) = place?;
            let Some(rest) = place.value().strip_prefix(&*line) else { return Ok(None) };
            let (at, _) = keys::waiting(rest).ok_or_else(|| damaged("a place that cannot be read"))?;
            Ok(Some(at))
        })
        .await
    }

    fn announced(&self) -> watch::Receiver<u64> {
        self.0.announced.subscribe()
    }
}
