//! How long `alien release` takes until its first request, with many deployments in its store and a large zip.
//!
//! `cargo bench -p alien-cli --bench first_request -- [DEPLOYMENTS] [MEGABYTES]`: 1,000 and 5 if nothing is said. Each run begins
//! with a copy of the same store, so that each publishes and rolls out. The endpoint is in this process, and answers nobody.

#![expect(clippy::unwrap_used, reason = "a benchmark says what is wrong by panicking")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_aws::{Aws, Target, Trust};
use alien_core::adapter::DeploymentContext;
use alien_core::{CallConfig, Code, Connection, DeploymentId, Function, Images, Profile, Release, Stack};
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, RevertTo, Who};

/// The figure is the median of so many runs.
const RUNS: usize = 11;

/// Longer than this is too long to wait for a request.
const PATIENCE: Duration = Duration::from_secs(30);

fn release(zip: &[u8]) -> Release {
    let mut stack = Stack::builder("shop");
    stack.live("api", Function::new(Code::zip(zip), "api"));
    stack.profile("api", Profile::new());
    Release::new(stack.build().unwrap(), [Arc::from(zip)].into_iter().collect()).unwrap()
}

/// A store with one release, and so many deployments that run it.
async fn fill(store: &Path, artifacts: &Path, deployments: usize) {
    let folder = ArtifactFolder::new(artifacts);
    let connection = Connection::new(CallConfig::default(), "bench");
    let clouds = Clouds::none().with(Arc::new(alien_aws::Adapter), connection);
    let fleet = Fleet::builder(Embedded::open(store).await.unwrap(), clouds);
    let fleet = fleet.artifacts(folder).acting_as(Who::claimed("bench")).open().await.unwrap();
    let first = release(b"the first release");
    fleet.publish(&first, Images::new(), RevertTo::Before).await.unwrap();
    let records = (0..deployments).map(|number| {
        let target = Target {
            account: "222222222222".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            prefix: format!("customer-{number}").parse().unwrap(),
            trust: Trust::Vendor {
                vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
                external_id: format!("external-{number}").parse().unwrap(),
            },
        };
        DeploymentContext::<Aws>::new(DeploymentId::new(), target, first.clone()).record().unwrap()
    });
    let records: Vec<_> = records.collect();
    for chunk in records.chunks(256) {
        let added = chunk.iter().map(|record| fleet.add(record));
        futures_util::future::join_all(added).await.into_iter().for_each(|added| drop(added.unwrap()));
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let [deployments, megabytes] = [(0, 1_000), (1, 5)].map(|(at, usual)| numbers.get(at).copied().unwrap_or(usual));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-request");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(fill(&path("full.redb"), &path("zips"), deployments));
    let mut random = 1_u64;
    let noise = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random.to_be_bytes()[0]
    });
    let zip: Vec<u8> = noise.take(megabytes << 20).collect();
    fs::write(path("code.zip"), &zip).unwrap();
    fs::write(path("stack.json"), serde_json::to_vec(release(&zip).stack()).unwrap()).unwrap();

    let mut took: Vec<Duration> = (0..RUNS).map(|run| first_request(&folder, run)).collect();
    took.sort();
    let [first, median, last] = [0, RUNS / 2, RUNS - 1].map(|at| took.get(at).copied().unwrap());
    println!(
        "{deployments} deployments, a zip of {megabytes} MB: the first request {median:.1?} after the program began (median of {RUNS}; \
         {first:.1?} to {last:.1?})"
    );
}

/// How long one run takes until it calls.
fn first_request(folder: &Path, run: usize) -> Duration {
    let path = |name: &str| folder.join(name).display().to_string();
    let (store, artifacts) = (path("run.redb"), path(&format!("zips-{run}")));
    fs::copy(path("full.redb"), &store).unwrap();
    fs::create_dir(&artifacts).unwrap();
    for zip in fs::read_dir(path("zips")).unwrap() {
        let zip = zip.unwrap();
        fs::copy(zip.path(), Path::new(&artifacts).join(zip.file_name())).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_alien"));
    command
        .args([
            "release",
            &path("stack.json"),
            "--zip",
            &path("code.zip"),
            "--store",
            &store,
            "--artifacts",
            &artifacts,
        ])
        .args(["--endpoint-url", &url])
        .env("HOME", folder)
        .env("AWS_CONFIG_FILE", path("no-config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", path("no-credentials"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("ALIEN_OPERATOR", "bench")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    listener.set_nonblocking(true).unwrap();
    let took = loop {
        if listener.accept().is_ok() {
            break Some(begun.elapsed());
        }
        if begun.elapsed() > PATIENCE || child.try_wait().unwrap().is_some() {
            break None;
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    let _ = child.kill();
    child.wait().unwrap();
    took.unwrap()
}
