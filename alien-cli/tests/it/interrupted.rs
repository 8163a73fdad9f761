//! Ctrl-C, while whoever is called does not answer: each command ends at once, and says what it leaves and what to run.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use alien_core::Exit;
use serde_json::{Value, json};

use crate::bad::{Bad, Server};
use crate::invite::CLOUDS;
use crate::network::{Case, recorded};
use crate::rough::program;
use crate::{done, out, told};

/// What was looked at, and not changed.
const NOTHING: &str = "interrupted; nothing was changed";
/// What goes on if it is run again.
const GOES_ON: &str = "what was done stays, and what was sent may still be done. Run the same `alien";

/// A command, its further words, and what it says when it is interrupted.
type Interrupted = (&'static str, &'static [&'static str], &'static str);

/// Those that call a cloud.
const OF_CLOUDS: [Interrupted; 12] = [
    ("plan", &[], NOTHING),
    ("status", &[], NOTHING),
    ("up", &[], GOES_ON),
    ("down", &[], GOES_ON),
    ("revoke", &[], GOES_ON),
    ("register", &[], NOTHING),
    ("heartbeat", &[], NOTHING),
    ("logs", &["--follow"], NOTHING),
    ("update", &[], GOES_ON),
    ("redeploy", &[], GOES_ON),
    ("dispatch", &[], "the command may have been carried out, and its answer is lost"),
    ("deployments register", &[], "the fleet may have taken it, or not; `alien deployments list` says"),
];

/// Those that a manager answers.
const OF_MANAGERS: [Interrupted; 9] = [
    ("deployments list", &[], NOTHING),
    ("deployments logs", &[], NOTHING),
    ("deployments dispatch", &[], "the command may have been carried out, and its answer is lost"),
    ("fleet heartbeat", &[], NOTHING),
    ("manager token list", &[], NOTHING),
    (
        "release",
        &[],
        "the release may have been published, and its rollout may have begun, or not; `alien rollout list` says",
    ),
    ("rollout status", &[], NOTHING),
    ("rollout halt", &["--why", "x"], "the rollout may have been told that, or not; `alien rollout status` says"),
    (
        "manager token revoke",
        &["4f2a90c1e7"],
        "the token may have been made or revoked, or not; `alien manager token list`",
    ),
];

/// Ctrl-C.
fn interrupt(running: &Child) {
    let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Runs a command until it calls, interrupts it, and looks at how it ends.
fn is_interrupted(case: &Case, (command, more, words): Interrupted) {
    let server = Server::start(Bad::Hangs, case.has_tls(), true);
    let issuer = Server::start(Bad::Hangs, false, true);
    let scheme = if case.has_tls() { "https" } else { "http" };
    let mut program = case.program(&server, &issuer, scheme, &server.pem);
    let running = program.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while !server.is_called() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{command}: it calls nobody");
        thread::sleep(Duration::from_millis(20));
    }
    interrupt(&running);
    let (begin, output) = (Instant::now(), running.wait_with_output().unwrap());
    let said = format!("{}{}", out(&output), told(&output));
    assert!(begin.elapsed() < Duration::from_secs(10), "{command}: {:?}", begin.elapsed());
    assert_eq!(output.status.code(), Some(Exit::Interrupted.code().into()), "{command}: {said}");
    assert!(said.contains(words), "{command}: {said}");
    // In JSON as everything else.
    let failed: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(failed["error"]["exit"], "interrupted", "{command}: {said}");
}

#[test]
fn an_interrupt_ends_every_command_that_waits_for_a_cloud_and_says_what_is_left() {
    let [_, gcp, _] = &CLOUDS;
    thread::scope(|scope| {
        for one in OF_CLOUDS {
            scope.spawn(move || is_interrupted(&Case::on(gcp, one.0, Bad::Hangs), one));
        }
    });
}

#[test]
fn an_interrupt_ends_every_command_that_waits_for_a_manager_and_says_what_is_left() {
    thread::scope(|scope| {
        for one in OF_MANAGERS {
            scope.spawn(move || is_interrupted(&Case::to_manager(one.0, Bad::Hangs), one));
        }
    });
}

/// A program that goes on is not interrupted but ended: what was begun ends first, and there is nothing to tell.
#[test]
fn an_interrupt_ends_a_program_that_serves_as_it_should_end() {
    let folder = env::temp_dir().join(format!("alien-interrupted-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).unwrap();
    // Where nothing answers at all, an agent ends after the calls that it is at.
    let (server, cloud) = (Server::start(Bad::Page(403), true, true), Server::start(Bad::Page(403), false, true));
    let [_, gcp, _] = &CLOUDS;
    let mut record: Value = serde_json::from_str(&recorded(gcp, &gcp.invitation().to_string())).unwrap();
    let place = record["target"].as_object_mut().unwrap();
    place.remove("vendor");
    place.insert("agent".to_owned(), "alien-agent@customer-project.iam.gserviceaccount.com".into());
    let manager = format!("https://127.0.0.1:{}", server.port);
    let root = format!("sha256:{}", "5".repeat(64));
    record["delivery"] = json!({ "pull": { "manager": manager, "root": root } });
    for (name, text) in [("record.json", record.to_string()), ("key", "5a".repeat(32)), ("ca.pem", server.pem.clone())]
    {
        fs::write(folder.join(name), text).unwrap();
    }
    let runs = |line: &str| {
        let mut words = line.split_whitespace();
        let mut command = Command::new(program(words.next().unwrap()));
        command.args(words).current_dir(&folder).env_clear().env("TMPDIR", &folder).stdin(Stdio::null());
        command.env("GCE_METADATA_HOST", format!("127.0.0.1:{}", cloud.port));
        command
    };
    let id = record["id"].as_str().unwrap();
    done(&runs(&format!("alien-agent init --state state --key-file key --deployment {id}")).output().unwrap());
    let files = "--state state --key-file key --record record.json --ca ca.pem";
    let agent = format!("alien-agent run {files} --endpoint-url http://127.0.0.1:{}", cloud.port);
    for (line, ready, last) in [
        ("alien-manager --store fleet.redb --listen 127.0.0.1:0", "answering", "ended"),
        (&*agent, "running", "ended"),
        ("alien-sim gcp --folder sim", "is emulated at", ""),
    ] {
        let log = folder.join("log");
        let file = File::create(&log).unwrap();
        let said = || fs::read_to_string(&log).unwrap();
        let mut running = runs(line).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let begin = Instant::now();
        while !said().contains(ready) {
            assert!(
                begin.elapsed() < Duration::from_secs(60) && running.try_wait().unwrap().is_none(),
                "{line}: {}",
                said()
            );
            thread::sleep(Duration::from_millis(20));
        }
        interrupt(&running);
        let begin = Instant::now();
        let status = running.wait().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(10), "{line}: {:?}", begin.elapsed());
        assert_eq!(status.code(), Some(Exit::Done.code().into()), "{line}: {}", said());
        assert!(said().contains(last) && !said().contains("panicked"), "{line}: {}", said());
    }
    // The state is whole, and nobody holds it.
    done(&runs("alien-agent status --state state --key-file key").output().unwrap());
    assert!(!folder.join("sim").exists());
    fs::remove_dir_all(folder).unwrap();
}
