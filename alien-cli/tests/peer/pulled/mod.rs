//! A deployment that pulls its releases, from its invitation to its end, by the programs of all three: the vendor's `alien` over a
//! manager, the customer's admin's `alien-deploy`, and the customer's `alien-agent`, which gets credentials from the machine it runs on.

mod agent;
mod connected;
pub(crate) mod unit;
mod vendor;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use alien_conformance::world::{Patience, Shipped};
use alien_core::{Exit, Function, Kv, Profile, Queue, Stack};
use serde_json::Value;

use self::agent::{Agent, LONG, Running, SMALL, built, traced};
pub(crate) use self::connected::{can_record, connections};
use self::vendor::Vendor;
use crate::room::{Room, said, words};

/// The end of the name of a folder: a program that was built may be tried beside the one in this.
pub(crate) fn of_whom() -> &'static str {
    if built().is_some() { "_built" } else { "" }
}

/// The same product as where releases are pushed: a queue, a database that is frozen, and two functions, of which one is frozen.
fn stack(code: &Shipped, ledger: &Shipped) -> Vec<u8> {
    let mut stack = Stack::builder("shop");
    let jobs = stack.live("jobs", Queue::new());
    stack.frozen("records", Kv::new());
    stack.live("api", Function::new(code.code(), "api").with_commands());
    stack.frozen("ledger", Function::new(ledger.code(), "ledger"));
    stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_WRITE]));
    stack.profile("ledger", Profile::new());
    serde_json::to_vec(&stack.build().unwrap()).unwrap()
}

/// A deployment that is set up and registered, with its agent.
struct SetUp<'r> {
    room: &'r Room,
    vendor: Vendor<'r>,
    ledger: Shipped,
    invitation: String,
    record: String,
    id: String,
    /// The flags that hand over what was set up.
    zips: Vec<String>,
}

impl<'r> SetUp<'r> {
    /// The agent's key is made where it will run, the admin sets up with it, and the vendor registers what came back.
    fn new(room: &'r Room) -> (Self, Agent<'r>) {
        let (vendor, first, ledger) = (Vendor::new(room), (room.cloud.code)("first"), (room.cloud.code)("ledger"));
        let stack = room.write("first.json", &stack(&first, &ledger));
        let invitation = vendor.invite(&stack);
        vendor.does(&[&words(&vendor.release(&stack, &[&first, &ledger]))[..], &["--publish-only"]].concat());
        let text: Value = serde_json::from_str(&fs::read_to_string(&invitation).unwrap()).unwrap();
        let id = text["id"].as_str().unwrap().to_owned();
        let agent = Agent::init(room, &id);
        let zips = room.zips(&[("first", &first), ("ledger", &ledger)]);
        let set_up = Self { room, vendor, ledger, invitation, record: room.path("record.json"), id, zips };
        let review = room.succeeds("alien-deploy", &words(&set_up.deploy("review", &[])));
        assert!(review.contains("The vendor has no identity here"), "{review}");
        assert!(review.contains(&set_up.vendor.manager.url) && review.contains("ledger"), "{review}");
        let plan = room.succeeds("alien-deploy", &words(&set_up.deploy("plan", &words(&set_up.zips))));
        assert!(plan.contains("create"), "{plan}");
        set_up.up(&agent);
        (set_up, agent)
    }

    /// A command of the admin's.
    fn deploy(&self, command: &str, more: &[&str]) -> Vec<String> {
        self.room.deploy(command, &self.invitation, &[&["--agent", &self.room.cloud.agent.name], more].concat())
    }

    /// Sets up with the key of an agent, and registers it.
    fn up(&self, agent: &Agent<'_>) {
        let key = self.room.path("keys/public/vendor.pem");
        let with = ["--record", &self.record, "--agent-key", &agent.key, "--vendor-key", &key, "--yes"];
        let told =
            self.room.succeeds("alien-deploy", &words(&self.deploy("up", &[&words(&self.zips)[..], &with].concat())));
        assert!(told.contains("`alien-deploy agent --record") && !told.contains("not checked"), "{told}");
        let set_up: Value = serde_json::from_str(&fs::read_to_string(&self.record).unwrap()).unwrap();
        assert_eq!(set_up["agentKey"].as_str(), Some(fs::read_to_string(&agent.key).unwrap().as_str()));
        (self.room.cloud.agent.assign)(set_up["identity"].as_str().unwrap());
        self.vendor.does(&["deployments", "register", &self.invitation, "--record", &self.record]);
    }

    /// Waits until the agent has said how everything is.
    fn is_healthy(&self, agent: &Agent<'_>) {
        // Where it is traced, it is so slow that it looks a second time, after five minutes.
        let (begun, most) = (Instant::now(), Duration::from_secs(if traced().is_some() { 900 } else { 120 }));
        while self.vendor.health()["health"] != "healthy" {
            assert!(begun.elapsed() < most, "{:#}\n{}", self.vendor.health(), agent.log());
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// The file of a release with this code, and its code.
    fn next(&self, name: &str, code: &Shipped) -> String {
        self.room.write(&format!("{name}.json"), &stack(code, &self.ledger))
    }

    /// Rolls code out, and sees it good.
    fn releases(&self, name: &str, code: &Shipped, agent: &Agent<'_>) {
        let report = self.vendor.releases(&self.next(name, code), &[code, &self.ledger]);
        let counts = (&report["exitCode"], &report["total"]["good"]);
        assert_eq!(counts, (&0.into(), &1.into()), "{report:#}\n{}", agent.log());
    }

    fn dispatched(&self, agent: &Agent<'_>) {
        let answer = self.vendor.does(&["deployments", "dispatch", &self.id, "api", r#"{"hello":"world"}"#]);
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["hello"], "world", "{}", agent.log());
    }
}

/// Code of this length, where the cloud runs zips.
fn of_length(room: &Room, bytes: usize) -> Shipped {
    match (room.cloud.code)("") {
        Shipped::Image(_) => (room.cloud.code)(&bytes.to_string()),
        Shipped::Zip(empty) => (room.cloud.code)(&"x".repeat(bytes - empty.len())),
    }
}

/// What it takes of memory at releases: of images, or of a zip of a megabyte and of a longer one.
fn measured(set_up: &SetUp<'_>, agent: &Agent<'_>, running: &Running) {
    for bytes in [SMALL, LONG] {
        let code = of_length(set_up.room, bytes);
        set_up.releases(&format!("of-{bytes}"), &code, agent);
        set_up.dispatched(agent);
        running.peaked(match &code {
            Shipped::Image(_) => 0,
            Shipped::Zip(zip) => zip.len(),
        });
    }
}

/// Logs come once the customer lets them, and those of what is frozen never.
fn logs(set_up: &SetUp<'_>, agent: &Agent<'_>) {
    let read = |resource| set_up.vendor.tells(&["deployments", "logs", &set_up.id, resource]);
    let refused = read("api");
    assert!(refused.contains("its agent says denied"), "{refused}");
    agent.lets(r#"{"commands": ["api"], "logs": ["api", "ledger"]}"#);
    agent.says("a file has changed and was taken");
    let patience = Patience::new();
    loop {
        let lines = read("api");
        if lines.contains("hello") {
            break;
        }
        patience.block(&format!("{lines}\n{}", agent.log()));
    }
    let refused = read("ledger");
    assert!(refused.contains("its agent says"), "{refused}");
}

/// The vendor reverts what is good: the agent takes the twin.
fn reverted(set_up: &SetUp<'_>, agent: &Agent<'_>) {
    set_up.vendor.does(&["rollout", "revert"]);
    let patience = Patience::new();
    while set_up.vendor.rollout()["rollout"]["head"]["phase"] != "reverted" {
        patience.block(&agent.log());
    }
    let rollout = set_up.vendor.rollout();
    assert_eq!(rollout["rollout"]["rows"][&set_up.id]["reverted"], "reverted", "{rollout:#}");
    let status = agent.status();
    assert_eq!(status["runs"].as_u64(), Some(4), "{status:#}");
}

/// The customer takes the agent's access away: a release ends as that, and changes nothing.
fn revoked(set_up: &SetUp<'_>, agent: &Agent<'_>) {
    let room = set_up.room;
    let revoke = set_up.deploy("revoke", &["--record", &set_up.record, "--yes"]);
    room.succeeds("alien-deploy", &words(&revoke));
    let third = (room.cloud.code)("third");
    let release = set_up.vendor.release(&set_up.next("third", &third), &[&third, &set_up.ledger]);
    set_up.vendor.does(&[&words(&release)[..], &["--no-follow"]].concat());
    let row = || set_up.vendor.rollout()["rollout"]["rows"][&set_up.id].clone();
    let patience = Patience::new();
    while row()["outcome"].is_null() {
        patience.block(&format!("{:#}\n{}", row(), agent.log()));
    }
    assert!(row()["outcome"].to_string().contains("revoked"), "{:#}", row());
    let refused = set_up.vendor.tells(&["deployments", "dispatch", &set_up.id, "api", "{}"]);
    assert!(refused.contains("its agent says"), "{refused}");
    let status = agent.status();
    assert_eq!((status["runs"].as_u64(), status["isTold"].as_bool()), (Some(4), Some(true)), "{status:#}");
}

/// The key of the agent is lost: the next one is let in, and whoever has the old one is not, from then on.
fn replaced<'r>(set_up: &SetUp<'r>, agent: Agent<'r>) -> Agent<'r> {
    let (stolen, agent) = agent.replace(&set_up.id);
    assert_ne!(fs::read(&stolen.key).unwrap(), fs::read(&agent.key).unwrap());
    let manager = &set_up.vendor.manager;
    let thief = stolen.run(&set_up.record, manager);
    stolen.says("running");
    set_up.up(&agent);
    let running = agent.run(&set_up.record, manager);
    stolen.says("does not let the agent in");
    thief.end();
    set_up.is_healthy(&agent);
    set_up.releases("fourth", &(set_up.room.cloud.code)("fourth"), &agent);
    set_up.dispatched(&agent);
    running.end();
    let (old, new) = (stolen.status(), agent.status());
    assert_eq!((old["runs"].as_u64(), new["runs"].as_u64()), (Some(4), Some(7)), "{old:#}\n{new:#}");
    agent
}

pub(crate) fn a_deployment(room: &Room) {
    let (set_up, agent) = SetUp::new(room);
    let up = words(&set_up.zips).into_iter().chain(["--record", &set_up.record]);
    let up: Vec<&str> = up.collect();
    room.succeeds("alien-deploy", &words(&set_up.deploy("status", &up)));
    let wrong = set_up.deploy("up", &[&up[..], &["--yes"]].concat());
    let (others, told) = &room.cloud.others;
    let wrong = room.command("alien-deploy", &words(&wrong), others).output().unwrap();
    assert!(said(&wrong).contains(told), "{}", said(&wrong));

    // It runs, and says how the deployment is.
    agent.lets(r#"{"commands": ["api"]}"#);
    let running = agent.run(&set_up.record, &set_up.vendor.manager);
    set_up.is_healthy(&agent);
    running.idles();
    match traced().as_deref() {
        None => {}
        Some("idle") => return running.end(),
        Some(_) => {
            set_up.releases("second", &of_length(room, SMALL), &agent);
            return running.end();
        }
    }

    // A release reaches it, and what the customer lets the vendor do.
    if built().is_some() {
        measured(&set_up, &agent, &running);
        running.end();
        return;
    }
    set_up.releases("second", &(room.cloud.code)("second"), &agent);
    set_up.dispatched(&agent);
    logs(&set_up, &agent);
    let status = agent.status();
    assert_eq!((status["runs"].as_u64(), status["isTold"].as_bool()), (Some(3), Some(true)), "{status:#}");
    reverted(&set_up, &agent);
    revoked(&set_up, &agent);
    running.end();
    let agent = replaced(&set_up, agent);

    let down = set_up.deploy("down", &["--record", &set_up.record, "--delete-data", "--yes"]);
    let told = room.succeeds("alien-deploy", &words(&down));
    assert!(told.contains("nothing is left"), "{told}\n{}", agent.log());
    let status = room.fails(Exit::Drift, "alien-deploy", &words(&set_up.deploy("status", &words(&set_up.zips))));
    assert!(!status.contains("right"), "{status}");
}
