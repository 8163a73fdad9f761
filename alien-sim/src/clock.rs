//! The time of an emulator.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// The machine's time, until it is stopped; and put forward by hand.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    stopped: Option<Timestamp>,
    ahead: Duration,
    looks: AtomicU64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.stopped.map_or_else(Timestamp::now, |stopped| {
            // What happens after something is later than that, though nothing takes any time.
            stopped + Duration::from_micros(self.looks.fetch_add(1, Ordering::Relaxed))
        });
        now + self.ahead
    }

    pub(crate) fn advance(&mut self, duration: Duration) {
        self.ahead = self.ahead.saturating_add(duration);
    }

    /// From now on only [`advance`](Self::advance) moves it, and each look, by a millionth of a second.
    pub(crate) fn stop(&mut self) {
        self.stopped.get_or_insert_with(Timestamp::now);
    }
}
