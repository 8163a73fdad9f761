//! The documents, as parliament sees them: a linter of IAM that is not ours (<https://github.com/duo-labs/parliament>), with its
//! community auditors. It is installed under `target/` once.
//!
//! What it finds is one of a reviewed list, each with the reason. Its definition of IAM is of April 2025, so it does not know what
//! AWS has added since.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what is wrong by panicking")]

#[path = "../it/agents.rs"]
mod agents;
#[path = "../it/target.rs"]
mod target;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use agents::{clusters_target, roles_target};
use alien_conformance::peer::{self, Need};
use alien_conformance::stacks::IMAGE;
use alien_conformance::world::Shipped;
use alien_conformance::{golden, stacks};
use alien_core::{Layer, Stack};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use target::target;

/// parliament finds its own files with `pkg_resources`, which later versions of setuptools do not have.
const PACKAGES: [&str; 2] = ["parliament==1.6.4", "setuptools==80.9.0"];

/// What parliament finds and is meant so: the layer, the finding, a part of what it says, and why.
const REVIEWED: &[(&str, &str, &str, &str)] = &[
    ("", "CREDENTIALS_EXPOSURE", "sts:assumerole", "a trust policy says who may be given credentials of the role"),
    ("provisioning", "PERMISSIONS_MANAGEMENT_ACTIONS", "", "the admin gives the deployment's identities their rights"),
    (
        "management",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "iam:passrole",
        "the deployment's own runtime roles, to the service that runs its code",
    ),
    (
        "management",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "sqs:createqueue",
        "where the stack extends it by `queue/provision`, which the report tells",
    ),
    (
        "provisioning",
        "PRIVILEGE_ESCALATION",
        "",
        "whoever sets a deployment up could make a role for themselves: that is the customer's admin",
    ),
    (
        "management",
        "PRIVILEGE_ESCALATION",
        "EditExistingLambdaFunctionWithRole",
        "code of the deployment's own, under its own role: that is what an update is",
    ),
    (
        "provisioning",
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
        "s3:",
        "the admin closes buckets by their policies, and reads no data",
    ),
    (
        "management",
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
        "s3:PutLifecycleConfiguration",
        "where the stack extends it by `storage/reconfigure`, which the report tells",
    ),
    (
        "provisioning",
        "RESOURCE_STAR",
        "lambda:DeleteEventSourceMapping",
        "a mapping has no ARN before it is made; the condition on `lambda:FunctionArn` limits it",
    ),
    ("provisioning", "MISMATCHED_TYPE_BUT_USABLE", "StringEquals", "`lambda:FunctionArn` is compared with whole ARNs"),
    (
        "management",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "sts:ExternalId for action sts:SetSourceIdentity",
        "both actions are decided for one request to assume the role, which has the key",
    ),
    ("management", "UNKNOWN_FEDERATION_SOURCE", "oidc-provider/oidc.eks.", "the issuer of the customer's own cluster"),
    (
        "management",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "/id/EXAMPLED539D4633E53DE1B716D3041E:",
        "the keys of an issuer begin with its address \
         (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif)",
    ),
    (
        "runtime",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "lambda:SourceFunctionArn",
        "Lambda sets it in the requests of a function's code, to whichever service (https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html)",
    ),
    (
        "runtime",
        "RESOURCE_STAR",
        "ec2:CreateNetworkInterface",
        "a network interface has no ARN before Lambda makes it; the function's own code is denied it",
    ),
];

fn main() {
    let arguments = Arguments::from_args();
    let name = format!("parliament-{}", PACKAGES.map(|package| package.rsplit('=').next().unwrap()).join("-"));
    let installed = peer::told("linting IAM", peer::install(&name, |folder| peer::venv(folder, &PACKAGES)));
    let trial = |name: &str, test: fn(&Path)| -> Trial {
        peer::trial(name, Need::WhereRequired, &installed, move |folder: PathBuf| {
            test(&folder);
            Ok(())
        })
    };
    let trials = vec![
        trial("parliament_finds_nothing_but_what_was_reviewed", finds_only_what_was_reviewed),
        trial("parliament_finds_an_unknown_action", |python| {
            let policy = allow(
                &json!(["sqs:SendMessage", "sqs:SendMesage"]),
                "arn:aws:sqs:eu-central-1:222222222222:q",
                &json!({}),
            );
            is_found(python, &policy, "UNKNOWN_ACTION");
        }),
        trial("parliament_finds_a_condition_that_the_service_does_not_have", |python| {
            let condition = json!({ "StringEquals": { "lambda:VpcIdz": "vpc-1" } });
            let on = "arn:aws:lambda:eu-central-1:222222222222:function:f";
            is_found(
                python,
                &allow(&json!("lambda:UpdateFunctionConfiguration"), on, &condition),
                "UNKNOWN_CONDITION_FOR_ACTION",
            );
        }),
        trial("parliament_finds_a_resource_that_an_action_does_not_take", |python| {
            let on = "arn:aws:s3:::bucket";
            is_found(python, &allow(&json!("sqs:SendMessage"), on, &json!({})), "RESOURCE_MISMATCH");
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit()
}

/// A policy that allows this.
fn allow(actions: &Value, resource: &str, condition: &Value) -> Value {
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resource, "Condition": condition });
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

fn is_found(python: &Path, policy: &Value, issue: &str) {
    let without = |policy: &Value| linted(python, &[("planted".to_owned(), policy.clone())]);
    let found = without(policy);
    assert!(found.iter().any(|finding| finding.issue == issue), "{issue} was not found: {found:#?}");
}

/// A stack's name, the stack, and the layers of its documents.
fn documents() -> Vec<(String, Value)> {
    let zip = Shipped::Zip(b"code".to_vec());
    let all: [(&str, Stack); 5] = [
        ("my-app", golden::my_app()),
        ("full", stacks::full(&zip, IMAGE)),
        ("in-network", stacks::in_network(IMAGE.parse().unwrap())),
        ("function", stacks::of_function(zip.code())),
        ("thirty", stacks::stack_of_size(30)),
    ];
    let mut documents = Vec::new();
    for (name, stack) in &all {
        for (way, target) in [("pushed", target as fn(_) -> _), ("role", roles_target), ("cluster", clusters_target)] {
            let rendered = alien_core::render(stack, &target("acme".parse().unwrap())).unwrap();
            for layer in Layer::ALL {
                for principal in rendered.documents.layers.principals(layer) {
                    let at = |what: &str| format!("{layer}: {what} of {} ({name}, {way})", principal.role.name);
                    // parliament knows no trust policies: they have no resource, so they are given the role.
                    let mut trust = serde_json::to_value(&principal.role.trust_policy).unwrap();
                    for statement in trust["Statement"].as_array_mut().unwrap() {
                        statement["Resource"] =
                            format!("arn:aws:iam::222222222222:role/{}", principal.role.name).into();
                    }
                    documents.push((at("trust policy"), trust));
                    for policy in &principal.policies {
                        documents.push((at(&policy.name), serde_json::to_value(&policy.document).unwrap()));
                    }
                }
            }
        }
    }
    documents
}

#[derive(Debug)]
struct Finding {
    name: String,
    issue: String,
    detail: String,
}

/// What parliament finds in policies.
fn linted(python: &Path, policies: &[(String, Value)]) -> Vec<Finding> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parliament/lint.py");
    let mut command = Command::new(python.join("bin/python"));
    let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> =
        policies.iter().map(|(name, policy)| format!("{}\n", json!({ "name": name, "policy": policy }))).collect();
    let writes = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap().unwrap();
    assert!(output.status.success(), "parliament does not run: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let findings = text.lines().map(|line| {
        let found: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| found[name].as_str().unwrap().to_owned();
        Finding { name: field("name"), issue: field("issue"), detail: field("detail") }
    });
    findings.collect()
}

fn finds_only_what_was_reviewed(python: &Path) {
    let documents = documents();
    assert!(documents.len() > 100, "only {} documents", documents.len());
    let mut unused: BTreeSet<usize> = (0..REVIEWED.len()).collect();
    let mut told = BTreeSet::new();
    for Finding { name, issue, detail } in linted(python, &documents) {
        let is_reviewed = |(layer, known, part, _): &&(&str, &str, &str, &str)| {
            name.starts_with(layer) && issue == *known && detail.contains(part)
        };
        match REVIEWED.iter().position(|reviewed| is_reviewed(&reviewed)) {
            Some(at) => drop(unused.remove(&at)),
            None => drop(told.insert(format!("{name}: {issue} {detail}"))),
        }
    }
    let told: Vec<String> = told.into_iter().collect();
    assert!(told.is_empty(), "{} findings that were not reviewed:\n{}", told.len(), told.join("\n"));
    let unused: Vec<_> = unused.into_iter().map(|at| REVIEWED[at]).collect();
    assert!(unused.is_empty(), "of the reviewed, these are found no more: {unused:#?}");
}
