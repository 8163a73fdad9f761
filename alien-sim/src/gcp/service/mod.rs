//! The services, with their implemented methods.

pub(crate) mod artifactregistry;
pub(crate) mod compute;
mod filter;
pub(crate) mod firestore;
pub(crate) mod iam;
pub(crate) mod iamcredentials;
pub(crate) mod logging;
pub(crate) mod orgpolicy;
pub(crate) mod pubsub;
pub(crate) mod resourcemanager;
pub(crate) mod run;
pub(crate) mod serviceusage;
pub(crate) mod storage;

use serde_json::{Value, json};

use super::call::{Call, Done};
use super::fail::Fail;
use super::iam::policy;
use super::mask;
use super::methods::Route;
use super::state::{State, project_name};

/// The APIs whose methods are known.
pub(crate) const MODELLED: &[&str] = &[
    "artifactregistry.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "orgpolicy.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
];

/// Finds the implementation of a method, if there is one.
pub(crate) fn find(id: &str) -> Option<Done> {
    let (service, rest) = id.split_once('.')?;
    match service {
        "artifactregistry" => artifactregistry::find(rest),
        "cloudresourcemanager" => resourcemanager::find(rest),
        "compute" => compute::find(rest),
        "firestore" => firestore::find(rest),
        "iam" => iam::find(rest),
        "iamcredentials" => iamcredentials::find(rest),
        "logging" => logging::find(rest),
        "orgpolicy" => orgpolicy::find(rest),
        "pubsub" => pubsub::find(rest),
        "run" => run::find(rest),
        "serviceusage" => serviceusage::find(rest),
        "storage" => storage::find(rest),
        _ => None,
    }
}

/// Replaces a project's number with its id, and `-` or an account's unique id with the account's project and email.
pub(crate) fn canonical(state: &State, mut name: String) -> String {
    if let Some((before, after)) = name.split_once("/projects/") {
        let (project, rest) = after.split_once('/').unwrap_or((after, ""));
        if let Some(id) = state.project_id(project).filter(|id| id != project) {
            name = format!("{before}/projects/{id}{}{rest}", if rest.is_empty() { "" } else { "/" });
        }
    }
    if let Some((_, rest)) = name.strip_prefix("//iam.").and_then(|n| n.split_once("/serviceAccounts/")) {
        let (account, below) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(known) = state.account_name(account) {
            return format!("{known}{}{below}", if below.is_empty() { "" } else { "/" });
        }
    }
    name
}

/// The project id of a call.
pub(crate) fn project_of(state: &State, route: &Route, on: &str, query: &[(String, String)]) -> String {
    if let Some(thing) = state.things.get(on) {
        return thing.project.clone();
    }
    let bucket = on.strip_prefix("//storage.googleapis.com/").and_then(|rest| rest.split_once("/objects/"));
    if let Some((bucket, _)) = bucket {
        return state
            .things
            .get(&format!("//storage.googleapis.com/{bucket}"))
            .map(|thing| thing.project.clone())
            .unwrap_or_default();
    }
    let named = match route.parameter("project") {
        "" | "-" => query.iter().find(|(name, _)| name == "project").map_or("", |(_, value)| value),
        project => project,
    };
    state.project_id(named).unwrap_or_else(|| named.to_owned())
}

/// The permissions checked before a method runs, and the resource that they are checked on. `None` if the method checks
/// them itself.
pub(crate) fn asked(
    state: &State,
    route: &Route,
    on: &str,
    project: &str,
    query: &[(String, String)],
) -> Option<(&'static [&'static str], String)> {
    let method = route.method;
    let on = match method.id {
        "logging.entries.list" | "logging.entries.write" => return None,
        // The chain of delegates determines which resources are checked.
        "iamcredentials.projects.serviceAccounts.generateAccessToken"
        | "iamcredentials.projects.serviceAccounts.generateIdToken" => return None,
        // Predefined roles belong to no project, and everyone may read them.
        "iam.roles.get" => return None,
        "run.projects.locations.services.patch" if run::is_made(state, on, query) => {
            let parent = on.rsplit_once("/services/").map_or(on, |(parent, _)| parent);
            return Some((&["run.services.create"], parent.to_owned()));
        }
        "storage.buckets.insert" | "storage.buckets.list" => project_name(project),
        // Roles have no policies, so the project's is checked.
        id if id.starts_with("iam.projects.roles.")
            || id.starts_with("serviceusage.")
            || id.starts_with("orgpolicy.") =>
        {
            project_name(project)
        }
        // A method on all objects is checked on the bucket, a method on one object on the object.
        _ => on.to_owned(),
    };
    Some((method.permissions, on))
}

/// The body schemas of the policy methods.
pub(crate) const GET_POLICY: &str = "options{requestedPolicyVersion}";
pub(crate) const SET_POLICY: &str = "policy{version bindings{role members* condition{title description expression location}} etag auditConfigs*} updateMask";
pub(crate) const TEST: &str = "permissions*";

/// Returns the policy of the resource that the path names.
pub(crate) fn policy(call: &mut Call<'_>) -> Result<Value, Fail> {
    let version = ["options.requestedPolicyVersion", "optionsRequestedPolicyVersion"]
        .iter()
        .find_map(|name| call.query(name).parse().ok())
        .or_else(|| call.body.pointer("/options/requestedPolicyVersion").and_then(Value::as_u64))
        .unwrap_or(1);
    call.state.policy(&call.on.clone(), version)
}

/// Writes the policy of the resource that the path names.
pub(crate) fn set_policy(call: &mut Call<'_>) -> Result<Value, Fail> {
    let Some(policy) = call.body.get("policy").cloned() else {
        return Err(Fail::invalid("The request has no policy."));
    };
    call.state.set_policy(&call.on.clone(), &policy)
}

/// Returns which of some permissions the caller has on the resource that the path names.
pub(crate) fn test(call: &mut Call<'_>) -> Result<Value, Fail> {
    let wanted: Vec<String> = match call.body.get("permissions").and_then(Value::as_array) {
        Some(permissions) => permissions.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => call.query.iter().filter(|(name, _)| name == "permissions").map(|(_, value)| value.clone()).collect(),
    };
    let mut held = Vec::new();
    for permission in wanted {
        if permission.contains('*') {
            return Err(Fail::invalid(format!("`{permission}` has a wildcard: name permissions one by one.")));
        }
        if call.state.asks(&call.caller.principal, call.route.method.id, &permission, &call.on) {
            held.push(permission);
        }
    }
    Ok(if held.is_empty() { json!({}) } else { json!({"permissions": held}) })
}

/// Returns the resource that the path names.
pub(crate) fn get(call: &mut Call<'_>) -> Result<Value, Fail> {
    Ok(call.state.thing(&call.on)?.body.clone())
}

/// Deletes the resource that the path names.
pub(crate) fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.state.thing(&call.on)?;
    call.state.things.remove(&call.on);
    Ok(json!({}))
}

/// Lists the resources directly below a name, under a field.
pub(crate) fn list(call: &Call<'_>, below: &str, field: &str) -> Value {
    let prefix = format!("{below}/");
    let items: Vec<Value> = call
        .state
        .things
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix))
        .filter(|(name, thing)| !thing.deleted && !name.get(prefix.len()..).unwrap_or_default().contains('/'))
        .map(|(_, thing)| thing.body.clone())
        .collect();
    if items.is_empty() { json!({}) } else { json!({ field: items }) }
}

/// Merges the fields in a mask from the body into the stored resource.
pub(crate) fn merged(call: &Call<'_>, fields: &str, mask: &str, from: &Value) -> Result<Value, Fail> {
    let mut body = call.state.thing(&call.on)?.body.clone();
    mask::merge(fields, mask, from, &mut body)?;
    Ok(body)
}

/// The schema of a policy that is the whole body.
pub(crate) const POLICY: &str = policy::FIELDS;
