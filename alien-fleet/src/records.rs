//! Records of deployments, as documents of a store.

use std::sync::atomic::{AtomicBool, Ordering};

use alien_core::{Deployment, DeploymentId, ErrorKind, RecordStore, Result};
use async_trait::async_trait;
use serde::Deserialize;

use crate::ledger::{Ledger, Pages};
use crate::store::{Key, Table};

/// Who has written a record, for those whose write comes too late.
const WRITER: &str = "another worker of the fleet";

/// The records of a fleet.
#[derive(Debug)]
pub(crate) struct Records {
    ledger: Ledger,
    /// Whether the store did not answer a call.
    is_unanswered: AtomicBool,
}

impl Records {
    pub(crate) const fn new(ledger: Ledger) -> Self {
        Self { ledger, is_unanswered: AtomicBool::new(false) }
    }

    /// Whether the store did not answer a call. What then fails for a manager is not the fault of a deployment.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.is_unanswered.load(Ordering::Relaxed)
    }

    fn noted<T>(&self, done: Result<T>) -> Result<T> {
        if done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable) {
            self.is_unanswered.store(true, Ordering::Relaxed);
        }
        done
    }

    pub(crate) fn key(id: DeploymentId) -> Key {
        Key::new(Table::Record, "", id.to_string())
    }
}

/// What is read of a kept record to save another over it: reading all of it costs more than the rest.
#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    revision: u64,
    writer: Option<String>,
}

#[async_trait]
impl RecordStore for Records {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        self.noted(self.ledger.get(&Self::key(id)).await)
    }

    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        let (id, key, record) = (record.id, Self::key(record.id), record.clone());
        let save = move |pages: &mut Pages<'_>| {
            let kept: Option<Kept> = pages.get(&key)?;
            let kept = kept.as_ref().map(|kept| (kept.revision, kept.writer.as_deref()));
            let next = record.kept_over_revision(kept, WRITER)?;
            pages.put(key.clone(), &next, None)?;
            Ok(next)
        };
        self.noted(self.ledger.change([Self::key(id)], save).await)
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        let all = self.ledger.all::<Deployment>(Table::Record, "").await?;
        Ok(all.into_iter().map(|(_, record)| record.id).collect())
    }
}
