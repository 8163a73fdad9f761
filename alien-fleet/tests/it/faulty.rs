//! A store that fails on demand: as if the program were killed, or the store went away.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_core::memory::Account;
use alien_core::{Clock, Error, ErrorKind, Result};
use alien_fleet::store::{Change, Document, InMemory, Key, Span, Store, Table};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
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

/// What somebody else does in between.
struct Meanwhile(BoxFuture<'static, ()>);

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
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
    meanwhile: Mutex<Option<Meanwhile>>,
    ahead: Duration,
    /// If it says something, only changes of this table fail while the store is away.
    only: Option<Table>,
}

impl Faulty {
    pub(crate) fn new(kept: &Arc<InMemory>, ends: Option<At>, gone: &Arc<AtomicBool>, account: &Account) -> Self {
        let (changes, ends) = (AtomicUsize::new(0), Mutex::new(ends));
        let (kept, gone, account, meanwhile) = (Arc::clone(kept), Arc::clone(gone), account.clone(), Mutex::default());
        Self { kept, changes, ends, gone, account, meanwhile, ahead: Duration::ZERO, only: None }
    }

    /// After something was listed first, somebody else does this.
    pub(crate) fn meanwhile(self, work: impl Future<Output = ()> + Send + 'static) -> Self {
        *self.meanwhile.lock().unwrap() = Some(Meanwhile(Box::pin(work)));
        self
    }

    /// While the store is away, only changes of this table fail.
    pub(crate) fn only(mut self, table: Table) -> Self {
        self.only = Some(table);
        self
    }

    /// The store's time is ahead of the clock's.
    pub(crate) fn ahead(mut self, time: Duration) -> Self {
        self.ahead = time;
        self
    }

    fn reads(&self) -> Result<()> {
        if self.only.is_some() { Ok(()) } else { self.answers() }
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
        self.reads()?;
        self.kept.read(keys).await
    }

    async fn list(
        &self,
        table: Table,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>> {
        self.reads()?;
        let found = self.kept.list(table, group, after, limit).await;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(Meanwhile(work)) = meanwhile {
            work.await;
        }
        found
    }

    async fn change(&self, keys: BTreeSet<Key>, change: Change) -> Result<()> {
        if self.only.is_some_and(|only| keys.iter().all(|key| key.table != only)) {
            return self.kept.change(keys, change).await;
        }
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
        self.reads()?;
        self.kept.take(table, group, span, limit, now, until).await
    }

    async fn next(&self, table: Table, group: &str, queue: u8, after: i64) -> Result<Option<i64>> {
        self.reads()?;
        self.kept.next(table, group, queue, after).await
    }

    fn announced(&self) -> watch::Receiver<u64> {
        self.kept.announced()
    }

    async fn time(&self, clock: &dyn Clock) -> Result<Timestamp> {
        self.reads()?;
        Ok(self.kept.time(clock).await? + self.ahead)
    }
}
