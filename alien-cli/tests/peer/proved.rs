//! `alien-prove`: a whole life of a scratch deployment, what it shows, and what it leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use alien_conformance::world::Shipped;
use alien_core::Exit;
use serde_json::Value;

use crate::room::{Cloud, RESULTS, Room, Variables, said, words};

/// The flags that name an image, and the vendor's credentials beside the admin's.
fn flags(room: &Room) -> Vec<String> {
    let Cloud { name, vendors, code, .. } = &room.cloud;
    let image = match code("proved") {
        Shipped::Image(image) => image,
        // Functions run zips there; containers run any image.
        Shipped::Zip(_) => format!("public.ecr.aws/nginx/nginx@sha256:{}", "1".repeat(64)),
    };
    let of = |name: &str| vendors.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap();
    let vendor = match *name {
        "gcp" => ["--vendor-credentials".to_owned(), of("GOOGLE_APPLICATION_CREDENTIALS")],
        "aws" => {
            let [key, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(of);
            let keys = format!("[vendor]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
            room.write("no-credentials", keys.as_bytes());
            ["--vendor-credentials".to_owned(), "vendor".to_owned()]
        }
        _ => ["--token-file".to_owned(), of("AZURE_FEDERATED_TOKEN_FILE")],
    };
    let place = room.cloud.location.iter().chain(&room.cloud.trust).cloned();
    let commands = (*name != "aws").then(|| "--commands".to_owned());
    ["--image".to_owned(), image].into_iter().chain(commands).chain(place).chain(vendor).collect()
}

/// `alien-prove run`, by the admin's credentials.
fn run(room: &Room, more: &[&str], credentials: &Variables) -> Command {
    let flags = flags(room);
    let arguments = [&["run", "--cloud", room.cloud.name], &words(&flags)[..], more].concat();
    room.command("alien-prove", &arguments, credentials)
}

/// Runs it to its end, and gives what it found.
fn found(room: &Room, out: &str) -> (Output, Value) {
    let mut command = run(room, &["--yes", "--json", "--out", out], &room.cloud.admin);
    let output = command.output().unwrap();
    RESULTS.look("alien-prove", &["run", "--json"], &output);
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert!(findings["facts"].is_array(), "{}", said(&output));
    (output, findings)
}

fn lines(room: &Room, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(room.path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The verdict of each fact.
fn verdicts(findings: &Value) -> BTreeMap<&str, &str> {
    let facts = findings["facts"].as_array().unwrap().iter();
    facts.map(|found| (found["fact"].as_str().unwrap(), found["verdict"].as_str().unwrap())).collect()
}

/// Whether a request is that of a call, as a cloud's API reference describes it.
fn is_of(call: &str, request: &Value) -> bool {
    let [verb, target] = ["verb", "target"].map(|name| request[name].as_str().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match call {
        "run.projects.locations.services.get" => verb == "GET" && path.contains("/services/"),
        "run.projects.locations.services.patch" => verb == "PATCH" && path.contains("/services/"),
        "run.projects.locations.services.create" => verb == "POST" && query.starts_with("serviceId="),
        "run.projects.locations.services.setIamPolicy" => verb == "POST" && path.ends_with(":setIamPolicy"),
        "storage.objects.list" => verb == "GET" && path.ends_with("/o"),
        "cloudresourcemanager.projects.testIamPermissions" => path.ends_with(":testIamPermissions"),
        "GET containerApps" => verb == "GET" && path.contains("/containerApps/"),
        "PATCH containerApps" => verb == "PATCH" && path.contains("/containerApps/"),
        "PUT containerApps" => verb == "PUT" && path.contains("/containerApps/"),
        "PUT roleAssignments" => verb == "PUT" && path.contains("/roleAssignments/"),
        "List Blobs" => verb == "GET" && query.contains("comp=list"),
        _ => false,
    }
}

/// Each attempt enters, and then makes the calls that the dry run names, which are the vendor's or what is tried.
fn attempts_call_what_is_named(dry: &Value, exchanges: &[Value]) {
    let vendors = |call: &Value| {
        dry["calls"].as_array().unwrap().iter().any(|need| need["who"] == "vendor" && need["call"] == *call)
    };
    for tried in dry["attempts"].as_array().unwrap() {
        let step = format!("attempt {}", tried["name"].as_str().unwrap());
        let mut requests = exchanges.iter().filter(|exchange| exchange["step"] == step.as_str());
        let entered = requests.next().unwrap()["target"].as_str().unwrap().to_owned();
        assert!(entered.ends_with(":generateAccessToken") || entered.ends_with("/oauth2/v2.0/token"), "{entered}");
        let after = tried["after"].as_array().unwrap();
        for call in after {
            assert!(vendors(call), "{call} is none of the vendor's");
        }
        let requests: Vec<&Value> = requests.collect();
        let named: Vec<&str> = after.iter().chain([&tried["call"]]).map(|call| call.as_str().unwrap()).collect();
        assert_eq!(requests.len(), named.len(), "{step}: {named:?} {requests:#?}");
        for (call, request) in named.into_iter().zip(requests) {
            assert!(is_of(call, request), "{step}: {call} {request:#}");
        }
    }
}

/// Writes a recording as somebody else has it, where nothing listens at the address of the peer, and alters one of its exchanges, the
/// first that is picked. Gives the folder and the number of that exchange.
fn altered(room: &Room, proof: &str, name: &str, mut alter: impl FnMut(&mut Value) -> bool) -> (String, usize) {
    let folder = room.path(name);
    fs::create_dir_all(&folder).unwrap();
    // Nothing listens there. What was chosen by the peer's address stays: fingerprints are of it.
    let nowhere = "127.0.0.1:9";
    let peer = room.cloud.endpoint[1].split_once("://").unwrap().1;
    for file in ["begun.json", "invitation.json", "findings.json", "exchanges.jsonl"] {
        let text = fs::read_to_string(format!("{proof}/{file}")).unwrap();
        let [was, is] = match file {
            "begun.json" => [peer, nowhere].map(|host| {
                format!(
                    "\"endpointUrl\": \"{}{host}",
                    &room.cloud.endpoint[1][..room.cloud.endpoint[1].len() - peer.len()]
                )
            }),
            _ => [peer, nowhere].map(|host| format!("\"host\":\"{host}\"")),
        };
        let text = text.replace(&was, &is);
        assert!(!["begun.json", "exchanges.jsonl"].contains(&file) || text.contains(nowhere), "{file}: {was}");
        fs::write(format!("{folder}/{file}"), text).unwrap();
    }
    let mut exchanges = lines(room, &format!("{name}/exchanges.jsonl"));
    let number = exchanges.iter_mut().position(&mut alter).map_or(0, |index| index + 1);
    let text: Vec<String> = exchanges.iter().map(ToString::to_string).collect();
    fs::write(format!("{folder}/exchanges.jsonl"), text.join("\n")).unwrap();
    (folder, number)
}

/// What a recording, lived again by nobody in particular, differs in.
fn differences(room: &Room, folder: &str, exit: Option<Exit>) -> Vec<String> {
    let arguments = ["replay", folder, "--json"];
    let output = room.command("alien-prove", &arguments, &Vec::new()).output().unwrap();
    RESULTS.look("alien-prove", &arguments, &output);
    assert_eq!(output.status.code(), Some(exit.map_or(0, |exit| exit.code().into())), "{}", said(&output));
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(again["exchanges"].as_u64().unwrap() > 10 && again["steps"].as_u64().unwrap() > 20, "{again}");
    again["differences"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// A proof is lived again with neither credentials nor a cloud, and what was altered in it is told.
fn replayed(room: &Room, proof: &str) {
    let (folder, _) = altered(room, proof, "replayed", |_| false);
    assert_eq!(differences(room, &folder, None), [""; 0]);

    // An answer: the thing is not there.
    let is_seen = |exchange: &Value| exchange["step"] == "watch cache" && exchange["status"] == 200;
    let (folder, number) = altered(room, proof, "altered-answer", |exchange| {
        let is_it = is_seen(exchange) && !exchange["target"].as_str().unwrap().contains("token");
        if is_it {
            exchange["status"] = 404.into();
            exchange["answer"] = serde_json::json!({
                "__type": "ResourceNotFoundException", "error": { "code": "ResourceNotFound", "message": "gone" },
            });
        }
        is_it
    });
    let told = differences(room, &folder, Some(Exit::Drift));
    assert!(number > 0, "nothing was altered");
    let is_named = |told: &String| {
        told.starts_with("`watch cache` fails: ") && told.contains(&format!("came exchange {number} ("))
    };
    assert!(told.iter().any(is_named), "{number}: {told:#?}");

    // A request: this version sends what the recording has not. One that is asked twice would get the answer of the other.
    let recorded = lines(room, "replayed/exchanges.jsonl");
    let (folder, number) = altered(room, proof, "altered-request", |exchange| {
        let is_same = |other: &&Value| ["step", "target", "body"].iter().all(|field| other[field] == exchange[field]);
        let is_it = exchange["step"] == "set up"
            && exchange["body"].is_object()
            && recorded.iter().filter(is_same).count() == 1;
        if is_it {
            exchange["body"]["altered"] = true.into();
        }
        is_it
    });
    let told = differences(room, &folder, Some(Exit::Drift));
    assert!(number > 0, "nothing was altered");
    let is_named = |told: &String| {
        told.starts_with(&format!("exchange {number} (`set up`, "))
            && told.ends_with("body.altered: recorded `true`, asked `null`")
    };
    assert!(told.iter().any(is_named), "{number}: {told:#?}");
}

/// Every call is in the dry run, every fact is found as it is on the peer, nothing is left, and no secret is written.
pub(crate) fn proved(room: &Room) {
    let dry = run(room, &["--dry-run", "--json"], &Vec::new()).output().unwrap();
    assert!(dry.status.success(), "{}", said(&dry));
    RESULTS.look("alien-prove", &["run", "--json"], &dry);
    let dry: Value = serde_json::from_slice(&dry.stdout).unwrap();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let known = |name: &str| -> BTreeSet<String> {
        dry["calls"].as_array().unwrap().iter().map(|need| text(need, name)).collect()
    };
    let (known_calls, known_rights) = (known("call"), known("right"));
    let before = (room.cloud.there)();

    let out = room.path("proof");
    let (proof, findings) = found(room, &out);
    for (fact, verdict) in verdicts(&findings) {
        assert!(["holds", "by-hand"].contains(&verdict), "{fact}: {findings:#}");
    }
    assert!(verdicts(&findings).values().filter(|verdict| **verdict == "holds").count() > 10);
    let steps = findings["steps"].as_array().unwrap();
    let failed = steps.iter().filter(|taken| !taken["failure"].is_null());
    assert_eq!(failed.count(), 0, "{findings:#}");
    assert!(proof.status.success(), "{}", said(&proof));
    assert_eq!(findings["left"].as_array().unwrap().len(), 0, "{findings:#}");
    assert_eq!((room.cloud.there)(), before);
    assert_eq!(
        serde_json::from_str::<Value>(&fs::read_to_string(room.path("proof/findings.json")).unwrap()).unwrap(),
        findings
    );

    // Each call of the library's is in the dry run, and so is each right that it needed.
    let calls = lines(room, "proof/calls.jsonl");
    assert!(calls.len() > 50, "{calls:?}");
    for call in &calls {
        assert!(known_calls.contains(&text(call, "operation")), "{call}");
        for need in call["permissions"].as_array().unwrap() {
            assert!(known_rights.contains(&text(need, "permission")), "{call}");
        }
    }
    let tried: BTreeSet<String> =
        dry["attempts"].as_array().unwrap().iter().map(|tried| format!("attempt {}", text(tried, "name"))).collect();
    let attempted: BTreeSet<String> =
        steps.iter().map(|taken| text(taken, "step")).filter(|step| step.starts_with("attempt ")).collect();
    assert_eq!(attempted, tried);

    let exchanges = lines(room, "proof/exchanges.jsonl");
    // Those on AWS are compared where the library proves it.
    if room.cloud.name != "aws" {
        attempts_call_what_is_named(&dry, &exchanges);
    }
    // Google's clients show no requests of the library's.
    let is_an_attempts = |exchange: &Value| text(exchange, "step").starts_with("attempt ");
    assert_eq!(exchanges.iter().all(is_an_attempts), room.cloud.name == "gcp", "{}", exchanges.len());
    let account = room.cloud.location.iter().find(|value| value.len() >= 12 && !value.starts_with("--")).unwrap();
    assert!(!findings.to_string().contains(account.as_str()), "{account}: {findings:#}");
    let mut written = String::new();
    for file in fs::read_dir(&out).unwrap() {
        fs::File::open(file.unwrap().path()).unwrap().read_to_string(&mut written).unwrap();
    }
    for (name, value) in room.cloud.admin.iter().chain(&room.cloud.vendors) {
        let secret = if value.starts_with('/') { fs::read_to_string(value).unwrap() } else { value.clone() };
        // The access key of a root is the number of the account on AWS's peer.
        let is_a_name = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AWS_ACCESS_KEY_ID"].contains(name);
        assert!(is_a_name || !written.contains(secret.trim()), "{name}");
    }
    assert!(!written.contains("eyJ"), "a token");

    if room.cloud.name != "gcp" {
        replayed(room, &out);
    } else {
        let refused = room.command("alien-prove", &["replay", &out], &Vec::new()).output().unwrap();
        assert_eq!(refused.status.code(), Some(Exit::Input.code().into()), "{}", said(&refused));
        assert!(said(&refused).contains("its clients take no recorded answers"), "{}", said(&refused));
    }

    let planted = room.cloud.plant.as_ref().unwrap()();
    let (proof, findings) = found(room, &room.path("planted"));
    assert_eq!(proof.status.code(), Some(Exit::Drift.code().into()), "{}", said(&proof));
    assert_eq!(verdicts(&findings)[planted], "false", "{findings:#}");
    assert_eq!(findings["left"].as_array().unwrap().len(), 0, "{findings:#}");
    assert_eq!((room.cloud.there)(), before);
}

/// Ctrl-C once it is set up: everything is taken down.
pub(crate) fn interrupted(room: &Room) {
    let before = (room.cloud.there)();
    let out = room.path("proof");
    let mut command = run(room, &["--yes", "--out", &out], &room.cloud.admin);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut all = String::new();
    while !all.contains("enter …") {
        assert_ne!(told.read_line(&mut all).unwrap(), 0, "{all}");
    }
    assert!((room.cloud.there)().len() > before.len());
    let ended = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    told.read_to_string(&mut all).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(Exit::Interrupted.code().into()), "{all}{}", said(&output));
    assert!(all.contains("interrupted: it is taken down"), "{all}");
    assert!(said(&output).contains("Nothing is left."), "{}", said(&output));
    assert_eq!((room.cloud.there)(), before);
}
