//! Records in this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::store::RecordStore;
use crate::deployment::{Deployment, DeploymentId};
use crate::error::Result;

/// Keeps records in this process, for tests and for programs that run once. Share it by an `Arc`.
#[derive(Debug, Default)]
pub struct RecordsInMemory(Mutex<BTreeMap<DeploymentId, Deployment>>);

impl RecordsInMemory {
    /// Keeps nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl RecordStore for RecordsInMemory {
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned())
    }

    async fn save(&self, record: &Deployment) -> Result<Deployment> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = record.kept_over(records.get(&record.id), "this process")?;
        records.insert(record.id, stored.clone());
        Ok(stored)
    }

    async fn list(&self) -> Result<Vec<DeploymentId>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect())
    }
}
