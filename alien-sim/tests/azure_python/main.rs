//! Microsoft's clients for Python, as clients that are not ours: what they make, read, list, change and delete is so, their
//! pollers come to an end, and what a role does not allow is refused in words that they understand.
//! They are installed under `target/` once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod sent;
mod steps;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alien_conformance::contracts::azure::FILE;
use alien_conformance::oracle;
use alien_conformance::peer::{self, Absent, Need};
use alien_sim::azure::Azure;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use steps::STEPS;

const PACKAGES: [&str; 12] = [
    "azure-core==1.41.0",
    "azure-identity==1.27.0",
    "azure-mgmt-core==1.6.0",
    "azure-mgmt-appcontainers==5.1.0",
    "azure-mgmt-authorization==4.0.0",
    "azure-mgmt-loganalytics==14.0.0",
    "azure-mgmt-msi==7.1.0",
    "azure-mgmt-network==31.0.1",
    "azure-mgmt-resource==26.0.0",
    "azure-mgmt-servicebus==10.0.0",
    "azure-mgmt-storage==25.3.0",
    "msal==1.39.0",
];
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/acme-rg";
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust-user-assigned-managed-identity>
const AUDIENCE: &str = "api://AzureADTokenExchange";
const SUBJECT: &str = "deployment:acme";

fn main() {
    let arguments = Arguments::from_args();
    let installed = peer::told("Azure's clients", install());
    let ran = Arc::new(OnceLock::new());
    let trials = STEPS.iter().map(|&(name, check)| {
        let ran = Arc::clone(&ran);
        peer::trial(name, Need::WhereAll, &installed, move |folder| {
            let steps: &Vec<Step> = ran.get_or_init(|| drive(&folder));
            let step = steps.iter().find(|step| step.name == name).ok_or("the script does not come to it")?;
            if let Some(problem) = &step.problem {
                return Err(Failed::from(problem));
            }
            check(step);
            Ok(())
        })
    });
    let mut trials: Vec<Trial> = trials.collect();
    trials.push(peer::trial("every_step_of_the_script_is_checked", Need::WhereAll, &installed, {
        let ran = Arc::clone(&ran);
        move |folder| {
            let steps: Vec<&str> = ran.get_or_init(|| drive(&folder)).iter().map(|step| step.name.as_str()).collect();
            assert_eq!(steps, STEPS.map(|(name, _)| name));
            Ok(())
        }
    }));
    trials.push(peer::trial("pollers_ask_until_an_operation_is_done", Need::WhereAll, &installed, {
        let ran = Arc::clone(&ran);
        move |folder| Ok(sent::polled(ran.get_or_init(|| drive(&folder)))?)
    }));
    let described = peer::trial(
        "what_is_sent_and_the_status_of_each_answer_are_published",
        Need::WhereAll,
        &installed,
        move |folder| Ok(sent::described(ran.get_or_init(|| drive(&folder)))?),
    );
    let is_ignored = described.has_ignored_flag() || !oracle::folder().join(FILE).is_file();
    trials.push(described.with_ignored_flag(is_ignored));
    libtest_mimic::run(&arguments, trials).exit()
}

fn install() -> Result<PathBuf, Absent> {
    // Another list of versions is another folder.
    let name =
        format!("azure-python-{}", PACKAGES.map(|package| package.rsplit('=').next().unwrap_or_default()).join("-"));
    peer::install(&name, |folder| peer::venv(folder, &PACKAGES))
}

/// A step of the script: what the client saw, or why it failed; and what the emulator kept then.
struct Step {
    name: String,
    seen: Value,
    problem: Option<String>,
    /// The verb, the URL and the body of each request, and the status of the answer.
    sent: Vec<Value>,
    kept: BTreeMap<String, Value>,
}

impl Step {
    /// What the emulator kept under an id in the group: letters of either case are the same.
    #[track_caller]
    fn kept(&self, rest: &str) -> &Value {
        let id = format!("{GROUP}{rest}").to_ascii_lowercase();
        self.kept.get(&id).unwrap_or_else(|| panic!("there is no {id}: {:#?}", self.kept.keys()))
    }

    /// That the client was told the id that the emulator keeps it under, and it is this.
    #[track_caller]
    fn is_kept_as(&self, rest: &str) -> &Value {
        let id = self.seen["id"].as_str().expect("an id");
        assert_eq!(id.to_ascii_lowercase(), format!("{GROUP}{rest}").to_ascii_lowercase());
        self.kept(rest)
    }
}

/// The script, while it runs.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the script against an emulator of its own; after each step, while the script waits, what is kept is read.
fn drive(folder: &Path) -> Vec<Step> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let azure = runtime.block_on(Azure::start()).unwrap();
    azure.subscription(SUBSCRIPTION);
    // So that pollers have to ask again.
    azure.faults().operations_take(Duration::from_millis(50));
    let admin = azure.user("admin@example.com");
    azure.assign(&format!("/subscriptions/{SUBSCRIPTION}"), "Owner", &admin);
    let certificate = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("azure-{}.pem", std::process::id()));
    std::fs::write(&certificate, azure.certificate()).unwrap();
    let (vendor, other) = (azure.issuer("vendor"), azure.issuer("other"));
    let config = json!({
        "url": azure.url(),
        "certificate": certificate,
        "tenant": azure.tenant(),
        "subscription": SUBSCRIPTION,
        "token": azure.token(&admin, "https://management.azure.com"),
        "issuer": vendor.url(),
        "subject": SUBJECT,
        "assertion": vendor.token(SUBJECT, AUDIENCE),
        "strangers": {
            "subject": vendor.token("deployment:acme-prod", AUDIENCE),
            "case": vendor.token("deployment:Acme", AUDIENCE),
            "issuer": other.token(SUBJECT, AUDIENCE),
            "audience": vendor.token(SUBJECT, "https://management.azure.com"),
        },
    });
    let mut python = Command::new(folder.join("bin/python"));
    python
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/azure_clients.py"))
        .env("NO_PROXY", "*")
        .env("REQUESTS_CA_BUNDLE", &certificate)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut script = Script(python.spawn().unwrap());
    let mut orders = script.0.stdin.take().unwrap();
    let lines = BufReader::new(script.0.stdout.take().unwrap()).lines();
    writeln!(orders, "{config}").unwrap();
    let mut steps = Vec::new();
    for line in lines {
        let told: Value = serde_json::from_str(&line.unwrap()).expect("a line of JSON");
        steps.push(Step {
            name: told["step"].as_str().expect("the name of a step").to_owned(),
            seen: told["seen"].clone(),
            problem: told["problem"].as_str().map(str::to_owned),
            sent: told["sent"].as_array().cloned().unwrap_or_default(),
            kept: azure
                .things()
                .into_iter()
                .map(|id| (id.to_ascii_lowercase(), azure.body(&id).unwrap_or_default()))
                .collect(),
        });
        // The script is over where it does not read any more.
        let _ = writeln!(orders, "next");
    }
    let _ = std::fs::remove_file(certificate);
    steps
}
