//! Managers that are killed at random, several on one database or one on a file: each deployment is updated by one at a time,
//! none is lost, and every outcome is told once.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use alien_conformance::interrupted;
use alien_conformance::seed;
use serde_json::Value;

use crate::fleet::{Fleet, images, stack};
use crate::room::{Room, said, words};

/// How many programs run at once while customers set up.
const WIDTH: usize = 20;

/// Kills three managers of a database, by SIGKILL, while they roll a release out. Usually 10 kills in 60 deployments; for a
/// night, 50 in 500.
pub(crate) fn killed(room: &Room, url: &str) {
    let kills = interrupted::kills(10).min(50);
    let deployments = if kills > 10 { 500 } else { 60 };
    Killed { fleet: Fleet::in_database(room, url), managers: 3, kills, deployments }.test();
}

/// Kills the only manager of a file again and again, and starts it anew.
pub(crate) fn killed_alone(room: &Room) {
    Killed { fleet: Fleet::in_file(room, "fleet.redb"), managers: 1, kills: 5, deployments: 12 }.test();
}

/// A fleet whose managers are killed.
struct Killed<'r> {
    fleet: Fleet<'r>,
    managers: usize,
    kills: usize,
    deployments: usize,
}

impl Killed<'_> {
    fn test(&self) {
        let Self { fleet, managers, kills, deployments } = self;
        let room = fleet.room;
        let code = |says: &str| (room.cloud.code)(says);
        let write = |name: &str| {
            let code = code(name);
            let images = room.write(&format!("{name}-images.json"), &images(&code));
            (room.write(&format!("{name}.json"), &stack(&code, None)), images)
        };
        let (first, _) = write("first");
        set_up(fleet, &first, *deployments);

        let (second, images) = write("second");
        let parallel = (deployments / 4).min(8).to_string();
        let begin = ["release", &second, "--images", &images, "--canary", "1", "--parallel", &parallel, "--bake", "1s"];
        let begin = [&begin[..], &["--lease", "6s", "--halt", "60", "--no-follow"]].concat();
        fleet.does(&begin);

        let mut chance = seed::chance();
        let mut managers: Vec<Manager> = (0..*managers).map(|_| Manager::run(fleet)).collect();
        let mut killed = 0;
        while killed < *kills && !is_over(fleet) {
            thread::sleep(Duration::from_millis(200).mul_f64(1.0 + 3.0 * chance.f64()));
            drop(managers.swap_remove(chance.usize(..managers.len())));
            managers.push(Manager::run(fleet));
            killed += 1;
        }
        println!("{killed} managers were killed in {deployments} deployments");
        assert!(killed >= kills / 2, "only {killed} managers were killed before the rollout was over");
        let begun = Instant::now();
        while !is_over(fleet) {
            assert!(begun.elapsed() < Duration::from_secs(600), "{}", fleet.does(&["rollout", "status"]));
            thread::sleep(Duration::from_millis(500));
        }
        drop(managers);
        everything_is_told(fleet, *deployments);
    }
}

/// A manager, which is killed where it stands.
struct Manager(Child);

impl Manager {
    fn run(fleet: &Fleet<'_>) -> Self {
        Self(fleet.command(&["fleet", "run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// So many customers set up, and their deployments are registered.
fn set_up(fleet: &Fleet<'_>, stack: &str, deployments: usize) {
    let room = fleet.room;
    let files = |number: usize| {
        (room.path(&format!("c{number}-invitation.json")), room.path(&format!("c{number}.json")), format!("c{number}"))
    };
    at_once(deployments, WIDTH, |number| {
        let invite = ["invite", "--stack", stack, "--cloud", room.cloud.name, "--out", &files(number).0];
        room.command("alien", &[&invite[..], &words(&room.cloud.trust)].concat(), &room.cloud.vendors)
    });
    at_once(deployments, WIDTH, |number| {
        let (invitation, record, prefix) = files(number);
        let up = room.deploy("up", &invitation, &["--prefix", &prefix, "--record", &record, "--yes"]);
        room.command("alien-deploy", &words(&up), &room.cloud.admin)
    });
    let width = if fleet.is_held() { 1 } else { WIDTH };
    at_once(deployments, width, |number| {
        let (invitation, record, _) = files(number);
        fleet.command(&["deployments", "register", &invitation, "--record", &record])
    });
}

/// Runs so many programs, `width` at once.
fn at_once(count: usize, width: usize, command: impl Fn(usize) -> Command) {
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(width) {
        let run = |number: &usize| command(*number).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let children: Vec<Child> = some.iter().map(run).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        }
    }
}

fn is_over(fleet: &Fleet<'_>) -> bool {
    fleet.json(&["rollout", "status", "--json"])["rollout"]["head"]["over"] == true
}

/// Every deployment is updated; each claim had a higher fence than the one before; every outcome was told once.
fn everything_is_told(fleet: &Fleet<'_>, deployments: usize) {
    let status = fleet.json(&["rollout", "status", "--json"]);
    let rows = status["rollout"]["rows"].as_object().unwrap();
    assert_eq!(rows.len(), deployments);
    let others: Vec<_> = rows.iter().filter(|(_, row)| row["outcome"] != "good").collect();
    assert!(others.is_empty(), "{others:#?}");
    let (mut fences, mut told) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, usize>::new());
    for what in fleet.log() {
        let deployment = what["deployment"].as_str().unwrap_or_default().to_owned();
        match what["type"].as_str() {
            Some("claimed") => {
                let fence = what["fence"].as_u64().unwrap();
                let before = fences.insert(deployment, fence);
                assert!(before < Some(fence), "{before:?}, and then {fence}");
            }
            Some("outcome") => *told.entry(deployment).or_default() += 1,
            _ => {}
        }
    }
    assert!(told.len() == deployments && told.values().all(|times| *times == 1), "{told:?}");
    let records = fleet.room.path("export");
    let exported = fleet.command(&["fleet", "export", &records]).output().unwrap();
    assert!(exported.status.success(), "{}", said(&exported));
    for id in rows.keys() {
        let record = std::fs::read_to_string(format!("{records}/records/{id}.json")).unwrap();
        let record: Value = serde_json::from_str(&record).unwrap();
        assert!(record["inFlight"].is_null() && record["uncertain"].is_null(), "{record:#}");
    }
}
