//! What a manager knows of agents without asking the store: what each should run, and when it asked last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alien_core::{DeploymentId, StackName};
use alien_release::agent::ETag;
use jiff::{SignedDuration, Timestamp};

use super::bearers::KeyId;

/// What was found for an agent.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) key: KeyId,
    pub(super) product: StackName,
    pub(super) etag: ETag,
    pub(super) json: Arc<str>,
}

#[derive(Debug, Default)]
struct Entry {
    found: Option<Found>,
    /// The number of the invalidation after which nothing older may be kept.
    forgotten: u64,
    /// When it asked last.
    asked: Option<Timestamp>,
    /// Up to when that is in the store.
    written: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<DeploymentId, Entry>,
    products: HashMap<StackName, u64>,
    /// How often something was forgotten.
    number: u64,
}

/// What a manager knows of agents.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Inner>);

impl Known {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known for an agent that asks now; otherwise the number to [keep](Self::keep) it with once it is found.
    pub(super) fn of(&self, id: DeploymentId, now: Timestamp) -> Result<Found, u64> {
        let mut inner = self.lock();
        let number = inner.number;
        let Some(entry) = inner.entries.get_mut(&id) else { return Err(number) };
        let Some(found) = &entry.found else { return Err(number) };
        let found = found.clone();
        entry.asked = entry.asked.max(Some(now));
        let since = inner.products.get(&found.product).copied().unwrap_or_default();
        let is_current = inner.entries.get(&id).is_some_and(|entry| entry.forgotten >= since);
        if is_current { Ok(found) } else { Err(number) }
    }

    /// Keeps what was found, unless something that it follows from may have changed since.
    pub(super) fn keep(&self, id: DeploymentId, found: Found, number: u64, now: Timestamp) {
        let mut inner = self.lock();
        let of_product = inner.products.get(&found.product).copied().unwrap_or_default();
        let entry = inner.entries.entry(id).or_default();
        entry.asked = entry.asked.max(Some(now));
        if entry.forgotten.max(of_product) <= number {
            // From here on it is as new as what was forgotten last.
            entry.forgotten = entry.forgotten.max(of_product);
            entry.found = Some(found);
        }
    }

    /// Forgets what is known for a deployment.
    pub(super) fn forget(&self, id: DeploymentId) {
        let mut inner = self.lock();
        inner.number += 1;
        let number = inner.number;
        let entry = inner.entries.entry(id).or_default();
        (entry.found, entry.forgotten) = (None, number);
    }

    /// Forgets what is known for all deployments of a product.
    pub(super) fn forget_product(&self, product: &StackName) {
        let mut inner = self.lock();
        inner.number += 1;
        let number = inner.number;
        inner.products.insert(product.clone(), number);
    }

    /// When an agent asked this manager last.
    pub(super) fn asked(&self, id: DeploymentId) -> Option<Timestamp> {
        self.lock().entries.get(&id).and_then(|entry| entry.asked)
    }

    /// Who asked so much later than the store knows that it should.
    pub(super) fn unwritten(&self, coarse: SignedDuration) -> Vec<(DeploymentId, Timestamp)> {
        let inner = self.lock();
        let all = inner.entries.iter().filter_map(|(id, entry)| Some((*id, entry.asked?, entry.written)));
        let due = |asked: Timestamp, written: Option<Timestamp>| {
            written.is_none_or(|written| asked.duration_since(written) >= coarse)
        };
        all.filter(|(_, asked, written)| due(*asked, *written)).map(|(id, asked, _)| (id, asked)).collect()
    }

    /// The store has this now.
    pub(super) fn wrote(&self, all: &[(DeploymentId, Timestamp)]) {
        let mut inner = self.lock();
        for (id, asked) in all {
            if let Some(entry) = inner.entries.get_mut(id) {
                entry.written = Some(*asked);
            }
        }
    }
}
