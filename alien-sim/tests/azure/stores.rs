//! Storage accounts, containers and tables, and what is in them.

use serde_json::{Value, json};

use crate::planes::{BUS, STORAGE, resource};
use crate::world::{ARM, GROUP, World, refusal};

fn account() -> String {
    resource("Microsoft.Storage/storageAccounts", "acmestore")
}

fn body(properties: Value) -> Value {
    json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties})
}

fn container() -> String {
    format!("{}/blobServices/default/containers/files", account())
}

fn table() -> String {
    format!("{}/tableServices/default/tables/things", account())
}

const VERSION: (&str, &str) = ("x-ms-version", "2025-05-05");
const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";
const ENTITIES: &str = "Microsoft.Storage/storageAccounts/tableServices/tables/entities";
const HOST: &str = "acmestore.blob.core.windows.net";
const TABLES: &str = "acmestore.table.core.windows.net";

async fn store() -> World {
    let world = World::new().await;
    world.does("PUT", &account(), body(json!({"allowSharedKeyAccess": false}))).await;
    world.does("PUT", &container(), json!({})).await;
    world.does("PUT", &table(), json!({})).await;
    world
}

#[tokio::test]
async fn the_name_of_an_account_is_everyones() {
    let world = World::new().await;
    let other = "22222222-2222-2222-2222-222222222222";
    world.azure.subscription(other);
    let group = world.azure.resource_group(other, "other", "westeurope");
    world.azure.assign(&group, "Owner", &world.owner);
    let taken = format!("{group}/providers/Microsoft.Storage/storageAccounts/acmestore");
    let check = json!({"name": "acmestore", "type": "Microsoft.Storage/storageAccounts"});
    let path = "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Storage/checkNameAvailability";
    assert_eq!(world.does("POST", path, check.clone()).await["nameAvailable"], true);
    world.does("PUT", &taken, body(json!({}))).await;
    assert_eq!(world.does("POST", path, check).await["reason"], "AlreadyExists");
    let refused = world.refused("PUT", &account(), body(json!({}))).await;
    assert_eq!(refused, refusal(409, "StorageAccountAlreadyTaken"));
    let bad = resource("Microsoft.Storage/storageAccounts", "Acme-Store");
    assert_eq!(world.refused("PUT", &bad, body(json!({}))).await, refusal(400, "AccountNameInvalid"));
    let without = json!({"location": "westeurope"});
    assert_eq!(world.refused("PUT", &account(), without).await, refusal(400, "InvalidRequestContent"));
}

#[tokio::test]
async fn what_an_account_forbids_its_containers_cannot_allow() {
    let world = store().await;
    let public = json!({"properties": {"publicAccess": "Blob"}});
    let refused = refusal(409, "PublicAccessNotPermitted");
    assert_eq!(world.refused("PUT", &container(), public.clone()).await, refused);
    world.does("PATCH", &account(), json!({"properties": {"allowBlobPublicAccess": true}})).await;
    assert_eq!(world.does("PATCH", &container(), public).await["properties"]["publicAccess"], "Blob");
    let read = world.does("GET", &account(), Value::Null).await;
    assert_eq!(read["properties"]["allowSharedKeyAccess"], false, "a patch leaves what it does not name");
    assert_eq!(world.call(&world.admin, "PUT", &account(), read).await.0, 200, "what was read is written back");
}

#[tokio::test]
async fn keys_are_for_who_may_list_them_and_are_not_taken_if_the_account_says_so() {
    let world = store().await;
    let path = format!("{}/listKeys", account());
    let reader = world.holder(&account(), &["Microsoft.Storage/storageAccounts/read"]);
    assert_eq!(world.asks(&reader, "POST", &path, Value::Null).await, refusal(403, "AuthorizationFailed"));
    let keys = world.does("POST", &path, Value::Null).await;
    assert_eq!(keys["keys"][0]["keyName"], "key1");
    let shared = [VERSION, ("authorization", "SharedKey acmestore:c2ln")];
    let (code, headers, _) = world.plane("", "GET", &format!("{HOST}/files/a"), &shared, "").await;
    assert_eq!((code, &headers["x-ms-error-code"]), (403, &"KeyBasedAuthenticationNotPermitted".parse().unwrap()));
    let (code, headers, _) = world.plane("", "GET", &format!("{HOST}/files/a"), &[VERSION], "").await;
    assert_eq!((code, &headers["x-ms-error-code"]), (409, &"PublicAccessNotPermitted".parse().unwrap()));
}

#[tokio::test]
async fn the_services_of_an_account_and_its_lifecycle_are_written() {
    let world = store().await;
    let blobs = format!("{}/blobServices/default", account());
    let kept =
        json!({"properties": {"isVersioningEnabled": true, "deleteRetentionPolicy": {"enabled": true, "days": 7}}});
    world.does("PUT", &blobs, kept).await;
    let read = world.does("GET", &blobs, Value::Null).await;
    assert_eq!(read["properties"]["deleteRetentionPolicy"]["days"], 7);
    let bad = json!({"properties": {"deleteRetentionPolicy": {"enabled": true}}});
    assert_eq!(world.refused("PUT", &blobs, bad).await.0, 400);
    let policy = format!("{}/managementPolicies/default", account());
    assert_eq!(world.refused("GET", &policy, Value::Null).await, refusal(404, "ManagementPolicyNotFound"));
    let rule = json!({"name": "old", "type": "Lifecycle", "definition": {
        "actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 30}}}, "filters": {"blobTypes": ["blockBlob"]}}});
    world.does("PUT", &policy, json!({"properties": {"policy": {"rules": [rule]}}})).await;
    let none = json!({"properties": {"policy": {"rules": []}}});
    assert_eq!(world.refused("PUT", &policy, none).await.0, 400);
    world.does("DELETE", &policy, Value::Null).await;
}

#[tokio::test]
async fn blobs_are_decided_by_data_actions_on_their_container() {
    let world = store().await;
    let owner = world.azure.token(&world.owner, STORAGE);
    let at = format!("{HOST}/files/a.txt");
    let put = [VERSION, ("x-ms-blob-type", "BlockBlob"), ("content-type", "text/plain")];
    let (code, headers, answer) = world.plane(&owner, "PUT", &at, &put, "hello").await;
    assert_eq!(
        (code, &headers["x-ms-error-code"]),
        (403, &"AuthorizationPermissionMismatch".parse().unwrap()),
        "{answer}"
    );
    assert!(answer.contains("<Code>AuthorizationPermissionMismatch</Code>"), "{answer}");
    let user = world.user_at(&container(), &[], &[&format!("{BLOBS}/write")]);
    let writer = world.azure.token(&user, STORAGE);
    assert_eq!(world.plane(&writer, "PUT", &at, &put, "hello").await.0, 201);
    assert_eq!(world.plane(&writer, "PUT", &at, &[VERSION], "hello").await.0, 400, "the type of the blob is needed");
    assert_eq!(world.plane(&writer, "GET", &at, &[VERSION], "").await.0, 403);
    let reader = world.data_holder(&container(), &[], &[&format!("{BLOBS}/read")], STORAGE);
    let (code, headers, answer) = world.plane(&reader, "GET", &at, &[VERSION], "").await;
    assert_eq!((code, answer.as_str(), &headers["content-type"]), (200, "hello", &"text/plain".parse().unwrap()));
    let (code, headers, answer) = world.plane(&reader, "GET", &at, &[VERSION, ("range", "bytes=1-2")], "").await;
    assert_eq!((code, answer.as_str(), &headers["content-range"]), (206, "el", &"bytes 1-2/5".parse().unwrap()));
    world.azure.put_blob("acmestore", "files", "b", b"more");
    let list = format!("{HOST}/files?restype=container&comp=list&maxresults=1");
    let (_, _, answer) = world.plane(&reader, "GET", &list, &[VERSION], "").await;
    assert!(answer.contains("<Name>a.txt</Name>") && answer.contains("<NextMarker>a.txt</NextMarker>"), "{answer}");
    assert_eq!(world.plane(&reader, "GET", &format!("{HOST}/files/none"), &[VERSION], "").await.0, 404);
    assert_eq!(world.plane(&reader, "GET", &at, &[], "").await.0, 400, "bearers need a version");
    let wrong = world.azure.token(&user, ARM);
    assert_eq!(world.plane(&wrong, "PUT", &at, &put, "hello").await.0, 401);
    let key = format!("{HOST}/?restype=service&comp=userdelegationkey");
    assert_eq!(world.plane(&reader, "POST", &key, &[VERSION], "").await.0, 403);
    let deleter = world.data_holder(&container(), &[], &[&format!("{BLOBS}/delete")], STORAGE);
    assert_eq!(world.plane(&deleter, "DELETE", &at, &[VERSION], "").await.0, 202);
    assert_eq!(world.azure.blobs("acmestore", "files"), ["b"]);
    world.does("DELETE", &container(), Value::Null).await;
    world.does("PUT", &container(), json!({})).await;
    assert!(world.azure.blobs("acmestore", "files").is_empty(), "blobs go with their container");
}

#[tokio::test]
async fn entities_are_decided_by_data_actions_on_their_table() {
    let world = store().await;
    let json = ("content-type", "application/json");
    let plain = ("accept", "application/json;odata=nometadata");
    let all = ["read", "write", "delete"].map(|end| format!("{ENTITIES}/{end}"));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let token = world.data_holder(&table(), &[], &all, STORAGE);
    let heads = [VERSION, json, plain];
    for row in ["1", "2", "3"] {
        let entity = format!(r#"{{"PartitionKey":"p","RowKey":"{row}","n":{row}}}"#);
        assert_eq!(world.plane(&token, "POST", &format!("{TABLES}/things"), &heads, &entity).await.0, 201);
    }
    let twice = r#"{"PartitionKey":"p","RowKey":"1"}"#;
    let (code, _, answer) = world.plane(&token, "POST", &format!("{TABLES}/things"), &heads, twice).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((code, &answer["odata.error"]["code"]), (409, &json!("EntityAlreadyExists")));
    let filter = "$filter=PartitionKey%20eq%20'p'%20and%20n%20ge%202&$top=1";
    let (_, headers, answer) = world.plane(&token, "GET", &format!("{TABLES}/things()?{filter}"), &heads, "").await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["value"][0]["RowKey"], &answer["value"][1]), (&json!("2"), &Value::Null));
    assert_eq!(headers["x-ms-continuation-nextrowkey"], "3");
    let one = format!("{TABLES}/things(PartitionKey='p',RowKey='1')");
    assert_eq!(world.plane(&token, "MERGE", &one, &heads, r#"{"m":"x"}"#).await.0, 204);
    let (_, headers, answer) = world.plane(&token, "GET", &one, &heads, "").await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["n"], &answer["m"]), (&json!(1), &json!("x")));
    let etag = headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(world.plane(&token, "PUT", &one, &[VERSION, json, ("if-match", &etag)], "{}").await.0, 204);
    let stale = [VERSION, json, ("if-match", etag.as_str())];
    assert_eq!(world.plane(&token, "PUT", &one, &stale, "{}").await.0, 412);
    assert_eq!(world.plane(&token, "DELETE", &one, &[VERSION], "").await.0, 400, "a condition is needed");
    assert_eq!(world.plane(&token, "DELETE", &one, &[VERSION, ("if-match", "*")], "").await.0, 204);
    let reader = world.data_holder(&table(), &[], &[&format!("{ENTITIES}/read")], STORAGE);
    assert_eq!(world.plane(&reader, "PUT", &one, &heads, "{}").await.0, 403);
    let elsewhere = world.data_holder(&format!("{GROUP}-prod"), &[], &all, STORAGE);
    assert_eq!(world.plane(&elsewhere, "GET", &one, &heads, "").await.0, 403);
    let wrong = world.data_holder(&table(), &[], &all, BUS);
    assert_eq!(world.plane(&wrong, "GET", &one, &heads, "").await.0, 401);
}

#[tokio::test]
async fn a_table_is_written_with_200_and_has_a_name_of_letters_and_digits() {
    let world = store().await;
    assert_eq!(world.call(&world.admin, "PUT", &table(), json!({})).await.0, 200);
    let bad = format!("{}/tableServices/default/tables/my-things", account());
    assert_eq!(world.refused("PUT", &bad, json!({})).await, refusal(400, "InvalidResourceName"));
    assert_eq!(world.call(&world.admin, "DELETE", &table(), Value::Null).await.0, 204);
    assert_eq!(world.refused("GET", &table(), Value::Null).await, refusal(404, "TableNotFound"));
}
