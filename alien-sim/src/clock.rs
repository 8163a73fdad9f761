//! The clock of an emulator.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// A clock that follows the system clock until it is stopped, and can be advanced.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    stopped: Option<Timestamp>,
    ahead: Duration,
    looks: AtomicU64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.stopped.map_or_else(Timestamp::now, |stopped| {
            // Each look is a little later, so that events stay in order on a stopped clock.
            stopped + Duration::from_micros(self.looks.fetch_add(1, Ordering::Relaxed))
        });
        now + self.ahead
    }

    pub(crate) fn advance(&mut self, duration: Duration) {
        self.ahead = self.ahead.saturating_add(duration);
    }

    /// Stops the clock: only [`advance`](Self::advance) moves it, and each look moves it by a microsecond.
    pub(crate) fn stop(&mut self) {
        self.stopped.get_or_insert_with(Timestamp::now);
    }
}
