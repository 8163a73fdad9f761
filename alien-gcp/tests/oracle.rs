//! The operation table and the documents, against lists of real permissions, data access and escalation from outside
//! this project. Ignored, visibly, where the lists are not there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests")]

use std::collections::BTreeSet;

use alien_conformance::oracle::{OracleTest, cases, probes, run, texts, verdict};
use alien_conformance::writes::every_field_is_classified;
use alien_core::adapter::AccessControl;
use alien_core::{Layer, Lifecycle};
use alien_gcp::Gcp;
use alien_gcp::operations::{ESCALATIONS, TABLE};
use serde_json::Value;
use target::target;

#[path = "it/target.rs"]
mod target;

/// Something of someone else's.
const OTHERS: [&str; 1] = ["//storage.googleapis.com/projects/_/buckets/other"];

fn main() {
    run(vec![
        OracleTest {
            name: "every_field_that_an_update_can_write_has_a_fate",
            files: &["update-fields.json"],
            test: every_field_is_classified::<Gcp>,
        },
        OracleTest {
            name: "every_permission_of_the_table_is_real",
            files: &["gcp-permissions.json"],
            test: permissions_are_real,
        },
        OracleTest {
            name: "every_method_needs_the_permission_that_the_table_says",
            files: &["gcp-method-permissions.json"],
            test: methods_agree,
        },
        OracleTest {
            name: "management_touches_no_data_and_no_credential_that_is_known",
            files: &["gcp-data-access.json"],
            test: no_data_access,
        },
        OracleTest {
            name: "management_opens_no_path_of_escalation_that_is_known",
            files: &["gcp-escalation.json"],
            test: no_escalation,
        },
        OracleTest {
            name: "management_changes_only_what_is_live_or_extended",
            files: &["gcp-permissions.json"],
            test: no_unknown_change,
        },
    ])
}

fn permissions_are_real(files: &[Value]) -> Result<(), String> {
    let known: BTreeSet<&str> = texts(&files[0]).collect();
    // What is listed as a way of escalation and stands in no predefined role is no name of ours to check.
    let own = TABLE.rows().iter().map(|row| row.permission);
    let listed = ESCALATIONS.iter().flat_map(|escalation| escalation.required).copied();
    let unknown: BTreeSet<&str> = own.chain(listed).filter(|permission| !known.contains(permission)).collect();
    verdict(unknown.into_iter().map(|permission| format!("{permission} is not a permission")).collect())
}

/// Rows whose call is a method of an API, against what the method is published to need.
fn methods_agree(files: &[Value]) -> Result<(), String> {
    let methods = &files[0]["methods"];
    let mut complaints = Vec::new();
    let mut compared = 0;
    for row in TABLE.rows() {
        let Some(method) = methods.get(row.call) else { continue };
        let also = method["also"].as_array().into_iter().flatten().filter_map(|also| also["permission"].as_str());
        let needed: BTreeSet<&str> = texts(&method["permissions"]).chain(also).collect();
        if needed.is_empty() {
            continue;
        }
        compared += 1;
        if !needed.contains(row.permission) {
            complaints.push(format!("{} needs {needed:?}, and the table says {}", row.call, row.permission));
        }
    }
    assert!(compared > 50, "only {compared} methods were found");
    verdict(complaints)
}

fn no_data_access(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Gcp>(target) {
        for entry in files[0].as_array().unwrap() {
            let (name, kind, effect) = (
                entry["permission"].as_str().unwrap(),
                entry["kind"].as_str().unwrap(),
                entry["effect"].as_str().unwrap(),
            );
            let forbidden = matches!(kind, "data" | "credential") && matches!(effect, "read" | "write");
            // Commands are requests to a live service.
            if !forbidden || name == "run.routes.invoke" {
                continue;
            }
            for principal in documents.layers.principals(Layer::Management) {
                for probe in probes::<Gcp>(stack, documents, &OTHERS) {
                    if let Some(role) = Gcp::may_allow(principal, name, &probe, &[]) {
                        complaints.push(format!("{role} allows {name} ({kind}) on {probe}"));
                    }
                }
            }
        }
    }
    verdict(complaints)
}

fn no_escalation(files: &[Value]) -> Result<(), String> {
    // What an update of live code is made of: bound to the live service and its own account, and told by `Reach`.
    let updates = ["run-service-update-as"];
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Gcp>(target) {
        let probes = probes::<Gcp>(stack, documents, &OTHERS);
        for principal in documents.layers.principals(Layer::Management) {
            let allowed = |permission: &&str| {
                probes.iter().any(|probe| Gcp::may_allow(principal, permission, probe, &[]).is_some())
            };
            let known = TABLE.rows().iter().map(|row| row.permission);
            let listed = files[0].as_array().unwrap().iter().flat_map(|path| texts(&path["required"]));
            let held: BTreeSet<&str> = known.chain(listed).filter(allowed).collect();
            for path in files[0].as_array().unwrap() {
                let id = path["id"].as_str().unwrap();
                let open = texts(&path["required"]).all(|required| match required.strip_prefix('*') {
                    Some(end) => held.iter().any(|permission| permission.ends_with(end)),
                    None => held.contains(required),
                });
                if open && !updates.contains(&id) {
                    complaints.push(format!("{id} is open"));
                }
            }
        }
    }
    verdict(complaints)
}

/// Every permission of Google's that is not read-only, on every frozen resource: whether the table knows it or not.
fn no_unknown_change(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Gcp>(target) {
        let extended: Vec<_> = stack.resources().iter().filter(|r| stack.extensions(r.id()).next().is_some()).collect();
        for resource in stack.resources().iter().filter(|resource| resource.lifecycle() == Lifecycle::Frozen) {
            let name = &documents.resources[resource.id()].id;
            for permission in texts(&files[0]) {
                let verb = permission.rsplit('.').next().unwrap();
                // A creation is checked on the project, which says nothing about what is already there.
                let create = !extended.is_empty() && verb == "create";
                let observe = verb.starts_with("get") || verb.starts_with("list");
                if observe || create || extended.contains(&resource) {
                    continue;
                }
                for principal in documents.layers.principals(Layer::Management) {
                    if let Some(role) = Gcp::may_allow(principal, permission, name, &[]) {
                        complaints.push(format!("{role} allows {permission} on frozen {name}"));
                    }
                }
            }
        }
    }
    verdict(complaints)
}
