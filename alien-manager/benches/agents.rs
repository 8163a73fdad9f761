//! How a manager answers many agents: `cargo bench -p alien-manager --bench agents -- [AGENTS] [CONNECTIONS] [SECONDS]`, 100,000,
//! 4,000 and 60 if nothing is said.
//!
//! The manager is a process of its own on one core, with a store in a file; the agents are this process, on another. Each
//! asks every 30 seconds over TLS, and one call in twenty is a signed report. The connections stay open, from 16 addresses, and are
//! shared by many agents, so that one machine has enough ports. The time of a call counts from when it should have begun.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_conformance::world::pulled;
use alien_core::{
    AgentVersion, CallConfig, Code, Connection, Delivery, DeploymentId, Function, Health, Images, Invitation, Kv,
    Profile, Release, Stack, SystemClock, memory,
};
use alien_fleet::api::AgentApi;
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, RevertTo, Who};
use alien_manager::{Limits, Router, Server, Tls};
use alien_release::SigningKey;
use alien_release::agent::{Condition, Report, SIGNATURE_HEADER, Signed, State, Token, TokenRequest};
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: &str = "releases.vendor.example";
/// How often an agent asks.
const EVERY: Duration = Duration::from_secs(30);
/// One call of so many is a report.
const REPORTS: usize = 20;
/// How many connections say nothing at the end.
const IDLE: usize = 20_000;
/// How many processes have them: one may not open as many.
const IDLERS: usize = 2;
/// From how many addresses the connections come.
const ADDRESSES: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [serve, folder, agents] = &arguments[..]
        && serve == "--serve"
    {
        run(serve_agents(Path::new(folder), agents.parse().unwrap()));
        return;
    }
    if let [idle, address, count] = &arguments[..]
        && idle == "--idle"
    {
        run(say_nothing(address.parse().unwrap(), count.parse().unwrap()));
        return;
    }
    let number = |at: usize, default: usize| arguments.get(at).map_or(default, |text| text.parse().unwrap());
    let (agents, connections, seconds) = (number(0, 100_000), number(1, 4_000), number(2, 60));
    let folder = std::env::temp_dir().join(format!("alien-agents-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    run(load(&folder, agents, connections, Duration::from_secs(seconds as u64)));
    std::fs::remove_dir_all(folder).unwrap();
}

fn run(task: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task);
}

fn release() -> Release {
    let mut stack = Stack::builder("shop");
    stack.frozen("orders", Kv::new());
    stack.live("api", Function::new(Code::zip(b"code"), "api"));
    stack.profile("api", Profile::new());
    Release::new(stack.build().unwrap(), [Arc::from(&b"code"[..])].into_iter().collect()).unwrap()
}

/// Registers so many agents, and answers them until the standard input ends. A line on it is answered with the memory in use.
async fn serve_agents(folder: &Path, agents: usize) {
    let clock: Arc<dyn alien_core::Clock> = Arc::new(SystemClock);
    let config = memory::Config::new(memory::Account::new(Arc::clone(&clock)));
    let clouds = Clouds::none()
        .with(Arc::new(memory::Adapter::new(config.clone())), Connection::new(CallConfig::new(clock), "bench"));
    let store = Embedded::open(&folder.join("fleet.redb")).await.unwrap();
    let fleet = Fleet::builder(store, clouds).artifacts(ArtifactFolder::new(folder.join("artifacts")));
    let fleet = fleet.acting_as(Who::claimed("bench")).open().await.unwrap();
    let release = release();
    fleet.publish(&release, Images::new(), RevertTo::Before).await.unwrap();
    let key = SigningKey::generate().unwrap();
    key.save(folder.join("key.pem")).unwrap();
    let ids = register(&fleet, &config, &release, &key, agents).await;
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    std::fs::write(folder.join("ids"), ids.join("\n")).unwrap();

    let answered = AgentApi::new(&fleet.agents().host(HOST).open().await.unwrap());
    let router = Router::new(&fleet).with_agents(answered);
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.pem"), made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::open(folder.join("cert.pem"), folder.join("tls.pem")).unwrap();
    let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap().tls(tls);
    println!("{}", server.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() {
                break;
            }
            println!("{}", resident());
        }
        drop(stop);
    });
    server.limits(Limits::default()).serve(router, async { drop(stopped.await) }).await.unwrap();
}

/// Opens connections, and says nothing on them until the standard input ends.
async fn say_nothing(address: SocketAddr, count: usize) {
    let mut idle = Vec::new();
    for number in 0..count {
        idle.push(Shared::socket(number, address).await);
    }
    println!("ready");
    std::io::stdin().lines().for_each(drop);
}

/// Registers deployments that all have one key: what the manager does is the same.
async fn register(
    fleet: &Fleet,
    config: &memory::Config,
    release: &Release,
    key: &SigningKey,
    agents: usize,
) -> Vec<DeploymentId> {
    let Delivery::Pull { manager, root } = pulled() else { unreachable!("it is pulled") };
    let target = memory::Target::pulled("c0", "local:agent".parse().unwrap()).unwrap();
    let admin = memory::admin(config, DeploymentId::new(), target).with_delivery(pulled());
    let record = admin.apply(&admin.plan(release).await.unwrap()).await.unwrap();
    let ids: Vec<DeploymentId> = (0..agents).map(|_| DeploymentId::new()).collect();
    for some in ids.chunks(512) {
        let registered = some.iter().map(|id| {
            let mut record = record.clone();
            record.id = *id;
            let invitation =
                Invitation::pull::<memory::Memory>(*id, manager.clone(), root.clone(), release.stack().clone())
                    .unwrap();
            async move { fleet.register_agent(&invitation, &record, key.public()).await.unwrap() }
        });
        futures_util::future::join_all(registered).await;
    }
    ids
}

/// The memory in use by this process, in kB: <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Another process of this program. It ends when this is dropped.
struct Other {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Other {
    /// Begins, on one core (<https://man7.org/linux/man-pages/man1/taskset.1.html>), and waits for its first line.
    fn begin(core: &str, arguments: &[&str]) -> (Self, String) {
        let program: PathBuf = std::env::current_exe().unwrap();
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(program).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (ask, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut other = Self { child, ask, answers };
        let line = other.line();
        (other, line)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.ask = None;
        let _ = self.child.wait();
    }
}

/// The manager's process.
struct Manager {
    process: Other,
    address: SocketAddr,
}

impl Manager {
    fn begin(folder: &Path, agents: usize) -> Self {
        let (process, address) = Other::begin("0", &["--serve", folder.to_str().unwrap(), &agents.to_string()]);
        Self { process, address: address.parse().unwrap() }
    }

    /// Its memory in use, in kB.
    fn resident(&mut self) -> u64 {
        writeln!(self.process.ask.as_ref().unwrap()).unwrap();
        self.process.line().parse().unwrap()
    }

    /// The time for which it has worked.
    fn worked(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.child.id())).unwrap();
        // After the name in brackets, user and system time are the 12th and 13th, in hundredths of a second:
        // <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

/// What an agent keeps.
struct Agent {
    id: DeploymentId,
    bearer: String,
    etag: String,
    counter: u64,
}

/// A connection that stays open, and the agents that share it.
struct Shared {
    stream: TlsStream<TcpStream>,
    agents: Vec<Agent>,
}

impl Shared {
    async fn open(number: usize, address: SocketAddr, tls: &TlsConnector) -> Self {
        let stream = Self::socket(number, address).await;
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        Self { stream: tls.connect(name, stream).await.unwrap(), agents: Vec::new() }
    }

    /// Connects from one of the addresses.
    async fn socket(number: usize, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + number % ADDRESSES).unwrap());
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(address).await.unwrap()
    }

    /// Sends a call, and returns the status, the head and the body of what is answered.
    async fn call(&mut self, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut sent = format!("{head}\r\nhost: {HOST}\r\n").into_bytes();
        if !body.is_empty() {
            sent.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        sent.extend_from_slice(b"\r\n");
        sent.extend_from_slice(body);
        self.stream.write_all(&sent).await.unwrap();
        let mut answer = Vec::with_capacity(1024);
        let (head, mut rest) = loop {
            assert!(self.stream.read_buf(&mut answer).await.unwrap() > 0, "the connection was closed");
            if let Some(at) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
                break (String::from_utf8(answer[..at].to_vec()).unwrap(), answer[at + 4..].to_vec());
            }
        };
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while rest.len() < length {
            assert!(self.stream.read_buf(&mut rest).await.unwrap() > 0, "the connection was closed");
        }
        (head[9..12].parse().unwrap(), head, rest)
    }

    /// Takes an agent in: it asks for a token, and for what it should run.
    async fn take_in(&mut self, id: DeploymentId, key: &SigningKey) {
        let request = TokenRequest::new(id, Timestamp::now(), HOST).unwrap();
        let request = Signed::of(&request, key).unwrap();
        let head = format!("POST /v1/agent/token HTTP/1.1\r\n{SIGNATURE_HEADER}: {}", request.signature());
        let (status, _, body) = self.call(&head, request.body()).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let token = Token::from_json(&body).unwrap();
        let mut agent =
            Agent { id, bearer: token.bearer.reveal().to_owned(), etag: String::new(), counter: token.counter };
        let asked = format!("GET /v1/agent/desired HTTP/1.1\r\nauthorization: Bearer {}", agent.bearer);
        let (status, head, _) = self.call(&asked, b"").await;
        assert_eq!(status, 200);
        header(&head, "etag").unwrap().clone_into(&mut agent.etag);
        self.agents.push(agent);
    }

    async fn poll(&mut self, number: usize) {
        let Agent { bearer, etag, .. } = &self.agents[number];
        let head = format!("GET /v1/agent/desired HTTP/1.1\r\nauthorization: Bearer {bearer}\r\nif-none-match: {etag}");
        assert_eq!(self.call(&head, b"").await.0, 304);
    }

    async fn report(&mut self, number: usize, key: &SigningKey) {
        let agent = &mut self.agents[number];
        agent.counter += 1;
        let healthy = || Condition::seen(Health::Healthy);
        let report =
            Report::new(agent.id, agent.counter, AgentVersion::new(1, 0, 0)).running(1.into()).doing(State::Idle);
        let report = report.with("api".parse().unwrap(), healthy()).with("orders".parse().unwrap(), healthy());
        let report = Signed::of(&report, key).unwrap();
        let head = format!(
            "POST /v1/agent/report HTTP/1.1\r\nauthorization: Bearer {}\r\n{SIGNATURE_HEADER}: {}",
            agent.bearer,
            report.signature()
        );
        let (status, _, body) = self.call(&head, report.body()).await;
        assert!(matches!(status, 200 | 204), "{status}: {}", String::from_utf8_lossy(&body));
    }

    /// Each agent asks every 30 seconds, at a time of its own; some report instead. Returns how long each call took.
    async fn live(mut self, number: usize, of: usize, time: Duration, key: Arc<SigningKey>) -> [Vec<Duration>; 2] {
        let begin = Instant::now();
        let mut took = [Vec::new(), Vec::new()];
        let all = self.agents.len();
        let rounds = time.as_millis().div_ceil(EVERY.as_millis());
        for call in 0..usize::try_from(rounds).unwrap() * all {
            let phase = (number as f64 / of as f64 + call as f64) / all as f64;
            let due = EVERY.mul_f64(phase);
            if due >= time {
                break;
            }
            tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
            // Other calls of the connection's agents are reports each time.
            let is_report = (call + number).is_multiple_of(REPORTS);
            if is_report {
                self.report(call % all, &key).await
            } else {
                self.poll(call % all).await
            }
            took[usize::from(is_report)].push(begin.elapsed().saturating_sub(due));
        }
        took
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

async fn load(folder: &Path, agents: usize, connections: usize, time: Duration) {
    let here = std::process::id().to_string();
    // The manager has the other core: a process and its threads that come later.
    assert!(Command::new("taskset").args(["-pc", "1", &here]).stdout(Stdio::null()).status().unwrap().success());
    let begin = Instant::now();
    let mut manager = Manager::begin(folder, agents);
    println!("{agents} agents registered in {:.1?}, {} MB", begin.elapsed(), manager.resident() / 1000);
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));

    let before = manager.resident();
    let mut all: Vec<Shared> = Vec::new();
    for count in [1_000.min(connections), connections] {
        while all.len() < count {
            let number = all.len();
            all.push(Shared::open(number, manager.address, &tls).await);
        }
        let more = manager.resident().saturating_sub(before);
        println!(
            "{count} connections: {:.1} kB each, so {:.1} GB for 100,000",
            more as f64 / count as f64,
            more as f64 / count as f64 / 10.0
        );
    }
    let open = manager.resident();

    let key = Arc::new(SigningKey::open(folder.join("key.pem")).unwrap());
    let ids = std::fs::read_to_string(folder.join("ids")).unwrap();
    let ids: Vec<DeploymentId> = ids.lines().map(|id| id.parse().unwrap()).collect();
    let begin = Instant::now();
    for (number, id) in ids.iter().enumerate() {
        all[number % connections].take_in(*id, &key).await;
    }
    let mean = begin.elapsed() / u32::try_from(agents).unwrap();
    println!(
        "a token and a first poll: {mean:.1?} in the mean, one after the other; {} MB more",
        (manager.resident() - open) / 1000
    );

    let (worked, begin) = (manager.worked(), Instant::now());
    let lives = all.into_iter().enumerate();
    let lives = lives.map(|(number, shared)| tokio::spawn(shared.live(number, connections, time, Arc::clone(&key))));
    let mut took = [Vec::new(), Vec::new()];
    for life in futures_util::future::join_all(lives).await {
        let [polls, reports] = life.unwrap();
        took[0].extend(polls);
        took[1].extend(reports);
    }
    let core = 100.0 * (manager.worked() - worked).as_secs_f64() / begin.elapsed().as_secs_f64();
    let calls = took[0].len() + took[1].len();
    println!(
        "{calls} calls in {:.1?}, {:.0} a second, {core:.0} % of a core",
        begin.elapsed(),
        calls as f64 / begin.elapsed().as_secs_f64()
    );
    for (name, mut took) in ["polls", "reports"].into_iter().zip(took) {
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        println!("{name}: p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, at most {:.1?}", at(0.5), at(0.99), at(0.999), at(1.0));
    }
    println!("{} MB beside the connections", (manager.resident() - (open - before)) / 1000);

    // Connections that say nothing take no place from who asks: the ones that are idle for longest go.
    let address = manager.address.to_string();
    let some = (IDLE / IDLERS).to_string();
    let _idle = [(); IDLERS].map(|()| Other::begin("1", &["--idle", &address, &some]));
    let begin = Instant::now();
    let mut shared = Shared::open(0, manager.address, &tls).await;
    shared.take_in(ids[0], &key).await;
    println!("with {IDLE} connections that say nothing: connecting, a token and a poll take {:.1?}", begin.elapsed());
}
