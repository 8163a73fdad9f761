//! A clock for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::poll_fn;
use jiff::Timestamp;

use crate::clock::{Clock, later};

/// How often other tasks may run before a wait is over.
const TURNS: u32 = 256;

/// A clock for tests. It moves forward by hand, and a wait takes no real time: it lets other tasks run, and then moves
/// the clock to the end of the wait. It starts in 2027.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use alien_core::Clock;
/// use alien_core::memory::TestClock;
///
/// let clock = TestClock::new();
/// let begin = clock.now();
/// clock.wind(Duration::from_secs(3600));
/// assert_eq!(clock.now().duration_since(begin).as_secs(), 3600);
/// ```
#[derive(Debug)]
pub struct TestClock(Mutex<Time>);

#[derive(Debug)]
struct Time {
    now: Timestamp,
    /// When waits end, by their number.
    ends: BTreeMap<u64, Timestamp>,
    waits: u64,
    /// Since when it goes by itself, and how fast.
    goes: Option<(std::time::Instant, u32)>,
}

impl Time {
    fn now(&self) -> Timestamp {
        self.goes.map_or(self.now, |(since, speed)| later(self.now, since.elapsed().saturating_mul(speed)))
    }
}

impl TestClock {
    /// Creates a clock that starts in 2027.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "`default()` would not say that time is not the machine's")]
    pub fn new() -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
        Self(Mutex::new(Time { now, ends: BTreeMap::new(), waits: 0, goes: None }))
    }

    /// Moves the clock forward.
    pub fn wind(&self, duration: Duration) {
        let mut time = self.lock();
        time.now = later(time.now, duration);
    }

    /// Lets the clock go by itself from now on, this many times as fast as the machine's: a wait then takes real time. Waits
    /// that have begun before must be over.
    #[cfg(feature = "tokio")]
    pub fn run(&self, speed: u32) {
        let mut time = self.lock();
        time.now = time.now();
        time.goes = Some((std::time::Instant::now(), speed.max(1)));
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that has begun. It counts until it is over or dropped.
struct Wait<'a> {
    clock: &'a TestClock,
    number: u64,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.clock.lock().ends.remove(&self.number);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.lock().now()
    }

    async fn sleep(&self, duration: Duration) {
        #[cfg(feature = "tokio")]
        let goes = self.lock().goes;
        #[cfg(feature = "tokio")]
        if let Some((_, speed)) = goes {
            return tokio::time::sleep(duration / speed).await;
        }
        let wait = {
            let mut time = self.lock();
            time.waits += 1;
            let (number, end) = (time.waits, later(time.now, duration));
            time.ends.insert(number, end);
            Wait { clock: self, number }
        };
        let mut turns = 0;
        poll_fn(|context| {
            let mut time = self.lock();
            let Some(end) = time.ends.get(&wait.number).copied() else { return Poll::Ready(()) };
            let first = time.ends.values().all(|other| end <= *other);
            turns += 1;
            if first && turns > TURNS {
                time.now = time.now.max(end);
            }
            if end <= time.now {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
