//! An agent that was silent for too long while it carried a release out, and comes back: on every store.

use std::sync::Arc;
use std::time::Duration;

use alien_conformance::world::{Patience, pulled};
use alien_core::memory::{self, Memory};
use alien_core::rollout::{Outcome, PlanBuilder, Row, Stage, Why};
use alien_core::{AgentVersion, DeploymentId, Health, Invitation};
use alien_fleet::store::Store;
use alien_fleet::{Agents, Order, Poll, RolloutId, Status, What};
use alien_release::SigningKey;
use alien_release::agent::{Attempt, Bearer, Condition, Desired, Ended, Report, Signed, State, TokenRequest, Wanted};

use crate::world::{World, log, plan, release};

const HOST: &str = "releases.vendor.example";
/// A deployment, what a manager knows of its agent, and that agent.
struct Late {
    world: World,
    agents: Agents,
    id: DeploymentId,
    key: SigningKey,
    bearer: Bearer,
    counter: u64,
    /// How long the agent may be silent.
    silence: Duration,
}

impl Late {
    async fn new(store: impl Store + 'static, silence: Duration) -> Self {
        let world = World::over(store, 0).await;
        let (id, key, first) = (DeploymentId::new(), SigningKey::generate().unwrap(), release(b"first"));
        let target = memory::Target::pulled("late", "local:agent".parse().unwrap()).unwrap();
        let alien_core::Delivery::Pull { manager, root } = pulled() else { panic!("it is pulled") };
        let invitation = Invitation::pull::<Memory>(id, manager, root, first.stack().clone()).unwrap();
        let admin = memory::admin(&world.config, id, target).with_delivery(pulled());
        let record = admin.apply(&admin.plan(&first).await.unwrap()).await.unwrap();
        world.fleet.register_agent(&invitation, &record, key.public()).await.unwrap();
        let agents = world.fleet.agents().host(HOST).open().await.unwrap();
        // A fleet goes by the time of its store.
        let now = log(&world).await.last().unwrap().at;
        let request = TokenRequest::new(id, now, HOST).unwrap();
        let token = agents.token(&Signed::of(&request, &key).unwrap()).await.unwrap();
        let mut late = Self { world, agents, id, key, bearer: token.bearer, counter: token.counter, silence };
        late.tell(State::Idle, None).await;
        late
    }

    /// Reports. Returns why nothing is to be begun.
    async fn tell(&mut self, doing: State, ended: Option<(&Wanted, Ended)>) -> Option<String> {
        self.counter += 1;
        let mut report = Report::new(self.id, self.counter, AgentVersion::new(1, 0, 0)).doing(doing);
        for resource in ["api", "orders"] {
            report.resources.insert(resource.parse().unwrap(), Condition::seen(Health::Healthy));
        }
        if let Some((Wanted { release, fence, .. }, ended)) = ended {
            report.outcome = Some(Attempt { release: *release, fence: *fence, ended });
        }
        let signed = Signed::of(&report, &self.key).unwrap();
        self.agents.report(&self.bearer, &signed).await.unwrap().map(|hold| hold.hold)
    }

    async fn wanted(&self) -> Option<Wanted> {
        match self.agents.desired(&self.bearer, None).await.unwrap() {
            Poll::Desired(_, json) => Desired::from_json(json.as_bytes()).unwrap().release,
            Poll::Unchanged(_) => panic!("no tag was given"),
        }
    }

    /// Lets a worker work until the rollout is as asked.
    async fn until(&self, rollout: &RolloutId, is_so: impl Fn(&Row, &Status) -> bool) -> Status {
        let worker = self.world.fleet.worker().without_watch().silence(self.silence).run(std::future::pending());
        let seen = async {
            let patience = Patience::new();
            loop {
                let status = self.world.fleet.status(rollout).await.unwrap();
                if is_so(&status.rollout.rows()[&self.id], &status) {
                    return status;
                }
                patience.wait(&*self.world.clock, &status).await;
            }
        };
        tokio::select! {
            ended = worker => panic!("{ended:?}"),
            status = seen => status,
        }
    }

    /// Begins a release as its agent does, which then falls silent until the rollout has noticed.
    async fn falls_silent(&mut self, zip: &[u8], plan: PlanBuilder) -> (RolloutId, Wanted) {
        let published = self.world.publish(zip).await;
        let id = self.world.begin(published.release.sequence(), plan).await;
        self.until(&id, |row, _| row.lease().is_some_and(|lease| lease.handed)).await;
        let wanted = self.wanted().await.unwrap();
        let (release, fence) = (wanted.release, wanted.fence);
        assert_eq!(self.tell(State::Beginning { release, fence }, None).await, None);
        self.until(&id, |row, _| matches!(row.stage(), Stage::Waiting { why: Some(Why::Unreachable(_)), .. })).await;
        (id, wanted)
    }

    /// How often the agent was handed something.
    async fn handed(&self) -> usize {
        log(&self.world).await.iter().filter(|entry| matches!(entry.what, What::Handed { .. })).count()
    }
}

/// Long enough for what is to be done, and short enough to wait for.
const SHORT: Duration = Duration::from_secs(3);

fn soon() -> PlanBuilder {
    let second = Duration::from_secs(1);
    plan().bake(second).lease(second * 30).retry(second, 100)
}

fn is_good(row: &Row, _: &Status) -> bool {
    row.outcome() == Some(&Outcome::Good)
}

/// The rollout is paused, for all that it has are out of sight. The agent is back, goes on, and has done it.
pub(crate) async fn goes_on(store: Arc<dyn Store>) {
    let mut late = Late::new(store, SHORT).await;
    let (id, wanted) = late.falls_silent(b"second", soon()).await;
    let (release, fence) = (wanted.release, wanted.fence);
    let status = late.world.fleet.status(&id).await.unwrap();
    assert!(status.rollout.head().paused().is_some(), "{status:#?}");
    late.tell(State::Updating { release, fence }, None).await;
    let status = late.world.fleet.status(&id).await.unwrap();
    let row = &status.rollout.rows()[&late.id];
    assert!(matches!(row.stage(), Stage::Updating(lease) if lease.handed), "{row:#?}");
    assert_eq!(late.wanted().await, Some(wanted.clone()));
    late.tell(State::Idle, Some((&wanted, Ended::Done))).await;
    let status = late.world.fleet.status(&id).await.unwrap();
    let row = &status.rollout.rows()[&late.id];
    assert!(matches!(row.stage(), Stage::Baking { .. }), "{row:#?}");
    // An operator's word ends the pause, and nothing is done twice.
    late.world.fleet.order(&id, &Order::Resume).await.unwrap();
    late.until(&id, is_good).await;
    assert_eq!(late.handed().await, 1);
}

/// Claims that did not reach the agent have been made meanwhile, each with a fence of its own. It takes a quarter of an hour, after which an
/// agent counts as out of sight.
pub(crate) async fn has_ended(store: Arc<dyn Store>) {
    let mut late = Late::new(store, Duration::from_secs(16 * 60)).await;
    let (id, wanted) = late.falls_silent(b"second", soon()).await;
    late.world.fleet.order(&id, &Order::Resume).await.unwrap();
    // The next claim does not reach it, and so the rollout is paused again.
    late.until(&id, |row, status| row.fence() > wanted.fence && status.rollout.head().paused().is_some()).await;
    late.tell(State::Idle, Some((&wanted, Ended::Done))).await;
    late.world.fleet.order(&id, &Order::Resume).await.unwrap();
    late.until(&id, is_good).await;
    assert_eq!(late.handed().await, 1);
}

/// A newer release was ordered meanwhile.
pub(crate) async fn is_too_late(store: Arc<dyn Store>) {
    let mut late = Late::new(store, SHORT).await;
    let (old, wanted) = late.falls_silent(b"second", soon()).await;
    let published = late.world.publish(b"third").await;
    let new = late.world.begin(published.release.sequence(), soon()).await;
    late.tell(State::Idle, Some((&wanted, Ended::Done))).await;
    let status = late.until(&old, |row, _| row.outcome().is_some()).await;
    let outcome = status.rollout.rows()[&late.id].outcome();
    assert!(matches!(outcome, Some(Outcome::Unknown(Why::Superseded(_)))), "{status:#?}");
    late.until(&new, |row, _| row.lease().is_some_and(|lease| lease.handed)).await;
    let wanted = late.wanted().await.unwrap();
    assert_eq!(wanted.release, published.release.sequence());
    let (release, fence) = (wanted.release, wanted.fence);
    assert_eq!(late.tell(State::Beginning { release, fence }, None).await, None);
    late.tell(State::Idle, Some((&wanted, Ended::Done))).await;
    late.until(&new, is_good).await;
}
