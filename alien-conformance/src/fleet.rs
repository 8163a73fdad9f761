//! A fleet on a cloud: one release for many deployments, and what that costs.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

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

    let calls = Calls::default();
    let how = world.calling().with_recorder(calls.recorder());
    let (clock, connection) = (Arc::clone(&how.clock), Connection::new(how.clone(), "the suite"));
    let clouds = Clouds::none().with(Arc::new(Reached::<W::Cloud>::by(world.vendor(how))), connection);
    let fleet = Fleet::builder(InMemory::new(), clouds).clock(clock).acting_as(Who::claimed("the suite"));
    let fleet = fleet.open().await.unwrap();
    publish(&fleet, &single).await;
    for manager in &managers {
        fleet.add(&manager.deployment()).await.unwrap();
    }
    let published = publish(&fleet, &release(&last, &[third])).await;
    let plan = Plan::builder().canary(1).then_percent([50, 100]).bake(Duration::ZERO).build().unwrap();
    let id = fleet.roll_out(&"shop".parse().unwrap(), published, &plan).await.unwrap();
    fleet.worker().without_watch().until_over().run(std::future::pending()).await.unwrap();
    let status = fleet.status(&id).await.unwrap();
    for (deployment, row) in status.rollout.rows() {
        assert_eq!(row.outcome(), Some(&Outcome::Good), "{deployment}: {row:?}");
    }
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
