//! A fleet in this process: an account of the reference cloud with deployments, a store, a clock that is not the machine's.

use std::sync::Arc;
use std::time::Duration;

use alien_conformance::world::PausedClock;
use alien_core::rollout::{Outcome, Plan, PlanBuilder, Sequence};
use alien_core::{
    Artifacts, CallConfig, Clock, Code, Connection, Deployment, DeploymentId, Function, Images, Invitation, Kv,
    Profile, Release, Stack, StackName, memory,
};
use alien_fleet::store::{InMemory, Store};
use alien_fleet::{Clouds, Fleet, Published, RevertTo, RolloutId, Status, Who};

/// An account, and how to reach it.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) account: memory::Account,
    pub(crate) config: memory::Config,
    pub(crate) fleet: Fleet,
    pub(crate) ids: Vec<DeploymentId>,
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
        let fleet = Self::open(store, &clock, &config).await;
        let mut world = Self { clock, account, config, fleet, ids: Vec::new() };
        world.publish(b"first").await;
        for number in 0..deployments {
            world.register(number).await;
        }
        world
    }

    async fn open(store: impl Store + 'static, clock: &Arc<dyn Clock>, config: &memory::Config) -> Fleet {
        let connection = Connection::new(CallConfig::new(Arc::clone(clock)), "ann");
        let clouds = Clouds::none().with(Arc::new(memory::Adapter::new(config.clone())), connection);
        Fleet::builder(store, clouds).clock(Arc::clone(clock)).acting_as(Who::claimed("ann")).open().await.unwrap()
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
        self.fleet.worker().until_over().run(std::future::pending()).await.unwrap();
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

/// The digest of a zip.
pub(crate) fn digest(zip: &[u8]) -> String {
    Code::zip(zip).only().unwrap().digest().to_owned()
}
