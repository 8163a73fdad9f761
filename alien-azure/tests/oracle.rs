//! The operation table and the documents, against lists of real actions, data access and escalation from outside this
//! project. Ignored, visibly, where the lists are not there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests")]

use std::collections::{BTreeMap, BTreeSet};

use alien_azure::Azure;
use alien_azure::operations::{ESCALATIONS, TABLE};
use alien_conformance::oracle::{OracleTest, cases, probes, run, verdict};
use alien_conformance::writes::every_field_is_classified;
use alien_core::adapter::AccessControl;
use alien_core::{Layer, Lifecycle};
use serde_json::Value;
use target::target;

#[path = "it/target.rs"]
mod target;

/// Something of someone else's.
const OTHERS: [&str; 1] = ["/subscriptions/00000000-0000-0000-0000-000000000001"];

fn main() {
    run(vec![
        OracleTest {
            name: "every_field_that_an_update_can_write_has_a_fate",
            files: &["update-fields.json"],
            test: every_field_is_classified::<Azure>,
        },
        OracleTest {
            name: "every_action_of_the_table_is_real_and_of_its_plane",
            files: &["azure-actions.json", "azure-escalation.json", "azure-data-access.json"],
            test: actions_are_real,
        },
        OracleTest {
            name: "management_touches_no_data_and_no_credential_that_is_known",
            files: &["azure-data-access.json"],
            test: no_data_access,
        },
        OracleTest {
            name: "management_opens_no_path_of_escalation_that_is_known",
            files: &["azure-escalation.json"],
            test: no_escalation,
        },
        OracleTest {
            name: "management_changes_only_what_is_live_or_extended",
            files: &["azure-actions.json"],
            test: no_unknown_change,
        },
    ])
}

/// Every action is in one of the lists. What is missing there is not thereby unreal, but so far nothing is.
fn actions_are_real(files: &[Value]) -> Result<(), String> {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for entry in files[1..].iter().flat_map(|file| file.as_array().unwrap()) {
        let plane = if entry["plane"] == "data" { "d" } else { "c" };
        known.insert(entry["action"].as_str().unwrap().to_ascii_lowercase(), plane);
    }
    for entry in files[0]["actions"].as_array().unwrap() {
        known.insert(entry[0].as_str().unwrap().to_ascii_lowercase(), entry[2].as_str().unwrap());
    }
    let mut complaints = BTreeSet::new();
    let own = TABLE.rows().iter().map(|row| row.permission);
    for action in own.chain(ESCALATIONS.iter().flat_map(|escalation| escalation.required).copied()) {
        if !known.contains_key(&action.to_ascii_lowercase()) {
            complaints.insert(format!("{action} is not an action"));
        }
    }
    for (_, documents) in cases::<Azure>(target) {
        let principals = Layer::ALL.into_iter().flat_map(|layer| documents.layers.principals(layer));
        for permission in principals.flat_map(|p| &p.role_definitions).flat_map(|role| &role.properties.permissions) {
            for (actions, plane) in [(&permission.actions, "c"), (&permission.data_actions, "d")] {
                for action in actions {
                    let stated = known.get(&action.to_ascii_lowercase()).copied().unwrap_or("b");
                    if stated != plane && stated != "b" {
                        complaints.insert(format!("{action} is of plane {stated}, and the documents say {plane}"));
                    }
                }
            }
        }
    }
    verdict(complaints.into_iter().collect())
}

fn no_data_access(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Azure>(target) {
        let extended: Vec<String> = stack
            .resources()
            .iter()
            .filter(|resource| stack.extensions(resource.id()).next().is_some())
            .map(|resource| documents.resources[resource.id()].id.clone())
            .collect();
        for entry in files[0].as_array().unwrap() {
            let (name, kind) = (entry["action"].as_str().unwrap(), entry["kind"].as_str().unwrap());
            for principal in documents.layers.principals(Layer::Management) {
                for probe in probes::<Azure>(stack, documents, &OTHERS) {
                    let Some(role) = Azure::may_allow(principal, name, &probe, &[]) else { continue };
                    // What is sent there runs code, and what is received there is what that code answered.
                    let command = name.ends_with("/messages/send/action") && probe.ends_with("-commands")
                        || name.ends_with("/messages/receive/action") && probe.ends_with("-answers");
                    let logs = kind == "telemetry" && probe.contains("/workspaces/acme-live-");
                    // A queue's write and delete are what extending by `queue/provision` means here.
                    if !command && !logs && !extended.contains(&probe) {
                        complaints.push(format!("{role} allows {name} ({kind}) on {probe}"));
                    }
                }
            }
        }
    }
    verdict(complaints)
}

fn no_escalation(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Azure>(target) {
        let live: Vec<&str> = stack
            .resources()
            .iter()
            .filter(|resource| resource.lifecycle() == Lifecycle::Live && resource.kind().runs_code())
            .map(|resource| documents.resources[resource.id()].id.as_str())
            .collect();
        for entry in files[0].as_array().unwrap() {
            let name = entry["action"].as_str().unwrap();
            for principal in documents.layers.principals(Layer::Management) {
                for probe in probes::<Azure>(stack, documents, &OTHERS) {
                    let Some(role) = Azure::may_allow(principal, name, &probe, &[]) else { continue };
                    // What an update of live code is, told by `Reach`.
                    let update = name == "Microsoft.App/containerApps/write" && live.contains(&probe.as_str());
                    if !update {
                        complaints.push(format!("{role} allows {name} on {probe}"));
                    }
                }
            }
        }
    }
    verdict(complaints)
}

/// Every known action that is not a read, on every frozen resource: whether the table knows it or not.
fn no_unknown_change(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Azure>(target) {
        for resource in stack.resources().iter().filter(|resource| resource.lifecycle() == Lifecycle::Frozen) {
            if stack.extensions(resource.id()).next().is_some() {
                continue;
            }
            let id = &documents.resources[resource.id()].id;
            for entry in files[0]["actions"].as_array().unwrap() {
                let action = entry[0].as_str().unwrap();
                if action.ends_with("/read") && entry[2] != "d" {
                    continue;
                }
                for principal in documents.layers.principals(Layer::Management) {
                    if let Some(role) = Azure::may_allow(principal, action, id, &[]) {
                        complaints.push(format!("{role} allows {action} on frozen {id}"));
                    }
                }
            }
        }
    }
    verdict(complaints)
}
