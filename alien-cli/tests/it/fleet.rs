//! A fleet in a file, up to the first call of a cloud.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use alien_core::Exit;

use crate::invite::{CLOUDS, record};
use crate::manager::Manager;
use crate::{alien, done, ended, file, looked_at, my_app, refused, refused_as, told, with};

/// A folder with a store of two deployments, on GCP and Azure.
pub(crate) struct Fleet {
    folder: PathBuf,
    pub(crate) store: String,
    ids: Vec<String>,
    /// What answers over HTTPS, where the store is not opened.
    manager: Option<Manager>,
}

/// Wide enough that sentences which are looked for stay in one line.
const WIDE: &str = "300";

impl Fleet {
    pub(crate) fn new(name: &str) -> Self {
        Self::begin(name, |_| None)
    }

    /// The same, answered by a manager.
    fn managed(name: &str) -> Self {
        Self::begin(name, |folder| Some(Manager::begin(folder)))
    }

    fn begin(name: &str, manager: impl FnOnce(&Path) -> Option<Manager>) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let store = folder.join("fleet.redb").display().to_string();
        let mut fleet = Self { manager: manager(&folder), folder, store, ids: Vec::new() };
        for invited in CLOUDS.iter().filter(|invited| invited.cloud != "aws") {
            let record = record(invited, &invited.invitation());
            let path = file(&format!("{name}-{}.json", invited.cloud), &record);
            let said = fleet.does(&["fleet", "import", path.to_str().unwrap()]);
            assert!(said.starts_with("added "), "{said}");
            fleet.ids.push(record["id"].as_str().unwrap().to_owned());
        }
        fleet.ids.sort();
        fleet
    }

    /// The flags that reach it.
    fn reach(&self) -> Vec<&str> {
        self.manager.as_ref().map_or_else(|| vec!["--store", &self.store], Manager::flags)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alien"));
        command.args(with(arguments, &self.reach())).env_clear().env("COLUMNS", WIDE).stdin(Stdio::null());
        looked_at(&mut command)
    }

    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        done(&self.run(arguments))
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.does(&with(arguments, &["--json"]))).unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alien"));
        command.args(with(arguments, &self.reach())).env_clear().stdin(Stdio::null());
        command.env("COLUMNS", WIDE);
        Running(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// The flags of a release of this stack.
    pub(crate) fn release(&self, name: &str, stack: &Value) -> Vec<String> {
        let write = |name: String, value: &Value| {
            let path = self.folder.join(name);
            fs::write(&path, value.to_string()).unwrap();
            path.display().to_string()
        };
        let images = write(format!("{name}-images.json"), &images(stack));
        vec!["release".to_owned(), write(format!("{name}.json"), stack), "--images".to_owned(), images]
    }

    fn entries(&self) -> usize {
        self.does(&["fleet", "events"]).lines().count()
    }

    pub(crate) fn hold_all(&self) {
        for id in &self.ids {
            self.does(&["deployments", "hold", id, "--why", "a demo until Friday"]);
        }
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

pub(crate) fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// What the images of a stack are on each platform.
fn images(stack: &Value) -> Value {
    let digest = format!("sha256:{}", "1".repeat(64));
    let each =
        stack["resources"].as_array().unwrap().iter().filter_map(|resource| resource["code"]["images"].as_object());
    let each = each.flatten().map(|(name, version)| {
        let image = format!("{name}@{}", version.as_str().unwrap());
        (image, json!({ "linux/amd64": { "manifest": digest, "config": digest } }))
    });
    Value::Object(each.collect())
}

/// The stack with other code of the live function.
pub(crate) fn next() -> Value {
    let mut stack = my_app();
    let api = stack["resources"].as_array_mut().unwrap().iter_mut().find(|resource| resource["id"] == "api").unwrap();
    api["code"]["images"]["registry.example.com/api"] = format!("sha256:{}", "2".repeat(64)).into();
    stack
}

/// The stack with another frozen queue.
fn frozen() -> Value {
    let mut stack = next();
    let queue = json!({ "id": "more-jobs", "type": "queue", "lifecycle": "frozen" });
    stack["resources"].as_array_mut().unwrap().push(queue);
    stack
}

/// Two tests of each: on a store in a file, and over a manager that answers for such a store.
macro_rules! on_both {
    ($($folder:literal $test:ident)+) => {
        mod in_a_file {
            use super::Fleet;
            $(#[test]
            fn $test() {
                super::$test(&Fleet::new(concat!("fleet-", $folder)));
            })+
        }

        mod over_a_manager {
            use super::Fleet;
            $(#[test]
            fn $test() {
                super::$test(&Fleet::managed(concat!("managed-", $folder)));
            })+
        }
    };
}

on_both! {
    "not-run" a_release_whose_code_no_cloud_of_the_fleet_runs_waits_and_says_so
    "unzipped" a_zip_that_a_cloud_does_not_run_is_told_before_anything_is_published
    "not-taken" a_release_that_a_cloud_does_not_take_waits_there_and_says_so
    "said" what_is_said_of_a_deployment_is_kept_and_shown
    "checked" a_release_is_checked_before_anything_is_written
    "pinned" a_release_that_reaches_nobody_is_done_and_says_why
    "told" a_second_program_tells_a_running_release_what_to_do
}

/// Of this product nothing is deployed yet, so it may come to any cloud.
fn a_zip_that_a_cloud_does_not_run_is_told_before_anything_is_published(fleet: &Fleet) {
    let zip = fleet.folder.join("code.zip");
    fs::write(&zip, "not really a zip").unwrap();
    let mut stack = my_app();
    stack["name"] = "another".into();
    let api = stack["resources"].as_array_mut().unwrap().iter_mut().find(|resource| resource["id"] == "api").unwrap();
    api["code"] = json!({ "zip": alien_core::adapter::sha256(b"not really a zip") });
    let more = ["--zip", zip.to_str().unwrap(), "--publish-only"].map(str::to_owned);
    let (release, before) = ([&fleet.release("unzipped", &stack)[..], &more].concat(), fleet.entries());
    let told = refused_as(Exit::Input, &fleet.run(&words(&release)));
    assert!(told.contains("`api`: its file is no zip"), "{told}");
    assert_eq!(fleet.entries(), before);
}

fn a_release_whose_code_no_cloud_of_the_fleet_runs_waits_and_says_so(fleet: &Fleet) {
    fleet.does(&words(&[&fleet.release("first", &my_app())[..], &["--publish-only".to_owned()]].concat()));
    let zip = fleet.folder.join("code.zip");
    fs::write(&zip, "not really a zip").unwrap();
    let mut stack = next();
    let api = stack["resources"].as_array_mut().unwrap().iter_mut().find(|resource| resource["id"] == "api").unwrap();
    api["code"] = json!({ "zip": alien_core::adapter::sha256(b"not really a zip") });
    let zip = ["--zip".to_owned(), zip.display().to_string()];
    let release = [&fleet.release("zipped", &stack)[..], &zip].concat();

    let flags =
        |flags: &[&str]| [&release[..], &flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>()].concat();
    let invitations = fleet.folder.join("invitations");

    let planned = fleet.json(&words(&flags(&["--plan"])));
    let published = fleet.json(&words(&flags(&["--publish-only", "--invitations", invitations.to_str().unwrap()])));

    let foreseen = planned["waves"][0].as_array().unwrap().iter().map(|row| &row["waits"]);
    let told = published["notThere"].as_array().unwrap().iter().map(|row| &row["needs"]);
    let said: Vec<&str> = foreseen.chain(told).map(|why| why.as_str().unwrap()).collect();
    assert_eq!(said.len(), 4, "{planned:#} {published:#}");
    for cloud in ["azure", "gcp"] {
        let why = format!("`api`: {cloud} does not run its code: no form of it is for that cloud");
        assert_eq!(said.iter().filter(|said| said.contains(&why)).count(), 2, "{said:?}");
    }
    // No admin can do anything about it, so none is invited.
    assert_eq!(published["adminOnly"], json!([]), "{published:#}");
    assert_eq!(fs::read_dir(&invitations).unwrap().count(), 0);
}

fn a_release_that_a_cloud_does_not_take_waits_there_and_says_so(fleet: &Fleet) {
    fleet.does(&words(&[&fleet.release("first", &my_app())[..], &["--publish-only".to_owned()]].concat()));
    let mut stack = next();
    let api = stack["resources"].as_array_mut().unwrap().iter_mut().find(|resource| resource["id"] == "api").unwrap();
    api["environment"] = json!({ "LONG": "x".repeat(40_000) });
    let release = fleet.release("reserved", &stack);
    let planned = fleet.json(&words(&[&release[..], &["--plan".to_owned()]].concat()));
    let waits: Vec<&str> =
        planned["waves"][0].as_array().unwrap().iter().filter_map(|row| row["waits"].as_str()).collect();
    // The other cloud takes it.
    assert!(matches!(waits.as_slice(), [why] if why.contains("at most 32 KiB, and `LONG` is longer")), "{planned:#}");
    let published = fleet.json(&words(&[&release[..], &["--publish-only".to_owned()]].concat()));
    let not_there: Vec<_> = published["notThere"].as_array().unwrap().iter().collect();
    assert!(
        matches!(not_there.as_slice(), [one] if one["needs"].as_str().unwrap().contains("`LONG` is longer")),
        "{published:#}"
    );
}

fn what_is_said_of_a_deployment_is_kept_and_shown(fleet: &Fleet) {
    let (one, other) = (&fleet.ids[0], &fleet.ids[1]);
    fleet.does(&["deployments", "label", one, "tier=free", "region=eu"]);
    fleet.does(&["deployments", "label", one, "--remove", "region"]);
    fleet.does(&["deployments", "pin", one, "7"]);
    fleet.does(&["deployments", "hold", one, "--why", "a demo"]);
    fleet.does(&["deployments", "window", one, "Mon-Fri 22:00-04:00 +01:00"]);
    let listed = fleet.json(&["deployments", "list"]);
    assert_eq!(listed[0]["labels"], json!({ "tier": "free" }));
    assert_eq!((&listed[0]["pin"], &listed[0]["hold"]), (&json!(7), &json!("a demo")));
    assert_eq!((&listed[1]["id"], listed[1].get("pin")), (&json!(other), None));
    let text = fleet.does(&["deployments", "list"]);
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("pinned to 7") && text.contains("tier=free") && text.contains("not seen yet"), "{text}");
    let shown = fleet.does(&["deployments", "show", one]);
    assert!(shown.contains("pinned to 7; held: a demo; Mon-Fri 22:00-04:00 +01"), "{shown}");

    for command in [&["unpin"][..], &["unhold"]] {
        fleet.does(&[&["deployments"], command, &[one]].concat());
    }
    fleet.does(&["deployments", "window", one, "--any-time"]);
    let shown = fleet.json(&["deployments", "show", one]);
    let deployment = &shown["deployment"];
    assert!(["pin", "hold", "window"].iter().all(|said| deployment.get(said).is_none()), "{deployment:#}");
    assert_eq!(shown["record"]["id"], json!(one));
    let wrong = refused(&fleet.run(&["deployments", "window", one, "Mon 22-04 UTC"]));
    assert!(wrong.contains("`22-04` is no span of hours"), "{wrong}");
    fleet.does(&["deployments", "remove", other, "--yes"]);
    assert_eq!(fleet.json(&["deployments", "list"]).as_array().unwrap().len(), 1);
    assert!(refused_as(Exit::Drift, &fleet.run(&["deployments", "unpin", other])).contains("there is no deployment"));
    assert!(fleet.does(&["fleet", "events"]).contains("pin 7"));
}

#[test]
fn a_store_is_named_and_a_misspelt_one_is_not_made() {
    assert!(refused(&alien(&["rollout", "list"])).contains("`ALIEN_STORE`"));
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-such-store.redb");
    let store = nowhere.to_str().unwrap();
    let commands: [&[&str]; 4] =
        [&["rollout", "list"], &["deployments", "list"], &["fleet", "events"], &["fleet", "heartbeat"]];
    for command in commands {
        assert!(refused(&alien(&with(command, &["--store", store]))).contains("there is no store"), "{command:?}");
        assert!(!nowhere.exists());
    }
}

fn a_release_is_checked_before_anything_is_written(fleet: &Fleet) {
    let (one, other) = (&fleet.ids[0], &fleet.ids[1]);
    let first = fleet.release("first", &my_app());
    let entries = fleet.entries();
    let no_images = fleet.folder.join("no-images.json");
    fs::write(&no_images, "{}").unwrap();
    let told = refused(&fleet.run(&["release", &first[1], "--images", no_images.to_str().unwrap()]));
    assert!(told.contains("registry.example.com/"), "{told}");
    let told =
        refused(&fleet.run(&words(&[&first[..], &["--canary", "0", "--parallel", "0"].map(str::to_owned)].concat())));
    assert!(told.contains("canary") && told.contains("parallel"), "{told}");
    assert_eq!(fleet.entries(), entries);
    assert!(fleet.does(&words(&[&first[..], &["--publish-only".to_owned()]].concat())).contains("published release 1"));

    fleet.does(&["deployments", "hold", one, "--why", "a demo"]);
    let frozen = fleet.release("frozen", &frozen());
    let entries = fleet.entries();
    let told = refused_as(Exit::Refused, &fleet.run(&words(&frozen)));
    assert!(told.contains("`more-jobs`"), "{told}");
    let plan =
        [&frozen[..], &["--allow-frozen-changes", "--plan", "--json", "--canary", "1"].map(str::to_owned)].concat();
    let plan: Value = serde_json::from_str(&fleet.does(&words(&plan))).unwrap();
    assert_eq!((&plan["release"], &plan["revertsTo"]), (&json!(3), &json!(1)));
    let waits: Vec<&Value> =
        plan["waves"].as_array().unwrap().iter().flat_map(|wave| wave.as_array().unwrap()).collect();
    let why = |id: &str| waits.iter().find(|one| one["deployment"] == id).unwrap()["waits"].as_str().unwrap();
    assert_eq!(why(one), "held: a demo");
    assert!(why(other).starts_with("awaits the customer's admin: "), "{}", why(other));
    assert_eq!(fleet.entries(), entries);

    // Those deployments wait, each with a new invitation.
    let folder = fleet.folder.join("invitations");
    let flags = ["--allow-frozen-changes", "--no-follow", "--invitations", folder.to_str().unwrap()].map(str::to_owned);
    let output = fleet.run(&words(&[&frozen[..], &flags].concat()));
    assert!(done(&output).contains("rollout my-app/1 of release 3 has begun") && told_of(&output, other));
    let invitation: Value = serde_json::from_slice(&fs::read(folder.join(format!("{other}.json"))).unwrap()).unwrap();
    assert_eq!(invitation["id"], json!(other));
    let again: Value = serde_json::from_str(&fleet.does(&["deployments", "invite", other])).unwrap();
    assert_eq!(again, invitation);
    let none = refused_as(Exit::Drift, &fleet.run(&["deployments", "invite", other, "--release", "1"]));
    assert!(none.contains("has nothing to do for release 1"), "{none}");
    assert!(fleet.does(&["rollout", "status"]).contains("awaits the customer's admin"));
}

fn told_of(output: &Output, deployment: &str) -> bool {
    told(output).contains(deployment)
}

fn a_release_that_reaches_nobody_is_done_and_says_why(fleet: &Fleet) {
    for id in &fleet.ids {
        fleet.does(&["deployments", "pin", id, "1"]);
    }
    fleet.does(&words(&[&fleet.release("first", &my_app())[..], &["--publish-only".to_owned()]].concat()));
    fleet.does(&words(&[&fleet.release("next", &next())[..], &["--publish-only".to_owned()]].concat()));
    let report = fleet.json(&["release", "--published", "3"]);
    assert_eq!((&report["ending"], &report["exitCode"]), (&json!("good"), &json!(0)));
    assert_eq!(
        (&report["total"]["notTried"], &report["notGood"][0]["why"]),
        (&json!(2), &json!("pinned to release 1"))
    );
    let list = fleet.json(&["rollout", "list"]);
    assert_eq!((list.as_array().unwrap().len(), &list[0]["id"]), (1, &json!("my-app/1")));
    assert!(fleet.does(&["rollout", "list"]).contains("done"));
    assert!(refused(&fleet.run(&["release", "--published", "4"])).contains("the twin of another"));
    assert!(refused_as(Exit::Held, &fleet.run(&["rollout", "pause"])).contains("done"));
}

/// Runs a command until it says something.
fn until(fleet: &Fleet, arguments: &[&str], words: &str) -> String {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let output = fleet.run(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains(words) {
            return said;
        }
        assert!(Instant::now() < end, "{words}: {said}{}", told(&output));
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn a_second_program_tells_a_running_release_what_to_do(fleet: &Fleet) {
    fleet.hold_all();
    let release =
        [&fleet.release("first", &my_app())[..], &["--canary", "1", "--gate-after", "0"].map(str::to_owned)].concat();
    let running = fleet.start(&words(&release));
    until(fleet, &["rollout", "status"], "wave 0 is open");
    let status = until(fleet, &["rollout", "status"], "held: a demo until Friday");
    assert!(status.contains("wave 1 has not begun"), "{status}");
    assert!(
        fleet.does(&["rollout", "pause", "--why", "a customer complained"]).contains("paused: a customer complained")
    );
    assert!(fleet.does(&["rollout", "resume", "my-app"]).contains("wave 0 is open"));
    fleet.does(&["rollout", "approve", "my-app/1"]);
    assert!(refused_as(Exit::Held, &fleet.run(&["rollout", "revert"])).contains("no twin"));
    assert!(fleet.does(&["rollout", "cancel"]).contains("cancelled"));
    let output = running.output();
    assert!(ended(&output, Exit::RolloutEnded), "{}", told(&output));
    let told = told(&output);
    for words in ["wave 0 is open", "wave 0: 1 ", "rollout my-app/1 of release 1: cancelled"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let events = fleet.does(&["fleet", "events"]);
    assert!(events.contains("told rollout my-app/1: pause: a customer complained"), "{events}");
}

#[test]
fn ctrl_c_ends_a_release_and_says_what_is_left() {
    let fleet = Fleet::new("fleet-interrupted");
    fleet.hold_all();
    let running = fleet.start(&words(&fleet.release("first", &my_app())));
    until(&fleet, &["rollout", "status"], "wave 0 is open");
    running.interrupt();
    let output = running.output();
    assert!(ended(&output, Exit::Interrupted), "{}", told(&output));
    let told = told(&output);
    assert!(told.contains("2 of 2 have no outcome yet") && told.contains("alien rollout cancel my-app/1"), "{told}");
    // The store is free, and the socket is gone.
    assert!(!Path::new(&format!("{}.sock", fleet.store)).exists());
    assert!(fleet.does(&["rollout", "status"]).contains("wave 0 is open"));
}

#[test]
fn a_release_goes_on_when_the_program_that_worked_for_the_fleet_ends() {
    let fleet = Fleet::new("fleet-handed-over");
    fleet.hold_all();
    let working = fleet.start(&["fleet", "run"]);
    let socket = PathBuf::from(format!("{}.sock", fleet.store));
    until_there(&socket);
    let running = fleet.start(&words(&fleet.release("first", &my_app())));
    until(&fleet, &["rollout", "status"], "wave 0 is open");
    working.interrupt();
    let output = working.output();
    assert!(ended(&output, Exit::Done), "{}", told(&output));
    // The release has the store now, and answers.
    until_there(&socket);
    assert!(until(&fleet, &["rollout", "cancel"], "cancelled").contains("cancelled"));
    let output = running.output();
    assert!(ended(&output, Exit::RolloutEnded), "{}", told(&output));
    assert!(told(&output).contains("the program that worked for the fleet has ended"), "{}", told(&output));
}

fn until_there(path: &Path) {
    let end = Instant::now() + Duration::from_secs(120);
    while !path.exists() {
        assert!(Instant::now() < end, "{}", path.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn records_and_the_log_are_exported_and_the_log_is_a_chain() {
    let fleet = Fleet::new("fleet-exported");
    fleet.hold_all();
    let folder = fleet.folder.join("export");
    let said = fleet.does(&["fleet", "export", folder.to_str().unwrap()]);
    assert!(said.contains("wrote 2 records") && said.contains("4 entries"), "{said}");
    for id in &fleet.ids {
        let record = fs::read_to_string(folder.join("records").join(format!("{id}.json"))).unwrap();
        assert_eq!(alien_core::Deployment::from_json(&record).unwrap().id.to_string(), *id);
    }
    let log = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    let (mut before, mut count) = (None, 0);
    for line in log.lines() {
        let entry: alien_fleet::Entry = serde_json::from_str(line).unwrap();
        entry.follows(before.as_ref()).unwrap();
        (before, count) = (Some(entry), count + 1);
    }
    assert_eq!(count, 4);
    let since = fleet.does(&["fleet", "events", "--since", "3", "--json"]);
    assert_eq!(since.lines().collect::<Vec<_>>(), [log.lines().last().unwrap()]);
}

/// The file may not grow beyond a size, as on a disk that is full.
#[test]
fn a_disk_that_is_full_is_told_and_nothing_is_lost() {
    let fleet = Fleet::new("fleet-full");
    let why = "w".repeat(60_000);
    let before = fleet.entries();
    let id = &fleet.ids[0];
    let room = fs::metadata(&fleet.store).unwrap().len() + 500_000;
    // Without the signal that ends a program at that size, its write fails. The limit is in blocks of 512 bytes:
    // <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#ulimit>
    let limited = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", room / 512);
    let hold = |number: usize| {
        let mut command = Command::new("sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_alien"), "deployments", "hold", id, "--why"]);
        command.args([&format!("{number} {why}"), "--store", &fleet.store]).env_clear().stdin(Stdio::null());
        command.output().unwrap()
    };
    let (held, failed) = (0..50)
        .find_map(|number| {
            let output = hold(number);
            (!output.status.success()).then_some((number, output))
        })
        .unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(ended(&failed, Exit::Cloud) && said.contains(&fleet.store), "{said}");
    assert!(said.contains("no space left; make space, and it works again"), "{said}");
    assert!(held > 0, "{said}");
    assert_eq!(fleet.entries(), before + held, "what was said to be done is kept, and nothing else is");
    let shown = fleet.json(&["deployments", "show", id]);
    assert!(shown["deployment"]["hold"].as_str().unwrap().starts_with(&format!("{} w", held - 1)), "{shown}");
    fleet.does(&["deployments", "hold", id, "--why", "there is space again"]);
    assert_eq!(fleet.entries(), before + held + 1);
}
