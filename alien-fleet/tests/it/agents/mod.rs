//! Deployments that pull their releases: agents that are simulated, over managers of one store.

mod agent;
#[cfg(all(feature = "api", feature = "redb"))]
mod embedded;
#[cfg(feature = "api")]
mod flood;
#[cfg(feature = "api")]
mod http;
mod kills;
mod refused;
mod requests;
mod rollouts;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use alien_conformance::world::pulled;
use alien_core::memory::{self, Memory};
use alien_core::rollout::Sequence;
use alien_core::{Deployment, DeploymentId, Invitation};
use alien_fleet::store::{InMemory, Store};
use alien_fleet::{Agents, Fleet};
use alien_release::SigningKey;

use self::agent::Agent;
use crate::world::{World, release};

const HOST: &str = "releases.vendor.example";
const PRINCIPAL: &str = "local:agent";

/// A world in which some deployments push and others pull, and managers answer these.
struct Pulling {
    world: World,
    store: Arc<InMemory>,
    agents: Agents,
    all: Vec<Agent>,
}

impl Pulling {
    /// So many deployments of each.
    async fn new(push: usize, pull: usize) -> Self {
        let store = Arc::new(InMemory::new());
        let world = World::over(Arc::clone(&store), push).await;
        let agents = answering(&world.fleet).await;
        let mut pulling = Self { world, store, agents, all: Vec::new() };
        for number in 0..pull {
            let agent = pulling.register(push + number).await;
            pulling.all.push(agent);
        }
        pulling
    }

    /// The customer's admin sets up a deployment that an agent manages, and the vendor registers it.
    async fn register(&mut self, number: usize) -> Agent {
        let id = DeploymentId::new();
        let (invitation, record) = self.set_up(id, &format!("c{number}")).await;
        let key = SigningKey::generate().unwrap();
        self.world.fleet.register_agent(&invitation, &record, key.public()).await.unwrap();
        self.world.ids.push(id);
        Agent::new(&self.world, &self.agents, key, record)
    }

    async fn set_up(&self, id: DeploymentId, prefix: &str) -> (Invitation, Deployment) {
        let target = memory::Target::pulled(prefix, PRINCIPAL.parse().unwrap()).unwrap();
        let first = release(b"first");
        let alien_core::Delivery::Pull { manager, root } = pulled() else { panic!("it is pulled") };
        let invitation = Invitation::pull::<Memory>(id, manager, root, first.stack().clone()).unwrap();
        let admin = memory::admin(&self.world.config, id, target).with_delivery(pulled());
        let plan = admin.plan(&first).await.unwrap();
        (invitation, admin.apply(&plan).await.unwrap())
    }

    /// Another program on the same store.
    async fn program(&self, store: impl Store + 'static) -> Fleet {
        let world = &self.world;
        World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await
    }

    /// Publishes a release and rolls it out, while the agents live.
    async fn roll_out(&self, zip: &'static [u8], plan: alien_core::rollout::PlanBuilder) -> alien_fleet::Status {
        let id = self.begin(zip, plan).await;
        self.live_until_over().await;
        self.world.fleet.status(&id).await.unwrap()
    }

    async fn begin(&self, zip: &[u8], plan: alien_core::rollout::PlanBuilder) -> alien_fleet::RolloutId {
        let published = self.world.publish(zip).await;
        self.world.begin(published.release.sequence(), plan).await
    }

    /// Lets agents and a worker live until every rollout is over.
    async fn live_until_over(&self) {
        let lives = self.all.iter().map(Agent::live);
        tokio::select! {
            _ = futures_util::future::join_all(lives) => {}
            ended = self.world.fleet.worker().until_over().run(crate::world::two_hours()) => ended.unwrap(),
        }
    }

    /// Lets agents and a worker live for so long.
    async fn live(&self, time: Duration) {
        let lives = self.all.iter().map(Agent::live);
        tokio::select! {
            _ = futures_util::future::join_all(lives) => {}
            ended = self.world.fleet.worker().run(tokio::time::sleep(time)) => ended.unwrap(),
        }
    }
}

async fn answering(fleet: &Fleet) -> Agents {
    fleet.agents().host(HOST).open().await.unwrap()
}

/// The release of this number.
fn sequence(number: u64) -> Sequence {
    number.into()
}
