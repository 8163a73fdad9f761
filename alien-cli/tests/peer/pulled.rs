//! A deployment that pulls its releases, from its invitation to its end, by the programs of all three: the vendor's `alien` over a
//! manager, the customer's admin's `alien-deploy`, and the customer's `alien-agent`, which gets credentials from the machine it runs on.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use alien_conformance::world::{Patience, Shipped};
use alien_core::{CallConfig, Connection, Function, Kv, Profile, Stack};
use alien_fleet::api::AgentApi;
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, NewToken, Products, Role, Who};
use alien_manager::{Router, Server, Tls};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::fleet::images;
use crate::room::{Room, said, words};

pub(crate) fn a_deployment(room: &Room) {
    let code = |says: &str| (room.cloud.code)(says);
    let vendor = Vendor::new(room);
    let (first, second) = (code("first"), code("second"));

    // The vendor invites, and publishes what is set up.
    let invitation = room.path("invitation.json");
    let stack = room.write("first.json", &stack(&first));
    let root = room.path("keys/public/1.root.json");
    let invite = ["invite", "--stack", &stack, "--cloud", room.cloud.name, "--pull", "--manager", &vendor.manager.url];
    room.succeeds("alien", &[&invite[..], &["--root", &root, "--out", &invitation]].concat());
    vendor.does(&[&words(&vendor.release("first", &stack, &first))[..], &["--publish-only"]].concat());

    // The agent's key is made where it will run, and the admin sets up with it.
    let agent = Agent::init(room, &invitation);
    let named = ["--agent", &room.cloud.agent.name];
    let deploy = |command: &str, more: &[&str]| room.deploy(command, &invitation, &[&named[..], more].concat());
    let review = room.succeeds("alien-deploy", &words(&deploy("review", &[])));
    assert!(review.contains("The vendor has no identity here") && review.contains(&vendor.manager.url), "{review}");
    let zips = room.zips(&[("first", &first)]);
    let record = room.path("record.json");
    let up = [&words(&zips)[..], &["--record", &record, "--agent-key", &agent.key, "--yes"]].concat();
    let told = room.succeeds("alien-deploy", &words(&deploy("up", &up)));
    assert!(told.contains("`alien-deploy agent --record"), "{told}");
    let set_up: Value = serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
    assert_eq!(set_up["agentKey"].as_str(), Some(fs::read_to_string(&agent.key).unwrap().as_str()));
    (room.cloud.agent.assign)(set_up["identity"].as_str().unwrap());
    let id = set_up["id"].as_str().unwrap();
    vendor.does(&["deployments", "register", &invitation, "--record", &record]);

    // It runs, and says how the deployment is.
    let running = agent.run(&record, &vendor.manager);
    let patience = Patience::new();
    while !vendor.tells(&["fleet", "heartbeat", "--last"]).contains("healthy") {
        patience.block(&agent.log());
    }

    running.idles();
    if is_traced() {
        running.end();
        return;
    }

    // A release reaches it, and what the customer lets the vendor do. Then it ends on a signal.
    let stack = room.write("second.json", &self::stack(&second));
    let report =
        vendor.does(&[&words(&vendor.release("second", &stack, &second))[..], &["--bake", "1s", "--json"]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["exitCode"], &report["total"]["good"]), (&0.into(), &1.into()), "{report:#}\n{}", agent.log());
    let answer = vendor.does(&["deployments", "dispatch", id, "api", r#"{"hello":"world"}"#]);
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["hello"], "world", "{}", agent.log());
    let refused = vendor.tells(&["deployments", "logs", id, "api"]);
    assert!(refused.contains("its agent says denied"), "{refused}");
    let status = agent.status();
    assert_eq!((status["runs"].as_u64(), status["isTold"].as_bool()), (Some(3), Some(true)), "{status:#}");
    let connected = running.end();

    // Whom it talked to, and whom else nobody.
    let allowed: BTreeSet<SocketAddr> =
        room.cloud.agent.talks_to.iter().copied().chain([vendor.manager.address]).collect();
    assert!(connected.is_subset(&allowed), "{connected:?} are not all of {allowed:?}");
    assert!(connected.contains(&vendor.manager.address) && connected.len() > 1, "{connected:?}");

    let down = deploy("down", &["--record", &record, "--delete-data", "--yes"]);
    let told = room.succeeds("alien-deploy", &words(&down));
    assert!(told.contains("nothing is left"), "{told}");
}

fn stack(code: &Shipped) -> Vec<u8> {
    let mut stack = Stack::builder("shop");
    stack.frozen("records", Kv::new());
    stack.live("api", Function::new(code.code(), "api").with_commands());
    stack.profile("api", Profile::new());
    serde_json::to_vec(&stack.build().unwrap()).unwrap()
}

/// The vendor: keys, a repository, and a manager that serves both agents and operators.
struct Vendor<'r> {
    room: &'r Room,
    manager: Manager,
}

impl<'r> Vendor<'r> {
    fn new(room: &'r Room) -> Self {
        let repository = room.path("repository");
        room.succeeds("alien", &["keys", "init", "--out", &room.path("keys")]);
        let root = room.path("keys/public/1.root.json");
        let mut init = room.command("alien", &[], &Vec::new());
        let output = init.args(["repository", "init", &repository, "--root", &root]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        Self { room, manager: Manager::begin(Path::new(&room.path(""))) }
    }

    /// The flags that release something, signed.
    fn release(&self, name: &str, stack: &str, code: &Shipped) -> Vec<String> {
        let images = self.room.write(&format!("{name}-images.json"), &images(code));
        let sign = [
            ("--images", images),
            ("--sign", self.room.path("repository")),
            ("--release-key", self.room.path("keys/release.pem")),
            ("--online-key", self.room.path("keys/online.pem")),
        ];
        let flags = sign.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let begin = ["release".to_owned(), stack.to_owned()];
        begin.into_iter().chain(flags).chain(self.room.zips(&[(name, code)])).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let Manager { url, folder, .. } = &self.manager;
        let at = |name: &str| folder.join(name).display().to_string();
        let mut command = self.room.command("alien", &[], &Vec::new());
        command.args(arguments).args(["--manager", url, "--manager-token-file", &at("admin.token")]);
        command.args(["--ca-file", &at("cert.pem")]);
        command
    }

    /// Runs `alien` over the manager. Gives what it printed.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, however it ends.
    fn tells(&self, arguments: &[&str]) -> String {
        said(&self.command(arguments).output().unwrap())
    }
}

/// A manager in this process, until this is dropped.
struct Manager {
    folder: PathBuf,
    url: String,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    fn begin(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        let (began, begun) = oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        let of_thread = folder.to_owned();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(answer(&of_thread, began, stopped));
        });
        let address = begun.blocking_recv().unwrap();
        let url = format!("https://localhost:{}", address.port());
        Self { folder: folder.to_owned(), url, address, stop, thread: Some(thread) }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Answers, and works for the fleet. It has no credentials of any cloud.
async fn answer(folder: &Path, began: oneshot::Sender<SocketAddr>, stopped: watch::Receiver<bool>) {
    let connection = || Connection::new(CallConfig::default(), "manager");
    let clouds = Clouds::none().with(Arc::new(alien_aws::Adapter), connection());
    let clouds = clouds.with(Arc::new(alien_gcp::Adapter), connection());
    let clouds = clouds.with(Arc::new(alien_azure::Adapter), connection());
    let store = Embedded::open(&folder.join("fleet.redb")).await.unwrap();
    let fleet = Fleet::builder(store, clouds).artifacts(ArtifactFolder::new(folder.join("artifacts")));
    let fleet = fleet.acting_as(Who::claimed("manager")).open().await.unwrap();
    let (name, products, valid_for) = ("admin".to_owned(), Products::All, SignedDuration::from_hours(1));
    let (_, text) = fleet.make_token(&NewToken { name, role: Role::Admin, products, valid_for }).await.unwrap();
    fs::write(folder.join("admin.token"), text.reveal()).unwrap();
    let tls = Tls::open(folder.join("cert.pem"), folder.join("key.pem")).unwrap();
    let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap().tls(tls);
    let host = format!("localhost:{}", server.address().port());
    let agents = fleet.agents().host(&host).open().await.unwrap();
    let router = Router::new(&fleet).with_agents(AgentApi::new(&agents).repository(folder.join("repository")));
    began.send(server.address()).unwrap();
    let until = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.wait_for(|stop| *stop).await) }
    };
    let (served, worked) = tokio::join!(server.serve(router, until()), fleet.worker().run(until()));
    served.and(worked).unwrap();
}

/// The customer's agent.
struct Agent<'r> {
    room: &'r Room,
    /// The file of its public key.
    key: String,
}

impl<'r> Agent<'r> {
    fn init(room: &'r Room, invitation: &str) -> Self {
        room.write("state-key", "5a".repeat(32).as_bytes());
        let invitation: Value = serde_json::from_str(&fs::read_to_string(invitation).unwrap()).unwrap();
        let agent = Self { room, key: room.path("agent.pub") };
        let id = invitation["id"].as_str().unwrap();
        let output = agent.command("init").args(["--deployment", id]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        fs::write(&agent.key, output.stdout).unwrap();
        agent
    }

    /// The program is in this one (see `main`), unless one that was built is named.
    fn command(&self, command: &str) -> Command {
        let Room { cloud, .. } = self.room;
        let mut program = Command::new(built().unwrap_or_else(|| std::env::current_exe().unwrap()));
        let (state, key) = (self.room.path("state"), self.room.path("state-key"));
        program.args([command, "--state", &state, "--key-file", &key]);
        program
            .env_clear()
            .env(crate::PROGRAM, "alien-agent")
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        program
            .env("HOME", self.room.path(""))
            .envs(cloud.agent.credentials.iter().map(|(name, value)| (*name, value)));
        program.stdin(Stdio::null());
        program
    }

    fn run(&self, record: &str, manager: &Manager) -> Running {
        let policy = self.room.write("policy.json", br#"{"commands": ["api"]}"#);
        let ca = manager.folder.join("cert.pem").display().to_string();
        let log = fs::File::create(self.room.path("agent.log")).unwrap();
        let mut run = self.command("run");
        run.args(["--record", record, "--policy", &policy, "--ca", &ca]).args(&self.room.cloud.endpoint);
        Running::new(run.stderr(log).stdout(Stdio::null()).spawn().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.room.path("agent.log")).unwrap_or_default()
    }

    fn status(&self) -> Value {
        let output = self.command("status").arg("--json").output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The program that `ALIEN_AGENT` names, with the cloud's feature: its size and what it takes of memory are measured then.
///
/// ```console
/// $ .ci/agent aws
/// $ ALIEN_AGENT=$PWD/target/agent/alien-agent cargo test --workspace --test peer -- aws_a_deployment_that_pulls --nocapture
/// ```
fn built() -> Option<PathBuf> {
    std::env::var_os("ALIEN_AGENT").and_then(|path| fs::canonicalize(path).ok())
}

/// Whether it is looked at which code the agent runs while it waits, as `.ci/agent` does: then nothing is measured, and it ends there.
fn is_traced() -> bool {
    std::env::var_os("ALIEN_AGENT_TRACED").is_some()
}

/// The bounds of the program of one cloud, in bytes: its size; its memory where nothing is to do, and at most.
const PROGRAM: u64 = 15_000_000;
const IDLE: u64 = 10_000_000;
const PEAK: u64 = 15_000_000;

/// An agent that runs, and whom it was seen to be connected to.
struct Running {
    child: Child,
    connected: Arc<Mutex<BTreeSet<SocketAddr>>>,
    over: Arc<AtomicBool>,
}

impl Running {
    fn new(child: Child) -> Self {
        let (connected, over) = (Arc::<Mutex<BTreeSet<SocketAddr>>>::default(), Arc::<AtomicBool>::default());
        let (all, is_over, id) = (Arc::clone(&connected), Arc::clone(&over), child.id());
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                all.lock().unwrap().extend(connections(id));
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self { child, connected, over }
    }

    /// A field of what the kernel says of its memory, in bytes
    /// (<https://www.kernel.org/doc/html/latest/filesystems/proc.html>).
    fn memory(&self, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Waits until it has asked twice for nothing, and measures it. What counts is all that is resident, with the pages of files that it
    /// shares with others and that the kernel can drop at any time.
    fn idles(&self) {
        let Some(program) = built() else { return };
        thread::sleep(Duration::from_secs(75));
        if is_traced() {
            return;
        }
        let size = fs::metadata(&program).unwrap().len();
        let [resident, own] = ["VmRSS", "RssAnon"].map(|field| self.memory(field));
        println!("{}: {size} bytes; idle {resident}, of which {own} its own", program.display());
        assert!(size < PROGRAM, "the program has {size} bytes");
        assert!(resident < IDLE, "{resident} bytes are resident where nothing is to do");
    }

    /// Ends it by a signal. Gives whom it was connected to.
    fn end(mut self) -> BTreeSet<SocketAddr> {
        if built().is_some() && !is_traced() {
            let [peak, resident, own] = ["VmHWM", "VmRSS", "RssAnon"].map(|field| self.memory(field));
            println!("after a release {resident}, of which {own} its own; at most {peak}");
            assert!(peak < PEAK, "{peak} bytes were resident in a release");
        }
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        self.connected.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other ends of the connections that a program has now
/// (<https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html>).
fn connections(id: u32) -> Vec<SocketAddr> {
    let Ok(files) = fs::read_dir(format!("/proc/{id}/fd")) else { return Vec::new() };
    let sockets: BTreeSet<String> = files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut all = Vec::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        let table = fs::read_to_string(format!("/proc/{id}/net/{protocol}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if sockets.contains(fields[9]) {
                all.extend(address(fields[2]).filter(|address| address.port() != 0));
            }
        }
    }
    all
}

/// An address as the kernel writes it: each 32 bits in the order of the machine.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for word in host.as_bytes().chunks(8) {
        bytes.extend(u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some((four, port).into());
    }
    Some(SocketAddr::new(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(), port))
}
