//! A fleet: all deployments of a vendor's products, and the releases on their way to them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::rollout::Sequence;
use alien_core::{
    Artifacts, Clock, Deployment, DeploymentId, Error, ErrorKind, Manager, PublishedRelease, RecordStore, Release,
    Result, StackName, SystemClock,
};
use jiff::{SignedDuration, Timestamp};

use crate::artifacts::{ArtifactStore, ArtifactsInMemory};
use crate::clouds::Clouds;
use crate::deployments::Listed;
use crate::ledger::{Ledger, Pages};
use crate::log::{Draft, Entry, What, Who};
use crate::products::{KeptRelease, Product};
use crate::records::Records;
use crate::rollout_id::RolloutId;
use crate::store::{Key, Store, Table};
use crate::trust::Trust;

/// All deployments of a vendor's products. Clones share it.
///
/// Everything it knows is in its [`Store`], so it may be dropped, killed, or opened by several programs at once, as far as
/// the store allows that.
#[derive(Clone)]
pub struct Fleet {
    pub(crate) inner: Arc<Inner>,
    who: Who,
}

pub(crate) struct Inner {
    pub(crate) ledger: Ledger,
    pub(crate) records: Arc<Records>,
    pub(crate) clouds: Clouds,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) clock: Arc<dyn Clock>,
    trust: Trust,
    /// How far the store's time is ahead of the clock's, in milliseconds.
    ahead: AtomicI64,
    /// The releases that are being rolled out, with their zips.
    releases: Mutex<HashMap<(StackName, Sequence), Arc<Release>>>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("store", &self.inner.ledger).field("who", &self.who).finish_non_exhaustive()
    }
}

/// Collects what a fleet is opened with.
#[derive(Debug)]
#[must_use = "call `open`"]
pub struct FleetBuilder {
    store: Arc<dyn Store>,
    clouds: Clouds,
    artifacts: Arc<dyn ArtifactStore>,
    clock: Arc<dyn Clock>,
    who: Who,
    trust: Trust,
}

impl FleetBuilder {
    /// Sets where zips are kept. By default, in this process.
    pub fn artifacts(mut self, artifacts: impl ArtifactStore + 'static) -> Self {
        self.artifacts = Arc::new(artifacts);
        self
    }

    /// Sets the clock. By default, the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets who acts, as the log says it. By default, `somebody`, which is marked as a claim.
    pub fn acting_as(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// Rolls out only those releases of a product that a verifier takes. As soon as there is one, no other product is rolled out.
    ///
    /// A rollout begins only if its release and its twin are signed as the store has them, and nothing has expired. What a worker rolls
    /// out is verified again, and its zips are read from the verifier's repository. Whoever changes the store can then
    /// choose among what is signed, or hold it back, and can make nothing.
    #[cfg(feature = "signed")]
    pub fn trusting(mut self, product: StackName, verifier: alien_release::Verifier) -> Self {
        self.trust.insert(product, verifier);
        self
    }

    /// Opens the fleet. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the store does not answer.
    pub async fn open(self) -> Result<Fleet> {
        let Self { store, clouds, artifacts, clock, who, trust } = self;
        let ledger = Ledger::new(store);
        let records = Arc::new(Records::new(ledger.clone()));
        let releases = Mutex::default();
        let inner = Inner { ledger, records, clouds, artifacts, clock, trust, ahead: AtomicI64::new(0), releases };
        inner.read_time().await?;
        Ok(Fleet { inner: Arc::new(inner), who })
    }
}

impl Fleet {
    /// Begins to open a fleet over a store, on these clouds.
    pub fn builder(store: impl Store + 'static, clouds: Clouds) -> FleetBuilder {
        let (artifacts, clock) = (Arc::new(ArtifactsInMemory::default()), Arc::new(SystemClock));
        FleetBuilder {
            store: Arc::new(store),
            clouds,
            artifacts,
            clock,
            who: Who::claimed("somebody"),
            trust: Trust::default(),
        }
    }

    /// The same fleet, for somebody else: the log says who did what.
    #[must_use]
    pub fn acting_as(&self, who: Who) -> Self {
        Self { inner: Arc::clone(&self.inner), who }
    }

    /// Who acts.
    #[must_use]
    pub const fn who(&self) -> &Who {
        &self.who
    }

    /// The manager of one deployment: heartbeat, logs, commands. What it releases bypasses rollouts.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such deployment; [`Unsupported`](ErrorKind::Unsupported) if it is
    /// on a cloud that this fleet is not on; errors of the store, and of connecting.
    pub async fn manager(&self, id: DeploymentId) -> Result<Manager> {
        self.inner.manager(id).await
    }

    /// The records of all deployments, as a program that releases to one of them by itself keeps them: for
    /// [`Manager::open`].
    #[must_use]
    pub fn records(&self) -> Arc<dyn RecordStore> {
        Arc::clone(&self.inner.records) as _
    }

    /// The entries of the log after this number, at most `limit`.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>> {
        self.inner.log(after, limit).await
    }

    /// Waits until something is announced in the store: an operator's order, a rollout that moved on, a new release.
    pub async fn changed(&self) {
        let mut announced = self.inner.ledger.store().announced();
        announced.mark_unchanged();
        // A store that is closed announces nothing more.
        if announced.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn draft(&self, what: What) -> Draft {
        Draft { at: self.inner.now(), who: self.who.clone(), what }
    }

    /// Changes documents of a product and of its rollouts that are not over, whose ids `change` is given.
    pub(crate) async fn change_product<T: Send + 'static>(
        &self,
        product: &StackName,
        keys: impl IntoIterator<Item = Key>,
        of_active: impl Fn(&RolloutId) -> Vec<Key>,
        change: impl FnMut(&mut Pages<'_>, &[RolloutId]) -> Result<T> + Send + Clone + 'static,
    ) -> Result<T> {
        let keys: Vec<Key> = keys.into_iter().collect();
        loop {
            let key = Product::key(product);
            let seen: Product = self.inner.ledger.get(&key).await?.unwrap_or_default();
            let active = seen.active(product);
            let all = keys.iter().cloned().chain([key.clone()]);
            let all: Vec<Key> =
                all.chain(active.iter().flat_map(|id| [vec![id.key()], of_active(id)].concat())).collect();
            let mut change = change.clone();
            let done = self.inner.ledger.change(all, move |pages| {
                let found: Product = pages.get(&key)?.unwrap_or_default();
                // If a rollout began or ended in between, other documents are to be locked.
                if found.active != seen.active { Ok(None) } else { change(pages, &active).map(Some) }
            });
            if let Some(done) = done.await? {
                return Ok(done);
            }
        }
    }
}

impl Inner {
    /// The time, as all who use the store agree on it.
    pub(crate) fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed));
        self.clock.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Compares the clock with the store's time.
    pub(crate) async fn read_time(&self) -> Result<()> {
        let time = self.ledger.store().time(&*self.clock).await?;
        let ahead = time.duration_since(self.clock.now()).as_millis();
        self.ahead.store(i64::try_from(ahead).unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn record(&self, id: DeploymentId) -> Result<Deployment> {
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no deployment {id}"));
        self.ledger.get(&Records::key(id)).await?.ok_or_else(missing)
    }

    pub(crate) async fn manager(&self, id: DeploymentId) -> Result<Manager> {
        self.manager_over(id, &self.records).await
    }

    /// A manager that keeps its record there.
    pub(crate) async fn manager_over(&self, id: DeploymentId, records: &Arc<Records>) -> Result<Manager> {
        let record = self.record(id).await?;
        let vendor = self.clouds.enter(&record).await?;
        Ok(Manager::over(vendor, Arc::clone(records) as _, record))
    }

    pub(crate) async fn listed(&self, id: DeploymentId) -> Result<(Listed, Deployment)> {
        let record = self.record(id).await?;
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no deployment {id}"));
        let listed = self.ledger.get(&Listed::key(record.stack.name(), id)).await?;
        Ok((listed.ok_or_else(missing)?, record))
    }

    pub(crate) async fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>> {
        let after = Entry::key(after).id;
        let found = self.ledger.store().list(Table::Log, "", Some(&after), limit).await?;
        found.iter().map(|(id, document)| crate::store::parse(&Key::new(Table::Log, "", id), document)).collect()
    }

    pub(crate) async fn kept_release(&self, product: &StackName, sequence: Sequence) -> Result<KeptRelease> {
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no release {sequence} of `{product}`"));
        self.ledger.get(&KeptRelease::key(product, sequence)).await?.ok_or_else(missing)
    }

    pub(crate) async fn published(&self, product: &StackName, sequence: Sequence) -> Result<PublishedRelease> {
        self.kept_release(product, sequence).await?.release()
    }

    /// A release with the bytes of its zips. Those of the last ones are kept in this process.
    pub(crate) async fn release(&self, product: &StackName, sequence: Sequence) -> Result<Arc<Release>> {
        let kept =
            self.releases.lock().unwrap_or_else(PoisonError::into_inner).get(&(product.clone(), sequence)).cloned();
        if let Some(found) = kept {
            return Ok(found);
        }
        let stored = self.kept_release(product, sequence).await?;
        let release = match self.trust.release(product, sequence, &stored.digest).await? {
            Some(signed) => signed,
            None => Arc::new(self.with_zips(stored.release()?).await?),
        };
        self.remember(product, sequence, Arc::clone(&release));
        Ok(release)
    }

    /// Keeps a release that was just published. Where signatures are asked for, it is verified before it is kept.
    pub(crate) fn remember_published(&self, published: &PublishedRelease, release: &Release) {
        if !self.trust.asks() {
            self.remember(published.product(), published.sequence(), Arc::new(release.clone()));
        }
    }

    /// Keeps a release with its zips in this process.
    fn remember(&self, product: &StackName, sequence: Sequence, release: Arc<Release>) {
        let mut kept = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert((product.clone(), sequence), release);
    }

    /// The release, with the zips that are among the artifacts.
    async fn with_zips(&self, release: PublishedRelease) -> Result<Release> {
        let mut zips = Vec::new();
        for digest in release.zips().keys() {
            let missing = || {
                let what = format!("the zip {digest} of release {} is not among the artifacts", release.sequence());
                Error::new(ErrorKind::Unavailable, what)
            };
            zips.push(self.artifacts.get(digest).await?.ok_or_else(missing)?);
        }
        let artifacts: Artifacts = zips.into_iter().collect();
        Ok(Release::new(release.stack().clone(), artifacts)?)
    }

    /// Asks whether a release, and what it is reverted to, may be rolled out from now on.
    pub(crate) async fn decide(&self, product: &StackName, sequence: Sequence) -> Result<()> {
        let kept = self.kept_release(product, sequence).await?;
        self.trust.decide(product, sequence, &kept.digest).await?;
        if let Some(twin) = kept.twin {
            let kept = self.kept_release(product, twin.sequence).await?;
            self.trust.decide(product, twin.sequence, &kept.digest).await?;
        }
        Ok(())
    }
}

/// The most releases that are kept in this process.
const KEPT: usize = 4;
