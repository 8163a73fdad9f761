//! The audit log: what it says, and that whoever changes it is found out.

use std::time::Duration;

use alien_core::ErrorKind;
use alien_core::rollout::{Scope, Window, Zone};
use alien_fleet::{Entry, Order, Setting, What, Who};
use jiff::civil::{Weekday, time};
use jiff::tz::TimeZone;

use crate::rollouts::log;
use crate::world::{World, plan};

/// A change of an entry.
type Change = fn(&mut Entry);

#[tokio::test(start_paused = true)]
async fn an_entry_that_was_changed_or_left_out_does_not_follow() {
    let world = World::new(3).await;
    let entries = log(&world).await;
    let [first, second, third, ..] = &entries[..] else { panic!("{entries:?}") };
    let changes: [Change; 5] = [
        |entry| entry.number += 1,
        |entry| entry.at += Duration::from_secs(1),
        |entry| entry.who = Who::claimed("bob"),
        |entry| entry.before = "0".repeat(64),
        |entry| entry.hash = "0".repeat(64),
    ];
    for change in changes {
        let mut changed = third.clone();
        change(&mut changed);
        assert_eq!(changed.follows(Some(second)).unwrap_err().kind(), ErrorKind::Input, "{changed:?}");
    }
    let mut other = third.clone();
    other.what = second.what.clone();
    assert_eq!(other.follows(Some(second)).unwrap_err().kind(), ErrorKind::Input);
    // One in between is missing, also where those after it are numbered anew; or the first ones are.
    let mut moved = third.clone();
    moved.number = second.number;
    for (entry, before) in [(third, Some(first)), (&moved, Some(first)), (second, None), (first, Some(first))] {
        assert_eq!(entry.follows(before).unwrap_err().kind(), ErrorKind::Input, "{entry:?}");
    }
}

#[test]
fn a_name_that_was_only_claimed_is_shown_as_such() {
    let proved = Who { name: "ann".to_owned(), claimed: false };
    assert_eq!((Who::claimed("ann").to_string(), proved.to_string()), ("ann (claimed)".to_owned(), "ann".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_operators_say_is_in_the_log_in_words() {
    let world = World::new(1).await;
    let zone = Zone::of(&TimeZone::UTC, world.clock.now());
    let window = Window::new([Weekday::Monday], time(8, 0, 0, 0), Duration::from_secs(3600), zone).unwrap();
    let settings = [
        (Setting::Pin(7.into()), "pin 7"),
        (Setting::Unpin, "unpin"),
        (Setting::Hold("a demo".to_owned()), "hold: a demo"),
        (Setting::Release, "end the hold"),
        (Setting::AwaitApproval("the terms".to_owned()), "await the customer's approval: the terms"),
        (Setting::Approve, "the customer approved"),
        (Setting::Window(window), "update in its window alone"),
        (Setting::AnyTime, "update at any time"),
        (Setting::Label("tier".to_owned(), "gold".to_owned()), "label tier=gold"),
        (Setting::Unlabel("tier".to_owned()), "remove label tier"),
    ];
    for (setting, _) in &settings {
        world.fleet.set(world.ids[0], setting.clone()).await.unwrap();
        // What holds already is not said again.
        world.fleet.set(world.ids[0], setting.clone()).await.unwrap();
    }
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan()).await;
    let orders = [
        (Order::Pause("lunch".to_owned()), "pause: lunch"),
        (Order::Resume, "resume"),
        (Order::Halt("it is slow".to_owned()), "halt: it is slow"),
        (Order::Revert(Scope::All), "revert everything"),
    ];
    for (order, _) in &orders {
        world.fleet.order(&id, order).await.unwrap();
    }
    let said: Vec<String> = log(&world)
        .await
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::Set { change, .. } => Some(change),
            What::Ordered { order, .. } => Some(order),
            _ => None,
        })
        .collect();
    let expected: Vec<&str> =
        settings.iter().map(|(_, words)| *words).chain(orders.iter().map(|(_, words)| *words)).collect();
    assert_eq!(said, expected);
    let others = [Order::Revert(Scope::Wave), Order::Approve(2), Order::Cancel].map(|order| order.to_string());
    assert_eq!(others, ["revert the wave", "approve what comes after wave 2", "cancel"]);
}
