//! One deployment and its sessions: every call of the vendor goes through here, and every change of its record.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::clock::Clock;
use crate::deployment::Deployment;
use crate::error::{ErrorKind, Result};
use crate::impersonate::{Impersonate, Purpose};
use crate::manage::Manage;
use crate::name::RunId;
use crate::records::{KeptRecord, RecordStore};

/// One deployment: its current record, where that is kept, and what opens sessions in it.
#[derive(Debug)]
pub(crate) struct Managed {
    pub(crate) impersonator: Arc<dyn Impersonate>,
    pub(crate) kept: KeptRecord,
    releasing: Mutex<()>,
}

impl Managed {
    pub(crate) fn new(
        impersonator: Arc<dyn Impersonate>,
        deployment: Deployment,
        store: Option<Arc<dyn RecordStore>>,
    ) -> Self {
        let kept = KeptRecord::new(deployment, store, RunId::new());
        Self { impersonator, kept, releasing: Mutex::new(()) }
    }

    /// Waits until no other release of this manager is in progress.
    pub(crate) async fn one_release(&self) -> MutexGuard<'_, ()> {
        self.releasing.lock().await
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
        let deployment = self.kept.get();
        self.with_session(&deployment, purpose, Repeat::Unsent, work).await
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
                    Repeat::Unsent if session.serial() != serial && !error.was_sent() => work(session).await,
                    Repeat::Unsent | Repeat::Never => Err(error),
                }
            }
            done => done,
        }
    }
}

/// Whether work that a session was refused is repeated with a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Unless what must not be done twice may have been sent.
    Unsent,
    /// It makes several calls, and some may have been done.
    Never,
}
