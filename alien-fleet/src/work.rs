//! The workers of a fleet: they take what is due, update deployments and look at them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_core::rollout::{Event, Head, Queue, Reach, Rollout, Row, Task, next};
use alien_core::{DeploymentId, Error, ErrorKind, Result, RunId, StackName};
use futures_util::FutureExt as _;
use futures_util::future;
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::fleet::Fleet;
use crate::log::Who;
use crate::rollout_id::RolloutId;
use crate::rollouts::{KeptRollout, span};
use crate::store::{Key, Table, parse};
use crate::update::{Claiming, Update};
use crate::watch::{LOOK, Watch};

/// How long a row that was taken is not given to others. Whoever takes one folds an event soon after.
const HELD: Duration = Duration::from_secs(1);

/// How often at least the store is asked what is due, and how often at most.
const ASKED_AT_LEAST_EVERY: Duration = Duration::from_secs(1);
const ASKED_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// Works for a fleet: claims what is due, updates it, watches it. Any number of programs may have workers for one store.
///
/// A worker may be killed at any point. What it had is finished by another, or by itself when it runs again.
#[derive(Debug, Clone)]
#[must_use = "call `run`"]
pub struct Worker {
    fleet: Fleet,
    name: RunId,
    width: usize,
    patience: Duration,
    silence: Duration,
    watch: Option<Duration>,
    ends: bool,
}

impl Fleet {
    /// A worker for this fleet.
    pub fn worker(&self) -> Worker {
        let name = RunId::new();
        let who = Who { name: format!("worker {name}"), claimed: self.who().claimed };
        Worker {
            fleet: self.acting_as(who),
            name,
            width: 256,
            patience: Duration::from_secs(30 * 60),
            silence: Duration::from_secs(15 * 60),
            watch: Some(Duration::from_secs(300)),
            ends: false,
        }
    }

    /// Works until `shutdown` is ready, with the defaults of [`worker`](Self::worker).
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        self.worker().run(shutdown).await
    }
}

impl Worker {
    /// Sets how many deployments this worker has at once, at most. The plan of a rollout says how many all have together.
    pub fn width(mut self, deployments: usize) -> Self {
        self.width = deployments.max(1);
        self
    }

    /// Sets how long the update of one deployment may take. What is sent by then is uncertain, and repeated.
    pub const fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Sets how long the agent of a deployment that pulls its releases may be silent, before it begins a release and while it is at it.
    /// Then it counts as unreachable. By default 15 minutes: it asks every five at least, and reports every ten.
    pub const fn silence(mut self, time: Duration) -> Self {
        self.silence = time;
        self
    }

    /// Sets how often the health of every deployment is looked at. By default, every five minutes.
    pub const fn watch_every(mut self, time: Duration) -> Self {
        self.watch = Some(time);
        self
    }

    /// Does not look at the health of deployments beyond what rollouts need.
    pub const fn without_watch(mut self) -> Self {
        self.watch = None;
        self
    }

    /// Ends by itself when every rollout is over.
    pub const fn until_over(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Works until `shutdown` is ready. Then it claims nothing more, and ends when the updates that it has begun have
    /// ended. It may be dropped instead: that is as if it were killed.
    ///
    /// While the store does not answer it waits, and goes on when it answers again.
    ///
    /// # Errors
    ///
    /// [`Internal`](ErrorKind::Internal) if the store holds what this version cannot read.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        let shutdown = shutdown.fuse();
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tasks: JoinSet<()> = JoinSet::new();
        let claiming = Arc::new(AtomicUsize::new(0));
        let watch = async {
            match self.watch {
                Some(every) => Watch::new(self.fleet.clone(), every).run().await,
                None => future::pending().await,
            }
        };
        let mut watch = std::pin::pin!(watch.fuse());
        let mut announced = self.fleet.inner.ledger.store().announced();
        let mut failures = 0;
        loop {
            announced.mark_unchanged();
            let wake = match self.scan(&mut tasks, &claiming).await {
                Ok(Scanned { all_over: true, .. }) if self.ends && tasks.is_empty() => return Ok(()),
                Ok(scanned) => {
                    failures = 0;
                    scanned.wake
                }
                Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "the store does not answer");
                    None
                }
            };
            let now = self.fleet.inner.now();
            let until = wake.map_or(ASKED_AT_LEAST_EVERY, |wake| {
                Duration::try_from(wake.duration_since(now)).unwrap_or_default().min(ASKED_AT_LEAST_EVERY)
            });
            let sleep = self.fleet.inner.clock.sleep(until.max(ASKED_AT_MOST_EVERY));
            tokio::select! {
                () = &mut shutdown => break,
                () = &mut watch => {}
                () = sleep => {}
                changed = announced.changed() => {
                    if changed.is_err() {
                        return Err(Error::new(ErrorKind::Internal, "the store was closed"));
                    }
                }
                Some(ended) = tasks.join_next() => {
                    report(ended);
                    while let Some(ended) = tasks.try_join_next() {
                        report(ended);
                    }
                    // Others end about now too: what is due is asked for once.
                    self.fleet.inner.clock.sleep(ASKED_AT_MOST_EVERY).await;
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
        Ok(())
    }

    /// Takes what is due, as far as this worker has room.
    async fn scan(&self, tasks: &mut JoinSet<()>, claiming: &Arc<AtomicUsize>) -> Result<Scanned> {
        let (mut wake, mut all_over) = (None::<Timestamp>, true);
        for product in self.fleet.products().await? {
            for id in self.fleet.active(&product).await? {
                all_over = false;
                let Some(head) = self.ticked(&id).await? else { continue };
                let now = self.fleet.inner.now();
                let mut took = false;
                for reach in head.reach(now) {
                    took |= self.take(&id, &head, &reach, tasks, claiming).await?;
                }
                if !took {
                    let next = self.next(&id, &head, now).await?;
                    wake = wake.into_iter().chain(next).min();
                }
            }
        }
        Ok(Scanned { wake, all_over })
    }

    /// The rollout's own row, after what time alone has changed.
    async fn ticked(&self, id: &RolloutId) -> Result<Option<Head>> {
        let read = || async {
            let kept: Option<KeptRollout> = self.fleet.inner.ledger.get(&id.key()).await?;
            Ok::<_, Error>(kept.map(|kept| kept.head))
        };
        let Some(head) = read().await? else { return Ok(None) };
        let (after, _) = next(&Rollout::from_rows(head.clone(), []), &Event::Tick, self.fleet.inner.now());
        if *after.head() == head {
            return Ok(Some(head));
        }
        self.fleet.tell(id, &Event::Tick).await?;
        read().await
    }

    /// Takes the rows of one part of a queue, and begins what is due for each.
    async fn take(
        &self,
        id: &RolloutId,
        head: &Head,
        reach: &Reach,
        tasks: &mut JoinSet<()>,
        claiming: &Arc<AtomicUsize>,
    ) -> Result<bool> {
        let mut took = false;
        loop {
            let room = self.width.saturating_sub(tasks.len());
            let room = match (reach.queue, head.room()) {
                (Queue::Turn | Queue::Delayed | Queue::Updated, Some(claims)) => {
                    room.min((claims as usize).saturating_sub(claiming.load(Ordering::Relaxed)))
                }
                _ => room,
            };
            if room == 0 {
                return Ok(took);
            }
            let now = self.fleet.inner.now();
            let until = now.checked_add(HELD).unwrap_or(Timestamp::MAX);
            let store = self.fleet.inner.ledger.store();
            let found = store.take(Table::Row, &id.rows(), span(reach), room, now, until).await?;
            if found.is_empty() {
                return Ok(took);
            }
            for (deployment, document) in found {
                let row: Row = parse(&Key::new(Table::Row, id.rows(), deployment.as_str()), &document)?;
                let wrong =
                    |_| Error::new(ErrorKind::Internal, format!("`{deployment}` is not the id of a deployment"));
                let deployment: DeploymentId = deployment.parse().map_err(wrong)?;
                let fence = row.fence();
                let rollout = Rollout::from_rows(head.clone(), [(deployment, row)]);
                let Some((_, task)) = rollout.due(now).next() else { continue };
                took = true;
                let claim = (task == Task::Claim).then(|| Claiming::new(claiming));
                tasks.spawn(self.clone().carry_out(id.clone(), deployment, fence, task, claim));
            }
        }
    }

    /// When something is due next in this rollout, as far as its rows tell.
    async fn next(&self, id: &RolloutId, head: &Head, now: Timestamp) -> Result<Option<Timestamp>> {
        let mut first = None::<Timestamp>;
        for reach in head.reach(now) {
            let queue = reach.queue;
            if !matches!(queue, Queue::Leased | Queue::Delayed | Queue::Baking) {
                continue;
            }
            let after = *reach.places.end();
            let found = self.fleet.inner.ledger.store().next(Table::Row, &id.rows(), queue.number(), after).await?;
            let when = found.and_then(|at| head.when(alien_core::rollout::Position { queue, at }));
            first = first.into_iter().chain(when).min();
        }
        Ok(first)
    }

    async fn carry_out(
        self,
        id: RolloutId,
        deployment: DeploymentId,
        fence: u64,
        task: Task,
        claiming: Option<Claiming>,
    ) {
        let done = match task {
            Task::Claim => {
                let (fleet, owner) = (&self.fleet, &self.name);
                let (patience, silence) = (self.patience, self.silence);
                let update = Update { fleet, owner, rollout: &id, deployment, patience, silence };
                update.carry_out(fence, claiming).await
            }
            Task::Look { look } => self.look(&id, deployment, fence, look).await,
            Task::Expire => self.fleet.tell(&id, &Event::Expire { deployment, fence }).await.map(drop),
            Task::Close => self.fleet.tell(&id, &Event::Close { deployment }).await.map(drop),
        };
        if let Err(error) = done {
            // It is due still, and somebody takes it again.
            tracing::warn!(%error, rollout = %id, %deployment, "a task of a rollout was not done");
        }
    }

    async fn look(&self, id: &RolloutId, deployment: DeploymentId, fence: u64, look: u32) -> Result<()> {
        let sight = self.fleet.sight(deployment, LOOK).await;
        self.fleet.tell(id, &Event::Look { deployment, fence, look, sight }).await.map(drop)
    }
}

impl Fleet {
    /// The rollouts of a product that are not over.
    pub(crate) async fn active(&self, product: &StackName) -> Result<Vec<RolloutId>> {
        let found: Option<crate::products::Product> =
            self.inner.ledger.get(&crate::products::Product::key(product)).await?;
        Ok(found.map(|found| found.active(product)).unwrap_or_default())
    }
}

/// What a scan found.
struct Scanned {
    /// When something is due next.
    wake: Option<Timestamp>,
    /// Whether no rollout goes on.
    all_over: bool,
}

/// A task that panicked has a defect; what it had is found again when its lease ends.
fn report(ended: std::result::Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task of a worker ended early");
    }
}
