//! A start time given on the command line.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A start time: a duration before now, or a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Ago(SignedDuration),
    At(Timestamp),
}

impl Since {
    /// The time, given the current time.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
            Self::At(time) => time,
        }
    }
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ago = duration(text).filter(SignedDuration::is_positive).map(Self::Ago);
        let at = || text.parse().ok().map(Self::At);
        ago.or_else(at).ok_or("give how long ago (`10m`, `2h`, `1d`) or a time (`2026-01-31T12:00:00Z`)")
    }
}

/// Reads how long something takes: `10m`, `1h 30m`, `2d`. A day has 24 hours here.
pub(crate) fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_a_duration_or_as_itself() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for (text, time) in [
            ("10m", "2026-01-31T11:50:00Z"),
            ("1h 30m", "2026-01-31T10:30:00Z"),
            ("1d", "2026-01-30T12:00:00Z"),
            ("1w 1d 1h", "2026-01-23T11:00:00Z"),
            ("2026-01-30T00:00:00+01:00", "2026-01-29T23:00:00Z"),
        ] {
            assert_eq!(text.parse::<Since>().unwrap().before(now), time.parse().unwrap(), "{text}");
        }
        for wrong in ["", "yesterday", "-10m", "10", "1 month", "2026-01-30"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
