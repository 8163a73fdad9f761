//! Container apps, their revisions, and the code that they run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::planes::{ENVIRONMENT, queue, resource};
use crate::world::{GROUP, World, identity, refusal};

const SEND: &str = "Microsoft.ServiceBus/namespaces/messages/send/action";
const RECEIVE: &str = "Microsoft.ServiceBus/namespaces/messages/receive/action";
const COUNT: &str = "Microsoft.ServiceBus/namespaces/queues/read";

fn app() -> String {
    resource("Microsoft.App/containerApps", "worker")
}

fn container(image: &str, says: &str) -> Value {
    json!({"name": "main", "image": image, "env": [{"name": "SAYS", "value": says}], "resources": {"cpu": 0.25, "memory": "0.5Gi"}})
}

fn template(image: &str, says: &str) -> Value {
    let rule = json!({"name": "work", "custom": {"type": "azure-servicebus", "identity": identity("runtime"),
        "metadata": {"queueName": "work", "namespace": "acme-bus", "messageCount": "1"}}});
    json!({"containers": [container(image, says)], "scale": {"minReplicas": 0, "maxReplicas": 2, "rules": [rule]}})
}

fn body(template: Value) -> Value {
    json!({"location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity("runtime"): {}}},
        "properties": {"environmentId": ENVIRONMENT, "template": template,
            "configuration": {"activeRevisionsMode": "Single", "secrets": [{"name": "s", "value": "hidden"}]}}})
}

/// An environment, an identity, and an app that is ready.
async fn ready() -> (World, String) {
    let world = World::new().await;
    let customer = world.environment().await;
    world.identity("runtime").await;
    world.does("PUT", &app(), body(template("example.com/app:1", "v1"))).await;
    (world, customer)
}

async fn revisions(world: &World) -> Vec<Value> {
    let list = world.does("GET", &format!("{}/revisions", app()), Value::Null).await;
    list["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_template_that_changes_makes_a_revision_that_takes_over_when_it_is_ready() {
    let (world, _) = ready().await;
    let first = world.does("GET", &app(), Value::Null).await;
    assert_eq!(first["properties"]["latestRevisionName"], first["properties"]["latestReadyRevisionName"]);
    assert_eq!(first["properties"]["configuration"]["secrets"], json!([{"name": "s"}]), "values are not told");
    let principal = &first["identity"]["userAssignedIdentities"][identity("runtime")]["principalId"];
    assert!(principal.is_string(), "{first}");
    world.does("PATCH", &app(), json!({"tags": {"a": "b"}})).await;
    assert_eq!(revisions(&world).await.len(), 1, "tags make no revision");
    world.azure.faults().revisions_take(Duration::from_secs(60));
    let patch = json!({"properties": {"template": template("example.com/app:2", "v2")}});
    let (code, headers, _) = world.call_in_full(&world.admin, "PATCH", &app(), patch.clone()).await;
    assert_eq!(code, 202);
    let path = headers["azure-asyncoperation"].to_str().unwrap().strip_prefix(world.azure.url()).unwrap().to_owned();
    assert_eq!(world.does("GET", &path, Value::Null).await["status"], "InProgress");
    let during = world.does("GET", &app(), Value::Null).await;
    assert_eq!(during["properties"]["provisioningState"], "InProgress");
    assert_eq!(during["properties"]["latestReadyRevisionName"], first["properties"]["latestRevisionName"]);
    assert_ne!(during["properties"]["latestRevisionName"], first["properties"]["latestRevisionName"]);
    assert_eq!(world.refused("PATCH", &app(), patch).await, refusal(409, "ContainerAppOperationInProgress"));
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(world.does("GET", &path, Value::Null).await["status"], "Succeeded");
    let after = world.does("GET", &app(), Value::Null).await;
    assert_eq!(after["properties"]["latestReadyRevisionName"], during["properties"]["latestRevisionName"]);
    let active: Vec<bool> =
        revisions(&world).await.iter().map(|revision| revision["properties"]["active"].as_bool().unwrap()).collect();
    assert_eq!(active, [false, true]);
}

#[tokio::test]
async fn a_revision_that_does_not_start_fails_the_app_and_the_old_one_serves_on() {
    let (world, _) = ready().await;
    let first = world.does("GET", &app(), Value::Null).await["properties"]["latestRevisionName"].clone();
    let patch = json!({"properties": {"template": template("example.com/broken:2", "v2")}});
    let (code, headers, answer) = world.call_in_full(&world.admin, "PATCH", &app(), patch).await;
    assert_eq!((code, &answer["properties"]["latestReadyRevisionName"]), (202, &first));
    let path = headers["azure-asyncoperation"].to_str().unwrap().strip_prefix(world.azure.url()).unwrap().to_owned();
    let status = world.does("GET", &path, Value::Null).await;
    assert_eq!((&status["status"], &status["error"]["code"]), (&json!("Failed"), &json!("ContainerAppOperationError")));
    let shown = world.does("GET", &app(), Value::Null).await;
    assert_eq!(shown["properties"]["provisioningState"], "Failed");
    let all = revisions(&world).await;
    assert_eq!(all[1]["properties"]["healthState"], "Unhealthy");
    assert_eq!(all[1]["properties"]["runningState"], "Failed");
    assert!(all[1]["properties"]["provisioningError"].as_str().unwrap().contains("broken"));
    assert_eq!(
        (&all[0]["properties"]["active"], &all[0]["properties"]["runningState"]),
        (&json!(true), &json!("ScaledToZero"))
    );
}

#[tokio::test]
async fn replicas_are_as_many_as_the_least_and_none_of_a_revision_that_is_stopped() {
    let (world, _) = ready().await;
    let mut two = template("example.com/app:2", "v2");
    two["scale"]["minReplicas"] = json!(2);
    world.does("PATCH", &app(), json!({"properties": {"template": two}})).await;
    let name = revisions(&world).await[1]["name"].as_str().unwrap().to_owned();
    let at = format!("{}/revisions/{name}", app());
    assert_eq!(world.does("GET", &at, Value::Null).await["properties"]["runningState"], "Running");
    let list = world.does("GET", &format!("{at}/replicas"), Value::Null).await;
    assert_eq!(list["value"].as_array().unwrap().len(), 2);
    let one = list["value"][0]["name"].as_str().unwrap();
    world.does("GET", &format!("{at}/replicas/{one}"), Value::Null).await;
    let token = world.holder(&app(), &["Microsoft.App/containerApps/revisions/read"]);
    assert_eq!(world.call(&token, "GET", &at, Value::Null).await.0, 200);
    let stop = format!("{at}/deactivate");
    assert_eq!(world.asks(&token, "POST", &stop, Value::Null).await, refusal(403, "AuthorizationFailed"));
    world.does("POST", &stop, Value::Null).await;
    assert_eq!(world.does("GET", &at, Value::Null).await["properties"]["runningState"], "Stopped");
    let none = format!("{}/revisions/worker--none", app());
    assert_eq!(world.refused("GET", &none, Value::Null).await, refusal(404, "RevisionNotFound"));
}

#[tokio::test]
async fn what_an_app_cannot_be_is_refused() {
    let (world, _) = ready().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = body(template("example.com/app:1", "v1"));
        change(&mut body);
        body
    };
    let first = "/properties/template/containers/0";
    let cases: Vec<(Value, (u16, String))> = vec![
        (
            with(&|body| body.pointer_mut(first).unwrap()["resources"] = json!({"cpu": 0.25, "memory": "1Gi"})),
            refusal(400, "ContainerAppInvalidResourceTotal"),
        ),
        (
            with(&|body| body.pointer_mut(first).unwrap()["image"] = json!("")),
            refusal(400, "ContainerAppImageRequired"),
        ),
        (
            with(&|body| body.pointer_mut(first).unwrap()["env"] = json!([{"name": "A", "secretRef": "none"}])),
            refusal(400, "ContainerAppSecretRefNotFound"),
        ),
        (
            with(&|body| body["properties"]["configuration"]["secrets"] = json!([{"name": "s"}])),
            refusal(400, "ContainerAppSecretInvalid"),
        ),
        (with(&|body| body["properties"]["environmentId"] = json!(GROUP)), refusal(400, "InvalidManagedEnvironmentId")),
        (
            with(&|body| body["properties"]["environmentId"] = json!(ENVIRONMENT.replace("/env", "/none"))),
            refusal(404, "ManagedEnvironmentNotFound"),
        ),
        (
            with(&|body| body["identity"]["userAssignedIdentities"] = json!({identity("none"): {}})),
            refusal(400, "FailedIdentityOperation"),
        ),
        (with(&|body| body["properties"]["template"]["colour"] = json!("red")), refusal(400, "InvalidRequestContent")),
        (
            with(&|body| {
                body.as_object_mut().unwrap().remove("location");
            }),
            refusal(400, "InvalidRequestContent"),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(world.refused("PUT", &app(), body.clone()).await, expected, "{body}");
    }
    for name in ["Worker", "w", "my--worker", "worker-"] {
        let at = resource("Microsoft.App/containerApps", name);
        let refused = world.refused("PUT", &at, body(template("i", "v"))).await;
        assert_eq!(refused, refusal(400, "ContainerAppInvalidName"), "{name}");
    }
    let missing = resource("Microsoft.App/containerApps", "other");
    assert_eq!(world.refused("PATCH", &missing, json!({})).await, refusal(404, "ResourceNotFound"));
    assert_eq!(
        world.refused("DELETE", ENVIRONMENT, Value::Null).await,
        refusal(409, "ManagedEnvironmentHasContainerApps")
    );
}

#[tokio::test]
async fn a_template_is_patched_without_the_rights_to_join_and_to_assign() {
    let (world, _) = ready().await;
    let token = world.holder(&app(), &["Microsoft.App/containerApps/write", "Microsoft.App/containerApps/read"]);
    let patch = json!({"location": "westeurope", "properties": {"template": template("example.com/app:2", "v2")}});
    assert_eq!(world.call(&token, "PATCH", &app(), patch).await.0, 200);
    let read = world.call(&token, "GET", &app(), Value::Null).await.1;
    assert_eq!(world.asks(&token, "PATCH", &app(), read).await, refusal(403, "LinkedAuthorizationFailed"));
    let listed = world.does("POST", &format!("{}/listSecrets", app()), Value::Null).await;
    assert_eq!(listed["value"], json!([{"name": "s", "value": "hidden"}]), "a patch leaves secrets alone");
    let secrets = format!("{}/listSecrets", app());
    assert_eq!(world.asks(&token, "POST", &secrets, Value::Null).await, refusal(403, "AuthorizationFailed"));
    let text = format!("{:?}", world.azure.requests());
    assert!(!text.contains("hidden"), "no secret is in a record");
}

#[tokio::test]
async fn a_suffix_is_a_revisions_alone() {
    let (world, _) = ready().await;
    let mut named = template("example.com/app:2", "v2");
    named["revisionSuffix"] = json!("two");
    world.does("PATCH", &app(), json!({"properties": {"template": named}})).await;
    assert_eq!(revisions(&world).await[1]["name"], "worker--two");
    let stale = json!({"properties": {"template": {"containers": [container("example.com/app:3", "v3")]}}});
    let refused = world.refused("PATCH", &app(), stale).await;
    assert_eq!(
        refused,
        refusal(400, "InvalidParameterValueInContainerTemplate"),
        "the merged template has the old suffix"
    );
}

#[tokio::test]
async fn code_takes_messages_says_them_and_answers_as_its_identity_may() {
    let (world, customer) = ready().await;
    world.bus(&["work", "answers"]).await;
    let runtime = world.does("GET", &identity("runtime"), Value::Null).await;
    let principal = runtime["properties"]["principalId"].as_str().unwrap().to_owned();
    let sender = world.data_holder(&queue("work"), &[], &[SEND], crate::planes::BUS);
    let target = "acme-bus.servicebus.windows.net/work/messages";
    let properties = [("brokerproperties", r#"{"MessageId":"m1","ReplyTo":"answers"}"#)];
    assert_eq!(world.plane(&sender, "POST", target, &properties, "hello").await.0, 201);
    assert_eq!(world.azure.messages("acme-bus", "work"), ["hello"], "the scaler may not count");
    let system = world
        .query(&customer, "ContainerAppSystemLogs_CL | where Reason_s == 'KEDAScalerFailed' | project Log_s")
        .await;
    assert!(system.len() == 1 && system[0][0].as_str().unwrap().contains(COUNT), "{system:?}");
    let grant = |number: u32, actions: &[&str], data: &[&str], scope: &str| {
        world.azure.set_role(&crate::world::guid(number), actions, data);
        world.azure.assign(scope, &crate::world::guid(number), &principal);
    };
    grant(1, &[COUNT], &[], &queue("work"));
    assert_eq!(world.azure.messages("acme-bus", "work"), ["hello"], "the code may not receive");
    grant(2, &[], &[RECEIVE], &queue("work"));
    assert_eq!(world.azure.messages("acme-bus", "work"), ["hello"], "the code may not answer");
    let denied = world.azure.decisions().into_iter().rfind(|decision| !decision.allowed).unwrap();
    assert_eq!((denied.permission.as_str(), denied.resource), (SEND, queue("answers")));
    grant(3, &[], &[SEND], &queue("answers"));
    assert!(world.azure.messages("acme-bus", "work").is_empty());
    let receiver = world.data_holder(&queue("answers"), &[], &[RECEIVE], crate::planes::BUS);
    let head = "acme-bus.servicebus.windows.net/answers/messages/head";
    let (code, headers, body) = world.plane(&receiver, "DELETE", head, &[], "").await;
    let told: Value = serde_json::from_str(headers["brokerproperties"].to_str().unwrap()).unwrap();
    assert_eq!((code, body.as_str(), &told["CorrelationId"]), (200, "hello", &json!("m1")));
    world.azure.send_message("acme-bus", "work", "please fail");
    assert_eq!(world.azure.messages("acme-bus", "work/$deadletterqueue"), ["please fail"]);
    let lines = "ContainerAppConsoleLogs_CL | where ContainerAppName_s == 'worker' and Log_s has 'hello' | project Log_s, Stream_s";
    assert_eq!(world.query(&customer, lines).await, [[json!("v1 hello"), json!("stdout")]]);
    let newest = "ContainerAppConsoleLogs_CL | where TimeGenerated > ago(1h) | order by TimeGenerated desc | take 1 | project Log_s";
    assert_eq!(world.query(&customer, newest).await, [[json!("v1 please fail")]]);
}

#[tokio::test]
async fn the_newest_ready_revision_does_the_work_and_logs_are_found_late() {
    let (world, customer) = ready().await;
    world.bus(&["work"]).await;
    let runtime = world.does("GET", &identity("runtime"), Value::Null).await;
    world.azure.set_role(&crate::world::guid(1), &[COUNT], &[RECEIVE]);
    world.azure.assign(GROUP, &crate::world::guid(1), runtime["properties"]["principalId"].as_str().unwrap());
    let change = json!({"properties": {"template": template("example.com/broken:2", "v2")}});
    world.call(&world.admin, "PATCH", &app(), change).await;
    world.azure.send_message("acme-bus", "work", "one");
    world.azure.faults().ingestion(Duration::from_secs(60));
    world.does("PATCH", &app(), json!({"properties": {"template": template("example.com/app:3", "v3")}})).await;
    world.azure.send_message("acme-bus", "work", "two");
    let lines = "ContainerAppConsoleLogs_CL | sort by TimeGenerated asc | project Log_s";
    assert_eq!(world.query(&customer, lines).await, [[json!("v1 one")]]);
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(world.query(&customer, lines).await, [[json!("v1 one")], [json!("v3 two")]]);
}

#[tokio::test]
async fn what_was_read_is_written_back_and_changes_nothing() {
    let (world, _) = ready().await;
    world.bus(&["work"]).await;
    let mut plain = body(template("example.com/app:1", "v1"));
    plain["properties"]["configuration"] = json!({"ingress": {"external": true, "targetPort": 80}});
    world.does("PUT", &app(), plain).await;
    let group = resource("Microsoft.Network/networkSecurityGroups", "closed");
    world.does("PUT", &group, json!({"location": "westeurope"})).await;
    let ids = [
        app(),
        queue("work"),
        resource("Microsoft.ServiceBus/namespaces", "acme-bus"),
        resource("Microsoft.OperationalInsights/workspaces", "acme-logs"),
        group,
    ];
    for id in ids {
        let read = world.does("GET", &id, Value::Null).await;
        let written = world.does("PUT", &id, read.clone()).await;
        for field in ["id", "name", "type", "location", "identity", "sku"] {
            assert_eq!(written[field], read[field], "{field} of {id}");
        }
        let again = world.does("GET", &id, Value::Null).await;
        for (field, value) in read["properties"].as_object().unwrap() {
            let is_time = ["updatedAt", "modifiedDate"].contains(&field.as_str());
            assert!(is_time || again["properties"][field] == *value, "{field} of {id}: {again}");
        }
    }
    assert_eq!(revisions(&world).await.len(), 1);
}
