//! How long the bookkeeping of a rollout takes, where calls of the cloud cost nothing, and how much memory.
//!
//! `cargo bench -p alien-fleet --bench fleet -- [DEPLOYMENTS] [memory|file|postgres] [watch]`: all three stores, or one of them;
//! and for a minute, what it takes to watch all deployments.

#![expect(clippy::unwrap_used, reason = "a benchmark says what is wrong by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_conformance::postgres::Postgres as Server;
use alien_core::rollout::{Outcome, Plan};
use alien_core::{
    Artifacts, CallConfig, Code, Connection, DeploymentId, Function, Images, Invitation, Profile, Release, Stack,
    memory,
};
use alien_fleet::store::{Embedded, InMemory, Postgres, Store};
use alien_fleet::{Clouds, Fleet, RevertTo, Who};

fn release(zip: &[u8]) -> Release {
    let mut stack = Stack::builder("shop");
    stack.live("api", Function::new(Code::zip(zip), "api"));
    stack.profile("api", Profile::new());
    Release::new(stack.build().unwrap(), [Arc::from(zip)].into_iter().collect::<Artifacts>()).unwrap()
}

/// The most memory that this process has had, in megabytes.
fn peak() -> u64 {
    memory("VmHWM")
}

/// The memory that it has now.
fn now() -> u64 {
    memory("VmRSS")
}

fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// The processor time of this process, in seconds.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

async fn measure(name: &str, store: impl Store + 'static, deployments: usize, watched: Option<Duration>) {
    // It takes no time while the customers set up.
    let clock = Arc::new(memory::TestClock::new());
    let account = memory::Account::new(clock.clone());
    let config = memory::Config::new(account.clone());
    let connection = Connection::new(CallConfig::new(clock.clone()), "bench");
    let clouds = Clouds::none().with(Arc::new(memory::Adapter::new(config.clone())), connection);
    let fleet =
        Fleet::builder(store, clouds).clock(clock.clone()).acting_as(Who::claimed("bench")).open().await.unwrap();
    let first = release(b"first");
    fleet.publish(&first, Images::new(), RevertTo::Before).await.unwrap();

    let begun = Instant::now();
    let mut records = Vec::new();
    for number in 0..deployments {
        let id = DeploymentId::new();
        let target = memory::Target::new(&format!("c{number}")).unwrap();
        let _ = Invitation::new(id, &target, first.stack().clone()).unwrap();
        let admin = memory::admin(&config, id, target);
        let plan = admin.plan(&first).await.unwrap();
        records.push(admin.apply(&plan).await.unwrap());
    }
    clock.run(1);
    let set_up = begun.elapsed();
    let begun = Instant::now();
    for chunk in records.chunks(256) {
        let added = chunk.iter().map(|record| fleet.add(record));
        futures_util::future::join_all(added).await.into_iter().for_each(|added| drop(added.unwrap()));
    }
    let added = begun.elapsed();
    drop(records);

    let (before, begun) = (peak(), Instant::now());
    let published = fleet.publish(&release(b"second"), Images::new(), RevertTo::Before).await.unwrap();
    let plan = Plan::builder().canary(5).then_percent([10, 50, 100]).bake(Duration::ZERO).parallel(200);
    let product = "shop".parse().unwrap();
    let id = fleet.roll_out(&product, published.release.sequence(), &plan.build().unwrap()).await.unwrap();
    let started = begun.elapsed();
    let used = processor();
    fleet.worker().width(400).without_watch().until_over().run(std::future::pending()).await.unwrap();
    let (took, used) = (begun.elapsed(), processor() - used);
    let status = fleet.status(&id).await.unwrap();
    let good = status.rollout.rows().values().filter(|row| row.outcome() == Some(&Outcome::Good)).count();
    assert_eq!(good, deployments);
    println!(
        "{name}: {deployments} deployments set up in {set_up:.1?}, added in {added:.1?}; rolled out in {took:.1?} ({used:.1} s of \
         processor; begun after {started:.1?}), {good} good; peak {} MB, {before} before",
        peak()
    );

    let Some(time) = watched else { return };
    let (before, used, asked) = (now(), processor(), account.asked().len());
    fleet.worker().watch_every(Duration::from_secs(300)).run(tokio::time::sleep(time)).await.unwrap();
    let (used, calls) = (processor() - used, account.asked().len() - asked);
    println!(
        "{name}: {deployments} deployments watched every 300 s: {:.2} % of a core over {} s, {calls} calls; {before} MB of memory \
         before, {} MB after",
        100.0 * used / time.as_secs_f64(),
        time.as_secs(),
        now()
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let deployments = words.iter().find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let has = |name: &str| words.iter().any(|word| word == name);
    let is_meant = |name: &str| has(name) || !["memory", "file", "postgres"].into_iter().any(has);
    let watched = has("watch").then_some(Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if is_meant("memory") {
        runtime.block_on(measure("in memory", InMemory::new(), deployments, watched));
    }
    if is_meant("file") {
        let path = std::env::temp_dir().join(format!("alien-bench-{}.redb", std::process::id()));
        let store = runtime.block_on(Embedded::open(&path)).unwrap();
        runtime.block_on(measure("in a file", store, deployments, watched));
        std::fs::remove_file(&path).unwrap();
    }
    if is_meant("postgres") {
        match Server::start(&[]) {
            Ok(server) => {
                let store = runtime.block_on(Postgres::open(&server.url())).unwrap();
                runtime.block_on(measure("in PostgreSQL", store, deployments, watched));
            }
            Err(_) => println!("in PostgreSQL: not measured, for its programs are not here"),
        }
    }
}
