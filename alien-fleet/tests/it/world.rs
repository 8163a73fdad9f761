//! A fleet in this process: an account of the reference cloud with deployments, a store, a clock that is not the machine's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::world::PausedClock;
use alien_core::adapter::{CodeForms, Connect, Manage, Purpose};
use alien_core::rollout::{Outcome, Plan, PlanBuilder, Sequence};
use alien_core::{
    Admin, Artifacts, CallConfig, Clock, Code, ConnectOption, Connection, Deployment, DeploymentId, Error, ErrorKind,
    Function, Images, Impersonate, Invitation, Kind, Kv, Problem, Profile, Release, Result, Stack, StackName, memory,
};
use alien_fleet::store::{InMemory, Store};
use alien_fleet::{ArtifactsInMemory, Clouds, Entry, Fleet, FleetBuilder, Published, RevertTo, RolloutId, Status, Who};
use async_trait::async_trait;

/// An account, and how to reach it.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) account: memory::Account,
    pub(crate) config: memory::Config,
    pub(crate) artifacts: Arc<ArtifactsInMemory>,
    pub(crate) fleet: Fleet,
    pub(crate) ids: Vec<DeploymentId>,
    pub(crate) troubles: Troubles,
}

/// What is wrong with the way to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It fails with an error of this kind.
    Fails(ErrorKind),
    /// It answers after this time.
    Slow(Duration),
    /// It does not answer.
    Hangs,
}

pub(crate) type Troubles = Arc<Mutex<HashMap<DeploymentId, Trouble>>>;

/// The reference cloud, with troubles on the way to some deployments.
#[derive(Debug)]
struct Troubled {
    config: memory::Config,
    troubles: Troubles,
}

#[async_trait]
impl Connect for Troubled {
    type Cloud = memory::Memory;

    const OPTIONS: &'static [ConnectOption] = &[];

    async fn admin(&self, id: DeploymentId, target: memory::Target, _: &Connection) -> Result<Admin> {
        Ok(memory::admin(&self.config, id, target))
    }

    async fn vendor(&self, _: &memory::Target, _: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(Arc::new(Way { vendor: memory::vendor(&self.config), troubles: Arc::clone(&self.troubles) }))
    }
}

#[derive(Debug)]
struct Way {
    vendor: Arc<dyn Impersonate>,
    troubles: Troubles,
}

impl Way {
    async fn pass(&self, deployment: &Deployment) -> Result<()> {
        let trouble = self.troubles.lock().unwrap().get(&deployment.id).copied();
        match trouble {
            None => Ok(()),
            Some(Trouble::Fails(kind)) => Err(Error::new(kind, "trouble on the way")),
            Some(Trouble::Slow(time)) => {
                self.vendor.clock().sleep(time).await;
                Ok(())
            }
            Some(Trouble::Hangs) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Impersonate for Way {
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>> {
        self.pass(deployment).await?;
        self.vendor.session(deployment, purpose).await
    }

    async fn replace(&self, deployment: &Deployment, purpose: &Purpose, stale: u64) -> Result<Arc<dyn Manage>> {
        self.pass(deployment).await?;
        self.vendor.replace(deployment, purpose, stale).await
    }

    async fn register(&self, invitation: &Invitation, deployment: &Deployment) -> Result<()> {
        self.vendor.register(invitation, deployment).await
    }

    fn code(&self, kind: Kind) -> Option<CodeForms> {
        self.vendor.code(kind)
    }

    fn refused(&self, deployment: &Deployment, next: &Stack) -> Result<Vec<Problem>> {
        self.vendor.refused(deployment, next)
    }

    fn clock(&self) -> &dyn Clock {
        self.vendor.clock()
    }
}

pub(crate) const PRODUCT: &str = "shop";

pub(crate) fn product() -> StackName {
    PRODUCT.parse().unwrap()
}

/// The stack of the product, whose function has this zip.
pub(crate) fn stack(zip: &[u8]) -> Stack {
    let mut stack = Stack::builder(PRODUCT);
    stack.frozen("orders", Kv::new());
    stack.live("api", Function::new(Code::zip(zip), "api").with_commands());
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

pub(crate) fn release(zip: &[u8]) -> Release {
    Release::new(stack(zip), [Arc::from(zip)].into_iter().collect::<Artifacts>()).unwrap()
}

/// A plan that does not wait long.
pub(crate) fn plan() -> PlanBuilder {
    Plan::builder().bake(Duration::from_secs(60)).lease(Duration::from_secs(30)).retry(Duration::from_secs(10), 5)
}

impl World {
    /// A fleet of so many deployments that run the release 1, over a store in this process.
    pub(crate) async fn new(deployments: usize) -> Self {
        Self::over(InMemory::new(), deployments).await
    }

    pub(crate) async fn over(store: impl Store + 'static, deployments: usize) -> Self {
        let clock: Arc<dyn Clock> = PausedClock::begin();
        let account = memory::Account::new(Arc::clone(&clock));
        let config = memory::Config::new(account.clone());
        let troubles = Troubles::default();
        let artifacts = Arc::default();
        let fleet = Self::open(store, &clock, &config, &artifacts, troubles.clone()).await;
        let mut world = Self { clock, account, config, artifacts, fleet, ids: Vec::new(), troubles };
        world.publish(b"first").await;
        for number in 0..deployments {
            world.register(number).await;
        }
        world
    }

    pub(crate) async fn open(
        store: impl Store + 'static,
        clock: &Arc<dyn Clock>,
        config: &memory::Config,
        artifacts: &Arc<ArtifactsInMemory>,
        troubles: Troubles,
    ) -> Fleet {
        Self::builder(store, clock, config, artifacts, troubles).open().await.unwrap()
    }

    fn builder(
        store: impl Store + 'static,
        clock: &Arc<dyn Clock>,
        config: &memory::Config,
        artifacts: &Arc<ArtifactsInMemory>,
        troubles: Troubles,
    ) -> FleetBuilder {
        let connection = Connection::new(CallConfig::new(Arc::clone(clock)), "ann");
        let clouds = Clouds::none().with(Arc::new(Troubled { config: config.clone(), troubles }), connection);
        let fleet = Fleet::builder(store, clouds).artifacts(Arc::clone(artifacts)).clock(Arc::clone(clock));
        fleet.acting_as(Who::claimed("ann"))
    }

    /// A fleet over the same account, as another program opens it.
    #[cfg(feature = "signed")]
    pub(crate) async fn again(
        &self,
        store: impl Store + 'static,
        how: impl FnOnce(FleetBuilder) -> FleetBuilder,
    ) -> Fleet {
        let builder = Self::builder(store, &self.clock, &self.config, &self.artifacts, self.troubles.clone());
        how(builder).open().await.unwrap()
    }

    /// Sets up the deployment of a customer, and registers it.
    pub(crate) async fn register(&mut self, number: usize) -> DeploymentId {
        let id = DeploymentId::new();
        let (invitation, record) = self.set_up(id, &format!("c{number}"), &release(b"first")).await;
        self.fleet.register(&invitation, &record).await.unwrap();
        self.ids.push(id);
        id
    }

    /// The customer's admin sets up.
    pub(crate) async fn set_up(&self, id: DeploymentId, prefix: &str, release: &Release) -> (Invitation, Deployment) {
        let target = memory::Target::new(prefix).unwrap();
        let invitation = Invitation::new(id, &target, release.stack().clone()).unwrap();
        let admin = memory::admin(&self.config, id, target);
        let plan = admin.plan(release).await.unwrap();
        (invitation, admin.apply(&plan).await.unwrap())
    }

    pub(crate) async fn publish(&self, zip: &[u8]) -> Published {
        self.fleet.publish(&release(zip), Images::new(), RevertTo::Before).await.unwrap()
    }

    /// Publishes a release and rolls it out, until the rollout is over.
    pub(crate) async fn roll_out(&self, zip: &[u8], plan: PlanBuilder) -> (RolloutId, Status) {
        let published = self.publish(zip).await;
        let id = self.begin(published.release.sequence(), plan).await;
        self.fleet.worker().until_over().run(two_hours()).await.unwrap();
        let status = self.fleet.status(&id).await.unwrap();
        (id, status)
    }

    pub(crate) async fn begin(&self, sequence: Sequence, plan: PlanBuilder) -> RolloutId {
        self.fleet.roll_out(&product(), sequence, &plan.build().unwrap()).await.unwrap()
    }

    /// The outcomes of the deployments, in the order in which they were registered.
    pub(crate) fn outcomes(&self, status: &Status) -> Vec<Option<Outcome>> {
        self.ids.iter().map(|id| status.rollout.rows().get(id).and_then(|row| row.outcome().cloned())).collect()
    }

    /// What runs of the function of a deployment, by the digest of its zip.
    pub(crate) async fn runs(&self, id: DeploymentId) -> String {
        let manager = self.fleet.manager(id).await.unwrap();
        let api = manager.find::<Function, alien_core::Live>("api").unwrap();
        manager.heartbeat(&api).await.unwrap().runs.unwrap().code
    }
}

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

/// The digest of a zip.
pub(crate) fn digest(zip: &[u8]) -> String {
    Code::zip(zip).only().unwrap().digest().to_owned()
}

/// Lets a worker run for so long.
pub(crate) async fn work(world: &World, time: Duration) {
    world.fleet.worker().run(world.clock.sleep(time)).await.unwrap();
}

/// Longer than any rollout here takes: whoever waits so long waits for nothing.
pub(crate) async fn two_hours() {
    tokio::time::sleep(Duration::from_secs(7200)).await;
}
