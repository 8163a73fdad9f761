//! The policies that were read, so that a run reads each once for all who look at it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use alien_core::adapter::DeploymentContext;
use google_cloud_iam_v1::model::Policy;
use tokio::sync::OnceCell;

use crate::Gcp;

/// A policy that is read by whoever looks first; `None` if the resource does not exist.
type Cell = Arc<OnceCell<Option<Arc<Policy>>>>;

/// What identifies a run.
type Run = Weak<DeploymentContext<Gcp>>;

/// The policies that a run has read, by full resource names.
struct Read {
    run: Run,
    policies: HashMap<String, Cell>,
}

/// The policies that each run has read.
#[derive(Default)]
pub(crate) struct Policies(Mutex<Vec<Read>>);

impl Policies {
    /// The place for a policy in a run. Policies of runs that ended are dropped.
    pub(crate) fn cell(&self, run: Run, name: &str) -> Cell {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|read| read.run.strong_count() > 0);
        if let Some(read) = runs.iter_mut().find(|read| read.run.ptr_eq(&run)) {
            return Cell::clone(read.policies.entry(name.to_owned()).or_default());
        }
        let cell = Cell::default();
        runs.push(Read { run, policies: HashMap::from([(name.to_owned(), Cell::clone(&cell))]) });
        cell
    }

    /// Forgets a policy that was written.
    pub(crate) fn forget(&self, name: &str) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for read in runs.iter_mut() {
            read.policies.remove(name);
        }
    }
}
