//! Managers that are killed again and again while agents report to them: what was acknowledged is there.
//!
//! The managers are real programs. One holds a file; or two have one database, and one of them is killed at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alien_conformance::seed::seed;
use alien_conformance::world::pulled;
use alien_core::rollout::{Plan, Sequence};
use alien_core::{
    AgentVersion, CallConfig, Connection, Delivery, DeploymentId, Health, Images, Invitation, SystemClock, memory,
};
use alien_fleet::store::{Embedded, PostgresOptions};
use alien_fleet::{ArtifactFolder, Clouds, Entry, Fleet, RevertTo, What, Who};
use alien_release::SigningKey;
use alien_release::agent::{
    Attempt, Bearer, Condition, Desired, Ended, Message, Report, SIGNATURE_HEADER, Signed, State, Token, TokenRequest,
    Wanted,
};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::folder::Folder;
use crate::process::Program;
use crate::world::{product, release};

const HOST: &str = "releases.vendor.example";

/// How many agents report.
const AGENTS: usize = 8;

/// How often a manager is killed, at most. After this time it is killed no more, if it was so often.
const KILLS: usize = 12;
const LONG: Duration = Duration::from_secs(8);
const ENOUGH: usize = 5;

/// How long an agent waits between two calls, at most. So it reports more often than any agent does, and less often than a manager takes.
const PACE: Duration = Duration::from_millis(30);

/// After how many reports that were acknowledged a manager is killed, and how many milliseconds after that.
const LIVES: (RangeInclusive<usize>, RangeInclusive<u64>) = (1..=100, 0..=30);

/// Where the store is.
pub(crate) struct Place {
    folder: Folder,
    database: Option<PostgresOptions>,
}

impl Place {
    pub(crate) fn file() -> Self {
        Self { folder: Folder::new(), database: None }
    }

    pub(crate) fn database(url: String, options: PostgresOptions) -> Self {
        let folder = Folder::new();
        std::fs::write(folder.join("url"), url).unwrap();
        Self { folder, database: Some(options) }
    }

    /// A manager. The rollouts are carried out by this process.
    fn manager(&self) -> Program {
        let path = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let (flag, store) = match self.database {
            Some(_) => ("--store-url-file", path("url")),
            None => {
                // A fleet of this process that was dropped gives the file back a moment later.
                let file = std::fs::File::open(self.folder.join("fleet.redb")).unwrap();
                while file.try_lock().is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                ("--store", path("fleet.redb"))
            }
        };
        let artifacts = path("zips");
        Program::begin(&[flag, &store, "--artifacts", &artifacts, "--agents", HOST, "--work", "false"])
    }

    /// The fleet, in this process. If the store is a file, no manager has it meanwhile.
    async fn fleet(&self) -> Fleet {
        let connection = Connection::new(CallConfig::new(Arc::new(SystemClock)), "ann");
        let config = memory::Config::new(memory::Account::new(Arc::new(SystemClock)));
        let clouds = Clouds::none().with(Arc::new(memory::Adapter::new(config)), connection);
        let builder = match &self.database {
            Some(options) => Fleet::builder(options.clone().open().await.unwrap(), clouds),
            None => Fleet::builder(Embedded::open(self.folder.join("fleet.redb")).await.unwrap(), clouds),
        };
        let zips = ArtifactFolder::new(self.folder.join("zips"));
        builder.artifacts(zips).acting_as(Who::claimed("ann")).open().await.unwrap()
    }
}

/// One address for managers that come and go.
struct Front {
    address: SocketAddr,
    managers: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Front {
    async fn begin(tasks: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, managers) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<SocketAddr>>>::default());
        let all = Arc::clone(&managers);
        tasks.spawn(async move {
            for number in 0.. {
                let (mut from, _) = listener.accept().await.unwrap();
                let to = {
                    let all = all.lock().unwrap();
                    all[number % all.len()]
                };
                tokio::spawn(async move {
                    let mut to = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut from, &mut to).await
                });
            }
        });
        Self { address, managers }
    }

    fn lead_to(&self, managers: &[Program]) {
        *self.managers.lock().unwrap() = managers.iter().map(|manager| manager.address).collect();
    }
}

/// Sends a call, and returns the status and the body of the answer: `None` if it did not come to its end.
async fn call(front: SocketAddr, call: &str, headers: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(front).await.ok()?;
    let length = body.len();
    let head = format!("{call} HTTP/1.1\r\nhost: m\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?.to_lowercase(), &answer[end + 4..]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    (length.unwrap_or(0) == body.len()).then(|| (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_vec()))
}

async fn send<M: Message>(
    front: SocketAddr,
    path: &str,
    bearer: Option<&Bearer>,
    signed: &Signed<M>,
) -> Option<(u16, Vec<u8>)> {
    let bearer = bearer.map(|bearer| format!("authorization: Bearer {}\r\n", bearer.reveal())).unwrap_or_default();
    let headers = format!("{SIGNATURE_HEADER}: {}\r\n{bearer}", signed.signature());
    call(front, &format!("POST {path}"), &headers, signed.body()).await
}

/// What managers have acknowledged to an agent.
#[derive(Default)]
struct Acknowledged {
    /// The last report.
    last: Option<(Bearer, u64, Signed<Report>)>,
    /// How many there were.
    reports: usize,
    /// The attempts that it may begin, and those that it said have ended.
    begun: BTreeSet<(Sequence, u64)>,
    ended: BTreeSet<(Sequence, u64)>,
}

/// An agent, which does nothing but report.
struct Agent {
    id: DeploymentId,
    key: SigningKey,
    front: SocketAddr,
    acknowledged: Arc<Mutex<Acknowledged>>,
}

impl Agent {
    async fn token(&self) -> Option<Token> {
        let request = TokenRequest::new(self.id, Timestamp::now(), HOST).unwrap();
        let signed = Signed::of(&request, &self.key).unwrap();
        let (status, body) = send(self.front, "/v1/agent/token", None, &signed).await?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Some(Token::from_json(&body).unwrap())
    }

    async fn wanted(&self, bearer: &Bearer) -> Option<Option<Wanted>> {
        let headers = format!("authorization: Bearer {}\r\n", bearer.reveal());
        let (status, body) = call(self.front, "GET /v1/agent/desired", &headers, b"").await?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Some(Desired::from_json(&body).unwrap().release)
    }

    /// Reports until it is told to stop, and returns the counter of the last report that it sent.
    async fn live(self, mut stop: watch::Receiver<bool>) -> (Self, u64) {
        let token = loop {
            if let Some(token) = self.token().await {
                break token;
            }
        };
        let (bearer, mut counter, mut is_begun, mut last) = (token.bearer, token.counter, false, 0);
        while !*stop.borrow_and_update() {
            tokio::time::sleep(PACE.mul_f64(fastrand::f64())).await;
            let Some(wanted) = self.wanted(&bearer).await else { continue };
            counter += 1;
            let healthy = |id: &str| (id.parse().unwrap(), Condition::seen(Health::Healthy));
            let mut report = Report::new(self.id, counter, AgentVersion::new(1, 0, 0));
            report.resources = ["api", "orders"].map(healthy).into();
            let wanted = wanted.filter(|wanted| wanted.fence > last);
            let of = wanted.map(|wanted| (wanted.release, wanted.fence));
            let report = match of {
                None => report,
                Some((release, fence)) if is_begun => {
                    report.running(release).ended(Attempt { release, fence, ended: Ended::Done })
                }
                Some((release, fence)) => report.doing(State::Beginning { release, fence }),
            };
            let signed = Signed::of(&report, &self.key).unwrap();
            // Whatever does not come to its end is sent anew, as another report.
            let Some((status, body)) = send(self.front, "/v1/agent/report", Some(&bearer), &signed).await else {
                continue;
            };
            assert_eq!(status, 204, "{}", String::from_utf8_lossy(&body));
            let mut acknowledged = self.acknowledged.lock().unwrap();
            acknowledged.last = Some((bearer.clone(), counter, signed));
            acknowledged.reports += 1;
            if let Some(of) = of {
                if is_begun {
                    last = of.1;
                    acknowledged.ended.insert(of);
                } else {
                    acknowledged.begun.insert(of);
                }
                is_begun = !is_begun;
            }
        }
        (self, counter)
    }
}

/// The log, as far as it was read.
#[derive(Default)]
struct Log {
    last: Option<Entry>,
    /// What the agents told of each attempt.
    told: BTreeMap<(DeploymentId, Sequence, u64), Vec<String>>,
    /// To whom each release was handed.
    handed: BTreeMap<Sequence, BTreeSet<DeploymentId>>,
}

impl Log {
    /// Reads it to its end. Each entry is checked against the one before: nothing that was read is gone later.
    async fn read(&mut self, fleet: &Fleet) {
        loop {
            let page = fleet.log(self.last.as_ref().map_or(0, |last| last.number), 1000).await.unwrap();
            if page.is_empty() {
                return;
            }
            for entry in page {
                entry.follows(self.last.as_ref()).unwrap();
                match &entry.what {
                    What::Reported { deployment, release, fence, what, .. } => {
                        self.told.entry((*deployment, *release, *fence)).or_default().push(what.clone());
                    }
                    What::Handed { deployment, release, .. } => {
                        self.handed.entry(*release).or_default().insert(*deployment);
                    }
                    _ => {}
                }
                self.last = Some(entry);
            }
        }
    }
}

/// Publishes a release, rolls it out, and works until each deployment was handed to its agent.
async fn hand_over(fleet: &Fleet, log: &mut Log, number: usize) {
    let release = release(&number.to_be_bytes());
    let published = fleet.publish(&release, Images::new(), RevertTo::Nothing).await.unwrap();
    let sequence = published.release.sequence();
    let plan = Plan::builder().parallel(u32::try_from(AGENTS).unwrap()).build().unwrap();
    fleet.roll_out(&product(), sequence, &plan).await.unwrap();
    let handed = async {
        while log.handed.get(&sequence).is_none_or(|handed| handed.len() < AGENTS) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            log.read(fleet).await;
        }
    };
    fleet.worker().without_watch().run(handed).await.unwrap();
}

/// Registers the deployments, of which one is set up for all, and returns their agents.
async fn register(fleet: &Fleet, front: SocketAddr) -> Vec<Agent> {
    let first = release(b"first");
    fleet.publish(&first, Images::new(), RevertTo::Nothing).await.unwrap();
    let config = memory::Config::new(memory::Account::new(Arc::new(SystemClock)));
    let Delivery::Pull { manager, root } = pulled() else { panic!("it is pulled") };
    let target = memory::Target::pulled("c0", "local:agent".parse().unwrap()).unwrap();
    let admin = memory::admin(&config, DeploymentId::new(), target).with_delivery(pulled());
    let mut record = admin.apply(&admin.plan(&first).await.unwrap()).await.unwrap();
    let mut agents = Vec::new();
    for _ in 0..AGENTS {
        let (id, key) = (DeploymentId::new(), SigningKey::generate().unwrap());
        let stack = first.stack().clone();
        let invitation = Invitation::pull::<memory::Memory>(id, manager.clone(), root.clone(), stack).unwrap();
        record.id = id;
        fleet.register_agent(&invitation, &record, key.public()).await.unwrap();
        agents.push(Agent { id, key, front, acknowledged: Arc::default() });
    }
    agents
}

type All = [(DeploymentId, Arc<Mutex<Acknowledged>>)];

/// How many reports were acknowledged.
fn reports(all: &All) -> usize {
    all.iter().map(|(_, acknowledged)| acknowledged.lock().unwrap().reports).sum()
}

/// Each report that was acknowledged is in the log, if it said something of an attempt: once.
async fn is_kept(fleet: &Fleet, log: &mut Log, all: &All) {
    // What is acknowledged from here on is looked for the next time.
    let all: Vec<_> = all
        .iter()
        .map(|(id, acknowledged)| {
            let acknowledged = acknowledged.lock().unwrap();
            (*id, acknowledged.begun.clone(), acknowledged.ended.clone())
        })
        .collect();
    log.read(fleet).await;
    for (id, begun, ended) in all {
        for (attempts, what) in [(begun, "begins"), (ended, "ended: done")] {
            for (release, fence) in attempts {
                let of = log.told.get(&(id, release, fence)).map(Vec::as_slice).unwrap_or_default();
                let times = of.iter().filter(|told| *told == what).count();
                assert_eq!(times, 1, "{id}, release {release}, attempt {fence}: `{what}` was acknowledged: {of:?}");
            }
        }
    }
}

/// The last report that was acknowledged to each agent is refused the second time.
async fn is_refused_again(front: SocketAddr, all: &All) {
    let again = all.iter().map(async |(id, acknowledged)| {
        let Some((bearer, counter, signed)) = acknowledged.lock().unwrap().last.clone() else { return };
        let (status, body) = send(front, "/v1/agent/report", Some(&bearer), &signed).await.unwrap();
        let said = String::from_utf8_lossy(&body);
        assert_eq!(status, 409, "the report {counter} of {id} was acknowledged: {said}");
    });
    join_all(again).await;
}

pub(crate) async fn no_report_is_lost(place: Place) {
    let mut random = fastrand::Rng::with_seed(seed());
    let (mut tasks, (stop, stopped)) = (JoinSet::new(), watch::channel(false));
    let front = Front::begin(&mut tasks).await;
    let fleet = place.fleet().await;
    let agents = register(&fleet, front.address).await;
    // A manager needs the file for itself.
    let beside = place.database.is_some().then_some(fleet);
    let mut managers: Vec<Program> = (0..1 + usize::from(beside.is_some())).map(|_| place.manager()).collect();
    front.lead_to(&managers);
    let all: Vec<_> = agents.iter().map(|agent| (agent.id, Arc::clone(&agent.acknowledged))).collect();
    let mut lives: JoinSet<_> = agents.into_iter().map(|agent| agent.live(stopped.clone())).collect();
    let (mut rollouts, mut log) = (0, Log::default());
    let (begun, mut kills) = (Instant::now(), 0);
    while kills < KILLS && (kills < ENOUGH || rollouts < 2 || begun.elapsed() < LONG) {
        let until = reports(&all) + random.usize(LIVES.0.clone());
        while reports(&all) < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(LIVES.1.clone()))).await;
        let victim = kills % managers.len();
        managers[victim].kill();
        {
            let fleet = match &beside {
                Some(fleet) => fleet.clone(),
                None => place.fleet().await,
            };
            is_kept(&fleet, &mut log, &all).await;
            // A deployment is handed to an agent that was heard of, and not again before it has ended.
            let is_idle = all.iter().all(|(_, acknowledged)| {
                let acknowledged = acknowledged.lock().unwrap();
                acknowledged.reports > 0 && acknowledged.ended.len() == rollouts
            });
            if is_idle {
                hand_over(&fleet, &mut log, kills).await;
                rollouts += 1;
            }
        }
        managers[victim] = place.manager();
        front.lead_to(&managers);
        is_refused_again(front.address, &all).await;
        kills += 1;
    }
    stop.send_replace(true);
    while let Some(ended) = lives.join_next().await {
        let (agent, sent) = ended.unwrap();
        let acknowledged = agent.acknowledged.lock().unwrap().last.as_ref().unwrap().1;
        let token = agent.token().await.unwrap();
        assert!((acknowledged..=sent).contains(&token.counter), "{acknowledged}..={sent}: {}", token.counter);
    }
    drop(managers);
    let fleet = match beside {
        Some(fleet) => fleet,
        None => place.fleet().await,
    };
    is_kept(&fleet, &mut log, &all).await;
    let reports = reports(&all);
    let ended: usize = all.iter().map(|(_, acknowledged)| acknowledged.lock().unwrap().ended.len()).sum();
    println!(
        "{kills} kills in {:?}, {rollouts} rollouts, {reports} reports, {ended} attempts that ended",
        begun.elapsed()
    );
    assert!(rollouts > 1 && ended >= AGENTS, "{rollouts}, {ended}");
}
