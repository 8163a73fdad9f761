//! Pull, in one process: a vendor with a manager over TLS and a signed repository, and five customers who let nobody in. Each has an agent,
//! which asks the manager outbound, verifies, and updates with credentials of the customer's own.
//!
//! The customers' cloud is in this process, and its clock goes a hundred times as fast as it should. Whatever is not as it should be ends in
//! an error.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alien_agent::{Agent, Policy, State, StateKey};
use alien_core::rollout::{OnHalt, Outcome, Phase, Plan, PlanBuilder, Sequence, Why};
use alien_core::{
    Artifacts, CallConfig, Clock, Code, Connection, Delivery, Deployment, DeploymentId, Function, Images, Invitation,
    Kv, Live, Profile, Release, Stack, memory,
};
use alien_fleet::api::AgentApi;
use alien_fleet::store::InMemory;
use alien_fleet::{Clouds, Fleet, RevertTo, RolloutId, Who};
use alien_manager::{Router, Server, Tls};
use alien_release::{Repository, Root, RootDraft, RootKeys, SigningKey};
use anstream::{eprintln, println};
use futures_util::future::join_all;
use tokio::sync::watch;

type Fallible<T> = Result<T, Box<dyn Error>>;

const CUSTOMERS: usize = 5;

/// The zips of releases.
const FIRST: &[u8] = b"the first release";
const SECOND: &[u8] = b"the second release";

/// A minute takes as long as a good half of a second.
const SPEED: u32 = 100;

/// The principal of each customer's own account that manages its deployment.
const AGENT: &str = "local:agent";

fn main() -> Fallible<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = Folder::new()?;
    runtime.block_on(pull(&folder.0))
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Fallible<Self> {
        let folder = std::env::temp_dir().join(format!("alien-pull-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn pull(folder: &Path) -> Fallible<()> {
    let clock = Arc::new(memory::TestClock::new());
    let config = memory::Config::new(memory::Account::new(clock.clone()));

    println!("# The vendor\n");
    let vendor = Vendor::new(folder, clock.clone(), &config).await?;
    println!("root     {}: two of its keys sign the root, and both stay offline", vendor.root.digest());
    let first = vendor.publish(FIRST).await?;
    println!("release  {first} is signed and published");
    let manager = Manager::start(folder, &vendor).await?;
    println!("manager  {}", manager.url);

    println!("\n# Five customers\n");
    let delivery = Delivery::Pull { manager: manager.url.parse()?, root: vendor.root.digest().clone() };
    let (mut agents, mut deployments) = (Vec::new(), Vec::new());
    for number in 1..=CUSTOMERS {
        let customer = Customer { name: format!("customer-{number}"), config: &config, clock: &clock, folder };
        let (agent, deployment) = customer.agent(&vendor, &delivery, &manager.certificate).await?;
        agents.push(agent);
        deployments.push(deployment);
    }
    println!(
        "{CUSTOMERS} deployments are set up; each trusts its own `{AGENT}`, and the vendor has no identity in any of them"
    );
    println!("customer-5 approves releases by their numbers, and has approved none yet");
    let Some(slow) = agents.last() else { return Err("there is no customer".into()) };
    slow.set_policy(Policy::new().approving([]));

    clock.run(SPEED);
    let lives = join_all(agents.iter().map(|agent| agent.run(std::future::pending())));
    let story = async {
        println!("\n# A release\n");
        let second = vendor.publish(SECOND).await?;
        let rolled = vendor.rolled_out(second, vendor.plan().patience(Duration::from_secs(600))).await?;
        rolled.ends(Phase::Done, "four customers run it, and the fifth waits", |outcomes| {
            let waits = |outcome: &&Outcome| matches!(outcome, Outcome::NotTried(Why::Approval(_)));
            count(outcomes, Outcome::Good) == 4 && outcomes.last().is_some_and(|last| waits(&last))
        })?;
        run(&deployments, [SECOND, SECOND, SECOND, SECOND, FIRST]).await?;
        println!("customer-5 approves release {second}");
        slow.set_policy(Policy::new().approving([second]));
        let rolled = vendor.rolled_out(second, vendor.plan()).await?;
        rolled.ends(Phase::Done, "all run it", |outcomes| count(outcomes, Outcome::Good) == CUSTOMERS)?;
        run(&deployments, [SECOND; CUSTOMERS]).await?;

        println!("\n# A release that does not start\n");
        slow.set_policy(Policy::new());
        let third = vendor.publish(memory::BROKEN).await?;
        let rolled = vendor.rolled_out(third, vendor.plan().on_halt(OnHalt::RevertAll)).await?;
        rolled.ends(Phase::Reverted, "one is bad, and the others are not tried", |outcomes| {
            let is_bad = |outcome: &&Outcome| matches!(outcome, Outcome::Bad(_));
            let is_left = |outcome: &&Outcome| matches!(outcome, Outcome::NotTried(Why::Halted));
            outcomes.iter().filter(is_bad).count() == 1 && outcomes.iter().filter(is_left).count() == CUSTOMERS - 1
        })?;
        run(&deployments, [SECOND; CUSTOMERS]).await?;

        println!("\n# A manager that somebody else has\n");
        let other = vendor.published(b"what the thief made").await?;
        let rolled = vendor.rolled_out(other, Plan::builder().patience(Duration::from_secs(600))).await?;
        rolled.ends(Phase::Done, "no agent takes it", |outcomes| {
            outcomes.iter().all(|outcome| matches!(outcome, Outcome::NotTried(Why::Held(_))))
        })?;
        run(&deployments, [SECOND; CUSTOMERS]).await?;
        println!("the release is in the manager's store and was not signed offline: no agent has begun it");
        Fallible::Ok(())
    };
    tokio::select! {
        _ = lives => Err("an agent ended by itself".into()),
        told = story => told,
    }
}

/// What the vendor has.
struct Vendor {
    fleet: Fleet,
    repository: Repository,
    folder: PathBuf,
    root: Root,
}

impl Vendor {
    async fn new(folder: &Path, clock: Arc<dyn Clock>, config: &memory::Config) -> Fallible<Self> {
        // The fleet knows the cloud of its deployments, and enters none of them.
        let connection = Connection::new(CallConfig::new(clock.clone()), "ann");
        let clouds = Clouds::none().with(Arc::new(memory::Adapter::new(config.clone())), connection);
        let fleet = Fleet::builder(InMemory::new(), clouds).clock(clock.clone());
        let fleet = fleet.acting_as(Who::claimed("ann")).open().await?;
        let [a, b, release, online] = [(); 4].map(|()| SigningKey::generate());
        let (a, b, release, online) = (a?, b?, release?, online?);
        let keys = RootKeys::new(2, [*a.public(), *b.public()], *release.public(), *online.public())?;
        let mut draft = RootDraft::first(&keys, clock.now())?;
        draft.sign(&a).await?;
        draft.sign(&b).await?;
        let root = draft.finish()?;
        let folder = folder.join("repository");
        Repository::create(&folder, &root)?;
        let repository = Repository::open(&folder)?.with_clock(clock);
        let repository = repository.with_release_key(Arc::new(release)).with_online_key(Arc::new(online));
        Ok(Self { fleet, repository, folder, root })
    }

    /// Publishes a release in the store of the manager alone.
    async fn published(&self, zip: &[u8]) -> Fallible<Sequence> {
        let published = self.fleet.publish(&release(zip)?, Images::new(), RevertTo::Before).await?;
        Ok(published.release.sequence())
    }

    /// Publishes a release, signed by the release key.
    async fn publish(&self, zip: &[u8]) -> Fallible<Sequence> {
        let published = self.fleet.publish(&release(zip)?, Images::new(), RevertTo::Before).await?;
        let zips: Artifacts = [zip, FIRST, SECOND].map(Arc::from).into_iter().collect();
        self.repository.publish(&published.release, published.twin.as_ref(), &zips).await?;
        Ok(published.release.sequence())
    }

    fn plan(&self) -> PlanBuilder {
        let soon = Duration::from_secs(60);
        Plan::builder().canary(1).then_percent([100]).bake(soon).lease(soon).retry(soon, 3).halt_at_bad(1)
    }

    /// Rolls a release out, and prints how it ended at each customer.
    async fn rolled_out(&self, release: Sequence, plan: PlanBuilder) -> Fallible<Rolled> {
        let id: RolloutId = self.fleet.roll_out(&"shop".parse()?, release, &plan.build()?).await?;
        self.fleet.worker().without_watch().until_over().run(std::future::pending()).await?;
        let status = self.fleet.status(&id).await?;
        println!("rollout {id} of release {release}: {}", status.rollout.head().phase());
        let mut outcomes = BTreeMap::new();
        for listed in self.fleet.deployments(&"shop".parse()?).await? {
            let Some(outcome) = status.rollout.rows().get(&listed.id).and_then(|row| row.outcome()) else { continue };
            outcomes.insert(listed.labels.get("customer").cloned().unwrap_or_default(), outcome.clone());
        }
        for (customer, outcome) in &outcomes {
            println!("  {customer:10} {outcome}");
        }
        Ok(Rolled { phase: status.rollout.head().phase(), outcomes: outcomes.into_values().collect() })
    }
}

/// How a rollout ended.
#[derive(Debug)]
struct Rolled {
    phase: Phase,
    /// The outcomes of the customers, in the order of their names.
    outcomes: Vec<Outcome>,
}

impl Rolled {
    /// Fails, unless it ended so.
    fn ends(self, phase: Phase, what: &str, is_so: impl Fn(&[Outcome]) -> bool) -> Fallible<()> {
        let is_so = self.phase == phase && self.outcomes.len() == CUSTOMERS && is_so(&self.outcomes);
        if is_so { Ok(()) } else { Err(format!("it should be {phase} ({what}): {self:?}").into()) }
    }
}

fn count(outcomes: &[Outcome], of: Outcome) -> usize {
    outcomes.iter().filter(|outcome| **outcome == of).count()
}

/// Fails, unless the customers' functions run this code.
async fn run(deployments: &[alien_core::Manager], code: [&[u8]; CUSTOMERS]) -> Fallible<()> {
    for (number, (deployment, code)) in deployments.iter().zip(code).enumerate() {
        let api = deployment.find::<Function, Live>("api")?;
        let runs = deployment.heartbeat(&api).await?.runs.map(|runs| runs.code);
        if runs != Code::zip(code).only().map(|form| form.digest().to_owned()) {
            return Err(format!("customer-{} runs {runs:?}", number + 1).into());
        }
    }
    Ok(())
}

fn release(zip: &[u8]) -> Fallible<Release> {
    let mut stack = Stack::builder("shop");
    stack.frozen("orders", Kv::new());
    stack.live("api", Function::new(Code::zip(zip), "api"));
    stack.profile("api", Profile::new());
    Ok(Release::new(stack.build()?, [Arc::from(zip)].into_iter().collect::<Artifacts>())?)
}

/// The vendor's manager, which answers agents over TLS.
struct Manager {
    url: String,
    certificate: String,
    /// Dropping it ends the manager.
    _running: watch::Sender<()>,
}

impl Manager {
    async fn start(folder: &Path, vendor: &Vendor) -> Fallible<Self> {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        fs::write(&certificate, signed.cert.pem())?;
        fs::write(&key, signed.signing_key.serialize_pem())?;
        let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await?.tls(Tls::open(&certificate, &key)?);
        let host = format!("localhost:{}", server.address().port());
        let agents = vendor.fleet.agents().host(&host).open().await?;
        let router = Router::new(&vendor.fleet).with_agents(AgentApi::new(&agents).repository(&vendor.folder));
        let (running, mut stopped) = watch::channel(());
        tokio::spawn(async move {
            let ends = async move { drop(stopped.changed().await) };
            if let Err(error) = server.serve(router, ends).await {
                eprintln!("the manager: {error}");
            }
        });
        Ok(Self { url: format!("https://{host}"), certificate: signed.cert.pem(), _running: running })
    }
}

/// A customer, before the set-up.
struct Customer<'a> {
    name: String,
    config: &'a memory::Config,
    clock: &'a Arc<memory::TestClock>,
    folder: &'a Path,
}

impl Customer<'_> {
    /// Sets up by the vendor's invitation, and gives the agent and the customer's own view of the deployment. In reality these are the
    /// customer's admin, the vendor and the customer's machine, one after another.
    async fn agent(
        &self,
        vendor: &Vendor,
        delivery: &Delivery,
        certificate: &str,
    ) -> Fallible<(Agent, alien_core::Manager)> {
        let Delivery::Pull { manager, root } = delivery else { return Err("the vendor pushes".into()) };
        let id = DeploymentId::new();
        // The customer keeps the key that seals the state: `openssl rand -hex 32` makes one. The agent's own key never leaves the state.
        let [one, two] = [(); 2].map(|()| uuid::Uuid::new_v4().simple());
        let key: StateKey = format!("{one}{two}").parse()?;
        let state = State::create(self.folder.join(&self.name), &key, id)?;
        let first = release(FIRST)?;
        let stack = first.stack().clone();
        let invitation = Invitation::pull::<memory::Memory>(id, manager.clone(), root.clone(), stack)?;
        let record = self.set_up(&invitation, &first).await?;
        vendor.fleet.register_agent(&invitation, &record, state.public_key()).await?;
        let customer = alien_fleet::Setting::Label("customer".to_owned(), self.name.clone());
        vendor.fleet.set(id, customer).await?;
        state.give(&record)?;
        let config = self.config.clone().with_agent(AGENT.parse()?);
        let (agent, access) = (Agent::builder(state, memory::agent(&config)), memory::agent(&config));
        let agent = agent.clock(self.clock.clone()).ca(certificate).open()?;
        Ok((agent, alien_core::Manager::new(access, record)))
    }

    async fn set_up(&self, invitation: &Invitation, first: &Release) -> Fallible<Deployment> {
        let target = memory::Target::pulled(&self.name, AGENT.parse()?)?;
        let admin = memory::admin(self.config, invitation.id, target).with_delivery(invitation.delivery.clone());
        Ok(admin.apply(&admin.plan(first).await?).await?)
    }
}
