//! Time that passes by waiting, and in no other way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_core::Clock;
use async_trait::async_trait;
use jiff::Timestamp;

/// Longer than this only the renewal of a claim waits, beside everything else: that wait never ends.
const LONGEST: Duration = Duration::from_secs(10);

/// More often than this nobody waits whose requests are answered: where a recording has no answer, time would pass without end.
const MOST: usize = 10_000;

/// A clock that is wound by whoever waits for it. What is read from it is the same in every run that makes the same calls.
#[derive(Debug)]
pub(crate) struct WoundClock {
    pub(crate) now: Mutex<Timestamp>,
    /// Every wait so far.
    pub(crate) waits: Mutex<Vec<Duration>>,
    /// How long a wait really takes at least, where something else takes its time; none where it takes none.
    really: Option<Duration>,
}

impl WoundClock {
    pub(crate) fn begin(really: Option<Duration>) -> Arc<Self> {
        // Long past, so that the sessions of a peer, which has another clock, last.
        let now = Mutex::new(Timestamp::from_second(1_700_000_000).unwrap());
        Arc::new(Self { now, waits: Mutex::default(), really })
    }
}

#[async_trait]
impl Clock for WoundClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        if duration > LONGEST {
            return std::future::pending().await;
        }
        if let Some(least) = self.really {
            tokio::time::sleep(duration.max(least)).await;
        }
        *self.now.lock().unwrap() += duration;
        let mut waits = self.waits.lock().unwrap();
        waits.push(duration);
        assert!(waits.len() < MOST, "waited {MOST} times, and nothing has come of it");
    }
}
