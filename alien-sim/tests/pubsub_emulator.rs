//! The table of methods held against Google's own code: Google's Pub/Sub emulator asks this emulator's IAM what a caller
//! holds. With exactly the permissions that the table names for a method, Google's code must let the call through; without
//! any one of them, it must refuse it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod sdk;

use std::path::{Path, PathBuf};
use std::process::Command;

use alien_conformance::peer::{self, Absent, Server};
use alien_sim::gcp::{Gcp, methods};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use libtest_mimic::Arguments;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

const PROJECT: &str = "acme-project";
const PROJECT_NAME: &str = "//cloudresourcemanager.googleapis.com/projects/acme-project";

fn main() {
    let arguments = Arguments::from_args();
    let jar = peer::told("Pub/Sub", sdk::root().and_then(|root| jar(&root)));
    let trials = vec![
        sdk::trial("googles_code_asks_for_the_permissions_of_the_table", &jar, table_agrees),
        sdk::trial("a_wrong_row_of_the_table_is_reported", &jar, wrong_rows_are_reported),
        sdk::trial("a_role_bound_on_a_topic_counts_there_and_on_no_other", &jar, bound_on_one_topic),
    ];
    libtest_mimic::run(&arguments, trials).exit()
}

/// A method and the permissions that a caller must hold, wherever they are checked.
type Row = (&'static str, Vec<&'static str>);

/// A call of a method: what is in the way of it is made first, by an owner of the project.
struct Call {
    method: &'static str,
    verb: &'static str,
    path: &'static str,
    body: Option<Value>,
}

/// In paths and bodies, `#` stands for a number: each attempt has things of its own.
fn calls() -> Vec<Call> {
    let call = |method, verb, path, body| Call { method, verb, path, body };
    let message = json!({"messages": [{"data": "aGVsbG8="}]});
    let topic = format!("projects/{PROJECT}/topics/topic-#");
    let subscription = format!("projects/{PROJECT}/subscriptions/subscription-#");
    vec![
        call("pubsub.projects.topics.create", "PUT", "topics/new-#", Some(json!({}))),
        call("pubsub.projects.topics.get", "GET", "topics/topic-#", None),
        call(
            "pubsub.projects.topics.patch",
            "PATCH",
            "topics/topic-#",
            Some(
                json!({"topic": {"name": topic, "messageRetentionDuration": "600s"}, "updateMask": "messageRetentionDuration"}),
            ),
        ),
        call("pubsub.projects.topics.publish", "POST", "topics/topic-#:publish", Some(message)),
        call("pubsub.projects.topics.delete", "DELETE", "topics/topic-#", None),
        call("pubsub.projects.topics.list", "GET", "topics", None),
        call("pubsub.projects.topics.getIamPolicy", "GET", "topics/topic-#:getIamPolicy", None),
        call("pubsub.projects.topics.setIamPolicy", "POST", "topics/topic-#:setIamPolicy", Some(json!({"policy": {}}))),
        call("pubsub.projects.subscriptions.create", "PUT", "subscriptions/new-#", Some(json!({"topic": topic}))),
        call("pubsub.projects.subscriptions.get", "GET", "subscriptions/subscription-#", None),
        call(
            "pubsub.projects.subscriptions.patch",
            "PATCH",
            "subscriptions/subscription-#",
            Some(
                json!({"subscription": {"name": subscription, "ackDeadlineSeconds": 30}, "updateMask": "ackDeadlineSeconds"}),
            ),
        ),
        call(
            "pubsub.projects.subscriptions.pull",
            "POST",
            "subscriptions/subscription-#:pull",
            Some(json!({"maxMessages": 1, "returnImmediately": true})),
        ),
        call(
            "pubsub.projects.subscriptions.acknowledge",
            "POST",
            "subscriptions/subscription-#:acknowledge",
            Some(json!({"ackIds": [format!("{subscription}:1")]})),
        ),
        call(
            "pubsub.projects.subscriptions.modifyAckDeadline",
            "POST",
            "subscriptions/subscription-#:modifyAckDeadline",
            Some(json!({"ackIds": [format!("{subscription}:1")], "ackDeadlineSeconds": 20})),
        ),
        call(
            "pubsub.projects.subscriptions.modifyPushConfig",
            "POST",
            "subscriptions/subscription-#:modifyPushConfig",
            Some(json!({"pushConfig": {}})),
        ),
        call(
            "pubsub.projects.subscriptions.seek",
            "POST",
            "subscriptions/subscription-#:seek",
            Some(json!({"time": "2026-01-01T00:00:00Z"})),
        ),
        call("pubsub.projects.subscriptions.delete", "DELETE", "subscriptions/subscription-#", None),
        call("pubsub.projects.subscriptions.list", "GET", "subscriptions", None),
        call("pubsub.projects.subscriptions.getIamPolicy", "GET", "subscriptions/subscription-#:getIamPolicy", None),
        call(
            "pubsub.projects.subscriptions.setIamPolicy",
            "POST",
            "subscriptions/subscription-#:setIamPolicy",
            Some(json!({"policy": {}})),
        ),
        call("pubsub.projects.topics.subscriptions.list", "GET", "topics/topic-#/subscriptions", None),
        call("pubsub.projects.topics.snapshots.list", "GET", "topics/topic-#/snapshots", None),
        call("pubsub.projects.snapshots.get", "GET", "snapshots/snapshot-#", None),
        call("pubsub.projects.snapshots.list", "GET", "snapshots", None),
        call("pubsub.projects.snapshots.delete", "DELETE", "snapshots/snapshot-#", None),
        call("pubsub.projects.snapshots.create", "PUT", "snapshots/new-#", Some(json!({"subscription": subscription}))),
    ]
}

/// Rows of the emulator's own table: what is always needed, and of what is needed in some cases what these calls need.
fn table() -> Vec<Row> {
    let needed_here = ["pubsub.topics.attachSubscription", "pubsub.subscriptions.consume"];
    calls()
        .iter()
        .map(|call| {
            let row = methods().find(|row| row.id == call.method).unwrap_or_else(|| panic!("no row {}", call.method));
            let conditional = row.conditional.iter().filter(|permission| needed_here.contains(permission));
            (call.method, row.permissions.iter().chain(conditional).copied().collect())
        })
        .collect()
}

fn table_agrees(jar: PathBuf) {
    let world = World::new(&jar);
    let problems = world.disagreements(&table());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn wrong_rows_are_reported(jar: PathBuf) {
    let world = World::new(&jar);
    let planted: [(Row, &str); 4] = [
        (("pubsub.projects.topics.get", vec!["pubsub.topics.update"]), "is refused"),
        (("pubsub.projects.topics.get", vec!["pubsub.topics.get", "pubsub.topics.update"]), "is let through without"),
        (("pubsub.projects.subscriptions.create", vec!["pubsub.subscriptions.create"]), "is refused"),
        (("pubsub.projects.subscriptions.pull", vec!["pubsub.subscriptions.get"]), "is refused"),
    ];
    for (row, expected) in planted {
        let problems = world.disagreements(std::slice::from_ref(&row));
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{row:?}: {problems:?}");
    }
}

fn bound_on_one_topic(jar: PathBuf) {
    let world = World::new(&jar);
    let (ours, other) = (world.prepare(), world.prepare());
    let policy =
        json!({"policy": {"bindings": [{"role": "roles/pubsub.publisher", "members": ["user:a@example.com"]}]}});
    let owner = world.gcp.token("user:admin@example.com");
    let (code, answer) = world.send(&owner, "POST", &format!("topics/topic-{ours}:setIamPolicy"), Some(&policy));
    assert_eq!(code, 200, "{answer}");
    let message = json!({"messages": [{"data": "aGVsbG8="}]});
    let token = world.gcp.token("user:a@example.com");
    let publish = |number| world.send(&token, "POST", &format!("topics/topic-{number}:publish"), Some(&message)).0;
    assert_eq!((publish(ours), publish(other)), (200, 403));
}

/// An emulator of IAM, and Google's emulator of Pub/Sub that asks it. Google's ends with the value.
struct World {
    gcp: Gcp,
    runtime: Runtime,
    _google: Server,
    port: u16,
    attempts: std::cell::Cell<u32>,
}

impl World {
    fn new(jar: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let gcp = runtime.block_on(Gcp::start()).unwrap();
        gcp.project(PROJECT, 123_456_789);
        gcp.bind(PROJECT_NAME, "roles/owner", "user:admin@example.com");
        let iam = gcp.url().rsplit_once(':').unwrap().1.to_owned();
        // It chooses a port where it is told none, and does not say which.
        let google = |port: u16| {
            let mut google = Command::new("java");
            google
                .arg("-jar")
                .arg(jar)
                .args(["--host=127.0.0.1", "--enable_iam_integration=true", "--iam_host=127.0.0.1"])
                .args([format!("--port={port}"), format!("--iam_port={iam}")]);
            google
        };
        let listens = |line: &str, port| line.ends_with(&format!("Server started, listening on {port}"));
        let (google, port) = Server::start_on_a_port(google, listens).unwrap();
        Self { gcp, runtime, _google: google, port, attempts: std::cell::Cell::new(0) }
    }

    /// The things of a new attempt, made by an owner.
    fn prepare(&self) -> u32 {
        let number = self.attempts.get();
        self.attempts.set(number + 1);
        let owner = self.gcp.token("user:admin@example.com");
        let topic = format!("projects/{PROJECT}/topics/topic-{number}");
        for (path, body) in [
            (format!("topics/topic-{number}"), json!({})),
            (format!("subscriptions/subscription-{number}"), json!({"topic": topic})),
            (
                format!("snapshots/snapshot-{number}"),
                json!({"subscription": format!("projects/{PROJECT}/subscriptions/subscription-{number}")}),
            ),
        ] {
            let (code, answer) = self.send(&owner, "PUT", &path, Some(&body));
            assert_eq!(code, 200, "an owner makes {path}: {answer}");
        }
        number
    }

    /// Makes a call with the token of a user who holds exactly these permissions.
    fn attempt(&self, call: &Call, permissions: &[&str]) -> (u16, Value) {
        let number = self.prepare();
        let role = format!("projects/{PROJECT}/roles/attempt.{number}");
        let member = format!("user:attempt-{number}@example.com");
        self.gcp.set_role(&role, permissions);
        self.gcp.bind(PROJECT_NAME, &role, &member);
        let fill = |text: &str| text.replace('#', &number.to_string());
        let body: Option<Value> =
            call.body.as_ref().map(|body| serde_json::from_str(&fill(&body.to_string())).unwrap());
        self.send(&self.gcp.token(&member), call.verb, &fill(call.path), body.as_ref())
    }

    /// What Google's code says otherwise.
    fn disagreements(&self, rows: &[Row]) -> Vec<String> {
        let calls = calls();
        let mut problems = Vec::new();
        for (method, permissions) in rows {
            let call = calls.iter().find(|call| call.method == *method).expect("a call of the method");
            let (code, answer) = self.attempt(call, permissions);
            if code != 200 {
                problems.push(format!("{method} with {permissions:?} is refused: {code} {answer}"));
            }
            for missing in permissions {
                let others: Vec<&str> = permissions.iter().copied().filter(|other| other != missing).collect();
                let (code, answer) = self.attempt(call, &others);
                if code != 403 {
                    problems.push(format!("{method} is let through without {missing}: {code} {answer}"));
                }
            }
        }
        problems
    }

    fn send(&self, token: &str, verb: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = http::Request::builder()
            .method(verb)
            .uri(format!("http://127.0.0.1:{}/v1/projects/{PROJECT}/{path}", self.port))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(bytes::Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .unwrap();
        self.runtime.block_on(async {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let response = client.request(request).await.unwrap();
            let code = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (code, serde_json::from_slice(&body).unwrap_or_default())
        })
    }
}

/// The emulator, where Java and it are there.
fn jar(root: &Path) -> Result<PathBuf, Absent> {
    let java = Command::new("java").arg("-version").output().map_err(|error| Absent(format!("java: {error}")))?;
    if !java.status.success() {
        return Err(Absent("java does not run".to_owned()));
    }
    let folder = root.join("platform/pubsub-emulator/lib");
    let files = std::fs::read_dir(&folder).map_err(|error| Absent(format!("{}: {error}", folder.display())))?;
    let is_jar = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("cloud-pubsub-emulator-") && name.ends_with("-all.jar")
    };
    let found = files.filter_map(Result::ok).map(|file| file.path()).find(is_jar);
    found.ok_or_else(|| Absent(format!("there is no emulator in {}", folder.display())))
}
