//! Which APIs a project uses: <https://docs.cloud.google.com/service-usage/docs/reference/rest/v1/services>.

use serde_json::{Value, json};

use super::MODELLED;
use crate::gcp::call::{Call, Done, done};
use crate::gcp::fail::Fail;

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id {
        "services.get" => done(get),
        "services.batchGet" => done(batch).query(&["names"]),
        "services.list" => done(list).query(&["filter", "pageSize", "pageToken"]),
        _ => return None,
    })
}

fn service(call: &Call<'_>, name: &str) -> Value {
    let project = call.state.projects.get(&call.project);
    let number = project.map_or(0, |project| project.number);
    let enabled = MODELLED.contains(&name) && project.is_some_and(|project| !project.disabled.contains(name));
    json!({
        "name": format!("projects/{number}/services/{name}"),
        "config": {"name": name},
        "state": if enabled { "ENABLED" } else { "DISABLED" },
        "parent": format!("projects/{number}"),
    })
}

fn get(call: &mut Call<'_>) -> Result<Value, Fail> {
    Ok(service(call, &call.parameter("service")))
}

fn batch(call: &mut Call<'_>) -> Result<Value, Fail> {
    let names = call.query.iter().filter(|(name, _)| name == "names");
    let services: Vec<Value> =
        names.map(|(_, value)| service(call, value.rsplit('/').next().unwrap_or_default())).collect();
    Ok(json!({"services": services}))
}

fn list(call: &mut Call<'_>) -> Result<Value, Fail> {
    let state = call.query("filter").strip_prefix("state:").map(str::to_owned);
    let services: Vec<Value> = MODELLED
        .iter()
        .map(|name| service(call, name))
        .filter(|service| state.as_deref().is_none_or(|state| service.get("state").is_some_and(|s| s == state)))
        .collect();
    Ok(json!({"services": services}))
}
