//! Windows in time zones, where clocks are put forward and back.

use alien_core::rollout::*;
use jiff::Timestamp;
use jiff::civil::{Weekday, time};
use jiff::tz::{self, TimeZone};

use super::fleet::{minutes, morning};

const ALL: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn berlin(from: &str) -> Zone {
    Zone::of(&TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(), at(from))
}

/// From 22:00 to 2:00 UTC, every night.
pub(super) fn nightly() -> Window {
    let zone = Zone::of(&TimeZone::fixed(tz::offset(0)), morning());
    Window::new(ALL, time(22, 0, 0, 0), minutes(240), zone).unwrap()
}

#[test]
fn a_window_is_open_from_its_start_until_before_its_end() {
    let window = nightly();
    assert_eq!(window.opens(at("2026-11-27T21:59:59Z")), Some(at("2026-11-27T22:00:00Z")));
    assert_eq!(window.opens(at("2026-11-27T22:00:00Z")), None);
    assert_eq!(window.opens(at("2026-11-28T01:59:59Z")), None, "it began yesterday");
    assert_eq!(window.opens(at("2026-11-28T02:00:00Z")), Some(at("2026-11-28T22:00:00Z")));
}

#[test]
fn a_window_of_one_day_waits_for_that_day_where_the_deployment_is() {
    let zone = Zone::of(&TimeZone::fixed(tz::offset(13)), morning());
    let window = Window::new([Weekday::Friday], time(1, 0, 0, 0), minutes(60), zone).unwrap();
    // It is Friday there since 11:00 of Thursday.
    assert_eq!(window.opens(at("2026-11-26T11:59:00Z")), Some(at("2026-11-26T12:00:00Z")));
    assert_eq!(window.opens(at("2026-11-26T12:30:00Z")), None);
    assert_eq!(window.opens(at("2026-11-26T13:00:00Z")), Some(at("2026-12-03T12:00:00Z")));
}

#[test]
fn every_day_of_the_week_is_known_by_its_name() {
    let zone = Zone::of(&TimeZone::UTC, morning());
    // 2026-11-23 is a Monday.
    for (number, day) in (23..30).zip(ALL) {
        let window = Window::new([day], time(0, 0, 0, 0), minutes(24 * 60), zone.clone()).unwrap();
        assert_eq!(window.opens(at(&format!("2026-11-{number}T12:00:00Z"))), None, "{day:?}");
        let json = serde_json::to_value(&window).unwrap();
        assert_eq!(json["days"][0].as_str().unwrap(), format!("{day:?}").to_lowercase());
    }
}

#[test]
fn a_window_follows_the_clocks_of_its_zone() {
    let window = Window::new(ALL, time(22, 0, 0, 0), minutes(60), berlin("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(window.opens(at("2026-03-28T12:00:00Z")), Some(at("2026-03-28T21:00:00Z")));
    assert_eq!(window.opens(at("2026-03-29T12:00:00Z")), Some(at("2026-03-29T20:00:00Z")));
    assert_eq!(window.opens(at("2026-10-24T12:00:00Z")), Some(at("2026-10-24T20:00:00Z")));
    assert_eq!(window.opens(at("2026-10-25T12:00:00Z")), Some(at("2026-10-25T21:00:00Z")));
    assert_eq!(window.opens(at("2028-07-01T12:00:00Z")), Some(at("2028-07-01T20:00:00Z")), "three years are known");
}

#[test]
fn a_time_that_clocks_skip_is_as_much_later_and_one_that_comes_twice_is_the_first() {
    let window = Window::new(ALL, time(2, 30, 0, 0), minutes(10), berlin("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(window.opens(at("2026-03-29T00:00:00Z")), Some(at("2026-03-29T01:30:00Z")));
    assert_eq!(window.opens(at("2026-10-25T00:00:00Z")), Some(at("2026-10-25T00:30:00Z")));
    assert_eq!(window.opens(at("2026-10-25T00:40:00Z")), Some(at("2026-10-26T01:30:00Z")));
    // What jiff itself says of them.
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    for date in [jiff::civil::date(2026, 3, 29), jiff::civil::date(2026, 10, 25)] {
        for (hour, minute) in [(1, 59), (2, 0), (2, 30), (2, 59), (3, 0), (3, 1)] {
            let window =
                Window::new(ALL, time(hour, minute, 0, 0), minutes(10), berlin("2026-01-01T00:00:00Z")).unwrap();
            let told = zone.to_timestamp(date.at(hour, minute, 0, 0)).unwrap();
            assert_eq!(window.opens(told - jiff::SignedDuration::from_secs(1)), Some(told), "{date} {hour}:{minute}");
        }
    }
}

#[test]
fn a_window_without_days_or_of_a_wrong_length_is_refused() {
    let zone = || Zone::of(&TimeZone::UTC, morning());
    assert_eq!(Window::new([], time(1, 0, 0, 0), minutes(0), zone()).unwrap_err().as_slice().len(), 2);
    assert!(Window::new(ALL, time(1, 0, 0, 0), minutes(24 * 60 + 1), zone()).is_err());
    assert!(Window::new(ALL, time(1, 0, 0, 0), minutes(1), zone()).is_ok());
    assert!(Window::new(ALL, time(1, 0, 0, 0), minutes(24 * 60), zone()).is_ok());
}

#[test]
fn a_window_is_kept_with_its_zone_and_read_back_checked() {
    let window = Window::new([Weekday::Friday], time(1, 0, 0, 0), minutes(90), berlin("2026-11-27T00:00:00Z")).unwrap();
    let file = serde_json::to_string(&window).unwrap();
    assert!(
        file.starts_with(r#"{"days":["friday"],"from":"01:00:00","for":"PT1H30M","zone":{"name":"+01","offset":3600"#)
    );
    assert_eq!(serde_json::from_str::<Window>(&file).unwrap(), window);
    assert!(serde_json::from_str::<Window>(&file.replace("PT1H30M", "PT1S")).is_err());
    assert!(serde_json::from_str::<Window>(&file.replace(r#""from""#, r#""until":1,"from""#)).is_err());
    assert_eq!(window.zone().name(), "+01");
    // Three years of changes, twice a year.
    assert_eq!(file.matches("\"at\"").count(), 6, "{file}");
}
