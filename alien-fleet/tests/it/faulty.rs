//! A store that fails on demand: as if the program were killed, or the store went away.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use alien_core::memory::Account;
use alien_core::{Clock, Error, ErrorKind, Result};
use alien_fleet::store::{Change, Document, InMemory, Key, Span, Store, Table};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

/// At which change something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The program ends before the change is written.
    Before(usize),
    /// The program ends after the change was written, and before it learns that.
    After(usize),
}

/// One program's connection to a store. Others have their own.
#[derive(Debug)]
pub(crate) struct Faulty {
    kept: Arc<InMemory>,
    changes: AtomicUsize,
    ends: Mutex<Option<At>>,
    gone: Arc<AtomicBool>,
    /// If the program was killed at a call, it writes nothing more either.
    account: Account,
}

impl Faulty {
    pub(crate) fn new(kept: &Arc<InMemory>, ends: Option<At>, gone: &Arc<AtomicBool>, account: &Account) -> Self {
        let (changes, ends) = (AtomicUsize::new(0), Mutex::new(ends));
        Self { kept: Arc::clone(kept), changes, ends, gone: Arc::clone(gone), account: account.clone() }
    }

    fn answers(&self) -> Result<()> {
        if self.account.is_killed() {
            self.gone.store(true, Ordering::SeqCst);
        }
        if self.gone.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the store went away"));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Faulty {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Document>>> {
        self.answers()?;
        self.kept.read(keys).await
    }

    async fn list(
        &self,
        table: Table,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>> {
        self.answers()?;
        self.kept.list(table, group, after, limit).await
    }

    async fn change(&self, keys: BTreeSet<Key>, change: Change) -> Result<()> {
        self.answers()?;
        let number = self.changes.fetch_add(1, Ordering::SeqCst);
        let ends = *self.ends.lock().unwrap();
        if ends == Some(At::Before(number)) {
            self.gone.store(true, Ordering::SeqCst);
        }
        self.answers()?;
        self.kept.change(keys, change).await?;
        if ends == Some(At::After(number)) {
            self.gone.store(true, Ordering::SeqCst);
        }
        self.answers()
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
        self.answers()?;
        self.kept.take(table, group, span, limit, now, until).await
    }

    async fn next(&self, table: Table, group: &str, queue: u8, after: i64) -> Result<Option<i64>> {
        self.answers()?;
        self.kept.next(table, group, queue, after).await
    }

    fn announced(&self) -> watch::Receiver<u64> {
        self.kept.announced()
    }

    async fn time(&self, clock: &dyn Clock) -> Result<Timestamp> {
        self.answers()?;
        self.kept.time(clock).await
    }
}
