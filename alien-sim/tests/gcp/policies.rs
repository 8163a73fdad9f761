//! Policies: their etags, versions, members and limits.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{ADMIN, PROJECT, World, refusal};

const GET: &str = "/v3/projects/acme:getIamPolicy";
const SET: &str = "/v3/projects/acme:setIamPolicy";

fn with(binding: Value) -> Value {
    json!({"policy": {"version": 3, "bindings": [{"role": "roles/owner", "members": [ADMIN]}, binding]}})
}

#[tokio::test]
async fn a_stale_etag_is_refused_and_none_overwrites() {
    let world = World::new().await;
    let policy = world.does("POST", GET, json!({"options": {"requestedPolicyVersion": 3}})).await;
    world.does("POST", SET, json!({"policy": policy})).await;
    assert_eq!(world.refused("POST", SET, json!({"policy": policy})).await, refusal(409, "ABORTED"));
    let mut bare = policy;
    bare["etag"] = json!("not base64!");
    assert_eq!(world.refused("POST", SET, json!({"policy": bare})).await, refusal(400, "INVALID_ARGUMENT"));
    bare.as_object_mut().unwrap().remove("etag");
    world.does("POST", SET, json!({"policy": bare})).await;
}

#[tokio::test]
async fn conditions_are_withheld_from_who_reads_an_old_version_and_refused_in_one() {
    let world = World::new().await;
    let bound = json!({"role": "roles/run.invoker", "members": ["user:x@example.com"],
        "condition": {"title": "t", "expression": "true"}});
    world.does("POST", SET, with(bound.clone())).await;
    let old = world.does("POST", GET, json!({})).await;
    assert_eq!(old["version"], 1);
    assert!(old["bindings"][1]["role"].as_str().unwrap().starts_with("run.invoker_withcond_"), "{old}");
    assert_eq!(old["bindings"][1].get("condition"), None);
    let new = world.does("POST", GET, json!({"options": {"requestedPolicyVersion": 3}})).await;
    assert_eq!((&new["version"], &new["bindings"][1]["condition"]["expression"]), (&json!(3), &json!("true")));
    let mut body = with(bound);
    body["policy"]["version"] = json!(1);
    assert_eq!(world.refused("POST", SET, body).await, refusal(400, "INVALID_ARGUMENT"));
}

#[tokio::test]
async fn members_and_roles_must_exist_and_limits_hold() {
    let world = World::new().await;
    let refused = refusal(400, "INVALID_ARGUMENT");
    let bind = |role: &str, member: &str| with(json!({"role": role, "members": [member]}));
    let (code, answer) = world
        .call(&world.admin, "POST", SET, bind("roles/run.invoker", "serviceAccount:no@acme.iam.gserviceaccount.com"))
        .await;
    assert_eq!(
        (code, &answer["error"]["message"]),
        (400, &json!("Service account no@acme.iam.gserviceaccount.com does not exist."))
    );
    assert_eq!(world.refused("POST", SET, bind("roles/made.up", ADMIN)).await, refused);
    assert_eq!(world.refused("POST", SET, bind("projects/acme/roles/none", ADMIN)).await, refused);
    assert_eq!(world.refused("POST", SET, bind("roles/run.invoker", "nonsense")).await, refused);
    let many: Vec<String> = (0..1_500).map(|n| format!("user:u{n}@example.com")).collect();
    assert_eq!(world.refused("POST", SET, with(json!({"role": "roles/run.invoker", "members": many}))).await, refused);
    let conditions: Vec<Value> = (0..21)
        .map(|n| json!({"role": "roles/run.invoker", "members": [ADMIN], "condition": {"title": "t", "expression": format!("{n} == {n}")}}))
        .collect();
    assert_eq!(world.refused("POST", SET, json!({"policy": {"version": 3, "bindings": conditions}})).await, refused);
    let long = vec!["true"; 14].join(" && ");
    let long =
        json!({"role": "roles/run.invoker", "members": [ADMIN], "condition": {"title": "t", "expression": long}});
    assert_eq!(world.refused("POST", SET, with(long)).await, refused);
}

#[tokio::test]
async fn a_policy_takes_effect_after_its_propagation() {
    let world = World::new().await;
    world.gcp.faults().propagation(Duration::from_secs(120));
    let user = world.gcp.token("user:late@example.com");
    world.does("POST", SET, with(json!({"role": "roles/run.viewer", "members": ["user:late@example.com"]}))).await;
    let path = "/v2/projects/acme/locations/l/services";
    assert_eq!(world.call(&user, "GET", path, Value::Null).await.0, 403);
    world.gcp.faults().advance(Duration::from_secs(119));
    assert_eq!(world.call(&user, "GET", path, Value::Null).await.0, 403);
    world.gcp.faults().advance(Duration::from_secs(2));
    assert_eq!(world.call(&user, "GET", path, Value::Null).await.0, 200);
}

#[tokio::test]
async fn bindings_of_a_deleted_account_are_not_those_of_the_next_one() {
    let world = World::new().await;
    let email = world.gcp.service_account("acme", "worker");
    let member = format!("serviceAccount:{email}");
    world.gcp.bind(PROJECT, "roles/run.viewer", &member);
    let path = format!("/v1/projects/acme/serviceAccounts/{email}");
    let uid = world.does("GET", &path, Value::Null).await["uniqueId"].as_str().unwrap().to_owned();
    world.does("DELETE", &path, Value::Null).await;
    let deleted = json!([format!("deleted:{member}?uid={uid}")]);
    let viewers = || {
        let policy = world.gcp.policy(PROJECT).unwrap();
        let bindings = policy["bindings"].as_array().unwrap();
        bindings.iter().find(|binding| binding["role"] == "roles/run.viewer").unwrap()["members"].clone()
    };
    assert_eq!(viewers(), deleted);
    world.gcp.service_account("acme", "worker");
    assert_eq!(viewers(), deleted);
    // What was read can be written again.
    let policy = world.gcp.policy(PROJECT).unwrap();
    world.does("POST", SET, json!({"policy": policy})).await;
}

#[tokio::test]
async fn an_organisation_policy_keeps_everyone_out() {
    let world = World::new().await;
    world.does("PUT", "/v1/projects/acme/topics/topic", json!({})).await;
    let public = json!({"policy": {"bindings": [{"role": "roles/pubsub.publisher", "members": ["allUsers"]}]}});
    let nobody = json!({"policy": {"bindings": []}});
    let own = json!({"values": {"allowedValues": [format!("is:{}", world.gcp.customer("acme").unwrap())]}});
    world.does("POST", "/v1/projects/acme/topics/topic:setIamPolicy", public.clone()).await;
    world.gcp.rule("acme", "iam.allowedPolicyMemberDomains", own.clone());
    // Who is in a policy already stays in it.
    world.does("POST", "/v1/projects/acme/topics/topic:setIamPolicy", public.clone()).await;
    world.does("POST", "/v1/projects/acme/topics/topic:setIamPolicy", nobody).await;
    let (code, answer) = world.call(&world.admin, "POST", "/v1/projects/acme/topics/topic:setIamPolicy", public).await;
    assert_eq!((code, &answer["error"]["status"]), (400, &json!("FAILED_PRECONDITION")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("do not belong to a permitted customer"), "{answer}");
    let said =
        world.does("GET", "/v2/projects/acme/policies/iam.allowedPolicyMemberDomains:getEffectivePolicy", Value::Null);
    assert_eq!(said.await["spec"]["rules"], json!([own]));
}

#[tokio::test]
async fn resources_have_policies_of_their_own() {
    let world = World::new().await;
    let repository = world.gcp.repository("acme", "us-central1", "images");
    let email = world.gcp.service_account("acme", "worker");
    world.does("POST", "/storage/v1/b?project=acme", json!({"name": "acme-files"})).await;
    world.does("PUT", "/v1/projects/acme/topics/topic", json!({})).await;
    let user = world.gcp.token("user:guest@example.com");
    for (on, get, role, permissions) in [
        (
            repository.as_str(),
            "/v1/projects/acme/locations/us-central1/repositories/images",
            "ar",
            "artifactregistry.repositories.get",
        ),
        (
            "//storage.googleapis.com/projects/_/buckets/acme-files",
            "/storage/v1/b/acme-files",
            "st",
            "storage.buckets.get",
        ),
        (
            "//pubsub.googleapis.com/projects/acme/topics/topic",
            "/v1/projects/acme/topics/topic",
            "ps",
            "pubsub.topics.get",
        ),
    ] {
        let role = format!("projects/acme/roles/{role}x");
        world.gcp.set_role(&role, &[permissions]);
        assert_eq!(world.call(&user, "GET", get, Value::Null).await.0, 403);
        world.gcp.bind(on, &role, "user:guest@example.com");
        assert_eq!(world.call(&user, "GET", get, Value::Null).await.0, 200);
    }
    let account = format!("/v1/projects/-/serviceAccounts/{email}");
    assert_eq!(world.call(&user, "GET", &account, Value::Null).await.0, 403);
    world.gcp.bind(
        &format!("//iam.googleapis.com/projects/acme/serviceAccounts/{email}"),
        "roles/iam.serviceAccountUser",
        "user:guest@example.com",
    );
    assert_eq!(world.call(&user, "GET", &account, Value::Null).await.0, 200);
}
