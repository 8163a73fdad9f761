//! The table of methods, against lists of methods and their permissions from outside this project. Ignored, visibly,
//! where the lists are not there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use alien_sim::gcp::methods;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Not in the lists: <https://docs.cloud.google.com/artifact-registry/docs/access-control>.
const UNLISTED: &str = "artifactregistry.";

fn main() {
    let arguments = Arguments::from_args();
    let trials = vec![
        trial("permissions_are_those_that_are_published", "gcp-method-permissions.json", permissions),
        trial("permissions_exist", "gcp-permissions.json", exist),
        trial("paths_are_those_that_are_published", "gcp-contracts.json", paths),
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
    for method in methods().filter(|method| !method.id.starts_with(UNLISTED)) {
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
    for method in methods().filter(|method| !method.id.starts_with(UNLISTED)) {
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
