//! What somebody changed behind the library's back: the plan tells it by name, and the next set-up takes it back.

use std::collections::BTreeMap;

use alien_conformance::world::{Case, release};
use alien_core::adapter::{DeploymentContext, Fingerprint};
use alien_core::{Data, Deployment, Function, Profile, Release, Stack, Storage};
use alien_gcp::Gcp;
use serde_json::{Value, json};

use crate::only_gcp::{code, small};
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

/// A bucket that somebody opened, or that no longer keeps what it should, is told and set again.
pub(crate) async fn a_bucket_that_someone_changed_is_mended(peer: &Peer) {
    let mut stack = Stack::builder("kept");
    stack.frozen("data", Storage::new().with_versions().with_expiry_days(30));
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "opened", stack.clone());
    let mut deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let bucket = deployment.resources["data"].clone();
    let open = json!({ "uniformBucketLevelAccess": { "enabled": true }, "publicAccessPrevention": "inherited" });
    let fine = json!({ "uniformBucketLevelAccess": { "enabled": false }, "publicAccessPrevention": "enforced" });
    for (field, value, says) in [
        ("iamConfiguration", open, "public access is not prevented"),
        ("iamConfiguration", fine, "access is not by IAM alone"),
        ("versioning", json!({ "enabled": false }), "it keeps no versions"),
        ("lifecycle", json!({ "rule": [] }), "its objects do not expire"),
    ] {
        peer.sim.write(&bucket, field, &value);
        let plan = told(&case, &release(&stack, &[]), &deployment).await;
        assert!(plan.contains(says), "{says}: {plan}");
        deployment = mended(&case, &stack, &deployment).await;
        assert_ne!(peer.sim.body(&bucket).unwrap()[field], value);
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

/// What a client with the vendor's token asks of a live service.
async fn relabel(peer: &Peer, token: &str, service: &str, labels: &Value) {
    let path = service.trim_start_matches("//run.googleapis.com/");
    let url = format!("{}/v2/{path}?updateMask=labels", peer.sim.url());
    let request = reqwest::Client::new().patch(url).bearer_auth(token).header("content-type", "application/json");
    let answer = request.body(json!({ "labels": labels }).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

/// A function that everyone may call, or only those who are named.
fn reachable(public: bool) -> Stack {
    let mut stack = Stack::builder("reachable");
    let api = Function::new(code("reachable"), "api");
    stack.live("api", if public { api.with_public_url() } else { api });
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

/// The vendor can write the labels of a live service: they neither make it somebody else's, nor hide what is to be changed.
pub(crate) async fn labels_of_the_vendors_decide_nothing(peer: &Peer) {
    let (public, private) = (reachable(true), reachable(false));
    let case = Case::new(peer, "labels", public.clone());
    let deployment = case.up(&release(&public, &[]), None).await.unwrap();
    let api = &deployment.resources["api"];
    let other = Case::new(peer, "labels", public.clone());

    // The service is said to be another deployment's, or nobody's: it is set up again, and taken down.
    let token = peer.session(&deployment).await;
    let mut stranger = peer.sim.body(api).unwrap()["labels"].clone();
    stranger["alien-deployment"] = "01890a5d-ac96-774b-bcce-b302099a8057".into();
    for (labels, says) in [(&stranger, "somebody changed its labels"), (&json!({}), "update  api (function)")] {
        relabel(peer, &token, api, labels).await;
        let plan = told(&case, &release(&public, &[]), &deployment).await;
        assert!(plan.contains(says), "{plan}");
        mended(&case, &public, &deployment).await;
        let labels = peer.sim.body(api).unwrap()["labels"].clone();
        assert_eq!(labels["alien-deployment"], deployment.id.to_string(), "{labels:#}");
    }
    // It is nobody else's either, though it has the name that another deployment with this prefix would give it.
    let plan = other.admin.plan(&release(&public, &[])).await.unwrap();
    assert!(plan.to_string().contains(&format!("it belongs to the deployment {}", deployment.id)), "{plan}");

    // It is said to be set as the next stack wants it: it is compared, and changed.
    let next = DeploymentContext::<Gcp>::new(deployment.id, case.target.clone(), release(&private, &[]));
    let subject = next.subject("api").unwrap();
    let seal = Fingerprint::of(subject, &next).to_string();
    let mut labels = peer.sim.body(api).unwrap()["labels"].clone();
    labels["alien-seal"] = seal.into();
    relabel(peer, &token, api, &labels).await;
    let plan = told(&case, &release(&private, &[]), &deployment).await;
    assert!(plan.contains("everyone may call it"), "{plan}");
    let deployment = mended(&case, &private, &deployment).await;
    let policy = peer.sim.policy(api).unwrap().to_string();
    assert!(!policy.contains("allUsers"), "{policy}");

    relabel(peer, &peer.session(&deployment).await, api, &stranger).await;
    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.foreign.is_empty() && remains.kept.is_empty(), "{remains:?}");
    assert!(!peer.sim.things().contains(api), "it is left behind");
}
