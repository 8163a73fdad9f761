//! A store in this process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alien_core::Result;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::view::there_already;
use super::{Change, Document, Key, Span, Store, Table, View};

/// Keeps everything in this process: for tests, and for programs that run once.
#[derive(Debug)]
pub struct InMemory {
    kept: Mutex<Kept>,
    announced: watch::Sender<u64>,
}

/// The queue of a place: the table, the group and the number.
type Line = (Table, String, u8);

#[derive(Debug, Default)]
struct Kept {
    documents: BTreeMap<Key, Document>,
    queues: HashMap<Line, BTreeSet<(i64, String)>>,
    /// Until when somebody was given a document.
    taken: HashMap<Key, Timestamp>,
}

impl Kept {
    fn write(&mut self, key: &Key, document: Option<&Document>) {
        self.taken.remove(key);
        let line = |queue| (key.table, key.group.clone(), queue);
        if let Some(place) = self.documents.get(key).and_then(|before| before.place)
            && let Some(queue) = self.queues.get_mut(&line(place.queue))
        {
            queue.remove(&(place.at, key.id.clone()));
        }
        match document {
            Some(document) => {
                if let Some(place) = document.place {
                    self.queues.entry(line(place.queue)).or_default().insert((place.at, key.id.clone()));
                }
                self.documents.insert(key.clone(), document.clone());
            }
            None => drop(self.documents.remove(key)),
        }
    }
}

impl InMemory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for InMemory {
    fn default() -> Self {
        Self { kept: Mutex::default(), announced: watch::Sender::new(0) }
    }
}

#[async_trait]
impl Store for InMemory {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Document>>> {
        let kept = self.lock();
        Ok(keys.iter().map(|key| kept.documents.get(key).cloned()).collect())
    }

    async fn list(
        &self,
        table: Table,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>> {
        let first = match after {
            Some(after) => Bound::Excluded(Key::new(table, group, after)),
            None => Bound::Included(Key::new(table, group, "")),
        };
        let kept = self.lock();
        let of_group = kept.documents.range((first, Bound::Unbounded));
        let of_group = of_group.take_while(|(key, _)| key.table == table && key.group == group);
        Ok(of_group.take(limit).map(|(key, document)| (key.id.clone(), document.clone())).collect())
    }

    async fn change(&self, keys: BTreeSet<Key>, mut change: Change) -> Result<()> {
        let mut kept = self.lock();
        let mut view = View::of(keys.into_iter().map(|key| {
            let document = kept.documents.get(&key).cloned();
            (key, document)
        }));
        change(&mut view)?;
        // Those that are locked and there were loaded.
        if let Some((key, ..)) =
            view.writes().find(|(key, _, was_there)| !was_there && kept.documents.contains_key(*key))
        {
            return Err(there_already(key));
        }
        view.writes().for_each(|(key, document, _)| kept.write(key, document));
        drop(kept);
        if view.is_announced() {
            self.announced.send_modify(|number| *number += 1);
        }
        Ok(())
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
        let mut kept = self.lock();
        let Kept { documents, queues, taken } = &mut *kept;
        let Some(queue) = queues.get(&(table, group.to_owned(), span.queue)) else { return Ok(Vec::new()) };
        let places = queue.range((span.first, String::new())..).take_while(|(at, _)| *at <= span.last);
        let mut found = Vec::new();
        for (_, id) in places {
            if found.len() >= limit {
                break;
            }
            let key = Key::new(table, group, id);
            if taken.get(&key).is_some_and(|until| *until > now) {
                continue;
            }
            if let Some(document) = documents.get(&key) {
                found.push((id.clone(), document.clone()));
                taken.insert(key, until);
            }
        }
        Ok(found)
    }

    async fn next(&self, table: Table, group: &str, queue: u8, after: i64) -> Result<Option<i64>> {
        let Some(first) = after.checked_add(1) else { return Ok(None) };
        let kept = self.lock();
        let queue = kept.queues.get(&(table, group.to_owned(), queue));
        Ok(queue.and_then(|queue| Some(queue.range((first, String::new())..).next()?.0)))
    }

    fn announced(&self) -> watch::Receiver<u64> {
        self.announced.subscribe()
    }
}
