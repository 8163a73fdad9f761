//! What the library adds to the calls of a cloud: measured on the in-process cloud, whose own calls cost little.

#![expect(clippy::unwrap_used, reason = "benchmarks")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_conformance::stacks;
use alien_core::memory::{self, Account, Target};
use alien_core::{Admin, Artifacts, CallConfig, Clock, Deployment, DeploymentId, Manager, Release, Stack};
use async_trait::async_trait;
use divan::Bencher;
use jiff::Timestamp;
use tokio::runtime::Runtime;
use uuid::Uuid;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn calling() -> CallConfig {
    CallConfig::new(Arc::new(NoWaiting))
}

/// Nobody else is there to be waited for: pauses are left out, and nothing takes long enough to be renewed.
#[derive(Debug)]
struct NoWaiting;

#[async_trait]
impl Clock for NoWaiting {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        if duration > Duration::from_secs(5) {
            std::future::pending().await
        }
    }
}

/// A deployment on an account of its own.
struct Set {
    config: memory::Config,
    admin: Admin,
    release: Release,
}

impl Set {
    fn new(stack: Stack) -> Self {
        let config = memory::Config::new(Account::new(Arc::new(NoWaiting)));
        let admin = memory::admin(&config, DeploymentId::from(Uuid::nil()), Target::new("acme").unwrap());
        Self { config, admin, release: Release::new(stack, Artifacts::default()).unwrap() }
    }

    async fn up(&self, previous: Option<&Deployment>) -> Deployment {
        let plan = self.admin.plan(&self.release).previous(previous).await.unwrap();
        self.admin.apply(&plan).take_over().await.unwrap()
    }
}

/// A plan from a record, where nothing has changed: render, audit, look at everything, compare.
#[divan::bench(args = [10, 100, 1000])]
fn plan_from_a_record(bencher: Bencher<'_, '_>, resources: usize) {
    let (runtime, set) = (runtime(), Set::new(stacks::stack_of_size(resources)));
    let deployment = runtime.block_on(set.up(None));
    bencher.bench_local(|| {
        let plan = runtime.block_on(set.admin.plan(&set.release).previous(&deployment).into_future()).unwrap();
        assert!(plan.is_empty());
    });
}

/// A set-up of an empty account, by a plan that was made before.
#[divan::bench(args = [10, 100, 1000])]
fn apply(bencher: Bencher<'_, '_>, resources: usize) {
    let runtime = runtime();
    let stack = stacks::stack_of_size(resources);
    bencher
        .with_inputs(|| {
            let set = Set::new(stack.clone());
            let plan = runtime.block_on(set.admin.plan(&set.release).into_future()).unwrap();
            (set, plan)
        })
        .bench_local_values(|(set, plan)| runtime.block_on(set.admin.apply(&plan).take_over().into_future()).unwrap());
}

/// 1,000 heartbeats: one session, and how many calls it takes in all.
#[divan::bench]
fn a_thousand_heartbeats(bencher: Bencher<'_, '_>) {
    let (runtime, set) = (runtime(), Set::new(stacks::stack_of_size(10)));
    let deployment = runtime.block_on(set.up(None));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let how = calling().with_recorder(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    let manager = Manager::new(memory::vendor(&set.config.clone().with_calls(how)), deployment);
    let resources = manager.resources();
    let mut rounds = 0;
    bencher.bench_local(|| {
        rounds += 1;
        runtime.block_on(async {
            for resource in resources.iter().cycle().take(1000) {
                manager.heartbeat(resource).await.unwrap();
            }
        });
    });
    println!("{} calls for {rounds} times 1,000 heartbeats", calls.load(Ordering::Relaxed));
}
