//! What the clients sent, and what they were answered.

use std::collections::BTreeSet;

use alien_conformance::contracts::azure::Contracts;
use serde_json::Value;

use crate::Step;

/// Where an answer says that an operation goes on, the client asks again; and what it was told in the end was no longer
/// going on, by the checks of each step.
pub(crate) fn polled(steps: &[Step]) -> Result<(), String> {
    let long = [
        ("a_workspace_is_created", "workspaces"),
        ("a_network_is_created", "virtualNetworks"),
        ("a_subnet_is_created", "subnets"),
        ("an_environment_is_created", "managedEnvironments"),
        ("an_app_is_created", "containerApps"),
        ("a_storage_account_is_created", "storageAccounts"),
        ("a_namespace_is_created", "namespaces"),
        ("the_template_of_the_app_is_patched", "containerApps"),
        ("everything_is_deleted", "containerApps"),
        ("the_group_is_deleted", "resourceGroups"),
    ];
    let mut complaints = Vec::new();
    for (name, kind) in long {
        let sent = &steps.iter().find(|step| step.name == name).ok_or("the script does not come to it")?.sent;
        let asked: Vec<String> =
            sent.iter().map(|sent| format!("{} {} {}", sent["verb"], sent["url"], sent["status"])).collect();
        let begun = sent.iter().position(|sent| {
            let (path, _) = parts(sent["url"].as_str().unwrap_or_default());
            let of = path.rsplit('/').nth(1).unwrap_or_default();
            sent["verb"] != "GET" && of.eq_ignore_ascii_case(kind)
        });
        let asks = |sent: &Value| sent["verb"] == "GET" && (sent["status"] == 200 || sent["status"] == 202);
        if !begun.is_some_and(|begun| sent.get(begun + 1).is_some_and(asks)) {
            complaints.push(format!("{name}: {}", asked.join(", ")));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// Microsoft's clients and the published contracts must agree on what is sent; the emulator answers with a status that an
/// operation has.
pub(crate) fn described(steps: &[Step]) -> Result<(), String> {
    let contracts = Contracts::load().ok_or("no descriptions")?;
    let mut complaints = BTreeSet::new();
    let mut operations = BTreeSet::new();
    for sent in steps.iter().flat_map(|step| &step.sent) {
        let [verb, url] = ["verb", "url"].map(|field| sent[field].as_str().unwrap());
        let (path, query) = parts(url);
        // Where to ask how an operation goes is for Azure to say, and how a provider is registered is not described.
        if ["operation", "/register"].iter().any(|part| path.to_ascii_lowercase().contains(part)) {
            continue;
        }
        let status = sent["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
        let body = (!sent["body"].is_null()).then_some(&sent["body"]);
        match contracts.check(verb, &path, &query, body) {
            Ok(operation) => {
                complaints.extend(contracts.check_status(&operation, status).err());
                operations.insert(operation);
            }
            Err(problems) => complaints.extend(problems.into_iter().map(|problem| format!("{verb} {path}: {problem}"))),
        }
    }
    if operations.len() < 50 {
        complaints.insert(format!("only {} operations were asked for", operations.len()));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.into_iter().collect::<Vec<_>>().join("\n")) }
}

/// The path of a URL, and its query decoded.
fn parts(url: &str) -> (String, Vec<(String, String)>) {
    let (_, rest) = url.split_once("://").expect("a scheme");
    let (_, rest) = rest.split_once('/').expect("a path");
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let decoded = |text: &str| text.replace("%24", "$").replace("%20", " ").replace('+', " ");
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    (format!("/{path}"), pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
}
