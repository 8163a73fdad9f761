//! A deployment from its invitation to its end on the reference cloud, with the agent as a program. That cloud is in the agent's process, so the
//! customer's admin is there as well, and does by the library what `alien-deploy` does; the vendor's side is the library's, too.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_core::rollout::{Outcome, Phase, Scope, Why};
use alien_core::{
    Artifacts, Code, CommandId, Data, Deployment, ErrorKind, Function, Kv, Profile, Queue, Release, ResourceId, Stack,
    SystemClock, memory,
};
use alien_fleet::{Order, RolloutId, Status};
use tokio::net::TcpListener;

use crate::authority::Authority;
use crate::world::{Customer, HOST, PRINCIPAL, Vendor, outcome, plan};
use crate::{RECORD, Running, agent, open_tls};

/// The variable with the file that keeps the cloud between two runs of the agent, and makes its process obey the admin.
pub(crate) const ACCOUNT: &str = "ALIEN_TESTS_ACCOUNT";

/// A product with a queue, a database that is frozen, and two functions, of which one is frozen.
fn release(code: &[u8]) -> Release {
    let mut stack = Stack::builder("shop");
    let jobs = stack.live("jobs", Queue::new());
    stack.frozen("records", Kv::new());
    stack.live("api", Function::new(Code::zip(code), "api").with_commands());
    stack.frozen("ledger", Function::new(Code::zip(b"first"), "ledger"));
    stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_WRITE]));
    stack.profile("ledger", Profile::new());
    let zips = [Arc::from(code), Arc::from(*b"first")].into_iter().collect::<Artifacts>();
    Release::new(stack.build().unwrap(), zips).unwrap()
}

/// The cloud of the agent's process. What the admin does is said on standard input, a word a line.
pub(crate) fn cloud(file: &str) -> memory::Config {
    let account = memory::Account::new(Arc::new(SystemClock));
    let config = memory::Config::new(account.clone()).with_agent(PRINCIPAL.parse().unwrap());
    let record = Deployment::from_json(&fs::read_to_string(std::env::var(RECORD).unwrap()).unwrap()).unwrap();
    if let Ok(saved) = fs::read_to_string(file) {
        account.load(serde_json::from_str(&saved).unwrap());
    }
    // The admin sets up before the agent runs, the first time and after each key.
    let target = record.target::<memory::Memory>().unwrap().clone();
    let admin = memory::admin(&config, record.id, target).with_delivery(record.delivery.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let plan = admin.plan(&release(b"first")).previous(&record).await.unwrap();
        admin.apply(&plan).await.unwrap();
    });
    let (of_admin, file) = (config.clone(), file.to_owned());
    std::thread::spawn(move || {
        for word in io::stdin().lines() {
            println!("{}", said(&of_admin, &account, &record, &word.unwrap()));
            fs::write(&file, serde_json::to_string(&account.save()).unwrap()).unwrap();
        }
    });
    config
}

/// Carries out a word of the admin's. Gives what there is to say.
fn said(config: &memory::Config, account: &memory::Account, record: &Deployment, word: &str) -> String {
    let target = record.target::<memory::Memory>().unwrap().clone();
    let admin = memory::admin(config, record.id, target).with_delivery(record.delivery.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match word {
            "revoke" => {
                admin.revoke(record).await.unwrap();
                String::new()
            }
            "down" => {
                admin.destroy(record).data(Data::Delete).await.unwrap();
                account.names().join(" ")
            }
            // How often somebody was let change code.
            "changes" => {
                let asked = account.asked();
                let changes = asked.iter().filter(|asked| asked.allowed && asked.right.permission == "code.set");
                changes.count().to_string()
            }
            _ => panic!("{word}"),
        }
    })
}

/// An agent that runs, and the admin in its process.
struct Customers {
    running: Running,
    admin: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Customers {
    fn run(customer: &Customer, proxy: &str) -> Self {
        let log = customer.folder.with_extension("log");
        let mut program = agent(customer);
        let at = |name: &str| customer.folder.with_extension(name);
        program
            .arg("--state")
            .arg(&customer.folder)
            .arg("--record")
            .arg(at("set-up"))
            .arg("--policy")
            .arg(at("policy"));
        program.arg("--ca").arg(at("ca")).env("HTTPS_PROXY", proxy).env(ACCOUNT, at("account"));
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap());
        let mut child = program.spawn().unwrap();
        let (admin, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { running: Running { child, log }, admin, answers }
    }

    /// What the admin does.
    fn admin(&mut self, word: &str) -> String {
        writeln!(self.admin, "{word}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }

    /// Waits until the log says this. The vendor goes on meanwhile.
    async fn says(&self, words: &str) {
        let begun = Instant::now();
        while !self.running.log().contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(120), "not `{words}`: {}", self.running.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Makes the agent's state by the program, and gives the public key that it prints.
fn init(customer: &Customer, more: &[&str]) -> alien_release::PublicKey {
    let key = customer.folder.with_extension("key");
    fs::write(&key, "01".repeat(32)).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.env_clear().env(crate::PROGRAM, "alien-agent").arg("init").arg("--state").arg(&customer.folder);
    program.arg("--key-file").arg(&key).args(["--deployment", &customer.id.to_string()]).args(more);
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn api() -> ResourceId {
    "api".parse().unwrap()
}

/// Publishes a release, signs it, and rolls it out to its end.
async fn rolled_out(vendor: &Vendor, customers: &Customers, code: &[u8]) -> (RolloutId, Status) {
    let published = vendor.publish(&release(code), code).await;
    let id = vendor.begin(&published, plan().bake(Duration::from_secs(1))).await;
    (id.clone(), over(vendor, customers, &id).await)
}

/// Works until every rollout is over.
async fn over(vendor: &Vendor, customers: &Customers, id: &RolloutId) -> Status {
    let ended = vendor.fleet.worker().until_over().run(std::future::pending());
    let ended = tokio::time::timeout(Duration::from_secs(240), ended).await;
    let Ok(Ok(())) = ended else { panic!("{}\n{}", customers.running.log(), vendor.told().await) };
    vendor.status(id).await
}

pub(crate) fn life() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let vendor = Vendor::at("life", Arc::new(SystemClock), HOST).await;
        // The vendor knows what is set up as a release: a revert goes back to it.
        vendor.publish(&release(b"first"), b"first").await;
        let customer = vendor.invited("c0", &release(b"first")).await;
        let key = init(&customer, &[]);
        vendor.register(&customer.record, &key).await;
        let at = |name: &str| customer.folder.with_extension(name);
        let lets = |policy: &str| fs::write(at("policy"), policy).unwrap();
        lets(r#"{"commands": ["api"]}"#);
        let authority = Authority::new();
        fs::write(at("ca"), &authority.pem).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        open_tls(listener, authority.acceptor(HOST), vendor.router());

        let mut customers = Customers::run(&customer, &proxy);
        let begun = Instant::now();
        while vendor.agents.seen(customer.id).await.unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(90), "{}", customers.running.log());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let (rollout, status) = rolled_out(&vendor, &customers, b"second").await;
        assert_eq!(outcome(&status, customer.id), Some(Outcome::Good), "{}", customers.running.log());

        // What the customer lets the vendor do, and what not.
        let command = vendor.fleet.dispatch(customer.id, &api(), CommandId::new(), b"hello").await;
        assert_eq!(command.unwrap(), b"hello");
        let refused = vendor.fleet.logs(customer.id, &api(), None, 10).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Denied, "{refused}");
        lets(r#"{"commands": ["api"], "logs": ["api", "ledger"]}"#);
        customers.says("a file has changed and was taken").await;
        let lines = vendor.fleet.logs(customer.id, &api(), None, 10).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["command hello"]);
        vendor.fleet.logs(customer.id, &"ledger".parse().unwrap(), None, 10).await.unwrap_err();

        vendor.fleet.order(&rollout, &Order::Revert(Scope::All)).await.unwrap();
        let status = over(&vendor, &customers, &rollout).await;
        assert_eq!(status.rollout.head().phase(), Phase::Reverted, "{status:#?}");
        assert_eq!(customer.look().runs, Some(6.into()));

        // The access is taken away: that is told, and nothing is changed any more.
        let changes = customers.admin("changes");
        assert_eq!(customers.admin("revoke"), "");
        let (_, status) = rolled_out(&vendor, &customers, b"third").await;
        let told = outcome(&status, customer.id);
        let is_revoked = matches!(&told, Some(Outcome::NotTried(Why::Revoked(_)) | Outcome::Unknown(Why::Revoked(_))));
        assert!(is_revoked, "{told:?}\n{}", customers.running.log());
        vendor.fleet.dispatch(customer.id, &api(), CommandId::new(), b"hello").await.unwrap_err();
        assert_eq!((customers.admin("changes"), customer.look().runs), (changes, Some(6.into())));
        drop(customers.admin);
        customers.running.end();

        // Another key takes the place of the agent's, and whoever has the old one is let in no more.
        let stolen = Customer {
            folder: customer.folder.with_file_name("stolen"),
            id: customer.id,
            record: customer.record.clone(),
            config: customer.config.clone(),
        };
        copy(&customer.folder, &stolen.folder);
        for name in ["policy", "ca", "account"] {
            fs::copy(at(name), stolen.folder.with_extension(name)).unwrap();
        }
        let next = init(&customer, &["--replace"]);
        assert_ne!(next, key);
        vendor.register(&customer.record, &next).await;
        let mut customers = Customers::run(&customer, &proxy);
        let thief = Customers::run(&stolen, &proxy);
        thief.says("does not let the agent in").await;
        let (_, status) = rolled_out(&vendor, &customers, b"fourth").await;
        assert_eq!(outcome(&status, customer.id), Some(Outcome::Good), "{}", customers.running.log());
        assert_eq!((customer.look().runs, stolen.look().runs), (Some(9.into()), Some(6.into())));

        assert_eq!(customers.admin("down"), "", "nothing is left");
        customers.running.end();
    });
}
