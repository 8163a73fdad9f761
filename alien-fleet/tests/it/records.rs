//! The records of deployments, as a fleet keeps them.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_core::{ErrorKind, RunId};
use serde_json::json;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn no_record_is_replaced_during_a_release_of_its_deployment() {
    let world = World::new(1).await;
    let (_, given) = world.fleet.deployment(world.ids[0]).await.unwrap();
    let mut record = given.clone();
    let now = world.clock.now();
    record.in_flight = serde_json::from_value(json!({
        "owner": RunId::new(),
        "by": "bob",
        "since": now,
        "until": now + Duration::from_secs(60),
        "release": record.stack.digest(),
        "resources": [],
    }))
    .unwrap();
    world.fleet.records().save(&record).await.unwrap();
    let error = world.fleet.add(&given).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Locked && error.to_string().contains("bob"), "{error}");
    // A release that was interrupted renews its lease no more.
    world.clock.sleep(Duration::from_secs(60)).await;
    world.fleet.add(&given).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_records_of_all_deployments_are_listed() {
    let world = World::new(3).await;
    let listed: BTreeSet<_> = world.fleet.records().list().await.unwrap().into_iter().collect();
    assert_eq!(listed, world.ids.iter().copied().collect());
}
