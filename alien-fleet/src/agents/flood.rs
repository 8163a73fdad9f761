//! How much an agent may send: so many messages at once, and as many a minute. Whoever sends more is sent away for a while, and
//! nobody else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};

use super::bearers::Grant;

/// How many messages one deployment may send at once and in a minute, unless that is set. An agent sends two or three with a poll,
/// and up to twelve pages for each of four logs.
pub(super) const MESSAGES: u32 = 120;

/// How long it takes until somebody who has sent all at once may send as many again.
const FULL: SignedDuration = SignedDuration::from_mins(1);

/// The agents that have sent something within the last minute. It knows no others, and these are registered: a message is counted once it
/// is known whose it is. An agent with another key is another one, so whoever stole the bearer of the one before uses up nothing of its.
#[derive(Debug)]
pub(super) struct Flood {
    messages: u32,
    /// When each may send all at once again. <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>
    full: Mutex<HashMap<Grant, Timestamp>>,
}

impl Flood {
    pub(super) fn new(messages: u32) -> Self {
        Self { messages: messages.max(1), full: Mutex::default() }
    }

    /// Counts a message.
    ///
    /// # Errors
    ///
    /// [`Throttled`](ErrorKind::Throttled), and how long to wait, if it is one too many. It is not counted then.
    pub(super) fn count(&self, of: Grant, now: Timestamp) -> Result<()> {
        let each = FULL / i32::try_from(self.messages).unwrap_or(i32::MAX);
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        // After a clock was set back, nobody waits for longer than a minute.
        let from = full.get(&of).map_or(now, |full| (*full).clamp(now, now.saturating_add(FULL).unwrap_or(now)));
        let next = from.saturating_add(each).unwrap_or(Timestamp::MAX);
        let late = next.duration_since(now) - FULL;
        if late.is_positive() {
            full.insert(of, from);
            let what = format!("the agent of {} sends more than {} messages a minute", of.deployment, self.messages);
            let wait = Duration::try_from(late).unwrap_or_default();
            return Err(Error::new(ErrorKind::Throttled, what).with_retry_after(Some(wait)));
        }
        full.insert(of, next);
        Ok(())
    }

    /// Forgets who has sent nothing for a minute: that is the same as never.
    pub(super) fn forget(&self, now: Timestamp) {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.retain(|_, full| *full > now);
        full.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use alien_core::DeploymentId;

    use super::*;

    fn agent() -> Grant {
        Grant { deployment: DeploymentId::new(), key: [7; 4] }
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    fn wait(flood: &Flood, of: Grant, milliseconds: i64) -> Option<Duration> {
        flood.count(of, at(milliseconds)).err().map(|error| {
            assert_eq!(error.kind(), ErrorKind::Throttled);
            error.retry_after().unwrap()
        })
    }

    #[test]
    fn so_many_are_taken_at_once_and_then_one_each_half_second() {
        let (flood, one, other) = (Flood::new(120), agent(), agent());
        let taken = (0..500).filter(|_| wait(&flood, one, 0).is_none()).count();
        assert_eq!(taken, 120);
        assert_eq!(wait(&flood, one, 0), Some(Duration::from_millis(500)));
        assert_eq!(wait(&flood, one, 400), Some(Duration::from_millis(100)));
        assert_eq!(wait(&flood, other, 400), None, "others have nothing to do with it");
        let with_another_key = Grant { key: [8; 4], ..one };
        assert_eq!(wait(&flood, with_another_key, 400), None);
        assert_eq!(wait(&flood, one, 500), None);
        assert_eq!(wait(&flood, one, 500), Some(Duration::from_millis(500)));
        // Whoever was sent away has used nothing, and after a minute may send as many again.
        let taken = (0..500).filter(|_| wait(&flood, one, 60_500).is_none()).count();
        assert_eq!(taken, 120);
    }

    #[test]
    fn who_was_silent_for_a_minute_takes_no_memory() {
        let flood = Flood::new(120);
        for number in 0..1000 {
            assert_eq!(wait(&flood, agent(), number), None);
        }
        flood.forget(at(600));
        let mut known = flood.full.lock().unwrap().len();
        // Each has sent one message, which counts for half a second.
        assert_eq!(known, 1000 - 101);
        flood.forget(at(10_000));
        known = flood.full.lock().unwrap().len();
        assert_eq!((known, flood.full.lock().unwrap().capacity()), (0, 0));
    }

    #[test]
    fn nobody_waits_for_a_clock_that_was_set_back() {
        let (flood, one) = (Flood::new(120), agent());
        assert_eq!(wait(&flood, one, 3_600_000), None);
        assert!(wait(&flood, one, 0).is_some_and(|wait| wait <= Duration::from_millis(500)));
        assert_eq!(wait(&flood, one, 60_000), None);
    }
}
