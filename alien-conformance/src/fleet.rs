//! A fleet on a cloud: one release for many deployments, and what that costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_core::adapter::{AccessControl, Connect};
use alien_core::rollout::{Outcome, Plan, Sequence};
use alien_core::{
    Admin, ConnectOption, Connection, Deployment, DeploymentId, Error, ErrorKind, Function, ImageDigests, Images,
    Impersonate, Kv, Manager, Profile, Release, Result, Stack,
};
use alien_fleet::store::InMemory;
use alien_fleet::{Clouds, Fleet, RevertTo, Who};
use async_trait::async_trait;
use futures_util::future::join_all;

use crate::upgrade::Sent;
use crate::world::{Calls, Case, Shipped, World, release};

/// The vendor's side of a world, behind the interface that all adapters implement.
pub struct Reached<C> {
    vendor: Arc<dyn Impersonate>,
    cloud: PhantomData<C>,
}

impl<C> Reached<C> {
    /// Enters deployments in this way.
    #[must_use]
    pub fn by(vendor: Arc<dyn Impersonate>) -> Self {
        Self { vendor, cloud: PhantomData }
    }
}

impl<C> fmt::Debug for Reached<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reached").field(&self.vendor).finish()
    }
}

#[async_trait]
impl<C: AccessControl> Connect for Reached<C> {
    type Cloud = C;

    const OPTIONS: &'static [ConnectOption] = &[];

    async fn admin(&self, _: DeploymentId, _: C::Target, _: &Connection) -> Result<Admin> {
        Err(Error::new(ErrorKind::Unsupported, "a fleet has no admin"))
    }

    async fn vendor(&self, _: &C::Target, _: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(Arc::clone(&self.vendor))
    }
}

fn product(code: &Shipped) -> Stack {
    let mut stack = Stack::builder("shop");
    stack.frozen("orders", Kv::new());
    stack.live("api", Function::new(code.code(), "api"));
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

/// The fleet of a vendor, with a store in memory. What it calls is remembered.
async fn opened<W: World>(world: &W) -> (Fleet, Calls) {
    let calls = Calls::default();
    let how = world.calling().with_recorder(calls.recorder());
    let (clock, connection) = (Arc::clone(&how.clock), Connection::new(how.clone(), "the suite"));
    let clouds = Clouds::none().with(Arc::new(Reached::<W::Cloud>::by(world.vendor(how))), connection);
    let fleet = Fleet::builder(InMemory::new(), clouds).clock(clock).acting_as(Who::claimed("the suite"));
    (fleet.open().await.unwrap(), calls)
}

/// Rolls a release out, to the end.
async fn rolled_out(fleet: &Fleet, release: &Release, plan: &Plan) {
    let published = publish(fleet, release).await;
    let id = fleet.roll_out(&"shop".parse().unwrap(), published, plan).await.unwrap();
    fleet.worker().without_watch().until_over().run(std::future::pending()).await.unwrap();
    let status = fleet.status(&id).await.unwrap();
    for (deployment, row) in status.rollout.rows() {
        assert_eq!(row.outcome(), Some(&Outcome::Good), "{deployment}: {row:?}");
    }
}

/// Publishes a release. No registry is asked what its images are: a peer has none.
async fn publish(fleet: &Fleet, release: &Release) -> Sequence {
    let mut images = Images::new();
    for (reference, platforms) in Images::needed(release.stack()) {
        let digest = reference.split_once('@').unwrap().1.to_owned();
        for platform in platforms {
            let digests = ImageDigests { manifest: digest.clone(), config: format!("sha256:{}", "0".repeat(64)) };
            images.insert(reference.clone(), platform, digests);
        }
    }
    fleet.publish(release, images, RevertTo::Before).await.unwrap().release.sequence()
}

/// Rolls a release out to so many deployments: everything is updated, by no more updates and sessions than as many single
/// releases take.
///
/// # Panics
///
/// If not.
pub async fn one_release_reaches_every_deployment<W: World>(world: &W, deployments: usize) {
    let [first, second, third] = ["first", "second", "third"].map(|says| world.code(says));
    let (before, next, last) = (product(&first), product(&second), product(&third));
    let mut set_up: Vec<(Case<'_, W>, Deployment)> = Vec::new();
    for number in 0..deployments {
        let case = Case::new(world, &format!("fleet-{number}"), before.clone());
        let deployment = case.up(&release(&before, std::slice::from_ref(&first)), None).await.unwrap();
        set_up.push((case, deployment));
    }

    // As many single releases, by one program. What they leave in the records is what the fleet begins with.
    let calls = Calls::default();
    let vendor = world.vendor(world.calling().with_recorder(calls.recorder()));
    let managers: Vec<Manager> =
        set_up.iter().map(|(_, record)| Manager::new(Arc::clone(&vendor), record.clone())).collect();
    let single = release(&next, &[second]);
    for released in join_all(managers.iter().map(|manager| async { manager.release(&single).await })).await {
        released.into_result().unwrap();
    }
    let singly = calls.operations();
    for manager in &managers {
        for (id, beat) in manager.heartbeats().await {
            assert_eq!(beat.unwrap().health, alien_core::Health::Healthy, "{id}");
        }
    }
    let looked = calls.operations();

    let (fleet, calls) = opened(world).await;
    publish(&fleet, &single).await;
    for manager in &managers {
        fleet.add(&manager.deployment()).await.unwrap();
    }
    let plan = Plan::builder().canary(1).then_percent([50, 100]).bake(Duration::ZERO).build().unwrap();
    rolled_out(&fleet, &release(&last, &[third]), &plan).await;
    let together = calls.operations();
    let (singly, looked, together) = (counted(&singly), counted(&looked), counted(&together));
    let told = || format!("{together:?} together, {singly:?} singly, and {looked:?} for a look at each");
    for (operation, count) in &together {
        // How often an update is asked whether it has ended depends on the peer; what changes something, or opens a session,
        // does not.
        if !looked.contains_key(operation) {
            assert!(Some(count) <= singly.get(operation), "{operation}: {}", told());
        }
    }
    let opened = |counts: &BTreeMap<&str, usize>| counts.keys().filter(|name| !looked.contains_key(*name)).count();
    assert!(opened(&together) > 0, "{}", told());
}

/// How often each operation was called.
fn counted(operations: &[String]) -> BTreeMap<&str, usize> {
    operations.iter().fold(BTreeMap::new(), |mut counts, operation| {
        *counts.entry(operation.as_str()).or_default() += 1;
        counts
    })
}

/// A client of a cloud that knows nothing of this library, and can send what the library sent.
#[async_trait]
pub trait Bare: World {
    /// What lets it into a deployment.
    type Session: Send + Sync;

    /// What was sent since this was called last, in order.
    fn sent(&self) -> Vec<Sent>;

    /// Whether a request enters a deployment.
    fn enters(&self, sent: &Sent) -> bool;

    /// Enters a deployment, as the library did by this request.
    async fn enter(&self, deployment: &Deployment, sent: &Sent) -> Self::Session;

    /// Sends a request, signed anew.
    ///
    /// # Panics
    ///
    /// If it is refused.
    async fn send(&self, session: &Self::Session, sent: &Sent);
}

/// Sends requests to a deployment, one after another. Enters it where the library did, and keeps the session until it does so
/// again.
async fn sent_again<W: Bare>(
    world: &W,
    deployment: &Deployment,
    mut session: Option<W::Session>,
    requests: &[Sent],
) -> Option<W::Session> {
    for sent in requests {
        if session.is_none() || world.enters(sent) {
            session = Some(world.enter(deployment, sent).await);
        }
        if let Some(session) = session.as_ref().filter(|_| !world.enters(sent)) {
            world.send(session, sent).await;
        }
    }
    session
}

/// How long an answer takes where it is measured, over the network and in the cloud.
pub const ANSWER: Duration = Duration::from_millis(50);

/// How long a release may take at most, beside a bare client.
pub const MOST: f64 = 1.3;

/// So many pairs are measured.
const PAIRS: usize = 5;

/// Measures how long a release to so many deployments takes, all at once, and then how long a bare client takes to send the
/// same requests, with as many at once. Prints both, for each pair, and returns the median of their ratios.
///
/// # Panics
///
/// If a release fails, or a request.
pub async fn beside_a_bare_client<W: Bare>(world: &W, deployments: usize) -> f64 {
    let code = world.code("first");
    let stack = product(&code);
    let mut records = Vec::new();
    for number in 0..deployments {
        let case = Case::new(world, &format!("fleet-{number}"), stack.clone());
        records.push(case.up(&release(&stack, std::slice::from_ref(&code)), None).await.unwrap());
    }
    let (fleet, _) = opened(world).await;
    publish(&fleet, &release(&stack, &[code])).await;
    for record in &records {
        fleet.add(record).await.unwrap();
    }
    let plan = Plan::builder().parallel(deployments.try_into().unwrap()).bake(Duration::ZERO).build().unwrap();
    let mut ratios = Vec::new();
    let mut sessions: Vec<Option<W::Session>> = records.iter().map(|_| None).collect();
    // The first pair makes connections, and is not counted.
    for pair in 0..=PAIRS {
        let code = world.code(&format!("release {pair}"));
        let next = release(&product(&code), &[code]);
        drop(world.sent());
        let begun = Instant::now();
        rolled_out(&fleet, &next, &plan).await;
        let took = begun.elapsed();
        let sent = world.sent();
        let each = shared(&records, &sent);
        let counted: usize = each.iter().map(|(_, sent)| sent.len()).sum();
        let begun = Instant::now();
        let again = each.iter().zip(sessions).map(|((record, sent), session)| sent_again(world, record, session, sent));
        sessions = join_all(again).await;
        let bare = begun.elapsed();
        drop(world.sent());
        let ratio = took.as_secs_f64() / bare.as_secs_f64();
        println!("{counted} requests to {deployments} deployments: {took:.1?}, and {bare:.1?} bare: {ratio:.2}");
        if pair > 0 {
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    ratios.get(PAIRS / 2).copied().unwrap()
}

/// The requests about each deployment, by its names. Those that name none, as polls of operations, are shared out evenly.
fn shared<'r>(records: &'r [Deployment], sent: &[Sent]) -> Vec<(&'r Deployment, Vec<Sent>)> {
    let words = |record: &Deployment| -> BTreeSet<String> {
        record.resources.values().flat_map(|id| id.split(['/', ':'])).map(str::to_owned).collect()
    };
    let common = records.iter().map(words).reduce(|all, words| &all & &words).unwrap_or_default();
    let names: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            let prefix = format!("{}-", record.target.field("prefix").unwrap());
            words(record).difference(&common).cloned().chain([prefix]).collect()
        })
        .collect();
    let mut each: Vec<(&Deployment, Vec<Sent>)> = records.iter().map(|record| (record, Vec::new())).collect();
    let mut next = (0..records.len()).cycle();
    for sent in sent {
        let text = format!("{} {}", sent.target, sent.body);
        let found = names.iter().position(|names| names.iter().any(|name| text.contains(name)));
        if let Some((_, requests)) = found.or_else(|| next.next()).and_then(|found| each.get_mut(found)) {
            requests.push(without_versions(sent));
        }
    }
    each
}

/// A request without the versions of what it is about, which are others when it is sent again.
fn without_versions(sent: &Sent) -> Sent {
    let mut sent = sent.clone();
    if let Some(body) = sent.body.as_object_mut() {
        body.retain(|name, _| !["etag", "RevisionId"].contains(&name.as_str()));
    }
    sent
}
