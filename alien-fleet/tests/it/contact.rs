//! Contact with one deployment, and what a fleet tells those who wait.

use std::time::Duration;

use alien_core::{CommandId, ErrorKind, ResourceId};
use alien_fleet::{Seen, Setting};
use futures_util::FutureExt as _;

use crate::world::{Trouble, World};

#[tokio::test(start_paused = true)]
async fn no_more_is_read_of_a_log_after_four_mebibytes() {
    let world = World::new(1).await;
    let (id, api): (_, ResourceId) = (world.ids[0], "api".parse().unwrap());
    // What was sent is what the function writes.
    for _ in 0..4 {
        world.fleet.dispatch(id, &api, CommandId::new(), &vec![b'x'; 3 << 19]).await.unwrap();
    }
    let lines = world.fleet.logs(id, &api, None, 10).await.unwrap();
    assert_eq!(lines.len(), 3, "a line of 1.5 MiB each");
}

#[tokio::test(start_paused = true)]
async fn a_look_tells_what_was_seen_of_each_resource_and_does_not_wait_for_ever() {
    let world = World::new(1).await;
    let id = world.ids[0];
    let (_, record) = world.fleet.deployment(id).await.unwrap();
    world.account.remove(record.resource(&"orders".parse().unwrap()).unwrap());
    let beats = world.fleet.heartbeat(id).await.unwrap();
    let mut names: Vec<&str> = beats.iter().map(|beat| beat.resource.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["api", "orders"]);
    assert!(beats.iter().all(|beat| matches!(beat.seen, Seen::Heartbeat(_))), "{beats:?}");
    world.troubles.lock().unwrap().insert(id, Trouble::Hangs);
    let began = world.clock.now();
    let beats = world.fleet.heartbeat(id).await;
    assert_eq!(beats.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(world.clock.now().duration_since(began).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_change_is_told_of_the_next_one() {
    let world = World::new(1).await;
    let mut waits = Box::pin(world.fleet.changed());
    assert!((&mut waits).now_or_never().is_none(), "what was announced before is no change");
    world.fleet.set(world.ids[0], Setting::Hold("a demo".to_owned())).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), waits).await.unwrap();
}
