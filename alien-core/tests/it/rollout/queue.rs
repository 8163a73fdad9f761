//! Where rows wait, and when something is due for them.

use alien_core::rollout::*;
use jiff::{SignedDuration, Timestamp};

use super::fleet::{Fleet, id, ill, members, minutes, well};

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
fn a_row_that_is_settled_waits_for_a_revert_only_if_there_is_something_to_revert() {
    let pinned = members(3).into_iter().enumerate().map(|(number, member)| {
        let standing = Standing::new(0);
        member.standing(if number == 2 { standing.pinned(1.into()) } else { standing })
    });
    let plan = Plan::builder().bake(minutes(1)).build().unwrap();
    let mut fleet = Fleet::started(&plan, pinned.collect());
    fleet.close(2);
    fleet.update(0, Ended::Done);
    fleet.update(1, Ended::Failed(ill("api")));
    let queue = |fleet: &Fleet, number| fleet.row(number).position().map(|position| position.queue);
    assert_eq!([0, 1, 2].map(|number| queue(&fleet, number)), [Some(Queue::Baking), Some(Queue::Updated), None]);
    fleet.told(&Event::Halt { why: "wait".to_owned() });
    fleet.told(&Event::Revert(Scope::All));
    fleet.update(1, Ended::Done);
    while queue(&fleet, 1) == Some(Queue::Baking) {
        fleet.wait(minutes(1));
        fleet.look(1, well());
    }
    // It was reverted, and nothing is left to do.
    assert_eq!(queue(&fleet, 1), None);
}

#[test]
fn there_is_room_for_as_many_as_are_updated_at_once_until_it_is_over() {
    let plan = Plan::builder().parallel(2).build().unwrap();
    let mut fleet = Fleet::started(&plan, members(3));
    let mut room = vec![fleet.rollout.head().room()];
    for number in [0, 1] {
        fleet.claim(number);
        room.push(fleet.rollout.head().room());
    }
    fleet.told(&Event::Cancel);
    room.push(fleet.rollout.head().room());
    assert_eq!(room, [Some(2), Some(1), Some(0), None]);
}

#[test]
fn the_numbers_of_queues_stay_the_same() {
    let queues = [Queue::Leased, Queue::Delayed, Queue::Turn, Queue::Parked, Queue::Baking, Queue::Updated];
    assert_eq!(queues.map(Queue::number), [0, 1, 2, 3, 4, 5]);
}
