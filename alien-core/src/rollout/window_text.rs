//! Windows as text: `Mon-Fri 22:00-04:00 Europe/Berlin`.

use std::path::PathBuf;
use std::{env, fmt};

use jiff::civil::{Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::window::{Window, Zone};
use crate::problem::{Problem, Problems, Rule};
use crate::read_file::{LARGEST_TEXT, read_bytes};

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

const FORM: &str =
    "write days, hours and a time zone, as `Mon-Fri 22:00-04:00 Europe/Berlin` or `daily 02:00-05:00 +01:00`";

impl Window {
    /// Reads a window from days, hours and a time zone: `Mon-Fri 22:00-04:00 Europe/Berlin`, `daily 02:00-05:00 +01:00`,
    /// `Sat,Sun 00:00-24:00 UTC`. Hours that end before they begin end on the next day.
    ///
    /// A zone by its name is read from the machine's database, in `$TZDIR` or `/usr/share/zoneinfo`. Its offsets are taken as they
    /// are known at `now`.
    ///
    /// ```
    /// use alien_core::rollout::Window;
    /// use jiff::Timestamp;
    ///
    /// let now: Timestamp = "2026-11-27T12:00:00Z".parse()?;
    /// let nights = Window::read("Mon-Fri 22:00-04:00 UTC", now)?;
    /// assert_eq!(nights.opens(now), Some("2026-11-27T22:00:00Z".parse()?));
    /// assert_eq!(nights.to_string(), "Mon-Fri 22:00-04:00 UTC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a part of it cannot be read; as [`new`](Self::new).
    pub fn read(text: &str, now: Timestamp) -> Result<Self, Problems> {
        let wrong = |what: String, help: &str| {
            Problems(vec![Problem::error(Rule::Setting, what, help.to_owned()).at("window")])
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [days_text, hours_text, zone_text] = words[..] else {
            return Err(wrong(format!("`{text}` is not a window"), FORM));
        };
        let days = days(days_text).ok_or_else(|| wrong(format!("`{days_text}` names no days"), FORM))?;
        let (from, length) =
            hours(hours_text).ok_or_else(|| wrong(format!("`{hours_text}` is no span of hours"), FORM))?;
        let zone = zone(zone_text).ok_or_else(|| {
            let what = format!("`{zone_text}` is not a time zone that this machine knows");
            wrong(what, "write an offset, as `+01:00`, or install tzdata")
        })?;
        let length = length.try_into().map_err(|_| wrong(format!("`{hours_text}` is no span of hours"), FORM))?;
        Self::new(days, from, length, Zone::of(&zone, now))
    }
}

/// As [`Window::read`] reads it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, length) = self.hours();
        let is_open = DAYS.map(|(_, day)| self.opens_on(day));
        let until = from.wrapping_add(length);
        write!(f, "{} {}-", spans(&is_open), from.strftime("%H:%M"))?;
        if until == Time::midnight() {
            f.write_str("24:00 ")?;
        } else {
            write!(f, "{} ", until.strftime("%H:%M"))?;
        }
        f.write_str(self.zone().name())
    }
}

/// `Mon-Fri`, `Sat,Sun`, `Fri-Mon`, `daily`
fn days(text: &str) -> Option<Vec<Weekday>> {
    if text.eq_ignore_ascii_case("daily") {
        return Some(DAYS.map(|(_, day)| day).to_vec());
    }
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (self::day(first)?, self::day(last)?);
        all.push(day);
        while day != last {
            day = day.next();
            all.push(day);
        }
    }
    Some(all)
}

fn day(text: &str) -> Option<Weekday> {
    let is_it = |(short, _): &&(&str, Weekday)| text.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(short));
    let is_whole = |day: Weekday| text.len() == 3 || text.eq_ignore_ascii_case(whole(day));
    DAYS.iter().find(is_it).map(|(_, day)| *day).filter(|day| is_whole(*day))
}

const fn whole(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

/// When it opens, and for how long. `22:00-04:00` ends on the next day; `00:00-24:00` is the whole of it.
fn hours(text: &str) -> Option<(Time, SignedDuration)> {
    let (from, until) = text.split_once('-')?;
    let from = clock(from)?;
    let midnight = Time::midnight();
    let until = if until == "24:00" { midnight } else { clock(until)? };
    let day = SignedDuration::from_hours(24);
    let length = from.duration_until(until);
    Some((from, if length.is_positive() { length } else { length.saturating_add(day) }))
}

fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let is_two = |digits: &str| digits.len() <= 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = |digits: &str| is_two(digits).then(|| digits.parse::<i8>().ok()).flatten();
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

/// A name of the machine's database of time zones, or an offset.
fn zone(text: &str) -> Option<TimeZone> {
    if text == "UTC" {
        return Some(TimeZone::UTC);
    }
    if let Some((sign, (hour, minute))) = text
        .strip_prefix('+')
        .map(|rest| (1, rest))
        .or_else(|| text.strip_prefix('-').map(|rest| (-1, rest)))
        .map(|(sign, rest)| (sign, rest.split_once(':').unwrap_or((rest, "00"))))
    {
        let time = clock(&format!("{hour}:{minute}"))?;
        let seconds = (i32::from(time.hour()) * 60 + i32::from(time.minute())) * 60 * sign;
        return Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?));
    }
    // Every part of a name begins with a letter: no name leads out of the folder.
    let is_name = text.split('/').all(|part| part.starts_with(|letter: char| letter.is_ascii_alphabetic()));
    let folder = env::var_os("TZDIR").map_or_else(|| PathBuf::from("/usr/share/zoneinfo"), PathBuf::from);
    let file = is_name.then(|| read_bytes(&folder.join(text), LARGEST_TEXT).ok()).flatten()?;
    TimeZone::tzif(text, &file).ok()
}

/// Days as spans: `Mon-Wed,Sat`.
fn spans(is_open: &[bool]) -> String {
    if is_open.iter().all(|open| *open) {
        return "daily".to_owned();
    }
    let mut spans: Vec<(&str, &str)> = Vec::new();
    let mut goes_on = false;
    for ((name, _), open) in DAYS.iter().zip(is_open) {
        match spans.last_mut() {
            Some((_, last)) if *open && goes_on => *last = name,
            _ if *open => spans.push((name, name)),
            _ => {}
        }
        goes_on = *open;
    }
    let span = |(first, last): (&str, &str)| if first == last { first.to_owned() } else { format!("{first}-{last}") };
    spans.into_iter().map(span).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        // A Friday.
        "2026-11-27T12:00:00Z".parse().unwrap()
    }

    fn opens(window: &str, at: &str) -> Option<String> {
        let window = Window::read(window, now()).unwrap();
        window.opens(at.parse().unwrap()).map(|at| at.to_string())
    }

    #[test]
    fn a_window_is_read_and_written_in_the_same_words() {
        for text in [
            "Mon-Fri 22:00-04:00 +01",
            "Sat,Sun 00:00-24:00 UTC",
            "daily 02:30-05:00 +00",
            "Mon,Wed-Fri 08:00-09:00 -05:30",
        ] {
            let window = Window::read(text, now()).unwrap();
            let written = window.to_string();
            assert_eq!(Window::read(&written, now()).unwrap(), window, "{text} is written as {written}");
        }
        let text = |given: &str| Window::read(given, now()).unwrap().to_string();
        assert_eq!(text("monday-Fri 22:00-04:00 UTC"), "Mon-Fri 22:00-04:00 UTC");
        assert_eq!(text("Sun-Mon 00:00-24:00 UTC"), "Mon,Sun 00:00-24:00 UTC");
    }

    #[test]
    fn a_window_is_open_in_its_hours_on_its_days() {
        let window = "Mon-Fri 22:00-04:00 +01:00";
        assert_eq!(opens(window, "2026-11-27T12:00:00Z").unwrap(), "2026-11-27T21:00:00Z");
        assert_eq!(opens(window, "2026-11-28T02:59:00Z"), None, "Friday's goes on into Saturday");
        assert_eq!(opens(window, "2026-11-28T03:00:00Z").unwrap(), "2026-11-30T21:00:00Z");
    }

    #[test]
    fn a_zone_is_a_name_that_the_machine_knows_or_an_offset() {
        assert!(zone("../../etc/passwd").is_none() && zone("/etc/passwd").is_none() && zone("Atlantis").is_none());
        assert_eq!(zone("-05:30").unwrap().to_offset(now()).seconds(), -19_800);
        // Where the machine has no database, that is what is told.
        match Window::read("Mon 22:00-23:00 Europe/Berlin", now()) {
            Ok(window) => assert_eq!(window.opens(now()).unwrap().to_string(), "2026-11-30T21:00:00Z"),
            Err(told) => assert!(told.to_string().contains("install tzdata"), "{told}"),
        }
    }

    #[test]
    fn what_is_no_window_is_told() {
        for (text, words) in [
            ("", "as `Mon-Fri"),
            ("22:00-04:00 UTC", "as `Mon-Fri"),
            ("Moon 22:00-04:00 UTC", "`Moon` names no days"),
            ("Mon 22-04 UTC", "`22-04` is no span of hours"),
            ("Mon 25:00-26:00 UTC", "`25:00-26:00` is no span"),
            ("Mon 22:00-04:00 Mars/Base", "`Mars/Base` is not a time zone"),
        ] {
            let told = Window::read(text, now()).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}
