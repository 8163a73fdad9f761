//! Executes gRPC calls with the emulator's REST API and its IAM.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::bucket::PREFIX;
use super::iam_internal::{
    GetPolicyRequest, GetPolicyResponse, SetPolicyRequest, SetPolicyResponse, TestPermissionsRequest,
    TestPermissionsResponse, full_name,
};
use super::policy;
use super::rest::{Rest, status};
use crate::gcp::call::Ask;
use crate::gcp::fail::Fail;
use crate::gcp::iam::policy::Policy;
use crate::gcp::state::{Shared, State, relative};

/// The method under which questions from Google's emulators are audited.
const ASKED: &str = "IamInternal.TestPermissions";

/// The version of policies with conditions. It is the newest, so nothing is left out.
const CONDITIONS: u64 = 3;

/// The emulator, as gRPC calls see it.
#[derive(Clone, Debug)]
pub(super) struct Backend(pub(super) Shared);

impl Backend {
    /// Executes a request of the REST API as the caller. It is routed, enforced, audited and recorded like any other.
    pub(super) fn rest(&self, rest: &Rest, bearer: Option<&HeaderValue>, conflict: Code) -> Result<Value, Status> {
        let ask = Ask {
            verb: rest.verb,
            target: &rest.target,
            bearer: bearer.and_then(|bearer| bearer.to_str().ok()).map(token),
            content_type: "application/json",
            body: rest.body.as_ref().map(|body| Bytes::from(body.to_string())).unwrap_or_default(),
        };
        let answer = self.0.answer(&ask);
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        if (200..300).contains(&answer.code) { Ok(body) } else { Err(status(answer.code, &body, conflict)) }
    }

    /// The stored form of a bucket.
    pub(super) fn bucket(&self, name: &str) -> Option<Value> {
        self.0.lock().thing(&format!("//storage.googleapis.com/{PREFIX}{name}")).ok().map(|thing| thing.body.clone())
    }

    /// Whether the caller may create an object: <https://docs.cloud.google.com/storage/docs/access-control/iam-json>.
    pub(super) fn may_create(&self, bearer: Option<&HeaderValue>, bucket: &str, object: &str) -> Result<(), Status> {
        let bearer = bearer.and_then(|bearer| bearer.to_str().ok()).map(token);
        let mut state = self.0.lock();
        let caller = state.caller(bearer).map_err(|fail| failed(&fail))?;
        let on = format!("//storage.googleapis.com/{PREFIX}{bucket}/objects/{object}");
        state.authorise(&caller, "storage.objects.insert", "storage.objects.create", &on).map_err(|fail| failed(&fail))
    }

    /// Lists which of the permissions the caller of Google's emulator holds: none if its token is unknown here.
    pub(super) fn test_permissions(&self, asked: &TestPermissionsRequest) -> Result<TestPermissionsResponse, Status> {
        let on = named(&asked.policy_name)?;
        let mut state = self.0.lock();
        let bearer = asked.credentials.as_ref().map(|credentials| token(&credentials.token));
        let Ok(caller) = state.caller(bearer) else { return Ok(TestPermissionsResponse::default()) };
        let held = asked.permissions.iter().filter(|permission| state.asks(&caller.principal, ASKED, permission, &on));
        Ok(TestPermissionsResponse { permissions: held.cloned().collect() })
    }

    /// The policy of a resource that Google's emulator stores. It is empty if nothing is known about the resource here.
    pub(super) fn policy(&self, asked: &GetPolicyRequest) -> Result<GetPolicyResponse, Status> {
        let on = named(&asked.policy_name)?;
        let state = self.0.lock();
        let project = project(&state, &on)?;
        let policy = state.policy(&on, CONDITIONS).unwrap_or_else(|_| Policy::default().answer(CONDITIONS));
        let is_project = relative(&on).split('/').count() == 2;
        let parent_name = if is_project { String::new() } else { format!("resourcemanager/projects/{project}") };
        Ok(GetPolicyResponse { parent_name, policy: Some(policy::from_json(&policy)) })
    }

    /// Writes the policy of a resource that Google's emulator stores. Only its name and policy are stored here.
    pub(super) fn set_policy(&self, asked: SetPolicyRequest) -> Result<SetPolicyResponse, Status> {
        let on = named(&asked.policy_name)?;
        let wanted = policy::to_json(&asked.policy.unwrap_or_default()).map_err(Status::unimplemented)?;
        let mut state = self.0.lock();
        let project = project(&state, &on)?;
        if state.thing(&on).is_err() {
            state.create(&on, &project, json!({"name": relative(&on)})).map_err(|fail| failed(&fail))?;
        }
        let written = state.set_policy(&on, &wanted).map_err(|fail| failed(&fail))?;
        Ok(SetPolicyResponse { policy: Some(policy::from_json(&written)) })
    }
}

/// The project of a full resource name.
fn project(state: &State, on: &str) -> Result<String, Status> {
    let project = relative(on).split('/').nth(1).and_then(|project| state.project_id(project));
    project.ok_or_else(|| failed(&Fail::missing(relative(on))))
}

/// Google's emulators pass on the whole header.
fn token(bearer: &str) -> &str {
    bearer.strip_prefix("Bearer ").unwrap_or(bearer)
}

fn named(policy: &str) -> Result<String, Status> {
    full_name(policy).ok_or_else(|| {
        Status::invalid_argument(format!(
            "`{policy}` names no policy: it must have the form `resourcemanager/projects/P` or `pubsub/projects/P/topics/T`"
        ))
    })
}

fn failed(fail: &Fail) -> Status {
    status(fail.code, &fail.body(), Code::Aborted)
}
