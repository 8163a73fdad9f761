//! A fleet of three deployments in one store: releases, a pause from a second program, a release that is broken.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use alien_conformance::world::{Patience, Shipped};
use alien_core::{Code, Exit, Function, ImageDigests, Images, Kv, Platform, Profile, Queue, Stack};
use serde_json::Value;

use crate::room::{RESULTS, Room, said, words};

/// A fleet's store, and the room that it is in.
pub(crate) struct Fleet<'r> {
    pub(crate) room: &'r Room,
    /// The flags that name the store.
    store: Vec<String>,
}

impl<'r> Fleet<'r> {
    pub(crate) fn in_file(room: &'r Room, name: &str) -> Self {
        Self { room, store: vec!["--store".to_owned(), room.path(name)] }
    }

    pub(crate) fn in_database(room: &'r Room, url: &str) -> Self {
        let store = ["--store", url, "--artifacts", &room.path("zips")].map(str::to_owned).to_vec();
        Self { room, store }
    }

    /// Whether the store is held by one program at a time.
    pub(crate) fn is_held(&self) -> bool {
        self.store.len() == 2
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let calls = matches!(arguments, ["deployments", "register", ..] | ["fleet", "run" | "heartbeat", ..]);
        let endpoint = if calls { words(&self.room.cloud.endpoint) } else { Vec::new() };
        let arguments = [arguments, &words(&self.store), &endpoint].concat();
        self.room.command("alien", &arguments, &self.room.cloud.vendors)
    }

    /// Runs `alien` to its end. Gives what it printed, if it exits with this code.
    fn exits(&self, code: i32, arguments: &[&str]) -> String {
        self.exited(code, arguments, &self.command(arguments).output().unwrap())
    }

    fn exited(&self, code: i32, arguments: &[&str], output: &Output) -> String {
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(output));
        RESULTS.look("alien", arguments, output);
        String::from_utf8(output.stdout.clone()).unwrap()
    }

    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        self.exits(0, arguments)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.does(arguments)).unwrap()
    }

    /// The events of the log, by what happened: the type, and the order or the phase.
    pub(crate) fn log(&self) -> Vec<Value> {
        let lines = self.does(&["fleet", "events", "--json"]);
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["what"].clone()).collect()
    }

    /// How many deployments of the latest rollout are counted under a name.
    fn counts(&self, name: &str) -> u64 {
        let status = self.json(&["rollout", "status", "--json"]);
        let waves = status["rollout"]["head"]["waves"].as_array().unwrap().clone();
        waves.iter().map(|wave| wave[name].as_u64().unwrap_or_default()).sum()
    }

    /// Waits until so many deployments of the latest rollout are counted under a name.
    fn until(&self, name: &str, count: u64) {
        let patience = Patience::new();
        while self.counts(name) < count {
            patience.block(&self.does(&["rollout", "status"]));
        }
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        Running(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }
}

/// A program that goes on beside the test, and not beyond it.
struct Running(Option<Child>);

impl Running {
    /// Waits for its end.
    fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }

    /// Ctrl-C.
    fn interrupt(&self) {
        let id = self.0.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
        }
    }
}

/// A stack of one live function and one frozen database, and perhaps a frozen queue.
pub(crate) fn stack(code: &Shipped, queue: Option<Queue>) -> Vec<u8> {
    let mut stack = Stack::builder("shop");
    stack.frozen("records", Kv::new());
    if let Some(queue) = queue {
        stack.frozen("jobs", queue);
    }
    stack.live("api", Function::new(code.code(), "api"));
    stack.profile("api", Profile::new());
    serde_json::to_vec(&stack.build().unwrap()).unwrap()
}

/// What an image is on each platform, as a registry would tell.
pub(crate) fn images(code: &Shipped) -> Vec<u8> {
    let mut images = Images::new();
    if let Shipped::Image(name) = code {
        let digest = Code::zip(name.as_bytes()).only().unwrap().digest().to_owned();
        images.insert(name, Platform::LinuxAmd64, ImageDigests { manifest: digest.clone(), config: digest });
    }
    serde_json::to_vec(&images).unwrap()
}

pub(crate) fn in_a_file(room: &Room) {
    a_fleet(&Fleet::in_file(room, "fleet.redb"));
}

pub(crate) fn in_a_database(room: &Room, url: &str) {
    a_fleet(&Fleet::in_database(room, url));
}

fn a_fleet(fleet: &Fleet<'_>) {
    let room = fleet.room;
    let code = |says: &str| (room.cloud.code)(says);
    let write = |name: &str, code: &Shipped, queue: Option<Queue>| {
        let images = room.write(&format!("{name}-images.json"), &images(code));
        (room.write(&format!("{name}.json"), &stack(code, queue)), images)
    };
    let (first, first_images) = write("first", &code("first"), None);

    // Three customers set up, and their deployments are registered.
    for customer in ["acme", "bolt", "cord"] {
        let (invitation, record) =
            (room.path(&format!("{customer}-invitation.json")), room.path(&format!("{customer}.json")));
        let invite = ["invite", "--stack", &first, "--cloud", room.cloud.name, "--out", &invitation];
        room.succeeds("alien", &[&invite[..], &words(&room.cloud.trust)].concat());
        let up = room.deploy("up", &invitation, &["--prefix", customer, "--record", &record, "--yes"]);
        room.succeeds("alien-deploy", &words(&up));
        let label = format!("customer={customer}");
        let register = ["deployments", "register", &invitation, "--record", &record, "--label", &label];
        assert!(fleet.does(&register).starts_with("registered "));
    }
    let listed = fleet.json(&["deployments", "list", "--json"]);
    let ids: Vec<String> =
        listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 3, "{listed:#}");

    // The plan is shown, and nothing is written.
    let release = |(stack, images): &(String, String), more: &[&str]| -> Vec<String> {
        let begin = ["release", stack, "--images", images, "--bake", "1s", "--halt", "1"];
        begin.into_iter().chain(more.iter().copied()).map(str::to_owned).collect()
    };
    let first = (first, first_images);
    let entries = fleet.log().len();
    let plan = fleet.json(&words(&release(&first, &["--canary", "1", "--plan", "--json"])));
    assert_eq!((plan["waves"][0].as_array().unwrap().len(), plan["waves"][1].as_array().unwrap().len()), (1, 2));
    assert_eq!(fleet.log().len(), entries);

    // A release that works.
    let report = fleet.json(&words(&release(&first, &["--canary", "1", "--json"])));
    assert_eq!(
        (&report["ending"], &report["exitCode"], &report["total"]["good"]),
        (&"good".into(), &0.into(), &3.into())
    );
    let status = fleet.json(&["rollout", "status", "--json"]);
    assert_eq!(status["rollout"]["head"]["phase"], "done");
    assert_eq!(status["rollout"]["rows"].as_object().unwrap().len(), 3);

    paused(fleet, &words(&release(&write("second", &code("second"), None), &["--canary", "1", "--gate-after", "0"])));
    assert_eq!(fleet.json(&["deployments", "list", "--json"])[0]["runs"], 3);

    broken(fleet, &release(&write("broken", &broken_image(&code("third")), None), &["--canary", "1"]));
    frozen(fleet, &|more| release(&write("frozen", &code("second"), Some(Queue::new())), more));
    exported(fleet, &ids);
}

/// A release is paused by another program before its next claim, and goes on after that.
fn paused(fleet: &Fleet<'_>, release: &[&str]) {
    let release = &[release, &["--json"]].concat();
    let running = fleet.start(release);
    fleet_began(fleet, "shop/2");
    fleet.until("good", 1);
    assert!(
        fleet.does(&["rollout", "pause", "--why", "a customer complained"]).contains("paused: a customer complained")
    );
    // Without the pause, the next wave would begin now.
    fleet.does(&["rollout", "approve", "--after", "0"]);
    // A worker asks for what is due every second: had the pause not held, it would claim.
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(fleet.counts("waiting"), 2);
    assert!(fleet.does(&["rollout", "status"]).contains("paused: a customer complained"));
    fleet.does(&["rollout", "resume"]);
    let output = running.output();
    let report: Value = serde_json::from_str(&fleet.exited(0, release, &output)).unwrap();
    assert_eq!(report["total"]["good"], 3, "{report:#}");

    let log = fleet.log();
    let order = |begin: &str| {
        let is_it = |what: &Value| what["order"].as_str().is_some_and(|order| order.starts_with(begin));
        log.iter().position(is_it).unwrap()
    };
    let claims =
        |from: usize, to: usize| log.iter().take(to).skip(from).filter(|what| what["type"] == "claimed").count();
    assert_eq!(claims(order("pause"), order("resume")), 0, "{log:#?}");
    assert!(claims(order("resume"), log.len()) > 0, "{log:#?}");
}

/// Waits until the other program has begun a rollout.
fn fleet_began(fleet: &Fleet<'_>, rollout: &str) {
    let patience = Patience::new();
    while fleet.json(&["rollout", "status", "--json"])["id"] != rollout {
        patience.block(&rollout);
    }
}

/// The emulator does not start an image of this name.
fn broken_image(code: &Shipped) -> Shipped {
    match code {
        Shipped::Image(name) => Shipped::Image(name.replace("/echo@", "/broken@")),
        Shipped::Zip(bytes) => Shipped::Zip(bytes.clone()),
    }
}

/// A release that is broken is halted in its canary, and reverted by whoever works for the fleet.
fn broken(fleet: &Fleet<'_>, release: &[String]) {
    let told = fleet.exits(Exit::RolloutHalted.code().into(), &words(release));
    assert!(told.contains("bad"), "{told}");
    assert!(fleet.does(&["rollout", "status"]).contains("halted: 1 bad of 1"));
    let reverting = fleet.command(&["rollout", "revert"]).output().unwrap();
    let nobody_works = said(&reverting).contains("nobody works for the fleet now: run `alien fleet run`");
    assert_eq!(nobody_works, fleet.is_held(), "{}", said(&reverting));

    let working = fleet.start(&["fleet", "run"]);
    let patience = Patience::new();
    let phase = || fleet.json(&["rollout", "status", "--json"])["rollout"]["head"]["phase"].clone();
    while phase() != "reverted" {
        patience.block(&fleet.does(&["rollout", "status", "--all"]));
    }
    // Another program that would work is told that one does.
    if fleet.is_held() {
        let second = fleet.command(&["fleet", "run"]).output().unwrap();
        assert_eq!(second.status.code(), Some(Exit::Held.code().into()), "{}", said(&second));
    }
    let beats = fleet.does(&["fleet", "heartbeat"]);
    assert_eq!(beats.matches("healthy").count(), 3, "{beats}");
    working.interrupt();
    fleet.exited(0, &["fleet", "run"], &working.output());
    let status = fleet.does(&["rollout", "status", "--all"]);
    assert!(status.contains("reverted") && status.contains("not tried"), "{status}");
}

/// A release that changes what is frozen is refused before anything is written, unless that is asked for.
fn frozen(fleet: &Fleet<'_>, release: &dyn Fn(&[&str]) -> Vec<String>) {
    let entries = fleet.log().len();
    let refused = fleet.command(&words(&release(&[]))).output().unwrap();
    assert_eq!(refused.status.code(), Some(Exit::Refused.code().into()), "{}", said(&refused));
    assert!(said(&refused).contains("`jobs`"), "{}", said(&refused));
    assert_eq!(fleet.log().len(), entries);

    let folder = fleet.room.path("invitations");
    let more = ["--allow-frozen-changes", "--invitations", &folder, "--no-follow", "--json"];
    let report = fleet.json(&words(&release(&more)));
    assert_eq!(report["adminOnly"].as_array().unwrap().len(), 3, "{report:#}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    assert!(fleet.does(&["rollout", "status"]).contains("awaits the customer's admin"));
    assert!(fleet.does(&["rollout", "cancel"]).contains("cancelled"));
}

/// Records are taken elsewhere and come back, and the log with them.
fn exported(fleet: &Fleet<'_>, ids: &[String]) {
    let folder = fleet.room.path("export");
    fleet.does(&["fleet", "export", &folder]);
    let records: Vec<String> = ids.iter().map(|id| format!("{folder}/records/{id}.json")).collect();
    let log = fs::read_to_string(format!("{folder}/log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), fleet.log().len());
    let heartbeat = fleet.room.succeeds("alien", &["heartbeat", "--record", records.first().unwrap()]);
    assert!(heartbeat.contains("healthy"), "{heartbeat}");
    let other = Fleet::in_file(fleet.room, "other.redb");
    other.does(&[&["fleet", "import"][..], &words(&records)].concat());
    assert_eq!(other.json(&["deployments", "list", "--json"]).as_array().unwrap().len(), 3);
}
