//! Projects: <https://docs.cloud.google.com/resource-manager/reference/rest/v3/projects>, and the part of version 1
//! that gcloud still calls.

use serde_json::{Value, json};

use super::{GET_POLICY, SET_POLICY, TEST};
use crate::gcp::call::{Call, Done, done};
use crate::gcp::fail::Fail;

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id {
        "projects.get" => done(get),
        "projects.getIamPolicy" => done(super::policy).body(GET_POLICY),
        "projects.setIamPolicy" => done(super::set_policy).body(SET_POLICY),
        "projects.testIamPermissions" => done(super::test).body(TEST),
        _ => return None,
    })
}

fn get(call: &mut Call<'_>) -> Result<Value, Fail> {
    let body = super::get(call)?;
    if call.route.method.path.starts_with("/v3/") {
        return Ok(body);
    }
    let number = call.state.projects.get(&call.project).map(|project| project.number.to_string());
    Ok(json!({
        "projectId": call.project,
        "projectNumber": number,
        "name": call.project,
        "lifecycleState": "ACTIVE",
        "createTime": body.get("createTime"),
    }))
}
