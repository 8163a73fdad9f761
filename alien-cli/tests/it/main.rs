//! The command lines, run as programs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod bad;
mod deploy;
mod diff;
mod face;
mod fields;
mod fleet;
mod interrupted;
mod invite;
mod keys;
mod manage;
mod manager;
mod manual;
mod network;
mod pages;
mod permissions;
mod proxied;
mod pulled;
mod repository;
mod rough;
mod signed;
mod testing;
mod tokens;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use alien_conformance::printed::{Results, reviewed};
use alien_core::Exit;
use serde_json::Value;

const AWS: [&str; 12] = [
    "--cloud",
    "aws",
    "--account",
    "222222222222",
    "--region",
    "eu-central-1",
    "--prefix",
    "acme",
    "--vendor",
    "arn:aws:iam::111111111111:role/vendor",
    "--external-id",
    "acme-7f3a",
];
const GCP: [&str; 12] = [
    "--cloud",
    "gcp",
    "--project",
    "customer-project",
    "--project-number",
    "123456789012",
    "--location",
    "europe-west3",
    "--prefix",
    "acme",
    "--vendor",
    "vendor@vendor-project.iam.gserviceaccount.com",
];
const AZURE: [&str; 16] = [
    "--cloud",
    "azure",
    "--tenant",
    "00000000-0000-0000-0000-00000000000f",
    "--subscription",
    "00000000-0000-0000-0000-000000000001",
    "--resource-group",
    "customer-rg",
    "--location",
    "westeurope",
    "--prefix",
    "acme",
    "--issuer",
    "https://oidc.vendor.example.com",
    "--subject",
    "deployment:acme",
];
const MY_APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/my-app.json");

fn alien(arguments: &[&str]) -> Output {
    ran(env!("CARGO_BIN_EXE_alien"), arguments)
}

fn alien_deploy(arguments: &[&str]) -> Output {
    ran(env!("CARGO_BIN_EXE_alien-deploy"), arguments)
}

/// Runs a program where nobody can be asked, and without anybody's credentials.
fn ran(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    looked_at(&mut command)
}

/// Runs a program, and looks at what it prints: a result in JSON is as its schema says, and a message is one that somebody has read.
fn looked_at(command: &mut Command) -> Output {
    static RESULTS: LazyLock<Results> =
        LazyLock::new(|| Results::new(include_str!("../../../docs/results.schema.json")));
    let output = command.output().unwrap();
    let program = Path::new(command.get_program()).file_name().unwrap().to_str().unwrap();
    let arguments: Vec<&str> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
    RESULTS.look(program, &arguments, &output);
    if !output.status.success() {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages.txt");
        let failed: Option<Value> = serde_json::from_str(&out(&output)).ok();
        let message = failed.as_ref().and_then(|failed| failed["error"]["message"].as_str());
        // Below a usage error stands the help.
        let told = told(&output);
        let told: Vec<&str> =
            told.lines().filter(|line| line.starts_with("error: ") || line.starts_with("warning: ")).collect();
        reviewed(&list, message.unwrap_or(&told.join("\n")));
    }
    output
}

fn with<'a>(head: &[&'a str], tail: &[&'a str]) -> Vec<&'a str> {
    [head, tail].concat()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A command whose input is refused: it prints nothing, exits with 3, and tells why.
fn refused(output: &Output) -> String {
    refused_as(Exit::Input, output)
}

/// A command that ends so: it prints no result, and tells why; in JSON, if that was asked for.
fn refused_as(exit: Exit, output: &Output) -> String {
    let told = told(output);
    assert!(ended(output, exit), "{:?}: {told}", output.status);
    if let Ok(failed) = serde_json::from_str::<Value>(&out(output)) {
        assert_eq!(failed["error"]["code"], exit.code(), "{failed}");
        return failed["error"]["message"].as_str().unwrap().to_owned();
    }
    assert_eq!(out(output), "");
    assert!(told.lines().all(|line| line.starts_with("error: ") || line.starts_with("warning: ")), "{told}");
    told
}

/// Whether a command ended so.
fn ended(output: &Output, exit: Exit) -> bool {
    output.status.code() == Some(exit.code().into())
}

/// A command that does what it should.
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", told(output));
    out(output)
}

/// A path of its own for a test, where nothing is.
fn nowhere(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path
}

/// A file of its own for a test, in the folder that cargo gives tests.
fn file(name: &str, content: &Value) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content.to_string()).unwrap();
    path
}

fn my_app() -> Value {
    serde_json::from_str(&std::fs::read_to_string(MY_APP).unwrap()).unwrap()
}
