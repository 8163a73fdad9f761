//! How often deployments are looked at, and what is said of them.

use std::time::Duration;

use alien_core::rollout::Sight;
use alien_core::{DeploymentId, ErrorKind};
use alien_fleet::{Watched, What};
use jiff::Timestamp;

use crate::rollouts::log;
use crate::world::{Trouble, World};

const SECOND: Duration = Duration::from_secs(1);

/// What the fleet says of a deployment, second by second, while a worker looks at it this often.
async fn seen(world: &World, id: DeploymentId, every: Duration, time: Duration) -> Vec<Watched> {
    let mut seen = Vec::new();
    let look = async {
        let ends = world.clock.now() + time;
        while world.clock.now() < ends {
            world.clock.sleep(SECOND).await;
            let watched = world.fleet.watched(id).await.unwrap().unwrap();
            if seen.last() != Some(&watched) {
                seen.push(watched);
            }
        }
    };
    world.fleet.worker().watch_every(every).run(look).await.unwrap();
    seen
}

/// The seconds between each of these times and the one before it.
fn between(times: impl Iterator<Item = Timestamp>) -> Vec<i64> {
    let mut times: Vec<Timestamp> = times.collect();
    times.dedup();
    times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_looked_at_as_often_as_the_worker_is_told() {
    let world = World::new(1).await;
    let first = world.fleet.watched(world.ids[0]).await.unwrap().unwrap();
    let waits = first.next.duration_since(world.clock.now()).as_secs();
    assert!(first.at.is_none() && (0..=300).contains(&waits), "{first:?}");
    let seen = seen(&world, world.ids[0], 50 * SECOND, 1200 * SECOND).await;
    let between = between(seen.iter().filter_map(|watched| watched.at));
    // A fifth more or less, and a moment for the look.
    assert!(between.len() > 12 && between.iter().all(|time| (40..=63).contains(time)), "{between:?}");
    assert!(between.iter().min() < Some(&49) && between.iter().max() > Some(&53), "not spread: {between:?}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_throttles_is_left_alone_longer_each_time() {
    let world = World::new(2).await;
    world.troubles.lock().unwrap().insert(world.ids[0], Trouble::Fails(ErrorKind::Throttled));
    world.troubles.lock().unwrap().insert(world.ids[1], Trouble::Fails(ErrorKind::Throttled));
    let throttled = seen(&world, world.ids[0], 10 * SECOND, 3400 * SECOND).await;
    let times: Vec<i64> =
        throttled.iter().filter_map(|watched| Some(watched.next.duration_since(watched.at?).as_secs())).collect();
    assert!(times.iter().all(|time| (0..=600).contains(time)), "{times:?}");
    assert!(times.iter().max() == Some(&600), "{times:?}");
    // Others in the account are not asked meanwhile: each look is due when the account is asked again, or later.
    let looks = between(throttled.iter().filter_map(|watched| watched.at));
    assert!(looks.len() < 12 && looks.iter().rev().take(2).all(|time| *time >= 600), "{looks:?}");
    // When it answers again, it is looked at as before; and if it throttles once more, it is not left alone for long.
    world.troubles.lock().unwrap().clear();
    let healthy = seen(&world, world.ids[0], 10 * SECOND, 800 * SECOND).await;
    let times =
        between(healthy.iter().filter(|watched| watched.sight == Some(Sight::Seen([].into()))).filter_map(|it| it.at));
    assert!(times.len() > 10 && times.iter().all(|time| (8..=15).contains(time)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn each_change_of_health_is_told_once_and_in_words() {
    let world = World::new(1).await;
    let id = world.ids[0];
    let (_, record) = world.fleet.deployment(id).await.unwrap();
    let changes = async {
        world.clock.sleep(320 * SECOND).await;
        world.account.remove(record.resource(&"orders".parse().unwrap()).unwrap());
        for kind in [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Revoked] {
            world.clock.sleep(60 * SECOND).await;
            world.troubles.lock().unwrap().insert(id, Trouble::Fails(kind));
        }
        world.clock.sleep(60 * SECOND).await;
    };
    world.fleet.worker().watch_every(10 * SECOND).run(changes).await.unwrap();
    let told: Vec<String> = log(&world)
        .await
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::Health { health, .. } => Some(health),
            _ => None,
        })
        .collect();
    let begins =
        ["healthy", "degraded: `orders`: ", "unreachable: ", "not seen: ", "the customer revoked the access: "];
    assert_eq!(told.len(), begins.len(), "{told:?}");
    for (told, begins) in told.iter().zip(begins) {
        assert!(told.starts_with(begins), "{told} does not begin with {begins}");
    }
    assert_eq!(told[0], "healthy");
}

#[tokio::test(start_paused = true)]
async fn nobody_in_an_account_that_throttles_is_looked_at() {
    let world = World::new(2).await;
    let mut looks = Vec::new();
    let throttles = async {
        world.clock.sleep(330 * SECOND).await;
        world.troubles.lock().unwrap().insert(world.ids[0], Trouble::Fails(ErrorKind::Throttled));
        for _ in 0..60 {
            world.clock.sleep(SECOND).await;
            looks.extend(world.fleet.watched(world.ids[1]).await.unwrap().unwrap().at);
        }
    };
    world.fleet.worker().watch_every(10 * SECOND).run(throttles).await.unwrap();
    let throttled = log(&world).await.into_iter().find_map(|entry| match entry.what {
        What::Health { health, .. } if health.starts_with("not seen") => Some(entry.at),
        _ => None,
    });
    let since = |at: Timestamp| at.duration_since(throttled.unwrap()).as_secs();
    let meanwhile: Vec<i64> = looks.iter().map(|at| since(*at)).filter(|time| (2..29).contains(time)).collect();
    assert!(meanwhile.is_empty(), "{meanwhile:?} seconds after the account began to throttle");
    assert!(looks.iter().any(|at| since(*at) >= 29), "{looks:?}");
}

#[tokio::test(start_paused = true)]
async fn what_answers_after_its_account_began_to_throttle_does_not_say_that_it_stopped() {
    let world = World::new(2).await;
    world.troubles.lock().unwrap().insert(world.ids[1], Trouble::Slow(15 * SECOND));
    let mut looks = Vec::new();
    let throttles = async {
        world.clock.sleep(330 * SECOND).await;
        for _ in 0..5 {
            world.troubles.lock().unwrap().insert(world.ids[0], Trouble::Fails(ErrorKind::Throttled));
            for second in 0..180 {
                world.clock.sleep(SECOND).await;
                looks.extend(world.fleet.watched(world.ids[1]).await.unwrap().unwrap().at);
                if second == 60 {
                    world.troubles.lock().unwrap().remove(&world.ids[0]);
                }
            }
        }
    };
    world.fleet.worker().watch_every(10 * SECOND).run(throttles).await.unwrap();
    let throttled: Vec<Timestamp> = log(&world)
        .await
        .into_iter()
        .filter(|entry| matches!(&entry.what, What::Health { health, .. } if health.starts_with("not seen")))
        .map(|entry| entry.at)
        .collect();
    assert_eq!(throttled.len(), 5, "{throttled:?}");
    for at in throttled {
        // A look that was going on ends after at most 15 seconds, and one that begins after the 30 seconds ends 15 later.
        let since = looks.iter().map(|look| look.duration_since(at).as_secs());
        let meanwhile: Vec<i64> = since.filter(|time| (18..44).contains(time)).collect();
        assert!(meanwhile.is_empty(), "{meanwhile:?} seconds after the account began to throttle");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_does_not_answer_is_asked_once_at_a_time() {
    let world = World::new(1).await;
    world.troubles.lock().unwrap().insert(world.ids[0], Trouble::Hangs);
    let seen = seen(&world, world.ids[0], 100 * SECOND, 1200 * SECOND).await;
    let between = between(seen.iter().filter_map(|watched| watched.at));
    // A minute until it is given up, and the time between two looks, a fifth more or less.
    assert!(between.len() > 3 && between.iter().all(|time| (140..=184).contains(time)), "{between:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_eight_deployments_of_an_account_are_looked_at_at_once() {
    let world = World::new(20).await;
    world.troubles.lock().unwrap().extend(world.ids.iter().map(|id| (*id, Trouble::Hangs)));
    let mut looks = 0;
    let count = async {
        let mut before = world.fleet.health().await.unwrap();
        for _ in 0..600 {
            world.clock.sleep(SECOND).await;
            let now = world.fleet.health().await.unwrap();
            looks += now.iter().filter(|(id, watched)| watched.at != before[id].at).count();
            before = now;
        }
    };
    world.fleet.worker().watch_every(10 * SECOND).run(count).await.unwrap();
    // Each takes a minute.
    assert!((40..=80).contains(&looks), "{looks} looks within ten minutes");
}
