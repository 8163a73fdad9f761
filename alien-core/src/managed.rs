//! One deployment and its sessions: every call of the vendor goes through here.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::clock::Clock;
use crate::deployment::Deployment;
use crate::error::{ErrorKind, Result};
use crate::impersonate::{Impersonate, Purpose};
use crate::manage::Manage;

/// One deployment: its current record, and what opens sessions in it.
#[derive(Debug)]
pub(crate) struct Managed {
    pub(crate) impersonator: Arc<dyn Impersonate>,
    deployment: RwLock<Deployment>,
}

impl Managed {
    pub(crate) const fn new(impersonator: Arc<dyn Impersonate>, deployment: Deployment) -> Self {
        Self { impersonator, deployment: RwLock::new(deployment) }
    }

    pub(crate) fn record(&self) -> RwLockReadGuard<'_, Deployment> {
        self.deployment.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record_mut(&self) -> RwLockWriteGuard<'_, Deployment> {
        self.deployment.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock that calls wait on.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.impersonator.clock()
    }

    pub(crate) async fn with<T, F: Future<Output = Result<T>>>(
        &self,
        purpose: &Purpose,
        work: impl Fn(Arc<dyn Manage>) -> F,
    ) -> Result<T> {
        let deployment = self.record().clone();
        self.with_session(&deployment, purpose, Repeat::Once, work).await
    }

    /// Works with a session. A session that the cloud no longer accepts is replaced. If that fails, the access was
    /// revoked. Otherwise, work that is safe to repeat is done once more.
    pub(crate) async fn with_session<T, F: Future<Output = Result<T>>>(
        &self,
        deployment: &Deployment,
        purpose: &Purpose,
        repeat: Repeat,
        work: impl Fn(Arc<dyn Manage>) -> F,
    ) -> Result<T> {
        let session = self.impersonator.session(deployment, purpose).await?;
        let serial = session.serial();
        match work(session).await {
            Err(error) if matches!(error.kind(), ErrorKind::Expired | ErrorKind::Denied) => {
                let session = self.impersonator.replace(deployment, purpose, serial).await?;
                match repeat {
                    Repeat::Once if session.serial() != serial => work(session).await,
                    Repeat::Once | Repeat::Never => Err(error),
                }
            }
            done => done,
        }
    }
}

/// Whether work that a session was refused is repeated with a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Once,
    /// It makes several calls, and some may have been done.
    Never,
}
