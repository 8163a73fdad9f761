//! Artifact Registry repositories: <https://docs.cloud.google.com/artifact-registry/docs/reference/rest>.

use serde_json::{Value, json};

use super::{SET_POLICY, TEST};
use crate::gcp::call::{Call, Done, done, set};
use crate::gcp::fail::Fail;
use crate::gcp::state::State;

const REPOSITORY: &str = "name description labels* createTime updateTime kmsKeyName cleanupPolicies* cleanupPolicyDryRun \
    format=FORMAT_UNSPECIFIED|DOCKER|MAVEN|NPM|X4|APT|YUM|X7|PYTHON mode* dockerConfig* satisfiesPzs sizeBytes";

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id.strip_prefix("projects.locations.repositories.")? {
        "create" => done(create).body(REPOSITORY).query(&["repositoryId"]),
        "get" => done(super::get),
        "list" => done(list).query(&["pageSize", "pageToken"]),
        "delete" => done(delete),
        "getIamPolicy" => done(super::policy).query(&["options.requestedPolicyVersion"]),
        "setIamPolicy" => done(super::set_policy).body(SET_POLICY),
        "testIamPermissions" => done(super::test).body(TEST),
        _ => return None,
    })
}

impl State {
    /// Creates a repository for images, and returns its full name.
    pub(crate) fn make_repository(
        &mut self,
        project: &str,
        location: &str,
        id: &str,
        mut body: Value,
    ) -> Result<String, Fail> {
        let relative = format!("projects/{project}/locations/{location}/repositories/{id}");
        let name = format!("//artifactregistry.googleapis.com/{relative}");
        set(&mut body, "name", relative);
        set(&mut body, "createTime", self.now().to_string());
        self.create(&name, project, body)?;
        Ok(name)
    }
}

fn create(call: &mut Call<'_>) -> Result<Value, Fail> {
    let (project, location) = (call.project.clone(), call.parameter("location"));
    let id = call.required("repositoryId")?;
    let body = if call.body.is_object() { call.body.clone() } else { json!({}) };
    let name = call.state.make_repository(&project, &location, &id, body)?;
    let body = call.state.thing(&name)?.body.clone();
    let operation = format!("projects/{project}/locations/{location}/operations/{:016x}", fastrand::u64(..));
    Ok(call.state.start(operation, "google.devtools.artifactregistry.v1.Repository", json!({}), body))
}

fn list(call: &mut Call<'_>) -> Result<Value, Fail> {
    Ok(super::list(call, &format!("{}/repositories", call.on), "repositories"))
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    super::delete(call)?;
    let operation = format!(
        "projects/{}/locations/{}/operations/{:016x}",
        call.project,
        call.parameter("location"),
        fastrand::u64(..)
    );
    Ok(call.state.start(operation, "google.protobuf.Empty", json!({}), json!({})))
}
