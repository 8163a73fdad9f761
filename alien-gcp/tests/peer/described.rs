//! Everything that a deployment's life sends, against what Google publishes: the descriptions of its APIs, and which permission
//! a method needs. So the client and the emulator cannot agree on a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use alien_conformance::contracts::gcp::{self, Contracts};
use alien_conformance::{life, oracle};
use alien_sim::gcp::{Decision, Request};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::Peer;

/// Which permission each method needs, from Google's documentation.
const PERMISSIONS: &str = "gcp-method-permissions.json";

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, file: &str, test: fn(&[Request], &[Decision]) -> Result<(), String>| {
        let absent = !oracle::folder().join(file).is_file();
        let run = move || {
            let (requests, decisions) = a_life()?;
            Ok(test(&requests, &decisions)?)
        };
        Trial::test(name, run).with_ignored_flag(absent)
    };
    vec![
        trial("every_request_is_one_that_googles_descriptions_know", gcp::FILE, requests_are_described),
        trial("every_permission_is_the_one_that_google_documents", PERMISSIONS, permissions_are_documented),
    ]
}

/// What is sent and decided in a life, and in a day.
fn a_life() -> Result<(Vec<Request>, Vec<Decision>), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let peer = Peer::new().await;
        life::the_whole_life_of_a_stack(&peer).await;
        Ok((peer.sim.requests(), peer.sim.decisions()))
    })
}

/// What is wrong with a request, by Google's descriptions.
fn wrong(contracts: &Contracts, request: &Request, body: &Value) -> Vec<String> {
    let body = (!body.is_null()).then_some(body);
    let api = request.method.split('.').next().unwrap_or_default();
    match contracts.check_in(api, &request.verb, &request.path, &request.query, body) {
        Ok(found) if found.as_str() == request.method => Vec::new(),
        Ok(found) => vec![format!("the emulator takes it for {}, and it is {}", request.method, found.as_str())],
        Err(problems) => problems,
    }
}

fn requests_are_described(requests: &[Request], _: &[Decision]) -> Result<(), String> {
    let contracts = Contracts::load().ok_or("no descriptions")?;
    // Of these two APIs there is no description in the list; and what code answers is not an API of Google's.
    let undescribed = ["artifactregistry.", "orgpolicy.", "(", "run.invoke"];
    let (without, with): (Vec<_>, Vec<_>) =
        requests.iter().partition(|request| undescribed.iter().any(|known| request.method.starts_with(known)));
    let mut complaints = BTreeSet::new();
    for request in &with {
        for problem in wrong(&contracts, request, &request.body) {
            complaints.insert(format!("{} {} {}: {problem}", request.method, request.verb, request.path));
        }
    }
    let methods: BTreeSet<&str> = with.iter().map(|request| request.method.as_str()).collect();
    println!("{} requests of {} methods; {} of APIs without a description", with.len(), methods.len(), without.len());
    // A disagreement is caught: a field that no description has, in every request that has a body.
    let mut planted = 0;
    for request in with.iter().filter(|request| request.body.is_object()) {
        let mut body = request.body.clone();
        body["plantedField"] = json!(1);
        planted += 1;
        if wrong(&contracts, request, &body).is_empty() {
            complaints.insert(format!("a field that does not exist is not noticed in {}", request.method));
        }
        let mut path = (*request).clone();
        path.path = request.path.replace("/projects/", "/planted/");
        if path.path != request.path && wrong(&contracts, &path, &request.body).is_empty() {
            complaints.insert(format!("a path that does not exist is not noticed in {}", request.method));
        }
    }
    if methods.len() < 40 || planted < 20 {
        complaints.insert(format!("only {} methods and {planted} bodies: the life is not whole", methods.len()));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.into_iter().collect::<Vec<_>>().join("\n")) }
}

fn permissions_are_documented(_: &[Request], decisions: &[Decision]) -> Result<(), String> {
    let path: PathBuf = oracle::folder().join(PERMISSIONS);
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut decided = BTreeMap::<&str, BTreeSet<&str>>::new();
    for decision in decisions.iter().filter(|decision| decision.allowed) {
        decided.entry(&decision.method).or_default().insert(&decision.permission);
    }
    let disagreements = disagreements(&file, &decided);
    println!("{} methods were decided", decided.len());
    if !disagreements.is_empty() {
        return Err(disagreements.join("\n"));
    }
    // A disagreement is caught: another permission in the place of any one.
    for (method, permissions) in &decided {
        let always = file["methods"][method]["permissions"].as_array();
        if method.ends_with(".testIamPermissions") || always.is_none_or(Vec::is_empty) {
            continue;
        }
        let mut planted = decided.clone();
        planted.insert(method, permissions.iter().skip(1).copied().chain(["planted.things.get"]).collect());
        if self::disagreements(&file, &planted).is_empty() {
            return Err(format!("a permission that is not documented is not noticed in {method}"));
        }
    }
    Ok(())
}

/// Where what was decided is not what is documented: a permission too many, or one that is always needed and was not asked.
fn disagreements(file: &Value, decided: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut found = Vec::new();
    for (method, permissions) in decided {
        // What is asked about is for the caller to say.
        if method.ends_with(".testIamPermissions") {
            continue;
        }
        let documented = &file["methods"][method];
        let Some(always) = documented["permissions"].as_array() else { continue };
        // Of a log view the view's own permission takes the place of the project's.
        let of_a_view = permissions.contains("logging.views.access");
        let always: BTreeSet<&str> = always
            .iter()
            .filter_map(Value::as_str)
            .filter(|always| !(of_a_view && *always == "logging.logEntries.list"))
            .collect();
        let also = documented["also"].as_array().into_iter().flatten();
        let also: BTreeSet<&str> = also.filter_map(|also| also["permission"].as_str()).collect();
        for missing in always.difference(permissions) {
            found.push(format!("{method} needs {missing}, and it was not asked for"));
        }
        for other in permissions.iter().filter(|one| !always.contains(*one) && !also.contains(*one)) {
            found.push(format!("{method} was decided by {other}, which is not documented"));
        }
    }
    found
}
