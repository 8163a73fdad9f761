//! Lists of real actions, data access and privilege escalation from outside this project. They are read from a folder
//! beside the checkout. Without it, the tests that need them are reported as ignored.

use std::collections::BTreeSet;
use std::path::PathBuf;

use alien_core::adapter::{AccessControl, Cloud};
use alien_core::{Documents, Prefix, Stack};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

use crate::{brute, golden, stacks};

/// A test that needs some of the lists.
pub struct OracleTest {
    /// The name, a sentence.
    pub name: &'static str,
    /// The files it reads.
    pub files: &'static [&'static str],
    /// The test. It gets the files in that order.
    pub test: fn(&[Value]) -> Result<(), String>,
}

impl std::fmt::Debug for OracleTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OracleTest").field("name", &self.name).field("files", &self.files).finish_non_exhaustive()
    }
}

/// The folder of the lists: `ALIEN_ORACLES` from the environment, or else `shared/oracles` beside the checkout.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os("ALIEN_ORACLES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles"), PathBuf::from)
}

/// Reads a file of the folder, or returns `None` if it does not exist.
///
/// # Panics
///
/// If the file exists and is not JSON.
#[must_use]
pub fn read(file: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder().join(file)).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}")))
}

/// Runs the tests and ends the process.
pub fn run(tests: Vec<OracleTest>) -> ! {
    let arguments = Arguments::from_args();
    let trials = tests.into_iter().map(|test| {
        let paths: Vec<PathBuf> = test.files.iter().map(|file| folder().join(file)).collect();
        let absent = !paths.iter().all(|path| path.is_file());
        let run = move || {
            let files: Result<Vec<Value>, Failed> = paths
                .iter()
                .map(|path| {
                    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
                })
                .collect();
            (test.test)(&files?).map_err(Failed::from)
        };
        Trial::test(test.name, run).with_ignored_flag(absent)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit()
}

/// A stack and its documents.
pub type Case<C> = (Stack, Documents<<C as Cloud>::Target, <C as AccessControl>::Principal>);

/// Stacks to ask about, with their documents in the deployment `acme`.
///
/// # Panics
///
/// If they do not render.
pub fn cases<C: AccessControl>(target: fn(Prefix) -> C::Target) -> Vec<Case<C>> {
    [golden::my_app(), stacks::stack_of_size(24)]
        .into_iter()
        .map(|stack| {
            let rendered = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
            (stack, rendered.documents)
        })
        .collect()
}

/// Names to ask about: everything in a deployment, and some others.
pub fn probes<C: AccessControl>(
    stack: &Stack,
    documents: &Documents<C::Target, C::Principal>,
    others: &[&str],
) -> Vec<String> {
    let names = brute::names::<C>(stack, &documents.target);
    let mut probes: BTreeSet<String> = names.things().map(|thing| thing.name.to_owned()).collect();
    probes.extend(others.iter().map(|other| (*other).to_owned()));
    probes.into_iter().collect()
}

/// The strings of a JSON list.
pub fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Fails with the complaints, if there are any.
///
/// # Errors
///
/// The complaints, one per line.
pub fn verdict(complaints: Vec<String>) -> Result<(), String> {
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}
