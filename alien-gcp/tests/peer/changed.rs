//! What somebody changed behind the library's back: the plan tells it by name, and the next set-up takes it back.

use std::collections::BTreeMap;

use alien_conformance::world::{Case, release};
use alien_core::{Deployment, Release, Stack};
use serde_json::{Value, json};

use crate::only_gcp::small;
use crate::world::{PROJECT, Peer, project};

/// The full name of a service account.
fn account(email: &str) -> String {
    format!("//iam.googleapis.com/projects/{PROJECT}/serviceAccounts/{email}")
}

/// Plans, and returns what the plan says.
pub(crate) async fn told(case: &Case<'_, Peer>, release: &Release, deployment: &Deployment) -> String {
    case.admin.plan(release).previous(deployment).await.unwrap().to_string()
}

/// Sets up again, after which nothing is left to do.
pub(crate) async fn mended(case: &Case<'_, Peer>, stack: &Stack, deployment: &Deployment) -> Deployment {
    let release = release(stack, &[]);
    let deployment = case.up(&release, Some(deployment)).await.unwrap();
    let plan = case.admin.plan(&release).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    deployment
}

fn binds(policy: &Value, role: &str, member: &str) -> bool {
    policy["bindings"].as_array().is_some_and(|bindings| {
        bindings.iter().any(|one| one["role"] == role && one["members"].as_array().unwrap().contains(&json!(member)))
    })
}

/// Rights that somebody gave to an identity, users that somebody gave it, and rights that somebody took from it.
pub(crate) async fn an_identity_that_someone_changed_is_mended(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "given", stack.clone());
    let release = release(&stack, &[]);
    let deployment = case.up(&release, None).await.unwrap();
    let (sim, bucket) = (&peer.sim, deployment.resources["data"].clone());
    let management = deployment.identity.rsplit('/').next().unwrap().to_owned();
    let runtime = format!("given-runtime-api-5@{PROJECT}.iam.gserviceaccount.com");
    let eve = "user:eve@example.com";
    let members = [&management, &runtime].map(|email| format!("serviceAccount:{email}"));
    sim.bind(&project(), "roles/owner", &members[0]);
    sim.bind(&account(&management), "roles/iam.serviceAccountTokenCreator", eve);
    sim.bind(&account(&runtime), "roles/owner", "allAuthenticatedUsers");
    sim.bind(&bucket, "roles/storage.objectViewer", &members[1]);
    sim.bind(&bucket, "roles/storage.objectViewer", eve);
    let api = deployment.resources["api"].clone();
    sim.set_policy(&api, &json!({}));

    let plan = told(&case, &release, &deployment).await;
    let relative = |name: &str| name.trim_start_matches("//").split_once('/').unwrap().1.to_owned();
    for due in [
        "it has `roles/owner` on the project",
        &format!("`{eve}` may use it by `roles/iam.serviceAccountTokenCreator`"),
        "`allAuthenticatedUsers` may use it by `roles/owner`",
        &format!("it has `roles/storage.objectViewer` on `{}`", relative(&bucket)),
        &format!("on `{}`", relative(&api)),
    ] {
        assert!(plan.contains(due), "{due}: {plan}");
    }
    mended(&case, &stack, &deployment).await;
    assert!(!binds(&sim.policy(&project()).unwrap(), "roles/owner", &members[0]));
    assert!(binds(&sim.policy(&bucket).unwrap(), "roles/storage.objectViewer", eve), "what others have stays");
    assert!(!binds(&sim.policy(&bucket).unwrap(), "roles/storage.objectViewer", &members[1]));
    for email in [&management, &runtime] {
        let policy = sim.policy(&account(email)).unwrap().to_string();
        assert!(!policy.contains("eve@") && !policy.contains("allAuthenticated"), "{policy}");
    }
}

/// A plan reads each policy once, however many identities are compared with it.
pub(crate) async fn a_plan_reads_each_policy_once(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "once", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let _ = peer.sim.take_requests();
    let plan = case.admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let mut read = BTreeMap::<String, u32>::new();
    for request in peer.sim.take_requests().into_iter().filter(|request| request.method.ends_with("getIamPolicy")) {
        *read.entry(request.path).or_default() += 1;
    }
    assert!(read.len() >= 5, "{read:?}");
    assert!(read.values().all(|times| *times == 1), "{read:?}");
}
