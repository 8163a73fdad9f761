//! One record, as a program works on it: read from a store, changed, and saved; and the lease of whoever changes the
//! deployment.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{self, Either};

use super::store::RecordStore;
use crate::clock::{Clock, later};
use crate::deployment::{Deployment, InFlight};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ResourceId, RunId};
use crate::stack::Stack;

/// How long a lease lasts, unless it is renewed: after a program was killed, others wait that long.
const LEASE: Duration = Duration::from_secs(60);

/// Which leases of others are not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// None.
    Free,
    /// Any: the caller knows that the other has ended.
    Over,
    /// Those of rollouts whose claim has a lower fencing number: that claim is over.
    Fenced(u64),
}

impl Taking {
    fn takes(self, other: &InFlight) -> bool {
        match self {
            Self::Free => false,
            Self::Over => true,
            Self::Fenced(fence) => other.fence.is_some_and(|other| other < fence),
        }
    }

    pub(crate) const fn fence(self) -> Option<u64> {
        match self {
            Self::Fenced(fence) => Some(fence),
            Self::Free | Self::Over => None,
        }
    }
}

/// The record of a deployment, where it is kept, and who changes it here.
#[derive(Debug)]
pub(crate) struct KeptRecord {
    record: RwLock<Arc<Deployment>>,
    store: Option<Arc<dyn RecordStore>>,
    /// The name under which this program holds leases.
    pub(crate) owner: RunId,
}

impl KeptRecord {
    pub(crate) fn new(record: Deployment, store: Option<Arc<dyn RecordStore>>, owner: RunId) -> Self {
        Self { record: RwLock::new(Arc::new(record)), store, owner }
    }

    /// The record as it was read or written last.
    pub(crate) fn get(&self) -> Arc<Deployment> {
        Arc::clone(&self.record.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the record again, if it is kept in a store: another program may have changed it.
    pub(crate) async fn reload(&self) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let id = self.get().id;
        let found = store.load(id).await?;
        let missing = || Error::new(ErrorKind::NotFound, format!("the store has no record of deployment {id}"));
        self.put(found.ok_or_else(missing)?);
        Ok(())
    }

    /// Changes the record, and saves it. `change` may be called several times: each time with the record that somebody
    /// else saved in between. It refuses what it may not change.
    pub(crate) async fn change<T>(&self, mut change: impl FnMut(&mut Deployment) -> Result<T> + Send) -> Result<T> {
        // Each round that is lost was won by somebody else.
        for _ in 0..100 {
            let before = self.get();
            let mut next = Deployment::clone(&before);
            let done = change(&mut next)?;
            if next == *before {
                return Ok(done);
            }
            let Some(store) = &self.store else {
                if self.swap(&before, next) {
                    return Ok(done);
                }
                continue;
            };
            match store.save(&next).await {
                Ok(kept) => {
                    self.put(kept);
                    return Ok(done);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => self.reload().await?,
                Err(error) => {
                    // What happened is known here, even if it cannot be saved now: the next save tries again.
                    self.swap(&before, next);
                    return Err(error);
                }
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the record is changed all the time; run again"))
    }

    /// Changes the record in this process only, for the one who cannot wait.
    pub(crate) fn change_here(&self, change: impl FnOnce(&mut Deployment)) {
        let mut here = self.record.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut here));
    }

    fn put(&self, record: Deployment) {
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(record);
    }

    /// Replaces the record, unless another task has changed it meanwhile.
    fn swap(&self, before: &Arc<Deployment>, next: Deployment) -> bool {
        let mut here = self.record.write().unwrap_or_else(PoisonError::into_inner);
        let same = Arc::ptr_eq(&here, before);
        if same {
            *here = Arc::new(next);
        }
        same
    }

    /// The lease of this program on what it is about to change.
    pub(crate) fn lease(
        &self,
        clock: &dyn Clock,
        by: &str,
        stack: &Stack,
        resources: BTreeSet<ResourceId>,
    ) -> InFlight {
        let since = clock.now();
        InFlight {
            owner: self.owner.clone(),
            by: by.to_owned(),
            since,
            until: later(since, LEASE),
            release: stack.digest().to_owned(),
            resources,
            fence: None,
        }
    }

    /// Whether this program holds the lease.
    pub(crate) fn holds(&self, record: &Deployment) -> bool {
        record.in_flight.as_ref().is_some_and(|in_flight| in_flight.owner == self.owner)
    }

    /// Fails if somebody else holds the lease. A lease that has ended was interrupted.
    pub(crate) fn is_free(&self, record: &Deployment, clock: &dyn Clock, taking: Taking) -> Result<()> {
        let now = clock.now();
        let other = record.in_flight.as_ref().filter(|other| other.owner != self.owner && other.until > now);
        let Some(other) = other.filter(|other| !taking.takes(other)) else { return Ok(()) };
        let help = format!("wait for it to end; if it was interrupted, run again after {}, or take over", other.until);
        Err(Error::new(ErrorKind::Locked, format!("{other}; {help}")))
    }

    /// Changes the record while this program holds the lease.
    pub(crate) async fn change_own(&self, change: impl Fn(&mut Deployment) + Send + Sync) -> Result<()> {
        self.change(|record| match &record.in_flight {
            Some(in_flight) if in_flight.owner == self.owner => {
                change(record);
                Ok(())
            }
            Some(other) => Err(Error::new(ErrorKind::Locked, format!("{other}: it took over from this one"))),
            None => Err(Error::new(ErrorKind::Locked, "another program has ended the lease of this one")),
        })
        .await
    }

    /// Does work while the lease is renewed. If the lease is lost, the work stops, and the error says who has it.
    pub(crate) async fn leased<T>(&self, clock: &dyn Clock, work: impl Future<Output = T> + Send) -> Result<T> {
        let keep = async {
            loop {
                clock.sleep(LEASE / 3).await;
                let until = later(clock.now(), LEASE);
                let renewed = self.change_own(|record| {
                    if let Some(in_flight) = &mut record.in_flight {
                        in_flight.until = until;
                    }
                });
                match renewed.await {
                    Err(error) if error.kind() == ErrorKind::Locked => return error,
                    // The store may work again before the lease ends.
                    Err(error) => tracing::warn!(%error, "the lease was not renewed"),
                    Ok(()) => {}
                }
            }
        };
        match future::select(std::pin::pin!(work), std::pin::pin!(keep)).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right((lost, _)) => Err(lost),
        }
    }
}

/// Ends a lease. Of what was still being changed, nobody knows how far it came.
pub(crate) fn interrupted(record: &mut Deployment) {
    if let Some(InFlight { resources, .. }) = record.in_flight.take() {
        record.uncertain.extend(resources);
    }
}
