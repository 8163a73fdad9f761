//! When an agent asks next: a function of the deployment, the clock, what became of the last call, and chance. It waits for nothing.

use std::time::Duration;

use alien_core::DeploymentId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// How often an agent asks, unless its manager says otherwise.
const EVERY: Duration = Duration::from_secs(30);
/// Within which time of its start an agent asks first.
const FIRST: Duration = Duration::from_secs(30);
/// How long to wait after a first failure, at most. It doubles with each further one.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long to wait after a failure, at most.
const CAP: Duration = Duration::from_secs(300);
/// Between which times a manager may say that it is to be asked: as often as this, and as seldom.
const TOLD_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// For how long a manager may send an agent away.
const TOLD_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// What became of the last call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// There was none yet.
    Start,
    /// The manager answered. It may have said how long to wait before the next poll.
    Answered {
        /// When it was asked.
        asked: Timestamp,
        /// How long to wait, from then on.
        next_poll: Option<Duration>,
    },
    /// It did not, for so many times in a row: 1 and more. It may have said when to come again.
    Failed {
        /// How often, in a row.
        times: u32,
        /// How long it said to wait.
        retry_after: Option<Duration>,
    },
}

/// How long to wait before the next poll. `random` is in [0, 1).
pub(crate) fn wait(deployment: DeploymentId, now: Timestamp, last: Last, random: f64) -> Duration {
    match last {
        Last::Start => FIRST.mul_f64(random),
        Last::Answered { asked, next_poll } => {
            let every = every(next_poll);
            // A clock that was set back or far ahead since says nothing of how long ago that was.
            let is_near = now.duration_since(asked).unsigned_abs() <= every * 2;
            let from = if is_near { asked } else { now };
            let next = steady(deployment, from, every, random);
            Duration::try_from(next.duration_since(now)).unwrap_or_default()
        }
        Last::Failed { retry_after: Some(told), .. } => told.clamp(TOLD_WAIT.0, TOLD_WAIT.1),
        Last::Failed { times, retry_after: None } => {
            let doubled = 2_u32.saturating_pow(times.saturating_sub(1));
            // The cap comes first: otherwise all who reached it would ask in step.
            AFTER_FAILURE.saturating_mul(doubled).min(CAP).mul_f64(random)
        }
    }
}

/// How often to ask, if a manager says so.
fn every(next_poll: Option<Duration>) -> Duration {
    next_poll.map_or(EVERY, |told| told.clamp(TOLD_EVERY.0, TOLD_EVERY.1))
}

/// When to ask next after a poll. There is a moment in each interval that belongs to the deployment, and the next poll is at most a tenth
/// of the interval before or after one. So two polls are a fifth of it nearer or farther from each other at most, deployments stay
/// spread however often they all wait for the same manager, and after a poll out of turn the next is never later than usual.
fn steady(deployment: DeploymentId, asked: Timestamp, every: Duration, random: f64) -> Timestamp {
    let interval = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let phase = phase(deployment, interval);
    let latest = asked.as_millisecond().saturating_add(interval + interval / 10);
    let moment = latest - (latest - phase).rem_euclid(interval);
    let tenth = SignedDuration::try_from(every / 10).unwrap_or_default();
    let away = tenth.mul_f64(random.mul_add(2.0, -1.0));
    let moment = Timestamp::from_millisecond(moment).unwrap_or(asked);
    moment.saturating_add(away).unwrap_or(asked)
}

/// The moment of a deployment in each interval, in milliseconds: from the random bits of its id.
fn phase(deployment: DeploymentId, interval: i64) -> i64 {
    // The lower 62 bits of a UUID of version 7 are random: <https://www.rfc-editor.org/rfc/rfc9562#section-5.7>.
    let (_, random) = Uuid::from(deployment).as_u64_pair();
    i64::try_from(random & (u64::MAX >> 2)).unwrap_or_default().rem_euclid(interval)
}

/// How often a report is sent if nothing changed.
const REPORTED: SignedDuration = SignedDuration::from_mins(10);

/// Whether a report is due: something changed, or this poll is the one that is nearest to ten minutes after the last report that was taken.
/// So it is never much later, also if the agent asks seldom: a manager takes one that is silent for 15 minutes to be gone. A clock that was
/// set back counts as time that has passed.
pub(crate) fn is_report_due(
    now: Timestamp,
    taken: Option<Timestamp>,
    is_changed: bool,
    next_poll: Option<Duration>,
) -> bool {
    let half = SignedDuration::try_from(every(next_poll) / 2).unwrap_or_default();
    is_changed || taken.is_none_or(|taken| now.duration_since(taken) >= REPORTED - half || now < taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(bits: u128) -> DeploymentId {
        Uuid::from_u128(bits).into()
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    fn answered(asked: Timestamp, next_poll: Option<u64>) -> Last {
        Last::Answered { asked, next_poll: next_poll.map(Duration::from_secs) }
    }

    fn failed(times: u32, retry_after: Option<u64>) -> Last {
        Last::Failed { times, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn the_first_poll_is_anywhere_in_half_a_minute() {
        for (random, seconds) in [(0.0, 0.0), (0.5, 15.0), (0.999, 29.97)] {
            let wait = wait(id(7), at(0), Last::Start, random);
            assert!((wait.as_secs_f64() - seconds).abs() < 0.001, "{wait:?}");
        }
    }

    #[test]
    fn failures_double_from_5_to_300_seconds_and_the_jitter_is_after_the_cap() {
        let most = |times| wait(id(7), at(0), failed(times, None), 1.0).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 8, 100, u32::MAX].map(most), [5, 10, 20, 160, 300, 300, 300, 300]);
        for times in [1, 7, u32::MAX] {
            assert_eq!(wait(id(7), at(0), failed(times, None), 0.0), Duration::ZERO);
            let half = wait(id(7), at(0), failed(times, None), 0.5);
            assert_eq!(half * 2, wait(id(7), at(0), failed(times, None), 1.0));
        }
    }

    #[test]
    fn what_a_manager_says_is_obeyed_at_once_and_within_bounds() {
        for (told, waited) in [(0, 1), (7, 7), (60, 60), (3600, 3600), (u64::MAX, 3600)] {
            assert_eq!(wait(id(7), at(0), failed(9, Some(told)), 0.3).as_secs(), waited);
        }
        for (told, every) in [(0, 1.0), (10, 10.0), (120, 120.0), (u64::from(u32::MAX), 300.0)] {
            let from_its_moment = at(0);
            let first = from_its_moment + wait(id(7), from_its_moment, answered(from_its_moment, Some(told)), 0.5);
            let second = wait(id(7), first, answered(first, Some(told)), 0.5).as_secs_f64();
            assert!((second - every).abs() < 0.01, "{told}: {second}");
        }
    }

    #[test]
    fn deployments_are_spread_evenly() {
        let mut tenths = [0; 10];
        for _ in 0..2000 {
            let id = DeploymentId::new();
            let place = phase(id, 30_000);
            tenths[usize::try_from(place / 3000).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (120..=280).contains(count)), "{tenths:?}");
    }

    /// How many of these agents, which all start at once, ask in each second after their manager has come back.
    fn asked_after(outage: i64, agents: usize, seconds: usize, random: &mut fastrand::Rng) -> Vec<usize> {
        let mut asked = vec![0; seconds];
        for _ in 0..agents {
            let id = id(random.u128(..));
            let (mut now, mut last) = (at(0), Last::Start);
            let mut times = 0;
            loop {
                now += wait(id, now, last, random.f64());
                let since = now.duration_since(at(outage * 1000)).as_millis();
                if since < 0 {
                    times += 1;
                    last = failed(times, None);
                    continue;
                }
                let Some(second) = asked.get_mut(usize::try_from(since / 1000).unwrap()) else { break };
                *second += 1;
                last = answered(now, None);
            }
        }
        asked
    }

    #[test]
    fn agents_that_start_together_or_lost_their_manager_together_do_not_ask_together() {
        const AGENTS: usize = 20_000;
        let mut random = fastrand::Rng::with_seed(7);
        for outage in [0, 40, 600, 3600] {
            let asked = asked_after(outage, AGENTS, 600, &mut random);
            let (peak, mean) = (*asked.iter().max().unwrap(), asked.iter().sum::<usize>() / asked.len());
            assert!((500..=700).contains(&mean), "{outage}: {mean}");
            println!("after {outage} s: {peak} in a second, and {mean} in the mean");
            // After its first poll, which is anywhere, an agent asks at the next moment of its own.
            assert!(peak < mean * 2, "{outage}: {peak} in a second, and {mean} in the mean");
        }
    }

    #[test]
    fn reports_are_due_on_change_and_every_ten_minutes() {
        let minutes = |minutes: i64| at(minutes * 60_000);
        let is_due = |now, taken, is_changed| is_report_due(now, taken, is_changed, None);
        assert!(is_due(minutes(0), None, false));
        assert!(is_due(minutes(1), Some(minutes(0)), true));
        assert!(!is_due(minutes(9), Some(minutes(0)), false));
        assert!(is_due(minutes(10), Some(minutes(0)), false));
        assert!(is_due(minutes(0), Some(minutes(60)), false), "the clock was set back");
    }

    #[test]
    fn who_asks_seldom_reports_with_the_poll_that_is_nearest_to_ten_minutes() {
        for (seconds, first) in [(30, 585), (120, 540), (300, 450), (u64::MAX, 450)] {
            let next_poll = Some(Duration::from_secs(seconds));
            let is_due = |after: i64| is_report_due(at(after * 1000), Some(at(0)), false, next_poll);
            assert!(is_due(first) && !is_due(first - 1), "{seconds}");
        }
    }

    proptest! {
        /// Between two polls in turn are 24 to 36 seconds, and the phase stays whatever chance says.
        #[test]
        fn steady_polls_keep_their_phase(bits: u128, start in 0_i64..60_000, chances in prop::collection::vec(0.0..1.0_f64, 3..40)) {
            let id = id(bits);
            let mut asked = at(start);
            for (number, random) in chances.into_iter().enumerate() {
                let waited = wait(id, asked, answered(asked, None), random);
                let seconds = waited.as_secs_f64();
                prop_assert!(seconds <= 36.0 && seconds > 0.0, "{}", seconds);
                if number > 0 {
                    prop_assert!(seconds >= 24.0, "{}", seconds);
                }
                asked += waited;
                let off = (asked.as_millisecond() - phase(id, 30_000) + 15_000).rem_euclid(30_000) - 15_000;
                prop_assert!(off.abs() <= 3001, "{}", off);
            }
        }

        /// Whatever is said and whatever the clock does, the wait is bounded.
        #[test]
        fn no_wait_is_longer_than_an_hour(
            bits: u128, now in 0_i64..4_000_000_000_000, asked in 0_i64..4_000_000_000_000,
            told: Option<u32>, times: u32, random in 0.0..1.0_f64,
        ) {
            let (now, asked) = (Timestamp::from_millisecond(now).unwrap(), Timestamp::from_millisecond(asked).unwrap());
            let next = wait(id(bits), now, answered(asked, told.map(u64::from)), random);
            prop_assert!(next <= Duration::from_secs(930), "{:?}", next);
            let after = wait(id(bits), now, failed(times, told.map(u64::from)), random);
            prop_assert!(after <= Duration::from_secs(3600), "{:?}", after);
        }
    }
}
