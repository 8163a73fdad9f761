//! The program `alien-agent run` in odd networks and under systemd. The deployment's cloud is the one in its own process, where nothing was set
//! up: what it does there is looked at elsewhere.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite of tests says what is wrong by panicking"
)]
#![expect(dead_code, reason = "the world of the other tests has more than is needed here")]

#[path = "../it/authority.rs"]
mod authority;
mod life;
#[path = "../it/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alien_agent::program::AgentCloud;
use alien_conformance::printed::reviewed;
use alien_core::rollout::Outcome;
use alien_core::{Deployment, SystemClock, memory};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use libtest_mimic::{Arguments, Trial};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use self::authority::Authority;
use self::world::{Customer, HOST, PRINCIPAL, Vendor, outcome, plan, release};

/// The variable that makes this program `alien-agent` with the cloud in its process, or a test inside a network of its own.
const PROGRAM: &str = "ALIEN_TESTS_PROGRAM";
/// The variable with the file of the record of what is set up in that cloud.
const RECORD: &str = "ALIEN_TESTS_RECORD";

/// What the world of the other tests takes from their tests of the state.
mod state {
    use std::fs;
    use std::path::{Path, PathBuf};

    use alien_agent::StateKey;

    pub(crate) fn key(byte: u8) -> StateKey {
        format!("{byte:02x}").repeat(32).parse().unwrap()
    }

    pub(crate) fn folder(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent-program").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}

fn main() -> ExitCode {
    match std::env::var(PROGRAM).as_deref() {
        Ok("alien-agent") => {
            let cloud = match std::env::var(life::ACCOUNT) {
                Ok(file) => life::cloud(&file),
                Err(_) => set_up(),
            };
            return alien_agent::program::main(vec![AgentCloud::of(memory::Adapter::new(cloud))]);
        }
        Ok(inside) => {
            match inside {
                "ipv6" => reaches_its_manager_by_ipv6(),
                _ => follows_its_manager(),
            }
            return ExitCode::SUCCESS;
        }
        Err(_) => {}
    }
    let tests: [(&str, fn()); 6] = [
        ("on_the_reference_cloud_it_lives_from_an_invitation_to_the_end", life::life),
        ("behind_a_proxy_that_opens_tls_it_works_with_the_proxys_authority_and_says_so_without", behind_a_proxy),
        ("where_the_network_is_cut_it_waits_says_so_and_comes_back", cut_off),
        ("systemd_is_told_that_it_is_ready_lives_and_ends", under_systemd),
        ("files_that_change_are_taken_and_what_is_wrong_in_them_is_not", changed_files),
        ("every_problem_of_its_files_is_told_at_once", wrong_files),
    ];
    let mut trials: Vec<Trial> = tests
        .into_iter()
        .map(|(name, test)| {
            Trial::test(name, move || {
                test();
                Ok(())
            })
        })
        .collect();
    // Where a program may not have a network of its own, that is shown.
    let may = Command::new("unshare").args(["-rnm", "ip", "link"]).output().is_ok_and(|output| output.status.success());
    let inside: [(&str, fn()); 2] = [
        ("in_a_network_without_ipv4_it_reaches_its_manager", without_ipv4),
        ("a_manager_whose_name_leads_to_another_address_later_is_followed", moved),
    ];
    trials.extend(inside.into_iter().map(|(name, test)| {
        let trial = Trial::test(name, move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(!may)
    }));
    let mut arguments = Arguments::from_args();
    // They wait more than they work.
    arguments.test_threads = arguments.test_threads.or(Some(trials.len()));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A cloud in which the deployment of a record is set up.
fn set_up() -> memory::Config {
    let config =
        memory::Config::new(memory::Account::new(Arc::new(SystemClock))).with_agent(PRINCIPAL.parse().unwrap());
    // What makes or shows a state needs no cloud.
    let Ok(record) = std::env::var(RECORD) else { return config };
    let record = Deployment::from_json(&fs::read_to_string(record).unwrap()).unwrap();
    let target = record.target::<memory::Memory>().unwrap().clone();
    let admin = memory::admin(&config, record.id, target).with_delivery(record.delivery);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { admin.apply(&admin.plan(&release(b"first")).await.unwrap()).await.unwrap() });
    config
}

/// Runs a test with a vendor and a customer, by the machine's clock.
fn with_customer<F: Future>(name: &str, host: &str, test: impl FnOnce(Vendor, Customer) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let vendor = Vendor::at(name, Arc::new(SystemClock), host).await;
        let customer = vendor.customer("c0").await;
        test(vendor, customer).await
    })
}

/// `alien-agent run`, until this is dropped.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn begin(customer: &Customer, more: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = customer.folder.with_extension("log");
        let mut program = agent(customer);
        program.arg("--state").arg(&customer.folder).args(more).envs(variables.iter().copied());
        let child = program.stderr(fs::File::create(&log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
        Self { child, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log says this.
    fn says(&self, words: &str) {
        let begun = Instant::now();
        while !self.log().contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(90), "not `{words}`: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn end(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent(customer: &Customer) -> Command {
    let key = customer.folder.with_extension("key");
    fs::write(&key, "01".repeat(32)).unwrap();
    let record = customer.folder.with_extension("set-up");
    fs::write(&record, serde_json::to_string(&customer.record).unwrap()).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.env_clear().env(PROGRAM, "alien-agent").env(RECORD, &record).arg("run").stdin(Stdio::null());
    program.arg("--key-file").arg(&key);
    program
}

/// Waits until the agent has rolled out a release, which it has from the repository.
async fn takes_a_release(vendor: &Vendor, customer: &Customer, running: &Running) {
    let begun = Instant::now();
    let waits = || async {
        assert!(begun.elapsed() < Duration::from_secs(120), "{}\n{}", running.log(), vendor.told().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    while vendor.agents.seen(customer.id).await.unwrap().is_none() {
        waits().await;
    }
    // A deployment that has not reported yet would pause the rollout.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan().bake(Duration::from_secs(1))).await;
    let told = async {
        loop {
            waits().await;
        }
    };
    tokio::select! {
        ended = vendor.fleet.worker().until_over().run(std::future::pending()) => ended.unwrap(),
        () = told => {}
    }
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good), "{}", running.log());
}

/// Serves a router behind TLS on connections that come.
async fn serve(stream: TcpStream, tls: TlsAcceptor, router: Router) {
    // Who does not trust it ends the connection.
    let Ok(stream) = tls.accept(stream).await else { return };
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}

/// A proxy that opens TLS: whoever asks it for a host gets that host from it. What it was asked for is kept.
fn open_tls(listener: TcpListener, tls: TlsAcceptor, router: Router) -> Arc<Mutex<BTreeSet<String>>> {
    let asked = Arc::<Mutex<BTreeSet<String>>>::default();
    let all = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (tls, router, all) = (tls.clone(), router.clone(), Arc::clone(&all));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                all.lock().unwrap().insert(head.lines().next().unwrap().to_owned());
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                serve(stream, tls, router).await;
            });
        }
    });
    asked
}

/// Nobody knows the manager's name here but the proxy.
fn behind_a_proxy() {
    with_customer("proxy", HOST, async |vendor, customer| {
        let authority = Authority::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let asked = open_tls(listener, authority.acceptor(HOST), vendor.router());
        let variables = [("HTTPS_PROXY", proxy.as_str())];
        let without = Running::begin(&customer, &[], &variables);
        let said = tokio::task::spawn_blocking(move || {
            without.says(&format!("the certificate that answers for `{HOST}` is not trusted"));
            without.says("give the certificate of its authority with `--ca`");
            without
        });
        drop(said.await.unwrap());
        let ca = customer.folder.with_extension("ca");
        fs::write(&ca, &authority.pem).unwrap();
        let with = Running::begin(&customer, &["--ca", ca.to_str().unwrap()], &variables);
        takes_a_release(&vendor, &customer, &with).await;
        assert_eq!(*asked.lock().unwrap(), BTreeSet::from([format!("CONNECT {HOST}:443 HTTP/1.1")]));
    });
}

fn cut_off() {
    with_customer("cut", HOST, async |vendor, customer| {
        let authority = Authority::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let ca = customer.folder.with_extension("ca");
        fs::write(&ca, &authority.pem).unwrap();
        let proxy = format!("http://{address}");
        let running = Running::begin(&customer, &["--ca", ca.to_str().unwrap()], &[("HTTPS_PROXY", &proxy)]);
        let running = tokio::task::spawn_blocking(move || {
            running.says(&format!("`{HOST}` cannot be reached"));
            running
        });
        let running = running.await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        open_tls(listener, authority.acceptor(HOST), vendor.router());
        takes_a_release(&vendor, &customer, &running).await;
    });
}

/// The rest is done by this program again, in a network of its own that has the loopback address of IPv6 alone.
fn without_ipv4() {
    inside("ip link set lo up && ip addr del 127.0.0.1/8 dev lo && exec \"$0\"", "ipv6", Path::new(""));
}

/// Runs this program as another test, after these commands of the shell, in a network and with mounts of its own.
fn inside(commands: &str, test: &str, file: &Path) {
    let program = std::env::current_exe().unwrap();
    let mut inside = Command::new("unshare");
    inside.args(["-rnm", "sh", "-c", commands]).arg(program).arg(file).env(PROGRAM, test);
    let output = inside.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn reaches_its_manager_by_ipv6() {
    assert!(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).is_err(), "there is IPv4 here");
    let port = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    with_customer("ipv6", &format!("[::1]:{port}"), async |vendor, customer| {
        let authority = Authority::new();
        let listener = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await.unwrap();
        let (tls, router) = (authority.acceptor("::1"), vendor.router());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, tls.clone(), router.clone()));
            }
        });
        let ca = customer.folder.with_extension("ca");
        fs::write(&ca, &authority.pem).unwrap();
        let running = Running::begin(&customer, &["--ca", ca.to_str().unwrap()], &[]);
        takes_a_release(&vendor, &customer, &running).await;
    });
}

/// The same, with a file of names of its own.
fn moved() {
    let hosts = state::folder("moved-names").join("hosts");
    fs::write(&hosts, "").unwrap();
    inside("ip link set lo up && mount --bind \"$1\" /etc/hosts && exec \"$0\"", "moved", &hosts);
}

fn follows_its_manager() {
    with_customer("moved", HOST, async |vendor, customer| {
        let authority = Authority::new();
        let ca = customer.folder.with_extension("ca");
        fs::write(&ca, &authority.pem).unwrap();
        let serves = |listener: TcpListener| {
            fs::write("/etc/hosts", format!("{} {HOST}\n", listener.local_addr().unwrap().ip())).unwrap();
            let (tls, router) = (authority.acceptor(HOST), vendor.router());
            tokio::spawn(async move {
                let mut connections = tokio::task::JoinSet::new();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    connections.spawn(serve(stream, tls.clone(), router.clone()));
                }
            })
        };
        let [one, two] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];
        let first = serves(TcpListener::bind((one, 443)).await.unwrap());
        let running = Running::begin(&customer, &["--ca", ca.to_str().unwrap()], &[]);
        let begun = Instant::now();
        while vendor.agents.seen(customer.id).await.unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(90), "{}", running.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Nobody is at the first address any more, and its connections have ended.
        first.abort();
        let _ = first.await;
        serves(TcpListener::bind((two, 443)).await.unwrap());
        takes_a_release(&vendor, &customer, &running).await;
    });
}

/// <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>
fn under_systemd() {
    with_customer("systemd", HOST, async |_, customer| {
        // A path of a socket has no more than 107 bytes.
        let path = std::env::temp_dir().join(format!("alien-notify-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")];
        let running = Running::begin(&customer, &[], &variables);
        let told = || {
            let mut buffer = [0; 256];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
        };
        assert_eq!(told(), "READY=1");
        let begun = Instant::now();
        for _ in 0..4 {
            assert_eq!(told(), "WATCHDOG=1");
        }
        let lasted = begun.elapsed();
        assert!((Duration::from_secs(1)..Duration::from_secs(8)).contains(&lasted), "{lasted:?}");
        running.end();
        let mut last = told();
        while last == "WATCHDOG=1" {
            last = told();
        }
        assert_eq!(last, "STOPPING=1");
        fs::remove_file(&path).unwrap();
    });
}

fn changed_files() {
    with_customer("changed", HOST, async |_, customer| {
        let at = |name: &str| customer.folder.with_extension(name);
        let (policy, record) = (at("policy"), at("record"));
        fs::write(&policy, "{}").unwrap();
        fs::write(&record, serde_json::to_string(&customer.record).unwrap()).unwrap();
        let files = ["--policy", policy.to_str().unwrap(), "--record", record.to_str().unwrap()];
        let running = Running::begin(&customer, &files, &[]);
        running.says("running");
        fs::write(&policy, r#"{"windows": ["never"], "commands": ["api"]}"#).unwrap();
        running.says("a file has changed and was not taken");
        running.says("`never` is not a window");
        fs::write(&policy, r#"{"commands": ["apii"]}"#).unwrap();
        running.says("a file has changed and was taken");
        running.says("the policy names a resource that the deployment does not have");
        let mut another = customer.record.clone();
        another.id = alien_core::DeploymentId::new();
        fs::write(&record, serde_json::to_string(&another).unwrap()).unwrap();
        running.says(&format!("the record is of deployment {}", another.id));
        running.end();
    });
}

fn wrong_files() {
    with_customer("wrong", HOST, async |_, customer| {
        let policy = customer.folder.with_extension("policy");
        fs::write(&policy, r#"{"commands": ["A B"], "logs": ["-"]}"#).unwrap();
        let absent = Path::new("/nowhere/record.json");
        let mut program = agent(&customer);
        program.arg("--state").arg(&customer.folder);
        program.arg("--record").arg(absent).arg("--policy").arg(&policy).args(["--ca", "/nowhere/ca"]);
        let output = program.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        for told in
            ["`/nowhere/record.json`: cannot be read", "`/nowhere/ca`: ", "policy: commands`: ", "policy: logs`: "]
        {
            assert_eq!(said.matches(told).count(), 1, "{told}: {said}");
        }
        assert!(said.lines().all(|line| line.matches("error: ").count() == 1), "{said}");
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/messages.txt");
        reviewed(&list, &said);
        // Without a record there is nothing to run.
        let other = state::folder("wrong-without-record");
        alien_agent::State::create(&other, &state::key(1), customer.id).unwrap();
        let output = agent(&customer).arg("--state").arg(&other).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("the agent has no record of its deployment") && said.contains("`--record`"), "{said}");
        reviewed(&list, &said);
    });
}
