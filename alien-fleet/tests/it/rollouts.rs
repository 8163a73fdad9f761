//! A release on its way to the deployments of a fleet.

use alien_core::rollout::{Outcome, Phase};
use alien_fleet::Entry;

use crate::world::{World, digest, plan};

/// The log, each entry checked against the one before.
pub(crate) async fn log(world: &World) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let page = world.fleet.log(all.last().map_or(0, |last| last.number), 100).await.unwrap();
        if page.is_empty() {
            return all;
        }
        for entry in page {
            entry.follows(all.last()).unwrap();
            all.push(entry);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_reaches_every_deployment_wave_by_wave() {
    let world = World::new(12).await;
    let (_, status) = world.roll_out(b"second", plan().canary(1).then_percent([50, 100])).await;
    assert_eq!(status.rollout.head().phase(), Phase::Done);
    assert_eq!(world.outcomes(&status), vec![Some(Outcome::Good); 12]);
    for id in &world.ids {
        assert_eq!(world.runs(*id).await, digest(b"second"));
    }
    let waves: Vec<u32> = status.rollout.head().waves().iter().map(|tally| tally.good).collect();
    assert_eq!(waves, [1, 5, 6]);
    let _ = log(&world).await;
}
