//! Schemathesis asks a manager whatever its document of OpenAPI lets it think of, and compares what is answered with the document. It
//! is installed under `target/` once. <https://schemathesis.readthedocs.io>

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod agents;
mod operators;
#[expect(dead_code, unexpected_cfgs, reason = "it also has what only the tests of the fleet use")]
#[path = "../../../alien-fleet/tests/it/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use alien_conformance::peer::{self, Need};
use alien_fleet::Role;
use libtest_mimic::{Arguments, Failed};
use serde_json::{Value, json};

use crate::world::World;

/// Hypothesis makes the values, so a run is the same again only with the same one.
const PACKAGES: [&str; 2] = ["schemathesis==4.32.5", "hypothesis==6.170.17"];

/// What is looked at in each answer: no 500 and the like, no status, type, header or form that the document does not have; and a call
/// that needs a token needs it. A 503 says that a manager is asked too much at once.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,ignored_auth,negative_data_rejection";

/// 503 is the one status above 499 that says nothing bad: others are documented where a cloud is called, and none is expected here.
/// What was answered is not asked for again, or the token that asks would be revoked. Records have so many bounds that the time would go
/// into them alone; a check takes the stack that a release takes, and a plan is that of a rollout.
const CONFIG: &str = r#"
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]

[phases.examples.extra-data-sources]
responses = false

[phases.coverage]
unexpected-methods = []
extra-data-sources.responses = false

[phases.fuzzing.extra-data-sources]
responses = false

[[operations]]
include-operation-id = ["register", "addDeployment", "checkStack", "planRollout"]
phases.coverage.enabled = false
"#;

fn main() {
    let arguments = Arguments::from_args();
    let name = format!("schemathesis-{}", PACKAGES.map(|package| package.rsplit('=').next().unwrap()).join("-"));
    let installed =
        peer::told("the document of the manager", peer::install(&name, |folder| peer::venv(folder, &PACKAGES)));
    let trial = |name: &str, test: fn(&Path) -> Result<(), Failed>| {
        peer::trial(name, Need::WhereRequired, &installed, move |folder: PathBuf| test(&folder))
    };
    let trials = vec![
        trial("what_a_reader_may_send_is_answered_as_documented", |python| operators::asked(python, Role::Read)),
        trial("what_an_operator_may_send_is_answered_as_documented", |python| operators::asked(python, Role::Operate)),
        trial("what_an_admin_may_send_is_answered_as_documented", |python| operators::asked(python, Role::Admin)),
        trial("what_an_agent_may_send_is_answered_as_documented", agents::asked),
    ];
    libtest_mimic::run(&arguments, trials).exit()
}

/// Waits for work on a clock that stands still while something is set up, and then goes with the machine's.
fn run<T>(work: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work())
}

/// Adds to the schemas of names and numbers what there is, so that not every call asks for what is not. Parameters have perhaps nothing
/// else; answers always may.
fn knowing(mut document: Value, known: &BTreeMap<&str, Vec<Value>>, others: Others) -> Value {
    for (name, values) in known {
        let schema = document["components"]["schemas"].get_mut(*name).unwrap_or_else(|| panic!("no schema of {name}"));
        *schema = Others::Asked.beside(values, schema.take());
        let reference = format!("#/components/schemas/{name}");
        let paths = document["paths"].as_object_mut().unwrap().values_mut();
        let operations = paths.flat_map(|methods| methods.as_object_mut().unwrap().values_mut());
        for operation in operations {
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                let schema = &mut parameter["schema"];
                if schema["$ref"] == *reference {
                    *schema = others.beside(values, schema.take());
                }
            }
        }
    }
    document
}

/// What is asked for beside what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// Whatever else has the form.
    Asked,
    Left,
}

impl Others {
    fn beside(self, values: &[Value], any: Value) -> Value {
        match self {
            Self::Asked => json!({ "anyOf": [{ "enum": values }, any] }),
            Self::Left => json!({ "enum": values }),
        }
    }
}

/// Who is asked, and how.
struct Asking<'a> {
    address: SocketAddr,
    document: &'a Value,
    bearer: &'a str,
    /// The group of calls.
    tag: &'a str,
    /// Whether the bounds of every field are tried, and what is not of the form: once is enough.
    thoroughly: bool,
}

/// Lets Schemathesis ask. Fails with what it says where it finds something.
async fn ask(python: &Path, name: &str, with: &Asking<'_>) {
    let Asking { address, document, bearer, tag, thoroughly } = with;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("schemathesis-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("openapi.json"), document.to_string()).unwrap();
    std::fs::write(folder.join("schemathesis.toml"), CONFIG).unwrap();
    let mut command = Command::new(python.join("bin/st"));
    command.current_dir(&folder).args(["--config-file", "schemathesis.toml", "run", "openapi.json"]);
    command.args(["--url", &format!("http://{address}"), "--header", &format!("Authorization: Bearer {bearer}")]);
    if *thoroughly {
        command.args(["--phases", "examples,coverage,fuzzing", "--mode", "all", "--max-examples", "8"]);
    } else {
        command.args(["--phases", "examples,fuzzing", "--mode", "positive", "--max-examples", "4"]);
    }
    command.args(["--checks", CHECKS, "--include-tag", tag, "--exclude-path", "/v1/events/stream"]);
    command.args(["--generation-database", "none", "--no-color", "--warnings", "off", "--continue-on-failure"]);
    command.args(["--suppress-health-check", "all", "--request-timeout", "30", "--seed", "1"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The calls of a group in the document, but for the stream, which has no end.
fn calls(document: &Value, tag: &str) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| (method.to_uppercase(), path, operation))
    });
    let all = all.filter(|(_, path, operation)| operation["tags"][0] == tag && *path != "/v1/events/stream");
    all.map(|(method, path, _)| (method, path.clone())).collect()
}
