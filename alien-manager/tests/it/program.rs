//! The program, as whoever operates it starts it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use alien_conformance::printed::{Results, reviewed};
use alien_core::rollout::Plan;
use alien_core::{Artifacts, ErrorKind, Exit, Images};
use alien_fleet::api::Client;
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, Products, RevertTo, Role};
use alien_release::{Repository, RootDraft, RootKeys, SigningKey};
use jiff::Timestamp;

use crate::api::{failure, make};
use crate::folder::Folder;
use crate::process::{Program, program};
use crate::world::{product, release};

/// Runs it where it ends by itself: how it ended, and what it told, which somebody has read.
fn ended(arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(arguments).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let message = |line: &str| match serde_json::from_str::<serde_json::Value>(line) {
        Ok(line) => line["message"].as_str().unwrap().to_owned(),
        Err(_) => line.to_owned(),
    };
    let messages: Vec<String> = told.lines().map(message).collect();
    reviewed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages.txt"), &messages.join("\n"));
    (output.status.code(), told)
}

#[test]
fn a_file_of_what_is_trusted_that_cannot_be_used_is_told_before_anything_is_answered() {
    let folder = Folder::new();
    let (store, trust) = (folder.join("fleet.redb"), folder.join("trust.json"));
    std::fs::write(&trust, r#"{"shop": {"root": "sha256:5", "repository": "."}}"#).unwrap();
    let arguments = ["--store", store.to_str().unwrap(), "--trust", trust.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let (code, told) = ended(&arguments);
    assert_eq!(code, Some(Exit::Input.code().into()), "{told}");
    assert!(told.contains("trust.json: shop") && told.contains("`sha256:5`"), "{told}");
    // Of two, a reader would silently keep one.
    let twice =
        "{\"shop\": {\"root\": \"a\", \"repository\": \".\"},\n \"shop\": {\"root\": \"b\", \"repository\": \".\"}}";
    std::fs::write(&trust, twice).unwrap();
    let (_, told) = ended(&arguments);
    assert!(told.contains("`shop` is written twice at line 2 column 7"), "{told}");
    assert!(!store.exists());
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed_of_a_wrong_command_line_or_into_the_log() {
    let wild = "\u{1b}[2J\u{9b}31m\u{202e}";
    for (words, exit) in [([wild, ""], Exit::Usage), (["--width", wild], Exit::Input)] {
        let (code, told) = ended(&words);
        assert_eq!(code, Some(exit.code().into()), "{told}");
        assert!(told.contains("\\u202e") && !told.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{told:?}");
        let lines = told.lines().filter(|line| line.starts_with('{'));
        let read: Vec<serde_json::Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(exit == Exit::Input, read.iter().any(|line| line["message"].as_str().unwrap().contains(wild)));
    }
}

/// What it printed, as JSON.
fn printed(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn with_json_it_prints_where_it_answers_or_why_it_does_not() {
    let results = Results::new(include_str!("../../../docs/results.schema.json"));
    let run = |words: &[&str]| {
        let output = program(words).arg("--json").stdout(Stdio::piped()).output().unwrap();
        results.look("alien-manager", &with_json(words), &output);
        (output.status.code(), printed(&output))
    };
    let (code, usage) = run(&["--unknown"]);
    assert_eq!((code, &usage["error"]["exit"]), (Some(2), &"usage".into()), "{usage}");
    let (code, input) = run(&["--width", "0", "--idle", "x"]);
    assert_eq!((code, &input["error"]["exit"]), (Some(3), &"input".into()), "{input}");
    assert!(input["error"]["problems"].as_array().unwrap().len() > 1, "{input}");
    let folder = Folder::new();
    let store = folder.join("fleet.redb");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (code, held) = run(&["--store", store.to_str().unwrap(), "--listen", &listen]);
    assert_ne!(code, Some(0), "{held}");
    assert!(held["error"]["message"].as_str().unwrap().contains(&listen), "{held}");

    let mut command = program(&["--store", store.to_str().unwrap(), "--listen", "127.0.0.1:0", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.ends_with("}\n") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let answers: serde_json::Value = serde_json::from_str(&text).unwrap();
    let address = answers["address"].as_str().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok() && !address.ends_with(":0"), "{answers}");
    assert_eq!((&answers["works"], &answers["isTls"]), (&true.into(), &false.into()), "{answers}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    // The one document was printed before.
    out.read_line(&mut text).unwrap();
    let output = std::process::Output { stdout: text.into_bytes(), ..output };
    results.look("alien-manager", &["--json"], &output);
    assert!(output.status.success());
}

fn with_json<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &["--json"]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_trusted_by_a_root_is_rolled_out_only_as_its_keys_signed_it() {
    let folder = Folder::new();
    let (store, trust, files) = (folder.join("fleet.redb"), folder.join("trust.json"), folder.join("repository"));
    let [a, b, release_key, online_key] = std::array::from_fn(|_| SigningKey::generate().unwrap());
    let keys = RootKeys::new(2, [*a.public(), *b.public()], *release_key.public(), *online_key.public()).unwrap();
    let mut draft = RootDraft::first(&keys, Timestamp::now()).unwrap();
    draft.sign(&a).await.unwrap();
    draft.sign(&b).await.unwrap();
    let root = draft.finish().unwrap();
    let repository = Repository::create(&files, &root).unwrap();
    let repository = repository.with_release_key(Arc::new(release_key)).with_online_key(Arc::new(online_key));
    let trusted = serde_json::json!({ "shop": { "root": root.digest().to_string(), "repository": files } });
    std::fs::write(&trust, trusted.to_string()).unwrap();

    let zips = folder.join("fleet.redb.artifacts");
    let fleet = Fleet::builder(Embedded::open(&store).await.unwrap(), Clouds::none());
    let fleet = fleet.artifacts(ArtifactFolder::new(zips)).open().await.unwrap();
    let (_, token) = make(&fleet, "ann", Role::Operate, Products::All).await;
    let signed = fleet.publish(&release(b"first"), Images::new(), RevertTo::Nothing).await.unwrap();
    let artifacts: Artifacts = [Arc::from(&b"first"[..])].into_iter().collect();
    repository.publish(&signed.release, None, &artifacts).await.unwrap();
    let unsigned = fleet.publish(&release(b"second"), Images::new(), RevertTo::Nothing).await.unwrap();
    drop(fleet);

    let program = Program::begin(&["--store", store.to_str().unwrap(), "--trust", trust.to_str().unwrap()]);
    let client = Client::https(&format!("http://{}", program.address), &token, None).unwrap();
    let plan = Plan::builder().build().unwrap();
    let refused = failure(client.roll_out(&product(), unsigned.release.sequence(), &plan).await);
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("the repository has no release 3"), "{refused}");
    // What is signed passes, up to a fleet without a deployment.
    let taken = failure(client.roll_out(&product(), signed.release.sequence(), &plan).await);
    assert!(taken.to_string().contains("there is no deployment"), "{taken}");
}
