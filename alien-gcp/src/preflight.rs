//! Checks before a set-up: the project and its number, enabled APIs, the permissions of the credentials, and what the
//! organisation forbids, and whether Google's agent of queues exists.

mod agent;
mod organisation;

use std::collections::BTreeSet;

use alien_core::adapter::{AccessControl, Subject, last};
use alien_core::{ErrorKind, Problem, Remedy, Result, Rule};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use google_cloud_api_serviceusage_v1::model::State;

use crate::Gcp;
use crate::client::{Context, failed};
use crate::naming::Paths;
use crate::operations as op;

/// The most permissions that one call tests
/// (<https://docs.cloud.google.com/resource-manager/reference/rest/v3/projects/testIamPermissions>).
const ASKED: usize = 100;

/// The service name of each API, by the first word of its permissions.
const APIS: [(&str, &str); 9] = [
    ("artifactregistry", "artifactregistry.googleapis.com"),
    ("compute", "compute.googleapis.com"),
    ("datastore", "firestore.googleapis.com"),
    ("iam", "iam.googleapis.com"),
    ("logging", "logging.googleapis.com"),
    ("pubsub", "pubsub.googleapis.com"),
    ("resourcemanager", "cloudresourcemanager.googleapis.com"),
    ("run", "run.googleapis.com"),
    ("storage", "storage.googleapis.com"),
];

/// The API that issues the vendor's tokens.
const TOKENS: &str = "iamcredentials.googleapis.com";

pub(crate) async fn look(cx: Context<'_>) -> Result<Vec<Problem>> {
    let cx = cx.about(Subject::Deployment);
    let mut problems = project(cx).await?;
    if problems.iter().any(Problem::is_error) {
        return Ok(problems);
    }
    let permissions = permissions(cx);
    problems.extend(may_do_all(cx, &permissions).await?);
    problems.extend(apis(cx, &permissions).await?);
    problems.extend(organisation::look(cx).await?);
    if !problems.iter().any(Problem::is_error) {
        problems.extend(agent::look(cx).await?);
    }
    Ok(problems)
}

/// The permissions of the provisioning layer, without those for deleting data.
fn permissions(cx: Context<'_>) -> BTreeSet<String> {
    let deployment = cx.deployment();
    let rendered = Gcp::principal(&deployment.layout, &deployment.permissions().provisioning);
    rendered.custom_roles.into_iter().flat_map(|role| role.included_permissions).map(|one| one.into_owned()).collect()
}

/// Checks that the credentials reach the project that the target names.
pub(crate) async fn account(cx: Context<'_>) -> Result<Vec<Problem>> {
    project(cx.about(Subject::Deployment)).await
}

/// Checks that the project's id and number belong together: names and conditions contain both.
async fn project(cx: Context<'_>) -> Result<Vec<Problem>> {
    let target = cx.target();
    let name = Paths(target).parent();
    let found = cx.call(&[op::GET_PROJECT], || async {
        cx.clients.projects().await?.get_project().set_name(&name).send().await.map_err(failed::projects(cx.clients))
    });
    let found = match found.await {
        Ok(found) => found,
        // Google gives the same answer for a project that does not exist and for one that the caller may not see.
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => {
            let what = format!("cannot read the project `{}`: {}", target.project, error.message());
            let help =
                "correct the project, or ask its administrator for the permissions in the provisioning documents";
            let problem = Problem::error(Rule::Cloud, what, help.to_owned());
            return Ok(vec![problem.at("project").remedy(Remedy::GrantProvisioning)]);
        }
        Err(error) => return Err(error),
    };
    let number = last(&found.name);
    if number == target.project_number.as_str() {
        return Ok(Vec::new());
    }
    let what = format!("the project `{}` has the number `{number}`, not `{}`", target.project, target.project_number);
    let help = "correct the project or its number: `gcloud projects describe` shows both".to_owned();
    Ok(vec![Problem::error(Rule::Cloud, what, help).at("projectNumber")])
}

/// Tests which permissions the caller has on the project. That does not show permissions that are bound more narrowly.
/// The provisioning documents bind with a condition only permissions on resources that they name, and for those the
/// project's answer is not conclusive.
async fn may_do_all(cx: Context<'_>, permissions: &BTreeSet<String>) -> Result<Vec<Problem>> {
    let deployment = cx.deployment();
    let rendered = Gcp::principal(&deployment.layout, &deployment.permissions().provisioning);
    let member = format!("serviceAccount:{}", rendered.service_account.email);
    let conditioned: BTreeSet<&str> = rendered
        .bindings
        .iter()
        .filter(|binding| binding.condition.is_some() && binding.members.contains(&member))
        .filter_map(|binding| rendered.custom_roles.iter().find(|role| binding.role.ends_with(&*role.role_id)))
        .flat_map(|role| role.included_permissions.iter().map(AsRef::as_ref))
        .collect();
    let name = Paths(deployment.target()).parent();
    let asked: Vec<&String> = permissions.iter().collect();
    let mut held = BTreeSet::new();
    for asked in asked.chunks(ASKED) {
        let answer = cx.call(&[op::TEST_PROJECT_PERMISSIONS], || async {
            let call = cx.clients.projects().await?.test_iam_permissions().set_resource(&name);
            call.set_permissions(asked.iter().copied()).send().await.map_err(failed::projects(cx.clients))
        });
        held.extend(answer.await?.permissions);
    }
    // Whoever may not read the organisation's policies is told so where they are read.
    let needed = permissions.iter().filter(|one| *one != op::GET_ORGANISATION_POLICY.permission);
    let lacking: Vec<&str> = needed.filter(|one| !held.contains(*one)).map(String::as_str).collect();
    let (unclear, missing): (Vec<&str>, Vec<&str>) = lacking.into_iter().partition(|one| conditioned.contains(one));
    let mut problems = Vec::new();
    if !missing.is_empty() {
        let what = format!("these credentials may not {} on `{}`", missing.join(", "), deployment.target().project);
        let help = "ask the administrator of the project for the permissions in the provisioning documents";
        let problem = Problem::error(Rule::Cloud, what, help.to_owned());
        problems.push(problem.at("project").remedy(Remedy::GrantProvisioning));
    }
    if !unclear.is_empty() {
        let what = format!(
            "whether these credentials may {} depends on the names of resources, and cannot be tested in advance",
            unclear.join(", ")
        );
        let help = "go on: a call that lacks a permission fails and names it".to_owned();
        problems.push(Problem::warning(Rule::Cloud, what, help));
    }
    Ok(problems)
}

/// Checks which of the APIs are enabled.
async fn apis(cx: Context<'_>, permissions: &BTreeSet<String>) -> Result<Vec<Problem>> {
    let words: BTreeSet<&str> = permissions.iter().filter_map(|one| one.split('.').next()).collect();
    let wanted = APIS.iter().filter(|(word, _)| words.contains(word)).map(|(_, api)| *api).chain([TOKENS]);
    let project = Paths(cx.target()).parent();
    let looks: Vec<_> = wanted
        .map(|api| {
            let name = format!("{project}/services/{api}");
            async move {
                let found = cx.call(&[op::GET_API], || async {
                    cx.clients
                        .usage()
                        .await?
                        .get_service()
                        .set_name(&name)
                        .send()
                        .await
                        .map_err(failed::usage(cx.clients))
                });
                Ok::<_, alien_core::Error>((api, found.await?.state == State::Enabled))
            }
        })
        .collect();
    let found: Result<Vec<(&str, bool)>> = stream::iter(looks).buffered(8).try_collect().await;
    let off: Vec<&str> = match found {
        Ok(found) => found.into_iter().filter(|(_, on)| !on).map(|(api, _)| api).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Rejected | ErrorKind::NotFound) => {
            let what = format!("cannot read which APIs are enabled: {}", error.message());
            let help = "go on: a call to a disabled API fails and names it".to_owned();
            return Ok(vec![Problem::warning(Rule::Cloud, what, help)]);
        }
        Err(error) => return Err(error),
    };
    if off.is_empty() {
        return Ok(Vec::new());
    }
    let what =
        format!("{} disabled in `{}`", if off.len() == 1 { "an API is" } else { "APIs are" }, cx.target().project);
    let help = format!("enable: `gcloud services enable {} --project {}`", off.join(" "), cx.target().project);
    Ok(vec![Problem::error(Rule::Cloud, what, help).at("project")])
}
