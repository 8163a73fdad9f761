//! The program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use alien_conformance::printed::{Results, reviewed};
use alien_core::{DeploymentId, Exit};
use alien_release::PublicKey;
use serde_json::{Value, json};

use crate::state::folder;

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alien-agent")).args(words).env("THE_KEY", "5b".repeat(32)).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    reviewed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages.txt"), &told);
    told
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_state_is_made_shown_and_rekeyed_and_no_secret_is_printed() {
    let at = folder("program");
    let (state, key) = (at.join("state"), at.join("key"));
    fs::write(&key, "5a".repeat(32)).unwrap();
    let id = DeploymentId::new().to_string();
    let init = ["init", "--state", text(&state), "--key-file", text(&key), "--deployment", &id];
    let public: PublicKey = said(&run(&init)).parse().unwrap();
    let again = refused(&run(&init));
    assert!(again.contains("there is a state in"), "{again}");
    let status = ["status", "--state", text(&state), "--key-file", text(&key)];
    let shown = said(&run(&status));
    for part in [&id, "missing: set up", &public.to_string()] {
        assert!(shown.contains(part), "{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&said(&run(&[&status[..], &["--json"]].concat()))).unwrap();
    assert_eq!((json["deployment"].as_str(), json["hasRecord"].as_bool()), (Some(id.as_str()), Some(false)));
    let rekey = ["rekey", "--state", text(&state), "--key-file", text(&key), "--new-key-variable", "THE_KEY"];
    assert_eq!(said(&run(&rekey)), "the state is sealed with the new key\n");
    let wrong = refused(&run(&status));
    assert!(wrong.contains("it was sealed with another key than this one"), "{wrong}");
    let shown = said(&run(&["status", "--state", text(&state), "--key-variable", "THE_KEY"]));
    assert!(shown.contains(&public.to_string()), "{shown}");
    for output in [again, wrong, shown] {
        assert!(!output.contains("PRIVATE") && !output.contains("5a5a") && !output.contains("5b5b"), "{output}");
    }
}

#[test]
fn every_problem_of_a_key_is_told() {
    let at = folder("program-keys");
    let state = text(&at);
    for (words, told) in [
        (vec!["--key-file", "/nowhere"], "the file `/nowhere` gives no key of a state: `/nowhere` cannot be read"),
        (vec!["--key-variable", "NO_SUCH_KEY"], "the variable `NO_SUCH_KEY` gives no key of a state: it is not set"),
        (vec!["--key-credential", "key"], "`$CREDENTIALS_DIRECTORY` is not set"),
        (vec![], "--key-file"),
        (vec!["--key-file", "a", "--key-variable", "b"], "cannot be used with"),
    ] {
        let error = refused(&run(&[&["status", "--state", state][..], &words].concat()));
        assert!(error.contains(told), "{words:?}: {error}");
    }
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "nothing is written");
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed_of_a_wrong_command_line() {
    let wild = "\u{1b}[2J\u{9b}31m\u{202e}";
    for words in [vec![wild], vec!["run", "--state", ".", "--memory", wild], vec!["init", "--deployment", wild]] {
        let output = run(&words);
        let told = refused(&output);
        assert_eq!(output.status.code(), Some(Exit::Usage.code().into()), "{told}");
        assert!(told.contains("\\u202e") && !told.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{told:?}");
    }
    assert!(said(&run(&["--help"])).contains("rekey"));
}

/// The one JSON document that is printed.
fn printed(words: &[&str]) -> (Option<i32>, Value) {
    static RESULTS: LazyLock<Results> =
        LazyLock::new(|| Results::new(include_str!("../../../docs/results.schema.json")));
    let output = run(words);
    assert!(output.stderr.is_empty(), "{output:?}");
    RESULTS.look("alien-agent", words, &output);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// In the shape of the other programs: `docs/errors.md`.
#[test]
fn with_json_every_command_prints_its_result_or_its_error() {
    let at = folder("program-json");
    let (state, key) = (at.join("state"), at.join("key"));
    fs::write(&key, "5a".repeat(32)).unwrap();
    let id = DeploymentId::new().to_string();
    let by_file = ["--json", "--state", text(&state), "--key-file", text(&key)];
    let of = |command: &'static str, more: &[&'static str]| [&[command], &by_file[..], more].concat();
    let init = [&of("init", &[])[..], &["--deployment", &id]].concat();
    let (code, made) = printed(&init);
    assert_eq!((code, &made["deployment"], &made["generation"]), (Some(0), &json!(id), &json!(1)));
    let public = made["agentKey"].as_str().unwrap().parse::<PublicKey>().unwrap();
    assert_eq!(printed(&of("status", &[])), (Some(0), made));
    let (code, again) = printed(&init);
    assert_eq!((code, &again["error"]["kind"]), (Some(Exit::Drift.code().into()), &json!("already-exists")), "{again}");
    let (code, rekeyed) = printed(&of("rekey", &["--new-key-variable", "THE_KEY"]));
    assert_eq!((code, &rekeyed["agentKey"]), (Some(0), &json!(public.to_string())));
    // With the old key.
    let (code, wrong) = printed(&of("status", &[]));
    let error = &wrong["error"];
    assert_eq!((code, &error["exit"], &error["code"]), (Some(5), &json!("credentials"), &json!(5)), "{wrong}");
    assert!(error["message"].as_str().unwrap().contains("it was sealed with another key"), "{wrong}");
    // What is wrong with files and options is listed.
    let (code, wrong) = printed(&of("run", &["--record", "/nowhere/record", "--ca", "/nowhere/ca"]));
    let error = &wrong["error"];
    assert_eq!((code, &error["exit"]), (Some(3), &json!("input")), "{wrong}");
    assert_eq!(error["problems"].as_array().unwrap().len(), 2, "{wrong}");
    assert!(!error["message"].as_str().unwrap().starts_with("error: "), "{wrong}");
    let (code, wrong) = printed(&["init", "--json", "--deployment", "\u{202e}"]);
    assert_eq!((code, &wrong["error"]["exit"]), (Some(2), &json!("usage")), "{wrong}");
}
