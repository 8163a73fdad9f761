//! Who may do what.

use std::collections::BTreeSet;

use alien_sim::gcp::methods;
use serde_json::{Value, json};

use crate::world::{PROJECT, World, refusal};

#[tokio::test]
async fn whoever_holds_the_permission_sees_that_something_is_missing_and_others_are_denied() {
    let world = World::new().await;
    let nobody = world.gcp.token("user:nobody@example.com");
    for (path, permission) in [
        ("/v2/projects/acme/locations/l/services/s", "run.services.get"),
        ("/v1/projects/acme/topics/t", "pubsub.topics.get"),
        ("/v1/projects/acme/serviceAccounts/x@acme.iam.gserviceaccount.com", "iam.serviceAccounts.get"),
        ("/v1/projects/acme/databases/d", "datastore.databases.getMetadata"),
        ("/compute/v1/projects/acme/global/networks/n", "compute.networks.get"),
    ] {
        assert_eq!(world.refused("GET", path, Value::Null).await, refusal(404, "NOT_FOUND"));
        let (code, answer) = world.call(&nobody, "GET", path, Value::Null).await;
        assert_eq!(code, 403, "{path}");
        let info = &answer["error"]["details"][0];
        assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
        assert_eq!(info["reason"], "IAM_PERMISSION_DENIED");
        assert_eq!(info["metadata"]["permission"], permission);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("Permission '{permission}' denied on resource '")), "{message}");
    }
}

#[tokio::test]
async fn methods_without_a_handler_are_refused_to_whoever_does_not_hold_their_permissions() {
    let world = World::new().await;
    world.does("POST", "/storage/v1/b?project=acme", json!({"name": "acme-files"})).await;
    world.gcp.put_object("acme-files", "a/b");
    let nobody = world.gcp.token("user:nobody@example.com");
    let documents = "/v1/projects/acme/databases/d/documents";
    for (verb, path) in [
        ("GET", "/storage/v1/b/acme-files/o/a%2Fb".to_owned()),
        ("GET", "/storage/v1/b/acme-files/o".to_owned()),
        ("DELETE", "/storage/v1/b/acme-files/o/a%2Fb".to_owned()),
        ("POST", "/upload/storage/v1/b/acme-files/o?uploadType=media&name=x".to_owned()),
        ("POST", "/storage/v1/projects/acme/hmacKeys?serviceAccountEmail=x".to_owned()),
        ("GET", format!("{documents}/users/ada")),
        ("GET", format!("{documents}/users")),
        ("POST", format!("{documents}/users")),
        ("PATCH", format!("{documents}/users/ada")),
        ("DELETE", format!("{documents}/users/ada/notes/1")),
        ("POST", format!("{documents}:beginTransaction")),
        ("POST", format!("{documents}:runQuery")),
        ("POST", format!("{documents}:commit")),
        ("POST", "/v1/projects/acme/databases/d:exportDocuments".to_owned()),
        ("POST", "/v1/projects/acme/databases/d:importDocuments".to_owned()),
        ("POST", "/v1/projects/acme/databases/d/userCreds?userCredsId=x".to_owned()),
        ("POST", "/v1/projects/acme/topics/t:publish".to_owned()),
        ("POST", "/v1/projects/acme/subscriptions/s:pull".to_owned()),
        ("POST", "/v1/projects/acme/subscriptions/s:seek".to_owned()),
        ("PUT", "/v1/projects/acme/snapshots/s".to_owned()),
        ("GET", "/v1/projects/acme/secrets/s/versions/1:access".to_owned()),
        ("POST", "/v1/projects/acme/serviceAccounts/x@acme.iam.gserviceaccount.com/keys".to_owned()),
        ("POST", "/v1/projects/-/serviceAccounts/x@acme.iam.gserviceaccount.com:signBlob".to_owned()),
        ("POST", "/v1/projects/-/serviceAccounts/x@acme.iam.gserviceaccount.com:signJwt".to_owned()),
        ("POST", "/v1/projects/acme/serviceAccounts/x@acme.iam.gserviceaccount.com:enable".to_owned()),
        ("POST", "/v2/projects/acme/locations/l/jobs?jobId=j".to_owned()),
        ("POST", "/v2/projects/acme/locations/l/jobs/j:run".to_owned()),
        ("GET", "/v2/projects/acme/locations/l/services".to_owned()),
        ("PUT", "/v2/projects/acme/sinks/s".to_owned()),
        ("POST", "/compute/v1/projects/acme/global/networks/n/addPeering".to_owned()),
    ] {
        let (code, answer) =
            world.call(&nobody, verb, &path, if verb == "GET" { Value::Null } else { json!({}) }).await;
        assert_eq!(code, 403, "{verb} {path}: {answer}");
    }
    let (code, answer) =
        world.call(&nobody, "POST", "/v2/entries:list", json!({"resourceNames": ["projects/acme"]})).await;
    assert_eq!(code, 403, "{answer}");
}

#[tokio::test]
async fn what_is_not_modelled_says_so_before_and_after_it_is_allowed() {
    let world = World::new().await;
    let unknown = world.call("no token at all", "GET", "/v1/projects/acme/instances", Value::Null).await;
    assert_eq!(unknown.0, 501);
    assert!(unknown.1["error"]["message"].as_str().unwrap().contains("pubsub.googleapis.com"));
    assert_eq!(
        world.refused("POST", "/v1/projects/acme/databases/d:exportDocuments", json!({})).await,
        refusal(501, "UNIMPLEMENTED")
    );
    assert_eq!(
        world.refused("DELETE", "/v1/projects/acme/topics", Value::Null).await,
        refusal(501, "UNIMPLEMENTED"),
        "the verb is not one of the path"
    );
}

#[tokio::test]
async fn unknown_fields_and_parameters_are_refused() {
    let world = World::new().await;
    let refused = refusal(400, "INVALID_ARGUMENT");
    assert_eq!(world.refused("PUT", "/v1/projects/acme/topics/topic", json!({"lables": {}})).await, refused);
    assert_eq!(world.refused("PUT", "/v1/projects/acme/topics/topic?lables=1", json!({})).await, refused);
    let nested = json!({"template": {"containers": [{"image": "i", "enviroment": []}]}});
    assert_eq!(world.refused("POST", "/v2/projects/acme/locations/l/services?serviceId=s", nested).await, refused);
    world.does("PUT", "/v1/projects/acme/topics/topic?$alt=json;enum-encoding=int&prettyPrint=false", json!({})).await;
}

#[tokio::test]
async fn permissions_are_tested_one_by_one() {
    let world = World::new().await;
    let user = world.user("reader", &["run.services.get"]);
    let wanted = json!({"permissions": ["run.services.get", "run.services.delete"]});
    for path in ["/v3/projects/acme:testIamPermissions", "/v1/projects/acme:testIamPermissions"] {
        let (code, answer) = world.call(&user, "POST", path, wanted.clone()).await;
        assert_eq!((code, &answer["permissions"]), (200, &json!(["run.services.get"])));
    }
    // The project by its number is the same project.
    let by_number = world.call(&user, "POST", "/v3/projects/42:testIamPermissions", wanted).await;
    assert_eq!(by_number.1["permissions"], json!(["run.services.get"]));
}

#[tokio::test]
async fn a_disabled_api_answers_nobody() {
    let world = World::new().await;
    world.gcp.disable_api("acme", "pubsub.googleapis.com");
    let (code, answer) = world.call(&world.admin, "GET", "/v1/projects/acme/topics", Value::Null).await;
    assert_eq!((code, &answer["error"]["details"][0]["reason"]), (403, &json!("SERVICE_DISABLED")));
    let path = "/v1/projects/acme/services:batchGet?names=projects/acme/services/pubsub.googleapis.com&names=projects/acme/services/run.googleapis.com";
    let states = world.does("GET", path, Value::Null).await;
    assert_eq!(
        (&states["services"][0]["state"], &states["services"][1]["state"]),
        (&json!("DISABLED"), &json!("ENABLED"))
    );
    world.gcp.enable_api("acme", "pubsub.googleapis.com");
    world.does("GET", "/v1/projects/acme/topics", Value::Null).await;
}

#[tokio::test]
async fn a_name_condition_matches_where_the_service_tells_the_name_and_nowhere_else() {
    let world = World::new().await;
    for (database, topic) in [("acme-one", "topic-one"), ("acme-two", "topic-two")] {
        let body = json!({"locationId": "nam5", "type": 1});
        world.does("POST", &format!("/v1/projects/acme/databases?databaseId={database}"), body).await;
        world.does("PUT", &format!("/v1/projects/acme/topics/{topic}"), json!({})).await;
    }
    let user = world.user("narrow", &[]);
    world.gcp.set_role("projects/acme/roles/get", &["datastore.databases.getMetadata", "pubsub.topics.get"]);
    let condition = |expression: &str| {
        json!({"version": 3, "bindings": [
            {"role": "roles/owner", "members": ["user:admin@example.com"]},
            {"role": "projects/acme/roles/get", "members": ["user:narrow@example.com"],
             "condition": {"title": "t", "expression": expression}},
        ]})
    };
    let codes = async || {
        let mut codes = Vec::new();
        for path in ["databases/acme-one", "databases/acme-two", "topics/topic-one"] {
            codes.push(world.call(&user, "GET", &format!("/v1/projects/acme/{path}"), Value::Null).await.0);
        }
        codes
    };
    world.gcp.set_policy(PROJECT, &condition("resource.name == 'projects/acme/databases/acme-one'"));
    assert_eq!(codes().await, [200, 403, 403]);
    world.gcp.set_policy(PROJECT, &condition("resource.name == 'projects/acme/topics/topic-one'"));
    assert_eq!(codes().await, [403, 403, 403]);
    world.gcp.set_policy(PROJECT, &condition("resource.type == 'firestore.googleapis.com/Database'"));
    assert_eq!(codes().await, [200, 200, 403]);
    world.gcp.set_policy(PROJECT, &condition("request.time < timestamp('2020-01-01T00:00:00Z')"));
    assert_eq!(codes().await, [403, 403, 403]);
    world.gcp.set_policy(PROJECT, &condition("request.time > timestamp('2020-01-01T00:00:00Z')"));
    assert_eq!(codes().await, [200, 200, 200]);
    // What fails to evaluate does not match.
    world.gcp.set_policy(PROJECT, &condition("resource.nothing == 'x'"));
    assert_eq!(codes().await, [403, 403, 403]);
}

#[test]
fn every_method_is_at_one_place_and_says_where_its_permissions_are_from() {
    let mut places = BTreeSet::new();
    for method in methods() {
        assert!(places.insert((method.verb, method.path)), "{} {} is there twice", method.verb, method.path);
        assert!(method.source.starts_with("https://docs.cloud.google.com/"), "{}: {}", method.id, method.source);
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_and_what_is_only_enforced_are_told_apart() {
    let world = World::new().await;
    let nobody = world.gcp.token("user:nobody@example.com");
    let (code, answer) = world.call(&nobody, "GET", "/storage/v1/b/acme/notificationConfigs", Value::Null).await;
    assert_eq!((code, &answer["error"]["status"]), (501, &json!("UNIMPLEMENTED")));
    let path = "/v1/projects/acme/secrets/s/versions/latest:access";
    assert_eq!(world.call(&nobody, "GET", path, Value::Null).await.0, 403);
    assert_eq!(world.refused("GET", path, Value::Null).await.0, 501);
}

#[tokio::test]
async fn predefined_roles_are_read_by_anyone() {
    let world = World::new().await;
    let nobody = world.gcp.token("user:nobody@example.com");
    let (code, role) = world.call(&nobody, "GET", "/v1/roles/pubsub.publisher", Value::Null).await;
    assert_eq!((code, &role["includedPermissions"]), (200, &json!(["pubsub.topics.publish"])));
    assert_eq!(world.call(&nobody, "GET", "/v1/projects/acme/roles", Value::Null).await.0, 403);
}
