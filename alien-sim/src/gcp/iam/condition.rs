//! Conditions of bindings: <https://docs.cloud.google.com/iam/docs/conditions-overview>.

use std::collections::HashMap;

use cel::{Context, Program, Value};
use jiff::Timestamp;

use super::policy::Condition;
use crate::gcp::state::{State, relative};

/// Whether a condition is met. One that fails to evaluate is not.
pub(crate) fn met(state: &State, condition: &Condition, on: &str, now: Timestamp) -> bool {
    let Ok(program) = Program::compile(&condition.expression) else { return false };
    let Some(time) = time(now) else { return false };
    let (name, kind, service) = attributes(state, on);
    let mut context = Context::default();
    let resource: HashMap<String, Value> = [("name", name), ("type", kind), ("service", service)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    context.add_variable_from_value("resource", resource);
    context.add_variable_from_value("request", HashMap::from([("time".to_owned(), time)]));
    matches!(program.execute(&context), Ok(Value::Bool(true)))
}

/// Checks that an expression is valid and has at most 12 logical operators.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check(expression: &str) -> Result<(), String> {
    Program::compile(expression).map_err(|error| format!("the condition `{expression}` does not compile: {error}"))?;
    let operators = expression.matches("&&").count()
        + expression.matches("||").count()
        + expression.match_indices('!').filter(|(at, _)| expression.get(at + 1..at + 2) != Some("=")).count();
    if operators > 12 {
        return Err(format!("a condition has {operators} logical operators: at most 12 are allowed"));
    }
    Ok(())
}

fn time(now: Timestamp) -> Option<Value> {
    Program::compile(&format!("timestamp(\"{now}\")")).ok()?.execute(&Context::default()).ok()
}

/// The name, type and service of a resource as conditions see them. Only some services provide them. Source:
/// <https://docs.cloud.google.com/iam/docs/conditions-resource-attributes>.
fn attributes(state: &State, on: &str) -> (String, String, String) {
    let service = on.trim_start_matches('/').split('/').next().unwrap_or_default();
    let name = relative(on);
    let segments: Vec<&str> = name.split('/').collect();
    let collection = segments.iter().rev().nth(1).copied().unwrap_or_default();
    let kind = match (service, collection) {
        ("storage.googleapis.com", "buckets") => "Bucket",
        ("storage.googleapis.com", _) => "Object",
        ("firestore.googleapis.com", "databases") => "Database",
        ("secretmanager.googleapis.com", "secrets") => "Secret",
        ("secretmanager.googleapis.com", "versions") => "SecretVersion",
        ("compute.googleapis.com", "subnetworks") => "Subnetwork",
        ("compute.googleapis.com", "firewalls") => "Firewall",
        ("compute.googleapis.com", "operations") => "Operation",
        ("logging.googleapis.com", "buckets") => "LogBucket",
        ("logging.googleapis.com", "views") => "LogView",
        ("cloudresourcemanager.googleapis.com", _) => "Project",
        _ => return Default::default(),
    };
    let mut name = name.to_owned();
    // Secret Manager names projects by their numbers.
    if let (true, Some(project)) = (service.starts_with("secretmanager"), segments.get(1))
        && let Some(known) = state.projects.get(*project)
    {
        name = name.replacen(&format!("projects/{project}/"), &format!("projects/{}/", known.number), 1);
    }
    (name, format!("{service}/{kind}"), service.to_owned())
}
