//! Databases, buckets and networks.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{World, refusal};

#[tokio::test]
async fn a_database_is_made_by_an_operation_and_protected_from_deletion() {
    let world = World::new().await;
    world.gcp.faults().operations_take(Duration::from_secs(60));
    let body = json!({"locationId": "nam5", "type": "FIRESTORE_NATIVE", "deleteProtectionState": 2});
    let operation = world.does("POST", "/v1/projects/acme/databases?databaseId=acme-kv", body).await;
    assert_eq!(operation.get("done"), None);
    let path = format!("/v1/{}", operation["name"].as_str().unwrap());
    assert_eq!(world.does("GET", &path, Value::Null).await.get("done"), None);
    world.gcp.faults().advance(Duration::from_secs(61));
    let done = world.does("GET", &path, Value::Null).await;
    assert_eq!(done["response"]["@type"], "type.googleapis.com/google.firestore.admin.v1.Database");
    let path = "/v1/projects/acme/databases/acme-kv";
    assert_eq!(world.refused("DELETE", path, Value::Null).await, refusal(400, "FAILED_PRECONDITION"));
    let open = json!({"deleteProtectionState": "DELETE_PROTECTION_DISABLED"});
    world.does("PATCH", &format!("{path}?updateMask=deleteProtectionState"), open).await;
    assert_eq!(
        world.refused("DELETE", &format!("{path}?etag=AAAA"), Value::Null).await,
        refusal(400, "FAILED_PRECONDITION")
    );
    let ttl = format!("{path}/collectionGroups/items/fields/expires");
    world.does("PATCH", &format!("{ttl}?updateMask=ttlConfig"), json!({"ttlConfig": {}})).await;
    assert_eq!(world.does("GET", &ttl, Value::Null).await["ttlConfig"]["state"], "ACTIVE");
    let etag = world.does("GET", path, Value::Null).await["etag"].as_str().unwrap().replace('+', "%2B");
    world.does("DELETE", &format!("{path}?etag={etag}"), Value::Null).await;
    assert!(!world.gcp.things().iter().any(|name| name.contains("acme-kv")));
}

#[tokio::test]
async fn a_bucket_with_objects_is_not_deleted() {
    let world = World::new().await;
    world.gcp.project("other", 43);
    world.gcp.bind("//cloudresourcemanager.googleapis.com/projects/other", "roles/owner", crate::world::ADMIN);
    world.does("POST", "/storage/v1/b?project=acme", json!({"name": "acme-files"})).await;
    let taken = world.refused("POST", "/storage/v1/b?project=other", json!({"name": "acme-files"})).await;
    assert_eq!(taken.0, 409, "names are everyone's");
    let put =
        Request::post(format!("{}/upload/storage/v1/b/acme-files/o?uploadType=media&name=a%2Fb", world.gcp.url()))
            .header("authorization", format!("Bearer {}", world.admin))
            .header("content-type", "text/plain")
            .body(Full::new(Bytes::from_static(b"hello")))
            .unwrap();
    assert_eq!(world.send(put).await.0, 200);
    let object = world.does("GET", "/storage/v1/b/acme-files/o/a%2Fb", Value::Null).await;
    assert_eq!((&object["size"], &object["contentType"]), (&json!("5"), &json!("text/plain")));
    let get = Request::get(format!("{}/storage/v1/b/acme-files/o/a%2Fb?alt=media", world.gcp.url()))
        .header("authorization", format!("Bearer {}", world.admin))
        .body(Full::default())
        .unwrap();
    assert_eq!(world.send(get).await, (200, "hello".to_owned()));
    assert_eq!(world.refused("DELETE", "/storage/v1/b/acme-files", Value::Null).await.0, 409);
    world.does("DELETE", "/storage/v1/b/acme-files/o/a%2Fb", Value::Null).await;
    world.does("DELETE", "/storage/v1/b/acme-files", Value::Null).await;
    assert!(!world.gcp.things().iter().any(|name| name.contains("acme-files")));
}

#[tokio::test]
async fn a_copy_is_asked_about_both_of_its_ends() {
    let world = World::new().await;
    for bucket in ["acme-from", "acme-to"] {
        world.does("POST", "/storage/v1/b?project=acme", json!({"name": bucket})).await;
    }
    world.gcp.put_object("acme-from", "a/b");
    let user = world.gcp.token("user:copier@example.com");
    let may = |bucket: &str, permission: &str| {
        let role = format!("projects/acme/roles/{}", permission.replace('.', "_"));
        world.gcp.set_role(&role, &[permission]);
        world.gcp.bind(
            &format!("//storage.googleapis.com/projects/_/buckets/{bucket}"),
            &role,
            "user:copier@example.com",
        );
    };
    for verb in ["rewriteTo", "copyTo"] {
        let path = format!("/storage/v1/b/acme-from/o/a%2Fb/{verb}/b/acme-to/o/{verb}");
        let missing = async || {
            let (code, answer) = world.call(&user, "POST", &path, json!({})).await;
            let reason = &answer["error"]["details"][0]["metadata"];
            (code, reason["permission"].clone(), reason["resource"].clone())
        };
        let made = format!("projects/_/buckets/acme-to/objects/{verb}");
        if verb == "rewriteTo" {
            let (code, permission, on) = missing().await;
            assert_eq!((code, permission), (403, json!("storage.objects.create")));
            assert!(on.as_str().unwrap().ends_with(&made), "{on}");
            may("acme-to", "storage.objects.create");
            let (code, permission, on) = missing().await;
            assert_eq!((code, permission), (403, json!("storage.objects.get")));
            assert!(on.as_str().unwrap().ends_with("projects/_/buckets/acme-from/objects/a/b"), "{on}");
            may("acme-from", "storage.objects.get");
        }
        assert_eq!(missing().await.0, 200);
        assert!(world.gcp.things().contains(&format!("//storage.googleapis.com/{made}")));
        let (code, permission, _) = missing().await;
        assert_eq!((code, permission), (403, json!("storage.objects.delete")), "it would be overwritten");
    }
}

#[tokio::test]
async fn a_bucket_is_patched_by_merging_and_by_its_metageneration() {
    let world = World::new().await;
    let path = "/storage/v1/b/acme-files";
    world
        .does("POST", "/storage/v1/b?project=acme", json!({"name": "acme-files", "labels": {"a": "1", "b": "2"}}))
        .await;
    let patched = world.does("PATCH", path, json!({"labels": {"a": null, "c": "3"}})).await;
    assert_eq!((&patched["labels"], &patched["metageneration"]), (&json!({"b": "2", "c": "3"}), &json!("2")));
    assert_eq!(world.refused("PATCH", &format!("{path}?ifMetagenerationMatch=1"), json!({})).await.0, 412);
    let user = world.user("updater", &["storage.buckets.update"]);
    let acl = json!({"iamConfiguration": {"publicAccessPrevention": "enforced"}});
    assert_eq!(world.call(&user, "PATCH", path, acl).await.0, 403);
    assert_eq!(world.call(&user, "PATCH", path, json!({"labels": {}})).await.0, 200);
}

#[tokio::test]
async fn networks_in_use_stay_and_their_policy_is_asked() {
    let world = World::new().await;
    let base = "/compute/v1/projects/acme";
    world
        .does("POST", &format!("{base}/global/networks"), json!({"name": "net", "autoCreateSubnetworks": false}))
        .await;
    let subnet = json!({"name": "sub", "network": "projects/acme/global/networks/net", "ipCidrRange": "10.0.0.0/24"});
    let user = world.user("builder", &["compute.subnetworks.create", "compute.firewalls.create"]);
    let path = format!("{base}/regions/us-central1/subnetworks");
    let (code, answer) = world.call(&user, "POST", &path, subnet.clone()).await;
    assert_eq!(
        (code, &answer["error"]["details"][0]["metadata"]["permission"]),
        (403, &json!("compute.networks.updatePolicy"))
    );
    let operation = world.does("POST", &path, subnet).await;
    assert_eq!(operation["status"], "DONE");
    let poll = format!("{base}/regions/us-central1/operations/{}", operation["name"].as_str().unwrap());
    assert_eq!(world.does("GET", &poll, Value::Null).await["operationType"], "insert");
    let network = world.does("GET", &format!("{base}/global/networks/net"), Value::Null).await;
    assert_eq!(network["subnetworks"], json!([format!("{}{path}/sub", world.gcp.url())]), "it tells what is in it");
    let firewall = json!({"name": "wall", "network": "global/networks/net", "denied": [{"IPProtocol": "all"}]});
    assert_eq!(world.call(&user, "POST", &format!("{base}/global/firewalls"), firewall.clone()).await.0, 403);
    world.does("POST", &format!("{base}/global/firewalls"), firewall).await;
    let (code, answer) = world.call(&world.admin, "DELETE", &format!("{base}/global/networks/net"), Value::Null).await;
    assert_eq!((code, &answer["error"]["errors"][0]["reason"]), (400, &json!("resourceInUseByAnotherResource")));
    for path in ["regions/us-central1/subnetworks/sub", "global/firewalls/wall", "global/networks/net"] {
        world.does("DELETE", &format!("{base}/{path}"), Value::Null).await;
    }
    assert!(!world.gcp.things().iter().any(|name| name.starts_with("//compute.googleapis.com/")));
}
