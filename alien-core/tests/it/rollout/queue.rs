//! Where rows wait, and when something is due for them.

use alien_core::rollout::*;
use jiff::{SignedDuration, Timestamp};

use super::fleet::{Fleet, id, members, minutes};

fn fleet() -> Fleet {
    Fleet::started(&Plan::builder().retry(minutes(1), 3).build().unwrap(), members(2))
}

/// When something is due for a deployment, as its place in the queues tells.
fn when(fleet: &Fleet) -> (Queue, Option<Timestamp>) {
    let position = fleet.row(0).position().unwrap();
    (position.queue, fleet.rollout.head().when(position))
}

fn is_due(fleet: &Fleet, at: Timestamp) -> bool {
    fleet.rollout.due(at).any(|(deployment, _)| deployment == id(0))
}

/// It is due at its time, and not before.
fn is_due_from(fleet: &Fleet, queue: Queue) {
    let (found, at) = when(fleet);
    let at = at.unwrap();
    assert_eq!(found, queue);
    assert!(
        at > fleet.now && is_due(fleet, at) && !is_due(fleet, at - SignedDuration::from_millis(1)),
        "{queue:?}, {at}"
    );
}

#[test]
fn a_place_tells_when_a_row_is_due_next() {
    let mut fleet = fleet();
    // It waits for its turn, which no time brings.
    assert_eq!(when(&fleet), (Queue::Turn, None));
    fleet.claim(0);
    is_due_from(&fleet, Queue::Leased);
    let mut fleet = self::fleet();
    fleet.update(0, Ended::Fault { why: "throttled".to_owned(), again: None });
    is_due_from(&fleet, Queue::Delayed);
    let mut fleet = self::fleet();
    fleet.update(0, Ended::Done);
    is_due_from(&fleet, Queue::Baking);
    fleet.wait(minutes(1));
    is_due_from(&fleet, Queue::Baking);
}

#[test]
fn the_numbers_of_queues_stay_the_same() {
    let queues = [Queue::Leased, Queue::Delayed, Queue::Turn, Queue::Parked, Queue::Baking, Queue::Updated];
    assert_eq!(queues.map(Queue::number), [0, 1, 2, 3, 4, 5]);
}
