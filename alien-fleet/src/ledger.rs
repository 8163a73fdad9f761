//! Changes of a store: those that are asked for at the same time are written together, and the log with them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::log::{Draft, Entry, Tail};
use crate::store::{self, Key, Place, Store, Table, View};

/// The most changes that are written together.
const TOGETHER: usize = 256;

/// A store, and one task that writes to it. Many changes cost one write to the disk.
#[derive(Clone)]
pub(crate) struct Ledger {
    store: Arc<dyn Store>,
    queue: mpsc::UnboundedSender<Asked>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.store).finish()
    }
}

/// The documents of a change, and what it writes into the log.
pub(crate) struct Pages<'a> {
    view: &'a mut View,
    drafts: &'a mut Vec<Draft>,
}

impl Pages<'_> {
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        self.view.get(key)
    }

    pub(crate) fn put<T: serde::Serialize>(&mut self, key: Key, value: &T, place: Option<Place>) -> Result<()> {
        self.view.put(key, value, place)
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.view.remove(key);
    }

    pub(crate) fn announce(&mut self) {
        self.view.announce();
    }

    pub(crate) fn log(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }
}

/// What a change does. It may be called several times.
type Part = Box<dyn FnMut(&mut Pages<'_>) -> Result<()> + Send>;

/// A change that was asked for.
struct Asked {
    keys: BTreeSet<Key>,
    part: Part,
    done: oneshot::Sender<Result<()>>,
}

impl Ledger {
    /// Begins to write to a store. Needs a tokio runtime; the task ends with the last clone.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let (queue, asked) = mpsc::unbounded_channel();
        tokio::spawn(write(Arc::clone(&store), asked));
        Self { store, queue }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Changes the documents of these keys. `change` may be called several times. It goes on if the caller does not wait.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        keys: impl IntoIterator<Item = Key>,
        mut change: impl FnMut(&mut Pages<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let gave = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&gave);
        let part = move |pages: &mut Pages<'_>| {
            let value = change(pages)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        };
        let (done, ended) = oneshot::channel();
        let asked = Asked { keys: keys.into_iter().collect(), part: Box::new(part), done };
        let over = || Error::new(ErrorKind::Unavailable, "the store was closed");
        self.queue.send(asked).map_err(|_| over())?;
        ended.await.map_err(|_| over())??;
        let value = gave.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::new(ErrorKind::Internal, "a change was written that was not carried out"))
    }

    /// Reads one document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        let found = self.store.read(std::slice::from_ref(key)).await?.pop().flatten();
        found.as_ref().map(|document| store::parse(key, document)).transpose()
    }

    /// Reads all documents of a group, by id.
    pub(crate) async fn all<T: DeserializeOwned>(&self, table: Table, group: &str) -> Result<Vec<(String, T)>> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.store.list(table, group, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            for (id, document) in page {
                let value = store::parse(&Key::new(table, group, id.as_str()), &document)?;
                after = Some(id.clone());
                all.push((id, value));
            }
            if is_last {
                return Ok(all);
            }
        }
    }
}

/// How many documents are read at once.
const PAGE: usize = 1000;

/// Writes what is asked for, as much at once as has been asked for meanwhile.
async fn write(store: Arc<dyn Store>, mut queue: mpsc::UnboundedReceiver<Asked>) {
    let mut asked = Vec::new();
    while queue.recv_many(&mut asked, TOGETHER).await > 0 {
        let mut waiting = Vec::new();
        let (mut keys, mut parts) = (BTreeSet::from([Tail::key()]), Vec::new());
        for Asked { keys: more, part, done } in asked.drain(..) {
            keys.extend(more);
            parts.push(part);
            waiting.push(done);
        }
        let results = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&results);
        let change = move |view: &mut View| {
            let (done, drafts) = carry_out(view, &mut parts);
            append(view, drafts)?;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = done;
            Ok(())
        };
        let written = store.change(keys, Box::new(change)).await;
        let results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
        match written {
            // Whoever asked may have gone.
            Ok(()) => waiting.into_iter().zip(results).for_each(|(done, result)| drop(done.send(result))),
            Err(error) => waiting.into_iter().for_each(|done| drop(done.send(Err(error.clone())))),
        }
    }
}

/// Carries out each part. One that fails leaves nothing behind.
fn carry_out(view: &mut View, parts: &mut [Part]) -> (Vec<Result<()>>, Vec<Draft>) {
    let mut drafts = Vec::new();
    let done = parts.iter_mut().map(|part| {
        let before = drafts.len();
        let done = view.attempt(|view| part(&mut Pages { view, drafts: &mut drafts }));
        if done.is_err() {
            drafts.truncate(before);
        }
        done
    });
    (done.collect(), drafts)
}

fn append(view: &mut View, drafts: Vec<Draft>) -> Result<()> {
    if drafts.is_empty() {
        return Ok(());
    }
    let mut tail: Tail = view.get(&Tail::key())?.unwrap_or_default();
    for draft in drafts {
        let entry = tail.append(draft)?;
        view.put(Entry::key(entry.number), &entry, None)?;
    }
    view.put(Tail::key(), &tail, None)
}
