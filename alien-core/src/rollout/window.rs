//! When a deployment may be updated: days and hours in a time zone.

use std::collections::BTreeSet;

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Problems, Rule};

/// A time zone, as its offsets from UTC for the next years. So a rollout needs no database of time zones, and the same
/// events give the same rollout wherever they are replayed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Zone {
    name: String,
    /// In seconds, before the first change.
    offset: i32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

/// From when another offset holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Change {
    at: Timestamp,
    offset: i32,
}

/// For how long the changes of an offset are kept: longer than any rollout lasts.
const KNOWN: SignedDuration = SignedDuration::from_hours(3 * 366 * 24);

impl Zone {
    /// Takes the offsets of a time zone in the three years from `from`. The zone comes from any database that jiff knows,
    /// from a POSIX rule ([`TimeZone::posix`]), or is a fixed offset.
    ///
    /// ```
    /// use alien_core::rollout::Zone;
    /// use jiff::{Timestamp, tz::{self, TimeZone}};
    ///
    /// let now: Timestamp = "2026-11-27T08:00:00Z".parse()?;
    /// let berlin = Zone::of(&TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3")?, now);
    /// let plus_two = Zone::of(&TimeZone::fixed(tz::offset(2)), now);
    /// # let _ = (berlin, plus_two);
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[must_use]
    pub fn of(zone: &TimeZone, from: Timestamp) -> Self {
        let until = from.saturating_add(KNOWN).unwrap_or(Timestamp::MAX);
        let changes = zone.following(from).take_while(|change| change.timestamp() <= until);
        let changes = changes.map(|change| Change { at: change.timestamp(), offset: change.offset().seconds() });
        let offset = zone.to_offset(from);
        let name = zone.iana_name().map_or_else(|| offset.to_string(), str::to_owned);
        Self { name, offset: offset.seconds(), changes: changes.collect() }
    }

    /// The name of the zone, or its offset if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn offset(&self, now: Timestamp) -> Offset {
        let since = self.changes.iter().take_while(|change| change.at <= now).last();
        seconds(since.map_or(self.offset, |change| change.offset))
    }

    /// The first instant at which clocks show this time. Where they skip it, as much later as they skip.
    fn instant(&self, time: DateTime) -> Option<Timestamp> {
        let mut before = seconds(self.offset);
        for change in &self.changes {
            let instant = before.to_timestamp(time).ok()?;
            let after = seconds(change.offset);
            if instant < change.at || after.to_timestamp(time).ok()? < change.at {
                return Some(instant);
            }
            before = after;
        }
        before.to_timestamp(time).ok()
    }
}

fn seconds(offset: i32) -> Offset {
    Offset::from_seconds(offset).unwrap_or(Offset::UTC)
}

/// The days and hours in which a deployment may be updated. An update that began in its window may end after it.
///
/// ```
/// use std::time::Duration;
/// use alien_core::rollout::{Window, Zone};
/// use jiff::{Timestamp, civil::{Weekday, time}, tz::TimeZone};
///
/// let friday: Timestamp = "2026-11-27T08:00:00Z".parse()?;
/// let zone = Zone::of(&TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3")?, friday);
/// let weekend = Window::new([Weekday::Saturday, Weekday::Sunday], time(22, 0, 0, 0), Duration::from_secs(4 * 3600), zone)?;
/// assert_eq!(weekend.opens(friday), Some("2026-11-28T21:00:00Z".parse()?));
/// assert_eq!(weekend.opens("2026-11-28T23:30:00Z".parse()?), None, "it is open");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Read")]
pub struct Window {
    days: BTreeSet<Day>,
    from: Time,
    #[serde(rename = "for")]
    length: SignedDuration,
    zone: Zone,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    days: BTreeSet<Day>,
    from: Time,
    #[serde(rename = "for")]
    length: SignedDuration,
    zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

impl TryFrom<Read> for Window {
    type Error = Problems;

    fn try_from(Read { days, from, length, zone }: Read) -> Result<Self, Problems> {
        Self { days, from, length, zone }.checked()
    }
}

impl Window {
    /// Creates a window that opens on these days at this time, for so long: 1 minute to 24 hours.
    ///
    /// # Errors
    ///
    /// If no day is named, or the length is out of bounds.
    pub fn new(
        days: impl IntoIterator<Item = Weekday>,
        from: Time,
        length: std::time::Duration,
        zone: Zone,
    ) -> Result<Self, Problems> {
        let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        Self { days: days.into_iter().map(Day::from).collect(), from, length, zone }.checked()
    }

    fn checked(self) -> Result<Self, Problems> {
        let problem = |at: &str, what: &str, help: &str| {
            Problem::error(Rule::Setting, what.to_owned(), help.to_owned()).at(format!("window.{at}"))
        };
        let mut problems = Vec::new();
        if self.days.is_empty() {
            problems.push(problem("days", "the window never opens", "name a day"));
        }
        if !(SignedDuration::from_mins(1)..=SignedDuration::from_hours(24)).contains(&self.length) {
            problems.push(problem("for", "the length is out of bounds", "use 1 minute to 24 hours"));
        }
        Problems::none(problems)?;
        Ok(self)
    }

    /// When the window opens next; `None` if it is open.
    #[must_use]
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.offset(now).to_datetime(now).date();
        let mut next = None;
        // A window of yesterday may still be open; a day may be skipped where a zone changes sides of the date line.
        for days in -2..=9 {
            let Ok(date) = today.checked_add(days.days()) else { continue };
            if !self.days.contains(&date.weekday().into()) {
                continue;
            }
            let Some(start) = self.zone.instant(date.to_datetime(self.from)) else { continue };
            if start > now {
                next = next.or(Some(start));
            } else if now.duration_since(start) < self.length {
                return None;
            }
        }
        next
    }

    /// The time zone of its hours.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether it opens on this day of the week.
    pub(super) fn opens_on(&self, day: Weekday) -> bool {
        self.days.contains(&day.into())
    }

    /// When it opens, and for how long.
    pub(super) const fn hours(&self) -> (Time, SignedDuration) {
        (self.from, self.length)
    }
}
