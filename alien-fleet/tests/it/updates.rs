//! One update, under the claim of a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alien_core::rollout::{Action, Outcome, Stage, Why};
use alien_fleet::What;
use alien_fleet::store::{InMemory, Table};

use crate::faulty::Faulty;
use crate::rollouts::log;
use crate::world::{World, plan, two_hours};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The fencing numbers of all claims, in the order in which they were made.
async fn fences(world: &World) -> Vec<u64> {
    let claimed = log(world).await.into_iter().filter_map(|entry| match entry.what {
        What::Claimed { fence, .. } => Some(fence),
        _ => None,
    });
    claimed.collect()
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_its_claim_for_as_long_as_it_takes() {
    let world = World::new(1).await;
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan().lease(seconds(30))).await;
    world.account.set_latency(seconds(25));
    world.fleet.worker().without_watch().until_over().run(two_hours()).await.unwrap();
    let status = world.fleet.status(&id).await.unwrap();
    assert_eq!(world.outcomes(&status), [Some(Outcome::Good)]);
    assert_eq!(fences(&world).await.len(), 1, "nobody else had to claim it");
    let log = log(&world).await;
    let at = |is: fn(&What) -> bool| log.iter().find(|entry| is(&entry.what)).unwrap().at;
    let took = at(|what| matches!(what, What::Outcome { .. })) - at(|what| matches!(what, What::Claimed { .. }));
    assert!(took.total(jiff::Unit::Second).unwrap() > 180.0, "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_a_later_rollout_has_a_higher_fencing_number() {
    let world = World::new(2).await;
    world.roll_out(b"second", plan()).await;
    let before = fences(&world).await;
    world.roll_out(b"third", plan()).await;
    let all = fences(&world).await;
    let (earlier, later) = all.split_at(before.len());
    assert!(later.len() == 2 && earlier.iter().max() < later.iter().min(), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_watch_saw_a_moment_ago_stands_for_a_look_before_the_update() {
    for (ago, is_fresh) in [(200, true), (320, false)] {
        let world = World::new(1).await;
        world.fleet.worker().watch_every(seconds(10)).run(world.clock.sleep(seconds(330))).await.unwrap();
        let (_, record) = world.fleet.deployment(world.ids[0]).await.unwrap();
        world.account.remove(record.resource(&"orders".parse().unwrap()).unwrap());
        world.clock.sleep(seconds(ago)).await;
        let published = world.publish(b"second").await;
        let id = world.begin(published.release.sequence(), plan()).await;
        world.fleet.worker().without_watch().until_over().run(two_hours()).await.unwrap();
        let outcomes = world.outcomes(&world.fleet.status(&id).await.unwrap());
        // What was healthy before is the release's fault.
        let is_bad = matches!(outcomes[0], Some(Outcome::Bad(Why::Sick(_))));
        assert!(is_bad == is_fresh && (is_bad || outcomes == [Some(Outcome::Good)]), "{ago}: {outcomes:?}");
    }
}

/// An update of one deployment. From when it is sent on, the store is away for twenty seconds: for changes of this table, or
/// for every call.
async fn updated_without_store(only: Option<Table>) -> World {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 1).await;
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan().lease(seconds(60))).await;
    let gone = Arc::new(AtomicBool::new(false));
    let mut store = Faulty::new(&kept, None, &gone, &world.account);
    if let Some(table) = only {
        store = store.only(table);
    }
    let fleet = World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
    world.account.set_latency(seconds(1));
    let leaves = async {
        let stage = async || world.fleet.status(&id).await.unwrap().rollout.rows()[&world.ids[0]].stage().clone();
        while !matches!(stage().await, Stage::Updating(_)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        gone.store(true, Ordering::SeqCst);
        tokio::time::sleep(seconds(20)).await;
        gone.store(false, Ordering::SeqCst);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = leaves => {}
        ended = fleet.worker().without_watch().until_over().run(two_hours()) => ended.unwrap(),
    }
    assert_eq!(world.outcomes(&world.fleet.status(&id).await.unwrap()), [Some(Outcome::Good)]);
    world
}

#[tokio::test(start_paused = true)]
async fn what_came_of_an_update_is_told_when_the_store_is_back() {
    let world = updated_without_store(Some(Table::Row)).await;
    assert_eq!(fences(&world).await.len(), 1, "nobody else had to claim it");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_during_an_update_does_not_count_as_a_deployment_that_is() {
    let world = updated_without_store(None).await;
    let log = log(&world).await;
    let paused = log.iter().find(|entry| matches!(entry.what, What::Moved { action: Action::Paused(_), .. }));
    assert_eq!(paused, None);
}
