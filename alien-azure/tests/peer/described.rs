//! Everything that a deployment's life sends, against what is published of Azure: the contracts of its APIs, and which action a
//! request needs. So the client and the emulator cannot agree on a mistake.

use std::collections::{BTreeMap, BTreeSet};

use alien_azure::Azure;
use alien_conformance::arm::{self, Actions};
use alien_conformance::contracts::azure::{self as contracts, Contracts};
use alien_conformance::{life, oracle};
use alien_core::adapter::Cloud;
use alien_sim::azure::{Decision, Request};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::world::Peer;

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
        trial("every_request_is_one_that_the_published_contracts_know", contracts::FILE, requests_are_described),
        trial("every_action_is_the_one_that_is_published", arm::FILE, actions_are_published),
    ]
}

/// What is sent and decided in a life.
fn a_life() -> Result<(Vec<Request>, Vec<Decision>), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let peer = Peer::new().await;
        life::the_whole_life_of_a_stack(&peer).await;
        Ok((peer.sim.requests(), peer.sim.decisions()))
    })
}

/// What is asked again and again, of whichever thing, is looked at once: a method with the fields that are sent.
fn once<'r>(requests: impl Iterator<Item = &'r Request>) -> Vec<&'r Request> {
    let fields = |body: &Value| body.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let each = requests.map(|request| ((&*request.method, &*request.verb, fields(&request.body)), request));
    each.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Whether a request is one of Resource Manager: the contracts hold no data planes, and no Entra.
fn is_arm(request: &Request) -> bool {
    request.path.starts_with("/subscriptions/")
}

/// What is wrong with a request, by the contracts.
fn wrong(contracts: &Contracts, request: &Request, body: &Value) -> Vec<String> {
    let body = (!body.is_null()).then_some(body);
    match contracts.check(&request.verb, &request.path, &request.query, body) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    }
}

/// Whether a request is about a provider itself, of a subscription.
fn is_provider(request: &Request) -> bool {
    request.path.rsplit_once("/providers/").is_some_and(|(_, rest)| !rest.contains('/'))
}

/// A PATCH of an app sends the template and nothing else. One description says that it needs `location`; Microsoft's own
/// examples of the operation, and its documentation of the body, do not agree about it.
fn is_disputed(request: &Request, problem: &str) -> bool {
    request.verb == "PATCH" && request.path.contains("/containerApps/") && problem.contains("location")
}

fn requests_are_described(requests: &[Request], _: &[Decision]) -> Result<(), String> {
    let contracts = Contracts::load().ok_or("no descriptions")?;
    let (arm, others): (Vec<_>, Vec<_>) = requests.iter().partition(|request| is_arm(request));
    let sent = arm.len();
    // Rules of expiry are not among the descriptions, nor is a single provider: of those they have the list.
    let is_described = |request: &&Request| !request.path.contains("/managementPolicies/") && !is_provider(request);
    let described = arm.into_iter().filter(is_described);
    let arm = once(described);
    let mut complaints = BTreeSet::new();
    for request in &arm {
        for problem in wrong(&contracts, request, &request.body) {
            if !is_disputed(request, &problem) {
                complaints.insert(format!("{} {}: {problem}", request.verb, request.path));
            }
        }
    }
    let methods: BTreeSet<&str> = arm.iter().map(|request| request.method.as_str()).collect();
    println!("{sent} requests of {} methods; {} of data planes and of Entra", methods.len(), others.len());
    // A disagreement is caught: a path that does not exist, another version, a required field that is not sent.
    let mut planted = 0;
    for request in &arm {
        let mut path = (*request).clone();
        path.path = request.path.replace("/providers/", "/planted/").replace("/resourceGroups/", "/planted/");
        let mut version = (*request).clone();
        for (name, value) in &mut version.query {
            if name == "api-version" {
                *value = "1999-01-01".to_owned();
            }
        }
        for (what, planted) in [("path", path), ("version", version)] {
            if wrong(&contracts, &planted, &request.body).is_empty() {
                complaints.insert(format!("a {what} that does not exist is not noticed in {}", request.method));
            }
        }
        if let Some(fields) =
            request.body.as_object().filter(|_| request.verb == "PUT" && request.body["location"].is_string())
        {
            let mut fields = fields.clone();
            fields.remove("location");
            planted += 1;
            if wrong(&contracts, request, &Value::Object(fields)).is_empty()
                && !request.path.contains("/virtualNetworks/")
            {
                complaints.insert(format!("that `location` is not sent is not noticed in {}", request.method));
            }
        }
    }
    if methods.len() < 35 || planted < 6 {
        complaints.insert(format!("only {} methods and {planted} bodies: the life is not whole", methods.len()));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.into_iter().collect::<Vec<_>>().join("\n")) }
}

/// What the emulator asked for is what the list says; and what the list says is what the table names for what was sent.
fn actions_are_published(requests: &[Request], decisions: &[Decision]) -> Result<(), String> {
    let list = Actions::load().ok_or("no list")?;
    let mut decided = BTreeMap::<&str, BTreeSet<&str>>::new();
    for decision in decisions.iter().filter(|decision| decision.allowed) {
        decided.entry(&decision.method).or_default().insert(&decision.permission);
    }
    let table: BTreeSet<String> =
        Azure::operations().rows().iter().map(|row| row.permission.to_ascii_lowercase()).collect();
    let mut complaints = BTreeSet::new();
    let mut checked = BTreeSet::new();
    for request in once(requests.iter().filter(|request| is_arm(request))) {
        let Some(asked) = decided.get(request.method.as_str()) else {
            complaints.insert(format!("nothing was decided about {} {}", request.verb, request.path));
            continue;
        };
        let Some(published) = list.actions(&request.verb, &request.path) else {
            complaints.insert(format!("the list has no row for {} {}", request.verb, request.path));
            continue;
        };
        checked.insert(request.method.as_str());
        let linked: BTreeSet<String> = published
            .iter()
            .flat_map(|needed| &needed.actions)
            .flat_map(|action| list.linked(action, &request.body))
            .map(|linked| linked.action.to_ascii_lowercase())
            .collect();
        // What a body links to is another question than what the path needs.
        let own: Vec<&str> = asked
            .iter()
            .copied()
            .filter(|action| !decision_of_a_link(action) && !linked.contains(&action.to_ascii_lowercase()))
            .collect();
        // The list names `Microsoft.Resources/providers/read` for providers. Whoever may not read them is told another action
        // (<https://github.com/hashicorp/terraform-provider-azurerm/issues/2678>).
        if !is_provider(request) {
            complaints.extend(list.check(&request.verb, &request.path, &own).err());
        }
        for action in published.iter().flat_map(|needed| &needed.actions) {
            // Of the subscription the documents permit nothing.
            if !table.contains(&action.to_ascii_lowercase()) && !is_provider(request) {
                complaints.insert(format!("{} needs {action}, and the table has no such row", request.method));
            }
        }
        // A disagreement is caught.
        if list.check(&request.verb, &request.path, &["Microsoft.Planted/things/read"]).is_ok() {
            complaints.insert(format!("an action that is not published is not noticed in {}", request.method));
        }
    }
    println!("{} methods were decided as published", checked.len());
    if checked.len() < 35 {
        complaints.insert(format!("only {} methods: the life is not whole", checked.len()));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.into_iter().collect::<Vec<_>>().join("\n")) }
}

/// Links are decided under the method whose body names them, and not in every call of it.
fn decision_of_a_link(action: &str) -> bool {
    ["/join/action", "/assign/action"].iter().any(|end| action.ends_with(end))
}
