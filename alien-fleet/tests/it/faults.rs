//! What goes wrong on the way: each is told, none counts against the release unless it is its fault, nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alien_core::ErrorKind;
use alien_core::rollout::{Outcome, PauseReason, Phase, Sight, Stage, Why};
use alien_fleet::store::InMemory;
use alien_fleet::{Order, What};

use crate::faulty::Faulty;
use crate::rollouts::log;
use crate::world::{Trouble, World, digest, plan, two_hours, work};

const MINUTE: Duration = Duration::from_secs(60);

/// A rollout to four deployments, the first of which has a trouble for so long.
async fn with_trouble(trouble: Trouble, time: Duration) -> (World, alien_fleet::RolloutId) {
    let world = World::new(4).await;
    world.troubles.lock().unwrap().insert(world.ids[0], trouble);
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan().halt_at_bad(1)).await;
    work(&world, time).await;
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_throttles_is_asked_again_and_nothing_is_halted() {
    let (world, id) = with_trouble(Trouble::Fails(ErrorKind::Throttled), 10 * MINUTE).await;
    let status = world.fleet.status(&id).await.unwrap();
    let why = status.rollout.why(world.ids[0], status.now);
    assert!(matches!(why, Some(Why::Manager(_)) | None), "{why:?}");
    assert_eq!((status.rollout.head().phase(), status.rollout.head().halted()), (Phase::Open, None));
    world.troubles.lock().unwrap().clear();
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    assert_eq!(world.outcomes(&world.fleet.status(&id).await.unwrap()), vec![Some(Outcome::Good); 4]);
}

#[tokio::test(start_paused = true)]
async fn who_is_unreachable_is_counted_apart_and_not_called_bad() {
    for trouble in [Trouble::Fails(ErrorKind::Unavailable), Trouble::Hangs] {
        let (world, id) = with_trouble(trouble, 60 * MINUTE).await;
        let status = world.fleet.status(&id).await.unwrap();
        assert_eq!((status.rollout.head().phase(), status.rollout.head().halted()), (Phase::Done, None), "{status:?}");
        let outcomes = world.outcomes(&status);
        assert!(matches!(outcomes[0], Some(Outcome::NotTried(Why::Unreachable(_)))), "{outcomes:?}");
        assert_eq!(outcomes[1..], vec![Some(Outcome::Good); 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_pauses_when_too_many_are_unreachable() {
    let world = World::new(4).await;
    for id in &world.ids[..3] {
        world.troubles.lock().unwrap().insert(*id, Trouble::Fails(ErrorKind::Unavailable));
    }
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan().pause_at_unreachable(50)).await;
    work(&world, 5 * MINUTE).await;
    let status = world.fleet.status(&id).await.unwrap();
    assert!(matches!(status.rollout.head().paused(), Some(PauseReason::Unreachable { .. })), "{status:?}");
    world.troubles.lock().unwrap().clear();
    world.fleet.order(&id, &Order::Resume).await.unwrap();
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    assert_eq!(world.outcomes(&world.fleet.status(&id).await.unwrap()), vec![Some(Outcome::Good); 4]);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_falls_sick_after_the_update_is_bad() {
    let world = World::new(2).await;
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan().bake(10 * MINUTE)).await;
    work(&world, MINUTE).await;
    // What the vendor deployed is gone, and nobody else's fault is known.
    let (_, record) = world.fleet.deployment(world.ids[0]).await.unwrap();
    world.account.remove(record.resource(&"api".parse().unwrap()).unwrap());
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    let outcomes = world.outcomes(&world.fleet.status(&id).await.unwrap());
    assert!(matches!(outcomes[0], Some(Outcome::Bad(Why::Sick(_)))), "{outcomes:?}");
    assert_eq!(outcomes[1], Some(Outcome::Good));
}

#[tokio::test(start_paused = true)]
async fn what_was_sick_before_the_update_is_not_the_releases_fault() {
    let world = World::new(2).await;
    let (_, record) = world.fleet.deployment(world.ids[0]).await.unwrap();
    world.account.remove(record.resource(&"orders".parse().unwrap()).unwrap());
    let (_, status) = world.roll_out(b"second", plan().halt_at_bad(1)).await;
    assert_eq!(world.outcomes(&status), vec![Some(Outcome::Good); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_and_comes_back_loses_nothing() {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 6).await;
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan().parallel(2)).await;
    let gone = Arc::new(AtomicBool::new(false));
    let store = Faulty::new(&kept, None, &gone, &world.account);
    let fleet = World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
    world.account.set_latency(Duration::from_millis(200));
    let comes_and_goes = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            gone.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(900)).await;
            gone.store(false, Ordering::SeqCst);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = comes_and_goes => {}
        ended = fleet.worker().until_over().run(two_hours()) => ended.unwrap(),
    }
    let status = world.fleet.status(&id).await.unwrap();
    assert_eq!(world.outcomes(&status), vec![Some(Outcome::Good); 6]);
    let told = log(&world).await.into_iter().filter(|entry| matches!(entry.what, What::Outcome { .. })).count();
    assert_eq!(told, 6);
}

/// While the store is away for longer than the lease, a worker stops: another may have the deployment by then.
#[tokio::test(start_paused = true)]
async fn a_worker_whose_claim_cannot_be_renewed_stops() {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 1).await;
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan()).await;
    let gone = Arc::new(AtomicBool::new(false));
    let store = Faulty::new(&kept, None, &gone, &world.account);
    let fleet = World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
    // The look takes long, and meanwhile the store is away.
    world.account.set_latency(Duration::from_secs(20));
    let leaves = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        gone.store(true, Ordering::SeqCst);
        tokio::time::sleep(10 * MINUTE).await;
    };
    tokio::select! {
        () = leaves => {}
        ended = fleet.worker().without_watch().run(two_hours()) => ended.unwrap(),
    }
    let updates = world.account.asked().into_iter().filter(|call| call.right.permission.contains("update")).count();
    let status = world.fleet.status(&id).await.unwrap();
    let stage = status.rollout.rows()[&world.ids[0]].stage();
    assert!(matches!(stage, Stage::Claimed(_)) && updates == 0, "{stage:?}, {updates} updates");
    assert_eq!(world.runs(world.ids[0]).await, digest(b"first"));
    // Back again, it finishes what it had begun.
    gone.store(false, Ordering::SeqCst);
    world.account.set_latency(Duration::ZERO);
    fleet.worker().until_over().run(two_hours()).await.unwrap();
    assert_eq!(world.outcomes(&world.fleet.status(&id).await.unwrap()), [Some(Outcome::Good)]);
}

#[tokio::test(start_paused = true)]
async fn the_health_of_every_deployment_is_watched() {
    let world = World::new(30).await;
    world.troubles.lock().unwrap().insert(world.ids[1], Trouble::Fails(ErrorKind::Revoked));
    world.troubles.lock().unwrap().insert(world.ids[2], Trouble::Fails(ErrorKind::Throttled));
    let calls = |world: &World| world.account.asked().len();
    work(&world, MINUTE).await;
    let looked = world.fleet.health().await.unwrap().values().filter(|watched| watched.at.is_some()).count();
    assert!(looked < 25, "{looked} of 30 that were registered together are looked at together");
    work(&world, 5 * MINUTE).await;
    let health = world.fleet.health().await.unwrap();
    let sight = |number: usize| health[&world.ids[number]].sight.clone();
    assert_eq!(sight(0), Some(Sight::Seen([].into())));
    assert!(matches!(sight(1), Some(Sight::Revoked(_))), "{:?}", sight(1));
    assert!(matches!(sight(2), Some(Sight::Fault(_)) | None), "{:?}", sight(2));
    // Two resources of 29 deployments, every five minutes or so; and a session for each, which lasts an hour.
    let before = calls(&world);
    work(&world, 50 * MINUTE).await;
    let rounds = (calls(&world) - before) as f64 / (2.0 * 28.0);
    // The one that throttles delays the others of its account by up to a third.
    assert!((6.0..13.0).contains(&rounds), "{rounds} rounds");
    let told: Vec<String> = log(&world)
        .await
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::Health { deployment, health, .. } if deployment == world.ids[1] => Some(health),
            _ => None,
        })
        .collect();
    assert!(told.len() == 1 && told[0].starts_with("the customer revoked"), "{told:?}");
}
