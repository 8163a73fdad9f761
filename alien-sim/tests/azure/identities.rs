//! User-assigned identities, and the credentials that they trust.

use serde_json::{Value, json};

use crate::world::{ARM, GROUP, World, identity, refusal};

fn trust(name: &str) -> String {
    format!("{}/federatedIdentityCredentials/{name}", identity("worker"))
}

fn of(issuer: &str, subject: &str) -> Value {
    json!({"properties": {"issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}})
}

#[tokio::test]
async fn an_identity_is_written_changed_listed_and_deleted() {
    let world = World::new().await;
    let body = json!({"location": "West Europe", "tags": {"a": "b"}});
    let (code, made) = world.call(&world.admin, "PUT", &identity("worker"), body.clone()).await;
    assert_eq!((code, &made["properties"]["tenantId"]), (201, &json!(world.azure.tenant())));
    let (code, again) = world.call(&world.admin, "PUT", &identity("worker"), body).await;
    assert_eq!((code, &again["properties"]), (200, &made["properties"]), "it is the same principal");
    let elsewhere = world.refused("PUT", &identity("worker"), json!({"location": "eastus"})).await;
    assert_eq!(elsewhere, refusal(409, "InvalidResourceLocation"));
    assert_eq!(world.refused("PUT", &identity("new"), json!({})).await, refusal(400, "InvalidRequestContent"));
    let unknown = json!({"location": "westeurope", "propertys": {}});
    assert_eq!(world.refused("PUT", &identity("new"), unknown).await, refusal(400, "InvalidRequestContent"));
    let patched = world.does("PATCH", &identity("worker"), json!({"tags": {"c": "d"}})).await;
    assert_eq!(patched["tags"], json!({"c": "d"}));
    let list = format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities");
    assert_eq!(world.does("GET", &list, Value::Null).await["value"], json!([patched]));
    assert_eq!(world.call(&world.admin, "DELETE", &identity("worker"), Value::Null).await.0, 200);
    assert_eq!(world.call(&world.admin, "DELETE", &identity("worker"), Value::Null).await.0, 204);
}

#[tokio::test]
async fn tokens_of_an_identity_are_revoked() {
    let world = World::new().await;
    let made = world.identity("worker").await;
    let principal = made["properties"]["principalId"].as_str().unwrap();
    world.azure.assign(GROUP, "Reader", principal);
    let token = world.azure.token(principal, ARM);
    assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    let revoke = format!("{}/revokeTokens", identity("worker"));
    let other = world.holder(GROUP, &["Microsoft.ManagedIdentity/userAssignedIdentities/write"]);
    assert_eq!(world.call(&other, "POST", &revoke, Value::Null).await.0, 403);
    world.does("POST", &revoke, Value::Null).await;
    assert_eq!(world.asks(&token, "GET", GROUP, Value::Null).await, refusal(401, "InvalidAuthenticationToken"));
    assert_eq!(world.call(&world.azure.token(principal, ARM), "GET", GROUP, Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_credential_is_written_changed_listed_and_deleted() {
    let world = World::new().await;
    world.identity("worker").await;
    let (code, made) = world.call(&world.admin, "PUT", &trust("vendor"), of("https://one.example", "s")).await;
    assert_eq!((code, &made["properties"]["subject"]), (201, &json!("s")));
    let changed = world.call(&world.admin, "PUT", &trust("vendor"), of("https://one.example", "t")).await;
    assert_eq!(changed.0, 200);
    let list = format!("{}/federatedIdentityCredentials", identity("worker"));
    assert_eq!(world.does("GET", &list, Value::Null).await["value"], json!([changed.1]));
    assert_eq!(world.call(&world.admin, "DELETE", &trust("vendor"), Value::Null).await.0, 200);
    assert_eq!(world.call(&world.admin, "DELETE", &trust("vendor"), Value::Null).await.0, 204);
}

#[tokio::test]
async fn a_credential_is_refused_as_azure_refuses_it() {
    let world = World::new().await;
    world.identity("worker").await;
    let issuer = "https://one.example";
    world.does("PUT", &trust("vendor"), of(issuer, "s")).await;
    assert_eq!(world.refused("PUT", &trust("other"), of(issuer, "s")).await.0, 409);
    // The case of a subject says something.
    world.does("PUT", &trust("other"), of(issuer, "S")).await;
    for (what, name, body) in [
        ("a short name", "ab", of(issuer, "x")),
        ("a long name", &*"a".repeat(121), of(issuer, "x")),
        ("a sign in the name", "a.b.c", of(issuer, "x")),
        ("no https", "one", of("http://one.example", "x")),
        ("no subject", "one", of(issuer, "")),
        ("two audiences", "one", json!({"properties": {"issuer": issuer, "subject": "x", "audiences": ["a", "b"]}})),
        ("no audience", "one", json!({"properties": {"issuer": issuer, "subject": "x"}})),
        ("an unknown field", "one", json!({"properties": {"audience": "x"}})),
    ] {
        assert_eq!(world.refused("PUT", &trust(name), body).await.0, 400, "{what}");
    }
    for number in 2..20 {
        world.does("PUT", &trust(&format!("number-{number}")), of(issuer, &number.to_string())).await;
    }
    assert_eq!(world.refused("PUT", &trust("number-20"), of(issuer, "20")).await.0, 400, "20 are the most");
}

#[tokio::test]
async fn credentials_of_an_identity_are_written_one_after_the_other() {
    let world = World::new().await;
    world.identity("worker").await;
    world.azure.faults().federation_conflicts(1);
    let code = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";
    let body = of("https://one.example", "s");
    assert_eq!(world.refused("PUT", &trust("vendor"), body.clone()).await, refusal(409, code));
    world.does("PUT", &trust("vendor"), body).await;
    world.azure.faults().federation_conflicts(1);
    assert_eq!(world.refused("DELETE", &trust("vendor"), Value::Null).await, refusal(409, code));
    world.does("DELETE", &trust("vendor"), Value::Null).await;
}
