//! The table of methods, against lists of methods and their permissions from outside this project. Ignored, visibly,
//! where the lists are not there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use alien_sim::azure;
use alien_sim::gcp::methods;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Not in the lists: <https://docs.cloud.google.com/artifact-registry/docs/access-control>,
/// <https://docs.cloud.google.com/resource-manager/docs/access-control-org>.
const UNLISTED: [&str; 2] = ["artifactregistry.", "orgpolicy."];

fn main() {
    let arguments = Arguments::from_args();
    let trials = vec![
        trial("permissions_are_those_that_are_published", "gcp-method-permissions.json", permissions),
        trial("permissions_exist", "gcp-permissions.json", exist),
        trial("paths_are_those_that_are_published", "gcp-contracts.json", paths),
        trial("azure_actions_are_those_that_are_published", "azure-arm-map.json", actions),
        trial("azure_links_are_those_that_are_published", "azure-arm-map.json", links),
        trial("a_wrong_azure_action_is_reported", "azure-arm-map.json", planted),
    ];
    libtest_mimic::run(&arguments, trials).exit()
}

/// The folder: `ALIEN_ORACLES`, or `shared/oracles` beside the checkout.
fn folder() -> PathBuf {
    std::env::var_os("ALIEN_ORACLES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles"), PathBuf::from)
}

fn trial(name: &str, file: &str, test: fn(&Value) -> Vec<String>) -> Trial {
    let path = folder().join(file);
    let absent = !path.is_file();
    let run = move || {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let complaints = test(&serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?);
        if complaints.is_empty() { Ok(()) } else { Err(Failed::from(complaints.join("\n"))) }
    };
    Trial::test(name, run).with_ignored_flag(absent)
}

/// What is always needed is the same, and what is asked in some cases is listed as needed in some.
fn permissions(lists: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    for method in methods().filter(|method| !UNLISTED.iter().any(|known| method.id.starts_with(known))) {
        let Some(listed) = lists["methods"].get(method.id) else {
            complaints.push(format!("{} is not listed", method.id));
            continue;
        };
        let always: Option<BTreeSet<&str>> =
            listed["permissions"].as_array().map(|names| names.iter().map(|name| name.as_str().unwrap()).collect());
        let ours: BTreeSet<&str> = method.permissions.iter().copied().collect();
        // Of some methods nobody published the permissions.
        if always.is_some_and(|always| always != ours) {
            complaints.push(format!("{} needs {}, and the table has {ours:?}", method.id, listed["permissions"]));
        }
        let known: Vec<&str> =
            listed["also"].as_array().into_iter().flatten().map(|also| also["permission"].as_str().unwrap()).collect();
        for asked in method.conditional {
            if !known.contains(asked) {
                complaints.push(format!("{} asks for {asked}, which is not listed", method.id));
            }
        }
    }
    complaints
}

fn exist(names: &Value) -> Vec<String> {
    let names: BTreeSet<&str> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    methods()
        .flat_map(|method| method.permissions.iter().chain(method.conditional).map(move |name| (method.id, *name)))
        .filter(|(_, name)| !names.contains(name))
        .map(|(method, name)| format!("{method}: {name} is not a permission"))
        .collect()
}

/// The beginnings of the keys of methods that are not in the map; their rows name the pages that tell them.
const UNMAPPED: &[&str] = &[
    "PUT Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies",
    "GET Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies",
    "DELETE Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies",
    "GET Microsoft.Resources/deployments",
    "POST Microsoft.Resources/subscriptions/resourceGroups/moveResources",
    "POST Microsoft.Resources/subscriptions/resourceGroups/validateMoveResources",
    "GET Microsoft.ServiceBus/namespaces/operationresults",
    "GET Microsoft.Storage/locations/asyncoperations",
    "GET Microsoft.Storage/storageAccounts/queueServices/queues",
    "PUT Microsoft.Storage/storageAccounts/queueServices",
    "DELETE Microsoft.Storage/storageAccounts/queueServices/queues",
    "GET Microsoft.Storage/storageAccounts/fileServices/shares",
    "PUT Microsoft.Storage/storageAccounts/fileServices/shares",
    "DELETE Microsoft.Storage/storageAccounts/fileServices/shares",
    "GET Microsoft.Network/routeTables",
    "PUT Microsoft.Network/routeTables",
];

/// The path of Resource Manager without the names of its parameters and without regard to case.
fn arm_shape(verb: &str, path: &str) -> String {
    format!("{verb} {}", shape(path).to_lowercase())
}

fn actions(map: &Value) -> Vec<String> {
    differences(map, azure::methods().copied())
}

fn differences(map: &Value, methods: impl Iterator<Item = azure::Method>) -> Vec<String> {
    let mut listed: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
    for row in map["routes"].as_array().unwrap() {
        let key = arm_shape(row["method"].as_str().unwrap(), row["path"].as_str().unwrap());
        let actions = row["actions"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_lowercase());
        listed.entry(key).or_default().push(actions.collect());
    }
    let mut complaints = Vec::new();
    for method in methods {
        let ours: BTreeSet<String> = method.actions.iter().map(|action| action.to_lowercase()).collect();
        // Whatever provider is named, its own action is needed.
        let generic = method.path.rsplit_once("/providers/").and_then(|(before, rest)| {
            rest.strip_suffix("/register").map(|_| format!("{before}/providers/{{resourceProviderNamespace}}/register"))
        });
        let known = listed
            .get(&arm_shape(method.verb, method.path))
            .or_else(|| listed.get(&arm_shape(method.verb, generic.as_deref()?)));
        match known {
            Some(known) if known.contains(&ours) => {}
            // The dataset names the action of no provider in particular.
            Some(_) if generic.is_some() && ours.iter().all(|action| action.ends_with("/register/action")) => {}
            // Whoever may not read providers is told another action than the dataset names
            // (<https://github.com/hashicorp/terraform-provider-azurerm/issues/2678>).
            Some(_) if ours == BTreeSet::from(["microsoft.resources/subscriptions/providers/read".to_owned()]) => {}
            Some(known) => {
                complaints.push(format!("{} {} needs {known:?}, and the table has {ours:?}", method.verb, method.path))
            }
            None if UNMAPPED.iter().any(|start| method.key().starts_with(start)) => {}
            None => complaints.push(format!("{} {} ({}) is not listed", method.verb, method.path, method.key())),
        }
    }
    complaints
}

fn planted(map: &Value) -> Vec<String> {
    let mut wrong = *azure::methods().next().unwrap();
    wrong.actions = &["Microsoft.Resources/subscriptions/read"];
    match differences(map, std::iter::once(wrong)).as_slice() {
        [complaint] if complaint.contains("and the table has") => Vec::new(),
        other => vec![format!("the wrong action was not reported: {other:?}")],
    }
}

fn links(map: &Value) -> Vec<String> {
    let part = |row: &Value, name: &str| row[name].as_str().unwrap().replace(" (keys)", "{}").to_lowercase();
    let listed: BTreeSet<[String; 3]> = map["linkedAccess"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ["action", "bodyProperty", "linkedAction"].map(|name| part(row, name)))
        .collect();
    let ours: BTreeSet<[String; 3]> =
        azure::links().map(|link| [link.action, link.field, link.needs].map(str::to_lowercase)).collect();
    // What is needed to write a subnet is needed to write a network that names its subnets.
    let of_subnet = |[action, field, needs]: &[String; 3]| {
        let field = field.strip_prefix("properties.subnets[].").unwrap_or(field).to_owned();
        [action.replace("virtualnetworks/write", "virtualnetworks/subnets/write"), field, needs.clone()]
    };
    let unlisted = ours.difference(&listed).filter(|link| !listed.contains(&of_subnet(link)));
    unlisted.map(|link| format!("{link:?} is not listed")).collect()
}

/// The path of a method without the names of its parameters.
fn shape(path: &str) -> String {
    path.split('/')
        .map(|segment| match segment.split_once('{') {
            Some((before, rest)) => {
                format!("{before}*{}", rest.split_once('}').map_or("", |(_, after)| after))
            }
            None => segment.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

fn paths(contracts: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    for method in methods().filter(|method| !UNLISTED.iter().any(|known| method.id.starts_with(known))) {
        let api = method.id.split('.').next().unwrap();
        let Some(listed) = contracts["apis"][api]["methods"].get(method.id) else { continue };
        if listed["httpMethod"] != method.verb {
            complaints.push(format!("{} is {}, not {}", method.id, listed["httpMethod"], method.verb));
        }
        // An upload, a download, an older version, or documents at any depth.
        let other = ["/upload/", "/download/", "/v1/projects/{project}"].iter().any(|p| method.path.starts_with(p))
            && (api == "storage" || api == "cloudresourcemanager");
        if other || method.path.contains("**") || method.path.contains("/documents:") || api == "serviceusage" {
            continue;
        }
        let flat = listed.get("flatPath").unwrap_or(&listed["path"]).as_str().unwrap();
        if shape(flat) != shape(method.path) {
            complaints.push(format!("{} is at {flat}, not at {}", method.id, method.path));
        }
    }
    complaints
}
