//! The connections that are open: so many. One more takes the place of the one that has been idle for longest.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::metrics::Metrics;

/// The connections that are open.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    metrics: Arc<Metrics>,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    open: BTreeMap<u64, Connection>,
    /// The idle ones, by when they became idle.
    idle: BTreeMap<u64, u64>,
    /// Counts connections, and times of idleness.
    last: u64,
}

#[derive(Debug)]
struct Connection {
    /// How many requests are being answered.
    busy: usize,
    /// Since when it is idle.
    since: u64,
    /// Whether it has ever sent a request.
    has_begun: bool,
    leave: Arc<Notify>,
}

impl Now {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Connections {
    pub(crate) fn new(most: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { most, metrics, now: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a new connection; `None` if there is no room. It is idle at first.
    pub(crate) fn place(self: &Arc<Self>) -> Option<Place> {
        let mut now = self.lock();
        if now.open.len() >= self.most {
            self.metrics.turned_away.fetch_add(1, Ordering::Relaxed);
            let (_, oldest) = now.idle.pop_first()?;
            if let Some(gone) = now.open.remove(&oldest) {
                gone.leave.notify_one();
            }
        }
        let (number, since, leave) = (now.next(), now.next(), Arc::new(Notify::new()));
        let connection = Connection { busy: 0, since, has_begun: false, leave: Arc::clone(&leave) };
        now.open.insert(number, connection);
        now.idle.insert(since, number);
        self.metrics.open.store(now.open.len() as u64, Ordering::Relaxed);
        Some(Place { connections: Arc::clone(self), number, leave })
    }
}

/// The place of a connection, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    leave: Arc<Notify>,
}

impl Place {
    /// Waits until another connection needs the place.
    pub(crate) async fn left(&self) {
        self.leave.notified().await;
    }

    /// Whether a request has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.connections.lock().open.get(&self.number).is_none_or(|connection| connection.has_begun)
    }

    /// Begins to answer a request, until what it returns is dropped. The place is kept meanwhile.
    pub(crate) fn busy(&self) -> Busy {
        let mut now = self.connections.lock();
        if let Some(connection) = now.open.get_mut(&self.number) {
            connection.busy += 1;
            connection.has_begun = true;
            let since = connection.since;
            now.idle.remove(&since);
        }
        Busy { connections: Arc::clone(&self.connections), number: self.number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut now = self.connections.lock();
        if let Some(connection) = now.open.remove(&self.number) {
            now.idle.remove(&connection.since);
        }
        self.connections.metrics.open.store(now.open.len() as u64, Ordering::Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Busy {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut now = self.connections.lock();
        let since = now.next();
        let Some(connection) = now.open.get_mut(&self.number) else { return };
        connection.busy -= 1;
        if connection.busy == 0 {
            connection.since = since;
            now.idle.insert(since, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn one_more_takes_the_place_of_the_one_that_has_been_idle_for_longest() {
        let connections = Connections::new(2, Arc::default());
        let (first, second) = (connections.place().unwrap(), connections.place().unwrap());
        // The first was idle for longer, and then had something to do.
        drop(first.busy());
        let third = connections.place().unwrap();
        assert!(second.left().now_or_never().is_some() && first.left().now_or_never().is_none());
        // What has left takes nothing with it.
        drop(second);
        let (_one, _three) = (first.busy(), third.busy());
        assert!(connections.place().is_none(), "both are busy");
        drop(first);
        assert!(connections.place().is_some());
        assert_eq!(connections.metrics.turned_away.load(Ordering::Relaxed), 2);
    }
}
