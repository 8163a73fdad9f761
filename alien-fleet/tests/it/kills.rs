//! Workers that are killed at every write and at every call, and several at once: each deployment is updated by one at a
//! time, none is lost, and every outcome is told once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alien_core::DeploymentId;
use alien_core::memory::Fault;
use alien_core::rollout::Outcome;
use alien_fleet::store::InMemory;
use alien_fleet::{Fleet, RolloutId, What};

use crate::faulty::{At, Faulty};
use crate::rollouts::log;
use crate::world::{World, digest, plan, two_hours};

/// A fleet whose release waits to be rolled out.
struct Begun {
    kept: Arc<InMemory>,
    world: World,
    rollout: RolloutId,
}

impl Begun {
    async fn new(deployments: usize) -> Self {
        let kept = Arc::new(InMemory::new());
        let world = World::over(Arc::clone(&kept), deployments).await;
        let published = world.publish(b"second").await;
        let plan = plan().canary(1).then_percent([100]).bake(Duration::from_secs(10));
        let rollout = world.begin(published.release.sequence(), plan).await;
        Self { kept, world, rollout }
    }

    /// Another program on the same store, which ends at a change.
    async fn program(&self, ends: Option<At>) -> (Fleet, Arc<AtomicBool>) {
        let gone = Arc::new(AtomicBool::new(false));
        let world = &self.world;
        let store = Faulty::new(&self.kept, ends, &gone, &world.account);
        let fleet = World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
        (fleet, gone)
    }

    /// How often the code of each deployment was set.
    async fn revisions(&self) -> Vec<u64> {
        let mut revisions = Vec::new();
        for id in &self.world.ids {
            let (_, record) = self.world.fleet.deployment(*id).await.unwrap();
            revisions.push(self.world.account.revision(record.resource(&"api".parse().unwrap()).unwrap()));
        }
        revisions
    }

    /// A worker that nothing happens to ends what there is; then everything is as it should.
    async fn is_ended_by_another(&self) {
        let (fleet, _) = self.program(None).await;
        fleet.worker().without_watch().until_over().run(two_hours()).await.unwrap();
        let status = self.world.fleet.status(&self.rollout).await.unwrap();
        assert_eq!(self.world.outcomes(&status), vec![Some(Outcome::Good); self.world.ids.len()], "{status:?}");
        for id in &self.world.ids {
            assert_eq!(self.world.runs(*id).await, digest(b"second"));
            let (_, record) = self.world.fleet.deployment(*id).await.unwrap();
            assert!(record.uncertain.is_empty() && record.in_flight.is_none(), "{record:?}");
        }
        let mut told: BTreeMap<DeploymentId, usize> = BTreeMap::new();
        let mut fences: BTreeMap<DeploymentId, u64> = BTreeMap::new();
        for entry in log(&self.world).await {
            match entry.what {
                What::Outcome { deployment, .. } => *told.entry(deployment).or_default() += 1,
                What::Claimed { deployment, fence, .. } => {
                    let before = fences.insert(deployment, fence);
                    assert!(before < Some(fence), "{before:?} and then {fence}");
                }
                _ => {}
            }
        }
        assert!(told.len() == self.world.ids.len() && told.values().all(|count| *count == 1), "{told:?}");
    }
}

/// Runs a worker until it ends or its store is gone.
async fn until_gone(fleet: &Fleet, gone: &AtomicBool) {
    let is_gone = async {
        while !gone.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = is_gone => {}
        ended = fleet.worker().without_watch().until_over().run(two_hours()) => ended.unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_killed_at_any_write_is_followed_by_another() {
    let mut kills = 0;
    for after in [false, true] {
        for number in 0.. {
            let begun = Begun::new(3).await;
            let ends = if after { At::After(number) } else { At::Before(number) };
            let (fleet, gone) = begun.program(Some(ends)).await;
            until_gone(&fleet, &gone).await;
            if !gone.load(Ordering::SeqCst) {
                break;
            }
            kills += 1;
            drop(fleet);
            begun.is_ended_by_another().await;
        }
    }
    assert!(kills > 20, "{kills}");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_killed_at_any_call_is_followed_by_another() {
    let calls = {
        let begun = Begun::new(2).await;
        let before = begun.world.account.asked().len();
        begun.is_ended_by_another().await;
        begun.world.account.asked().len() - before
    };
    let mut kills = 0;
    for number in 0..calls {
        for fault in [Fault::KilledBefore, Fault::KilledAfter] {
            let begun = Begun::new(2).await;
            let (fleet, gone) = begun.program(None).await;
            begun.world.account.fail_at(number, fault);
            until_gone(&fleet, &gone).await;
            drop(fleet);
            kills += usize::from(begun.world.account.is_killed());
            begun.world.account.restart();
            begun.is_ended_by_another().await;
        }
    }
    // A session is opened without a fault.
    assert!(kills > calls, "{kills} kills at {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn three_managers_update_each_deployment_once() {
    let begun = Begun::new(40).await;
    let before = begun.revisions().await;
    let mut programs = Vec::new();
    for _ in 0..3 {
        programs.push(begun.program(None).await.0);
    }
    let runs = programs.iter().map(|fleet| fleet.worker().without_watch().until_over().run(two_hours()));
    for ended in futures_util::future::join_all(runs).await {
        ended.unwrap();
    }
    begun.is_ended_by_another().await;
    let after = begun.revisions().await;
    assert!(before.iter().zip(&after).all(|(before, after)| after - before == 1), "{before:?} {after:?}");
}
