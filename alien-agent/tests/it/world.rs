//! A vendor with a fleet, a signed repository and a manager, and customers whose agents reach it through a router in this process, on a
//! clock that jumps when all wait.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_agent::{Agent, AgentBuilder, Channel, State};
use alien_conformance::fleet::Reached;
use alien_conformance::world::PausedClock;
use alien_core::memory::{self, Memory};
use alien_core::rollout::{Outcome, Plan, PlanBuilder};
use alien_core::{
    Artifacts, CallConfig, Clock, Code, Connection, Delivery, Deployment, DeploymentId, Function, Images, Impersonate,
    Invitation, Kv, Manager, ManagerUrl, Profile, Release, Result, RootDigest, Stack, StackName,
};
use alien_fleet::api::AgentApi;
use alien_fleet::store::InMemory;
use alien_fleet::{Agents, ArtifactsInMemory, Clouds, Fleet, Published, RevertTo, RolloutId, Status, Who};
use alien_release::{
    FolderTransport, PublicKey, Repository, Root, RootDraft, RootKeys, SigningKey, Transport, Verifier,
};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::future::join_all;
use http::{Request, Response};
use tower::ServiceExt as _;

use crate::state::{folder, key};

pub(crate) const HOST: &str = "releases.vendor.example";
pub(crate) const PRINCIPAL: &str = "local:agent";

/// A vendor, and the account of its customers.
pub(crate) struct Vendor {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) account: memory::Account,
    pub(crate) fleet: Fleet,
    pub(crate) agents: Agents,
    pub(crate) folder: PathBuf,
    host: String,
    config: memory::Config,
    root: Root,
    release_key: SigningKey,
    online_key: SigningKey,
}

/// A customer with an agent.
pub(crate) struct Customer {
    pub(crate) id: DeploymentId,
    pub(crate) record: Deployment,
    pub(crate) folder: PathBuf,
    pub(crate) config: memory::Config,
}

pub(crate) fn product() -> StackName {
    "shop".parse().unwrap()
}

pub(crate) fn stack(zip: &[u8]) -> Stack {
    let mut stack = Stack::builder("shop");
    stack.frozen("orders", Kv::new());
    stack.live("api", Function::new(Code::zip(zip), "api").with_commands());
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

pub(crate) fn release(zip: &[u8]) -> Release {
    Release::new(stack(zip), [Arc::from(zip)].into_iter().collect::<Artifacts>()).unwrap()
}

/// The digest of a zip.
pub(crate) fn digest(zip: &[u8]) -> String {
    Code::zip(zip).only().unwrap().digest().to_owned()
}

/// A plan that does not wait long.
pub(crate) fn plan() -> PlanBuilder {
    Plan::builder().bake(Duration::from_secs(60)).lease(Duration::from_secs(30)).retry(Duration::from_secs(10), 5)
}

impl Vendor {
    /// A vendor whose first release is published and signed.
    pub(crate) async fn new(name: &str) -> Self {
        Self::on(name, PausedClock::begin()).await
    }

    /// The same by another clock.
    pub(crate) async fn on(name: &str, clock: Arc<dyn Clock>) -> Self {
        Self::at(name, clock, HOST).await
    }

    /// The same, with a manager of this name.
    pub(crate) async fn at(name: &str, clock: Arc<dyn Clock>, host: &str) -> Self {
        let account = memory::Account::new(Arc::clone(&clock));
        let config = memory::Config::new(account.clone()).with_calls(CallConfig::new(Arc::clone(&clock)));
        let connection = Connection::new(CallConfig::new(Arc::clone(&clock)), "ann");
        let clouds = Clouds::none().with(Arc::new(Reached::<Memory>::by(memory::vendor(&config))), connection);
        let fleet = Fleet::builder(InMemory::new(), clouds).clock(Arc::clone(&clock));
        let fleet = fleet.artifacts(Arc::new(ArtifactsInMemory::default())).acting_as(Who::claimed("ann"));
        let fleet = fleet.open().await.unwrap();
        let agents = fleet.agents().host(host).open().await.unwrap();
        let folder = folder(name);
        let [a, b, release_key, online_key] = std::array::from_fn(|_| SigningKey::generate().unwrap());
        let keys = RootKeys::new(2, [*a.public(), *b.public()], *release_key.public(), *online_key.public()).unwrap();
        let mut draft = RootDraft::first(&keys, clock.now()).unwrap();
        draft.sign(&a).await.unwrap();
        draft.sign(&b).await.unwrap();
        let root = draft.finish().unwrap();
        Repository::create(folder.join("repository"), &root).unwrap();
        let host = host.to_owned();
        let vendor = Self { host, clock, account, fleet, agents, folder, config, root, release_key, online_key };
        vendor.publish(&release(b"first"), b"first").await;
        vendor
    }

    fn repository(&self) -> Repository {
        Repository::open(self.folder.join("repository"))
            .unwrap()
            .with_clock(Arc::clone(&self.clock))
            .with_release_key(Arc::new(self.release_key.clone()))
            .with_online_key(Arc::new(self.online_key.clone()))
    }

    /// Publishes a release, and signs it.
    pub(crate) async fn publish(&self, release: &Release, zip: &[u8]) -> Published {
        let published = self.fleet.publish(release, Images::new(), RevertTo::Before).await.unwrap();
        self.sign(&published, zip).await;
        published
    }

    pub(crate) async fn sign(&self, published: &Published, zip: &[u8]) {
        let artifacts: Artifacts = [Arc::from(zip), Arc::from(*b"first")].into_iter().collect();
        let repository = self.repository();
        repository.publish(&published.release, published.twin.as_ref(), &artifacts).await.unwrap();
    }

    /// The files of its repository.
    pub(crate) fn files(&self) -> FolderTransport {
        FolderTransport::new(self.folder.join("repository"))
    }

    pub(crate) fn delivery(&self) -> (ManagerUrl, RootDigest) {
        (format!("https://{}", self.host).parse().unwrap(), self.root.digest().clone())
    }

    /// A customer sets up the first release, and the vendor registers it.
    pub(crate) async fn customer(&self, prefix: &str) -> Customer {
        self.customer_of(prefix, &release(b"first")).await
    }

    /// The same, where the customer sets up another release.
    pub(crate) async fn customer_of(&self, prefix: &str, first: &Release) -> Customer {
        let customer = self.invited(prefix, first).await;
        let state = State::create(&customer.folder, &key(1), customer.id).unwrap();
        self.register(&customer.record, state.public_key()).await;
        state.give(&customer.record).unwrap();
        customer
    }

    /// A customer who has set up, and has no agent yet.
    pub(crate) async fn invited(&self, prefix: &str, first: &Release) -> Customer {
        let (id, folder) = (DeploymentId::new(), self.folder.join(prefix));
        let (manager, root) = self.delivery();
        let target = memory::Target::pulled(prefix, PRINCIPAL.parse().unwrap()).unwrap();
        let admin = memory::admin(&self.config, id, target).with_delivery(Delivery::Pull { manager, root });
        let record = admin.apply(&admin.plan(first).await.unwrap()).await.unwrap();
        let config = self.config.clone().with_agent(PRINCIPAL.parse().unwrap());
        Customer { id, record, folder, config }
    }

    /// The vendor registers a deployment with the key of its agent.
    pub(crate) async fn register(&self, record: &Deployment, key: &PublicKey) {
        let (manager, root) = self.delivery();
        let invitation = Invitation::pull::<Memory>(record.id, manager, root, record.stack.clone()).unwrap();
        self.fleet.register_agent(&invitation, record, key).await.unwrap();
    }

    /// The customer's admin sets up a later release: returns the record that `alien-deploy up` writes.
    pub(crate) async fn set_up(&self, customer: &Customer, release: &Release) -> Deployment {
        let record = &customer.record;
        let target = record.target::<Memory>().unwrap().clone();
        let admin = memory::admin(&self.config, record.id, target).with_delivery(record.delivery.clone());
        let plan = admin.plan(release).previous(record).await.unwrap();
        admin.apply(&plan).await.unwrap()
    }

    /// What the online key signed is signed anew.
    pub(crate) async fn refresh(&self) {
        self.repository().refresh().await.unwrap();
    }

    pub(crate) fn router(&self) -> Router {
        self.router_of(&self.agents)
    }

    fn router_of(&self, agents: &Agents) -> Router {
        AgentApi::new(agents).repository(self.folder.join("repository")).router()
    }

    /// The manager after a restart: nothing that was in its memory is there any more.
    pub(crate) async fn restarted(&self) -> Router {
        self.router_of(&self.fleet.agents().host(&self.host).open().await.unwrap())
    }

    pub(crate) async fn begin(&self, published: &Published, plan: PlanBuilder) -> RolloutId {
        let sequence = published.release.sequence();
        self.fleet.roll_out(&product(), sequence, &plan.build().unwrap()).await.unwrap()
    }

    /// Lets agents and a worker live until every rollout is over.
    pub(crate) async fn live_until_over(&self, agents: &[Agent]) {
        let lives = agents.iter().map(|agent| agent.run(std::future::pending()));
        let late = tokio::time::sleep(Duration::from_secs(4 * 3600));
        tokio::select! {
            _ = join_all(lives) => {}
            ended = self.fleet.worker().until_over().run(late) => ended.unwrap(),
        }
    }

    /// Lets agents and a worker live for so long.
    pub(crate) async fn live(&self, agents: &[Agent], time: Duration) {
        let lives = agents.iter().map(|agent| agent.run(std::future::pending()));
        tokio::select! {
            _ = join_all(lives) => {}
            ended = self.fleet.worker().run(tokio::time::sleep(time)) => ended.unwrap(),
        }
    }

    /// The log of the fleet, in words.
    pub(crate) async fn told(&self) -> String {
        let (mut all, mut last) = (String::new(), 0);
        loop {
            let page = self.fleet.log(last, 1000).await.unwrap();
            let Some(newest) = page.last() else { return all };
            last = newest.number;
            all.extend(page.iter().map(|entry| format!("{:?}\n", entry.what)));
        }
    }

    pub(crate) async fn status(&self, id: &RolloutId) -> Status {
        self.fleet.status(id).await.unwrap()
    }
}

impl Customer {
    pub(crate) fn state(&self) -> State {
        State::open_of(&self.folder, &key(1), self.id).unwrap()
    }

    pub(crate) fn builder(&self, vendor: &Vendor, state: State) -> AgentBuilder {
        self.builder_with(vendor, state, memory::agent(&self.config))
    }

    /// The same, with another way into the cloud.
    pub(crate) fn builder_with(&self, vendor: &Vendor, state: State, access: Arc<dyn Impersonate>) -> AgentBuilder {
        Agent::builder(state, access)
            .clock(Arc::clone(&vendor.clock))
            .verifier(self.verifier(vendor, vendor.files()))
            .channel(Way::to(vendor.router()), HOST)
    }

    /// What verifies releases, from whatever gives the files.
    pub(crate) fn verifier(&self, vendor: &Vendor, files: impl Transport + 'static) -> Verifier {
        let verifier = Verifier::new(vendor.root.digest().clone(), self.folder.join("trust"), files);
        verifier.with_clock(Arc::clone(&vendor.clock))
    }

    pub(crate) fn agent(&self, vendor: &Vendor) -> Agent {
        self.builder(vendor, self.state()).open().unwrap()
    }

    /// What runs of the function, by the digest of its zip.
    pub(crate) async fn runs(&self) -> String {
        let manager = Manager::new(memory::agent(&self.config), self.record.clone());
        let api = manager.find::<Function, alien_core::Live>("api").unwrap();
        manager.heartbeat(&api).await.unwrap().runs.unwrap().code
    }

    pub(crate) fn look(&self) -> alien_agent::Status {
        State::look(&self.folder, &key(1)).unwrap()
    }
}

/// The outcome of a customer in a rollout.
pub(crate) fn outcome(status: &Status, id: DeploymentId) -> Option<Outcome> {
    status.rollout.rows().get(&id).and_then(|row| row.outcome().cloned())
}

/// A call, and the body that was sent.
pub(crate) type Sent = (String, Vec<u8>);

/// The way to a manager in this process. What was sent is kept.
#[derive(Clone)]
pub(crate) struct Way {
    router: Arc<Mutex<Router>>,
    pub(crate) sent: Arc<Mutex<Vec<Sent>>>,
    /// The headers of all calls, with their values.
    pub(crate) headers: Arc<Mutex<BTreeSet<(String, String)>>>,
    pub(crate) calls: Arc<AtomicUsize>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

impl Way {
    pub(crate) fn to(router: Router) -> Self {
        Self {
            router: Arc::new(Mutex::new(router)),
            sent: Arc::default(),
            headers: Arc::default(),
            calls: Arc::default(),
        }
    }

    /// From now on another program answers.
    pub(crate) fn lead_to(&self, router: Router) {
        *self.router.lock().unwrap() = router;
    }
}

#[async_trait]
impl Channel for Way {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        self.headers.lock().unwrap().extend(headers);
        self.sent.lock().unwrap().push((format!("{} {}", parts.method, parts.uri), body.clone()));
        let router = self.router.lock().unwrap().clone();
        let answer = router.oneshot(Request::from_parts(parts, Body::from(body))).await.unwrap();
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, to_bytes(body, most).await.unwrap().to_vec()))
    }
}
