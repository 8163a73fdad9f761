//! The operation table and the documents, against lists of real actions, data access and escalation from outside this
//! project. Ignored, visibly, where the lists are not there.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a suite of tests")]

use alien_aws::Aws;
use alien_aws::operations::{ESCALATIONS, Scope, TABLE};
use alien_conformance::oracle::{OracleTest, cases, probes, run, texts, verdict};
use alien_conformance::writes::every_field_is_classified;
use alien_core::adapter::AccessControl;
use alien_core::{Layer, Lifecycle};
use serde_json::Value;
use target::target;

#[path = "it/fields.rs"]
mod fields;
#[path = "it/target.rs"]
mod target;

/// Something of someone else's.
const OTHERS: [&str; 3] = ["*", "arn:aws:s3:::other/key", "arn:aws:iam::222222222222:role/other"];

fn main() {
    run(vec![
        OracleTest {
            name: "a_request_is_denied_exactly_where_it_sets_what_a_condition_keeps",
            files: &["update-fields.json"],
            test: fields::denied_exactly_where_kept,
        },
        OracleTest {
            name: "every_field_that_an_update_can_write_has_a_fate",
            files: &["update-fields.json"],
            test: every_field_is_classified::<Aws>,
        },
        OracleTest {
            name: "every_action_of_the_table_is_real_and_scoped_as_it_can_be",
            files: &["aws-actions.json"],
            test: actions_are_real,
        },
        OracleTest {
            name: "every_condition_key_is_one_that_the_action_takes",
            files: &["aws-actions.json"],
            test: condition_keys_are_real,
        },
        OracleTest {
            name: "management_touches_no_data_and_no_credential_that_is_known",
            files: &["aws-data-access.json"],
            test: no_data_access,
        },
        OracleTest {
            name: "management_opens_no_path_of_escalation_that_is_known",
            files: &["aws-escalation.json"],
            test: no_escalation,
        },
        OracleTest {
            name: "management_changes_only_what_is_live_or_extended",
            files: &["aws-actions.json"],
            test: no_unknown_change,
        },
    ])
}

fn action<'a>(actions: &'a Value, name: &str) -> Option<&'a Value> {
    let (service, action) = name.split_once(':')?;
    actions["actions"].get(service)?.get(action)
}

/// Actions that take only `*` are checked on the account, or kept by a condition; all others on something narrower.
fn actions_are_real(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for row in TABLE.rows() {
        let Some(known) = action(&files[0], row.permission) else {
            complaints.push(format!("{} is not an action", row.permission));
            continue;
        };
        let scopable = texts(&known["resources"]).next().is_some();
        let wide = [Scope::Account, Scope::Registry, Scope::Interfaces, Scope::Mappings];
        // Of whoever calls, no document says anything.
        let narrow = row.on != Scope::Caller && !wide.contains(&row.on);
        if narrow && !scopable {
            complaints.push(format!("{} takes only `*`, and the table has it on {:?}", row.permission, row.on));
        }
    }
    for required in ESCALATIONS.iter().flat_map(|escalation| escalation.required) {
        if action(&files[0], required).is_none() {
            complaints.push(format!("{required} is not an action"));
        }
    }
    verdict(complaints)
}

fn condition_keys_are_real(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (_, documents) in cases::<Aws>(target) {
        let policies =
            Layer::ALL.into_iter().flat_map(|layer| documents.layers.principals(layer)).flat_map(|p| &p.policies);
        for statement in policies.flat_map(|policy| &policy.document.statements) {
            for key in statement.condition.0.values().flat_map(|keys| keys.keys()) {
                let family = key.split_once('/').map_or(key.to_string(), |(family, _)| format!("{family}/${{TagKey}}"));
                for name in &statement.actions {
                    let known =
                        action(&files[0], name).is_some_and(|known| texts(&known["conditions"]).any(|k| k == family));
                    if !known {
                        complaints.push(format!("{name} does not take {key} ({})", statement.sid));
                    }
                }
            }
        }
    }
    complaints.sort();
    complaints.dedup();
    verdict(complaints)
}

fn no_data_access(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Aws>(target) {
        let live = |probe: &str| {
            stack.resources().iter().filter(|resource| resource.lifecycle() == Lifecycle::Live).any(|resource| {
                let name = documents.resources[resource.id()].id.rsplit(['/', ':']).next().unwrap();
                probe.split(['/', ':']).any(|part| part == name)
            })
        };
        for entry in files[0].as_array().unwrap() {
            let (name, kind) = (entry["action"].as_str().unwrap(), entry["kind"].as_str().unwrap());
            if entry["soft"] == true {
                continue;
            }
            for principal in documents.layers.principals(Layer::Management) {
                for probe in probes::<Aws>(stack, documents, &OTHERS) {
                    if let Some(statement) = Aws::may_allow(principal, name, &probe, &[]) {
                        // Live code is updated, called and its logs are read: that is what live means.
                        let update = kind == "code" && live(&probe);
                        let dispatch = name == "lambda:InvokeFunction" && live(&probe);
                        let logs = kind == "telemetry" && live(&probe);
                        if !update && !dispatch && !logs {
                            complaints.push(format!("{statement} allows {name} ({kind}) on {probe}"));
                        }
                    }
                }
            }
        }
    }
    verdict(complaints)
}

fn no_escalation(files: &[Value]) -> Result<(), String> {
    // What an update of live code is made of: bound to live code and its own role, and told by `Reach`.
    let updates =
        ["lambda-003", "lambda-004", "rhino-26-lambda-layer", "hand-ecs-update-service", "primeharbor-iam-PassRole"];
    let mut complaints = Vec::new();
    for (stack, documents) in &cases::<Aws>(target) {
        for path in files[0].as_array().unwrap() {
            let id = path["id"].as_str().unwrap();
            for principal in documents.layers.principals(Layer::Management) {
                let allowed = |name: &str| {
                    probes::<Aws>(stack, documents, &OTHERS)
                        .into_iter()
                        .find(|probe| Aws::may_allow(principal, name, probe, &[]).is_some())
                };
                let open: Option<Vec<String>> = texts(&path["required"]).map(allowed).collect();
                if let Some(on) = open.filter(|_| !updates.contains(&id)) {
                    complaints.push(format!("{id} is open on {}", on.join(" and ")));
                }
            }
        }
    }
    verdict(complaints)
}

/// Every action of AWS that is not read-only, on every frozen resource: whether the table knows it or not.
fn no_unknown_change(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    let mut asked = 0;
    for (stack, documents) in &cases::<Aws>(target) {
        for resource in stack.resources().iter().filter(|resource| resource.lifecycle() == Lifecycle::Frozen) {
            let arn = &documents.resources[resource.id()].id;
            let extended = stack.extensions(resource.id()).next().is_some();
            for (service, actions) in files[0]["actions"].as_object().unwrap() {
                for (name, known) in actions.as_object().unwrap() {
                    let name = format!("{service}:{name}");
                    if matches!(known["access"].as_str(), Some("Read" | "List")) || extended {
                        continue;
                    }
                    asked += 1;
                    for principal in documents.layers.principals(Layer::Management) {
                        if let Some(statement) = Aws::may_allow(principal, &name, arn, &[]) {
                            complaints.push(format!("{statement} allows {name} on frozen {arn}"));
                        }
                    }
                }
            }
        }
    }
    assert!(asked > 10_000, "only {asked} actions were asked for");
    verdict(complaints)
}
