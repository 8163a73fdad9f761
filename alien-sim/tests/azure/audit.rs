//! What is remembered.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{GROUP, World, identity};

#[tokio::test]
async fn each_decision_is_told_with_its_reason() {
    let world = World::new().await;
    let user = world.user_at(GROUP, &["Microsoft.Storage/*"], &[]);
    let token = world.azure.token(&user, crate::world::ARM);
    world.identity("worker").await;
    let _ = world.azure.take_decisions();
    world.does("GET", &identity("worker"), Value::Null).await;
    world.call(&token, "GET", &identity("worker"), Value::Null).await;
    world.azure.remove_assignment(world.azure.assignments(&user)[0]["id"].as_str().unwrap());
    world.call(&token, "GET", &identity("worker"), Value::Null).await;
    let decisions = world.azure.take_decisions();
    let [allowed, denied, unassigned] = decisions.as_slice() else { panic!("{decisions:?}") };
    assert!(allowed.allowed && !denied.allowed && !unassigned.allowed);
    assert_eq!(allowed.principal, world.owner);
    assert_eq!(allowed.method, "GET Microsoft.ManagedIdentity/userAssignedIdentities");
    assert_eq!(allowed.permission, "Microsoft.ManagedIdentity/userAssignedIdentities/read");
    assert_eq!(allowed.resource, identity("worker"));
    assert!(allowed.why.contains("of role 'Owner'"), "{}", allowed.why);
    assert!(denied.why.contains("none allows the action"), "{}", denied.why);
    assert!(unassigned.why.contains("no assignment"), "{}", unassigned.why);
    assert!(world.azure.decisions().is_empty());

    world.does("GET", GROUP, Value::Null).await;
    let request = Request::get(format!("{}/_sim/decisions", world.azure.url())).body(Full::default()).unwrap();
    let (_, _, body) = world.send(request).await;
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["decisions"][0]["allowed"], json!(true));
}

#[tokio::test]
async fn each_request_is_remembered_without_its_secrets() {
    let world = World::new().await;
    let body = json!({"location": "westeurope", "tags": {"my-token": "hidden-one"}});
    world.does("PUT", &identity("worker"), body).await;
    let issuer = world.azure.issuer("vendor");
    let application = world.azure.application("vendor");
    world.azure.federate(&application.client_id, issuer.url(), "s");
    let assertion = issuer.token("s", "api://AzureADTokenExchange");
    let form = format!(
        "grant_type=client_credentials&client_id={}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}",
        application.client_id
    );
    let request = Request::post(format!("{}/{}/oauth2/v2.0/token", world.azure.url(), world.azure.tenant()))
        .body(Full::new(Bytes::from(form)))
        .unwrap();
    let (_, _, answer) = world.send(request).await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let requests = world.azure.take_requests();
    let put = &requests[0];
    assert_eq!(
        (put.method.as_str(), put.verb.as_str()),
        ("PUT Microsoft.ManagedIdentity/userAssignedIdentities", "PUT")
    );
    assert_eq!(put.path, identity("worker"));
    assert_eq!(put.body["tags"]["my-token"], json!("redacted"));
    let all = format!("{requests:?} {:?} {:?}", world.azure, issuer);
    for secret in ["hidden-one", &assertion, answer["access_token"].as_str().unwrap(), &world.admin] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(requests.iter().any(|request| request.method == "POST Entra/token"), "{requests:?}");
}
