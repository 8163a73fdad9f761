//! Who waits for which answer of a function, among all who share these clients.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, oneshot};

/// The desks of all answer queues, by the queue's resource id.
#[derive(Default)]
pub(crate) struct Desks(Mutex<BTreeMap<String, Arc<Desk>>>);

/// Shows no answers.
impl fmt::Debug for Desks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desks").finish_non_exhaustive()
    }
}

impl Desks {
    pub(crate) fn of(&self, queue: &str) -> Arc<Desk> {
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(desks.entry(queue.to_owned()).or_default())
    }
}

/// The waiters of one answer queue. The one whose turn it is looks into the queue for all of them.
#[derive(Default)]
pub(crate) struct Desk {
    waiting: Mutex<BTreeMap<String, oneshot::Sender<Vec<u8>>>>,
    pub(crate) turn: Turn<()>,
}

impl Desk {
    /// Waits for the answer to this command from now on, until the place is dropped.
    pub(crate) fn enter(self: Arc<Self>, id: String) -> Place {
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        Place { desk: self, id, answer }
    }

    /// Takes whoever waits for the answer to this command off the list.
    pub(crate) fn claim(&self, id: &str) -> Option<oneshot::Sender<Vec<u8>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The place of one waiter.
pub(crate) struct Place {
    pub(crate) desk: Arc<Desk>,
    id: String,
    pub(crate) answer: oneshot::Receiver<Vec<u8>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.desk.claim(&self.id);
    }
}
