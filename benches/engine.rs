//! What the library adds to the calls of a cloud: measured on the in-process cloud, whose own calls cost little.

#![expect(clippy::unwrap_used, reason = "benchmarks")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_conformance::stacks;
use alien_core::memory;
use alien_core::memory::Account;
use alien_core::memory::Target;
use alien_core::{
    Artifacts, CallConfig, Clock, Deployment, DeploymentId, Manager, Options, Provision, Release, Silent, Stack,
};
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
    account: Account,
    provisioner: Box<dyn Provision>,
    release: Release,
}

impl Set {
    fn new(stack: Stack) -> Self {
        let account = Account::new(Arc::new(NoWaiting));
        let id = DeploymentId::from(Uuid::nil());
        let provisioner = Box::new(memory::provisioner(&account, id, Target::new("acme").unwrap(), calling()));
        Self { account, provisioner, release: Release::new(stack, Artifacts::default()).unwrap() }
    }

    async fn up(&self, previous: Option<&Deployment>) -> Deployment {
        let options = Options::new("bench").take_over();
        let plan = self.provisioner.plan(&self.release, previous, &options).await.unwrap();
        self.provisioner.apply(&plan, &options, &Silent).await.unwrap()
    }
}

/// A plan from a record, where nothing has changed: render, audit, look at everything, compare.
#[divan::bench(args = [10, 100, 1000])]
fn plan_from_a_record(bencher: Bencher<'_, '_>, resources: usize) {
    let (runtime, set) = (runtime(), Set::new(stacks::stack_of_size(resources)));
    let deployment = runtime.block_on(set.up(None));
    let options = Options::new("bench");
    bencher.bench_local(|| {
        let plan = runtime.block_on(set.provisioner.plan(&set.release, Some(&deployment), &options)).unwrap();
        assert!(plan.is_empty());
    });
}

/// A set-up of an empty account, by a plan that was made before.
#[divan::bench(args = [10, 100, 1000])]
fn apply(bencher: Bencher<'_, '_>, resources: usize) {
    let runtime = runtime();
    let stack = stacks::stack_of_size(resources);
    let options = Options::new("bench").take_over();
    bencher
        .with_inputs(|| {
            let set = Set::new(stack.clone());
            let plan = runtime.block_on(set.provisioner.plan(&set.release, None, &options)).unwrap();
            (set, plan)
        })
        .bench_local_values(|(set, plan)| runtime.block_on(set.provisioner.apply(&plan, &options, &Silent)).unwrap());
}

/// 1,000 heartbeats: one session, and how many calls it takes in all.
#[divan::bench]
fn a_thousand_heartbeats(bencher: Bencher<'_, '_>) {
    let (runtime, set) = (runtime(), Set::new(stacks::stack_of_size(10)));
    let deployment = runtime.block_on(set.up(None));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let how = calling().recorder(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    let vendor = Arc::new(memory::impersonator(&set.account, "vendor", "proof", how));
    let manager = Manager::new(vendor, deployment);
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
