//! The document of what may be called: it is checked in, has every call, and is served.

use std::collections::BTreeSet;
use std::path::Path;

use alien_fleet::api::calls;
use alien_manager::openapi;
use serde_json::Value;

use crate::api::{Served, status, world};

fn operations(document: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    })
}

#[test]
fn it_is_the_one_that_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let found = serde_json::to_string_pretty(&openapi()).unwrap() + "\n";
    if std::env::var_os("ALIEN_ACCEPT_LISTS").is_some_and(|accept| accept == "1") {
        std::fs::write(path, found).unwrap();
        return;
    }
    let agreed = std::fs::read_to_string(path).unwrap();
    let differs = agreed.lines().zip(found.lines()).enumerate().find(|(_, (agreed, found))| agreed != found);
    let accept = "if this is intended, run `ALIEN_ACCEPT_LISTS=1 cargo test -p alien-manager --test it document` and review the diff";
    assert!(agreed == found, "docs/openapi.json differs, first at {differs:?}; {accept}");
}

#[test]
fn every_call_of_the_table_is_in_it_with_its_role_and_nothing_else_is() {
    let document = openapi();
    for call in calls() {
        let operation = &document["paths"][call.path][call.method.to_lowercase()];
        assert_eq!(operation["x-alien-role"], call.role.name(), "{} {}", call.method, call.path);
        assert_eq!(operation["security"][0]["token"], serde_json::json!([]), "{} {}", call.method, call.path);
        let statuses: BTreeSet<&str> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(statuses.is_superset(&["200", "400", "401", "403", "503"].into()), "{}: {statuses:?}", call.path);
    }
    let of_operators = operations(&document).filter(|(_, _, operation)| operation["tags"][0] == "operators");
    assert_eq!(of_operators.count(), calls().len());
    let others = operations(&document).filter(|(_, _, operation)| operation["tags"][0] != "operators");
    let others: Vec<_> = others.map(|(method, path, _)| format!("{method} {path}")).collect();
    let wanted = [
        "POST /v1/agent/commands/{id}",
        "GET /v1/agent/desired",
        "POST /v1/agent/logs/{id}",
        "POST /v1/agent/report",
        "POST /v1/agent/token",
        "GET /v1/repository/{file}",
        "GET /healthz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /readyz",
    ];
    assert_eq!(BTreeSet::from_iter(others), wanted.map(str::to_owned).into());
}

#[test]
fn its_references_lead_somewhere_its_names_are_unique_and_each_parameter_of_a_path_is_described() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(form) => {
                found.extend(form.get("$ref").and_then(Value::as_str).map(str::to_owned));
                form.values().for_each(|value| references(value, found));
            }
            Value::Array(all) => all.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = openapi();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{found:?}");
    for reference in &found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        let wanted = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let given = operation["parameters"].as_array().into_iter().flatten();
        let given = given.filter(|given| given["in"] == "path").map(|given| given["name"].as_str().unwrap());
        assert_eq!(Vec::from_iter(wanted), Vec::from_iter(given), "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_served_to_whoever_asks_and_nothing_else_is() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let (head, body) = served.sent("GET /openapi.json", "", b"").await;
    assert_eq!(status(&head), 200, "{head}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), openapi());
    for (method, path, operation) in operations(&openapi()) {
        if operation["tags"][0] == "operators" || path == "/metrics" {
            let answer = served.sent(&format!("{method} {path}"), "", b"").await;
            assert_eq!(status(&answer.0), 401, "{method} {path}");
        }
    }
    served.end().await;
}
