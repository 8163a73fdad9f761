//! Entra's token endpoint: whom it trusts, and each of its refusals.

use std::time::Duration;

use alien_sim::azure::Issuer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{GROUP, World, identity, refusal};

const SUBJECT: &str = "deployment:acme";
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Asks for a token: the status code and the answer.
async fn ask(world: &World, tenant: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let form: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let request = Request::post(format!("{}/{tenant}/oauth2/v2.0/token", world.azure.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form.join("&"))))
        .unwrap();
    let (code, _, body) = world.send(request).await;
    (code, serde_json::from_slice(&body).unwrap())
}

async fn exchange(world: &World, client_id: &str, assertion: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("scope", "https://management.azure.com/.default"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    ask(world, world.azure.tenant(), &form).await
}

/// The number of the refusal.
async fn refused(world: &World, client_id: &str, assertion: &str) -> u64 {
    let (code, answer) = exchange(world, client_id, assertion).await;
    assert!([400, 401].contains(&code), "{answer}");
    let number = answer["error_codes"][0].as_u64().unwrap();
    let described = format!("AADSTS{number}: ");
    assert!(answer["error_description"].as_str().unwrap().starts_with(&described), "{answer}");
    for field in ["error", "timestamp", "trace_id", "correlation_id"] {
        assert!(answer[field].is_string(), "{field}");
    }
    number
}

/// A managed identity that trusts an issuer, and its client id.
async fn trusting(world: &World) -> (Issuer, String) {
    let issuer = world.azure.issuer("vendor");
    let made = world.identity("worker").await;
    let path = format!("{}/federatedIdentityCredentials/vendor", identity("worker"));
    let body = json!({"properties": {"issuer": issuer.url(), "subject": SUBJECT, "audiences": [AUDIENCE]}});
    world.does("PUT", &path, body).await;
    world.azure.assign(GROUP, "Reader", made["properties"]["principalId"].as_str().unwrap());
    (issuer, made["properties"]["clientId"].as_str().unwrap().to_owned())
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn an_assertion_that_is_trusted_is_exchanged() {
    let world = World::new().await;
    let (issuer, client) = trusting(&world).await;
    let (code, answer) = exchange(&world, &client, &issuer.token(SUBJECT, AUDIENCE)).await;
    assert_eq!((code, &answer["expires_in"], &answer["token_type"]), (200, &json!(86_400), &json!("Bearer")));
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(world.call(token, "GET", GROUP, Value::Null).await.0, 200);
    let claims = claims(token);
    assert_eq!((&claims["appid"], &claims["tid"]), (&json!(client), &json!(world.azure.tenant())));
    assert_eq!(claims["aud"], json!("https://management.azure.com"));
    world.azure.faults().advance(Duration::from_secs(86_400));
    assert_eq!(world.asks(token, "GET", GROUP, Value::Null).await, refusal(401, "ExpiredAuthenticationToken"));
}

#[tokio::test]
async fn an_application_is_spoken_for_for_an_hour() {
    let world = World::new().await;
    let issuer = world.azure.issuer("vendor");
    let application = world.azure.application("vendor");
    world.azure.federate(&application.client_id, issuer.url(), SUBJECT);
    let assertion = issuer.token(SUBJECT, AUDIENCE);
    let (code, answer) = exchange(&world, &application.client_id, &assertion).await;
    assert_eq!((code, &answer["expires_in"]), (200, &json!(3_600)));
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["oid"], json!(application.principal));
    world.azure.tokens_last(Duration::from_secs(7_200));
    assert_eq!(exchange(&world, &application.client_id, &assertion).await.1["expires_in"], json!(7_200));
}

#[tokio::test]
async fn each_refusal_has_its_number() {
    let world = World::new().await;
    let (issuer, client) = trusting(&world).await;
    let good = issuer.token(SUBJECT, AUDIENCE);
    assert_eq!(refused(&world, &crate::world::guid(1), &good).await, 700_016);
    let stranger = world.azure.application("nobody trusted");
    assert_eq!(refused(&world, &stranger.client_id, &good).await, 70_025);
    let other = world.azure.issuer("other");
    assert_eq!(refused(&world, &client, &other.token(SUBJECT, AUDIENCE)).await, 700_211);
    assert_eq!(refused(&world, &client, &issuer.token(SUBJECT, "https://elsewhere.example")).await, 700_212);
    assert_eq!(refused(&world, &client, &issuer.token("deployment:other", AUDIENCE)).await, 700_213);
    assert_eq!(refused(&world, &client, &issuer.token("Deployment:Acme", AUDIENCE)).await, 7_002_138);
    let from_elsewhere = issuer.sign(&json!({"iss": "https://unpublished.example", "sub": SUBJECT}));
    assert_eq!(refused(&world, &client, &from_elsewhere).await, 700_211);
    assert_eq!(refused(&world, &client, "no token").await, 50_027);
    // Nothing of this gave a token.
    assert_eq!(exchange(&world, &client, &good).await.0, 200);
}

#[tokio::test]
async fn an_assertion_is_valid_for_a_time() {
    let world = World::new().await;
    let (issuer, client) = trusting(&world).await;
    let now = claims(&issuer.token(SUBJECT, AUDIENCE))["iat"].as_i64().unwrap();
    let with = |claims: Value| {
        let mut all = json!({"sub": SUBJECT});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        issuer.sign(&all)
    };
    assert_eq!(refused(&world, &client, &with(json!({"exp": now - 400}))).await, 700_024);
    assert_eq!(refused(&world, &client, &with(json!({"nbf": now + 400, "exp": now + 900}))).await, 700_024);
    assert_eq!(refused(&world, &client, &with(json!({"exp": null}))).await, 700_024);
    let soon_over = with(json!({"exp": now + 10}));
    assert_eq!(exchange(&world, &client, &soon_over).await.0, 200);
    world.azure.faults().advance(Duration::from_secs(400));
    assert_eq!(refused(&world, &client, &soon_over).await, 700_024);
}

#[tokio::test]
async fn an_assertion_is_signed_by_a_key_that_is_published() {
    let world = World::new().await;
    let (issuer, client) = trusting(&world).await;
    let good = issuer.token(SUBJECT, AUDIENCE);
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());

    let none = encode(json!({"alg": "none", "typ": "JWT"}));
    assert_eq!(refused(&world, &client, &format!("{none}.{}.", parts[1])).await, 5_002_738);
    assert_eq!(refused(&world, &client, &format!("{none}.{}.{}", parts[1], parts[2])).await, 5_002_738);
    let symmetric = encode(json!({"alg": "HS256", "typ": "JWT"}));
    assert_eq!(refused(&world, &client, &format!("{symmetric}.{}.{}", parts[1], parts[2])).await, 5_002_738);
    // Claims that were not signed.
    let forged =
        encode(json!({"iss": issuer.url(), "sub": SUBJECT, "aud": AUDIENCE, "exp": 9_999_999_999_i64, "iat": 0}));
    assert_eq!(refused(&world, &client, &format!("{}.{forged}.{}", parts[0], parts[2])).await, 700_027);
    let unknown = encode(json!({"alg": "RS256", "typ": "JWT", "kid": "another"}));
    assert_eq!(refused(&world, &client, &format!("{unknown}.{}.{}", parts[1], parts[2])).await, 7_000_272);
    assert_eq!(refused(&world, &client, &format!("{}.{}.", parts[0], parts[1])).await, 700_027);
    // Once the issuer publishes other keys, what was signed before is worth nothing.
    world.azure.publish(issuer.url(), &json!({"keys": []}));
    assert_eq!(refused(&world, &client, &good).await, 7_000_272);
}

#[tokio::test]
async fn an_issuer_elsewhere_is_trusted_by_what_it_publishes() {
    let world = World::new().await;
    let (issuer, _) = trusting(&world).await;
    let application = world.azure.application("vendor");
    let elsewhere = "https://token.elsewhere.example";
    world.azure.federate(&application.client_id, elsewhere, SUBJECT);
    let assertion = issuer.sign(&json!({"iss": elsewhere, "sub": SUBJECT}));
    assert_eq!(refused(&world, &application.client_id, &assertion).await, 50_166);
    let request = Request::get(format!("{}/keys", issuer.url())).body(Full::default()).unwrap();
    let keys: Value = serde_json::from_slice(&world.send(request).await.2).unwrap();
    world.azure.publish(elsewhere, &keys);
    assert_eq!(exchange(&world, &application.client_id, &assertion).await.0, 200);
}

#[tokio::test]
async fn the_keys_of_an_issuer_are_found_by_its_two_documents() {
    let world = World::new().await;
    let (issuer, _) = trusting(&world).await;
    let application = world.azure.application("vendor");
    let (azure, client) = (&world.azure, &application.client_id);
    let elsewhere = "https://token.elsewhere.example/tenant/";
    azure.federate(client, elsewhere, SUBJECT);
    let assertion = issuer.sign(&json!({"iss": elsewhere, "sub": SUBJECT}));
    let told = async || exchange(&world, client, &assertion).await;
    let refused = async |words: &str| {
        let (code, answer) = told().await;
        assert_eq!((code, &answer["error_codes"][0]), (401, &json!(50_166)), "{answer}");
        assert!(answer["error_description"].as_str().unwrap().contains(words), "{words}: {answer}");
    };
    let found = "https://token.elsewhere.example/tenant/.well-known/openid-configuration";
    let keys_at = "https://token.elsewhere.example/tenant/jwks.json";
    let good = json!({"issuer": elsewhere, "jwks_uri": keys_at, "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]});
    let host = |url: &str, document: &Value| azure.host(url, document.to_string().as_bytes());
    let changed = |field: &str, value: Value| {
        let mut document = good.clone();
        document[field] = value;
        host(found, &document);
    };
    refused("nothing at").await;
    azure.host(found, b"<html>");
    refused("not JSON").await;
    changed("issuer", json!("https://token.elsewhere.example/tenant"));
    refused("says that the issuer is").await;
    changed("jwks_uri", json!("http://token.elsewhere.example/jwks.json"));
    refused("not an HTTPS URL").await;
    changed("subject_types_supported", Value::Null);
    refused("has no 'subject_types_supported'").await;
    host(found, &good);
    refused("nothing at").await;
    host(keys_at, &json!({}));
    refused("no keys").await;
    let request = Request::get(format!("{}/keys", issuer.url())).body(Full::default()).unwrap();
    let keys: Value = serde_json::from_slice(&world.send(request).await.2).unwrap();
    host(keys_at, &keys);
    assert_eq!(told().await.0, 200);
    // Of more keys than a hundred, the last ones are not seen.
    let many: Vec<Value> = (0..100).map(|n| json!({"kty": "RSA", "kid": n.to_string()})).collect();
    let many = [many, keys["keys"].as_array().unwrap().clone()].concat();
    host(keys_at, &json!({"keys": many}));
    assert_eq!(told().await.1["error_codes"][0], json!(7_000_272));
}

#[tokio::test]
async fn an_issuer_is_discovered() {
    let world = World::new().await;
    let issuer = world.azure.issuer("vendor");
    let get = async |url: String| {
        let (code, _, body) = world.send(Request::get(url).body(Full::default()).unwrap()).await;
        (code, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (code, found) = get(format!("{}/.well-known/openid-configuration", issuer.url())).await;
    assert_eq!((code, &found["issuer"]), (200, &json!(issuer.url())));
    let (_, keys) = get(found["jwks_uri"].as_str().unwrap().to_owned()).await;
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["e"]), (&json!("RSA"), &json!("AQAB")));
    assert_eq!(get(format!("{}/issuers/absent/keys", world.azure.url())).await.0, 404);
    let tenant = world.azure.tenant();
    let (_, found) = get(format!("{}/{tenant}/v2.0/.well-known/openid-configuration", world.azure.url())).await;
    assert_eq!(found["token_endpoint"], json!(format!("{}/{tenant}/oauth2/v2.0/token", world.azure.url())));
}

#[tokio::test]
async fn a_form_is_refused_if_it_is_none_of_client_credentials() {
    let world = World::new().await;
    let (issuer, client) = trusting(&world).await;
    let assertion = issuer.token(SUBJECT, AUDIENCE);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let scope = "https://management.azure.com/.default";
    let tenant = world.azure.tenant().to_owned();
    let grant = "client_credentials";
    for (what, tenant, grant, scope, kind, number) in [
        ("another tenant", "absent", grant, scope, kind, 90_002),
        ("another grant", &*tenant, "password", scope, kind, 70_003),
        ("no scope", &*tenant, grant, "", kind, 1_002_012),
        ("a scope of something", &*tenant, grant, "https://management.azure.com/user", kind, 1_002_012),
        ("no assertion", &*tenant, grant, scope, "", 7_000_218),
    ] {
        let form = [
            ("grant_type", grant),
            ("client_id", &client),
            ("scope", scope),
            ("client_assertion_type", kind),
            ("client_assertion", &assertion),
        ];
        let (code, answer) = ask(&world, tenant, &form).await;
        assert!([400, 401].contains(&code), "{what}");
        assert_eq!(answer["error_codes"], json!([number]), "{what}");
    }
    world.azure.faults().throttle_tokens(1);
    assert_eq!(exchange(&world, &client, &assertion).await.0, 429);
    assert_eq!(exchange(&world, &client, &assertion).await.0, 200);
}

#[tokio::test]
async fn trust_takes_and_loses_effect_late() {
    let world = World::new().await;
    let issuer = world.azure.issuer("vendor");
    let made = world.identity("worker").await;
    let client = made["properties"]["clientId"].as_str().unwrap();
    let path = format!("{}/federatedIdentityCredentials/vendor", identity("worker"));
    world.azure.faults().federation(Duration::from_secs(60));
    let body = json!({"properties": {"issuer": issuer.url(), "subject": SUBJECT, "audiences": [AUDIENCE]}});
    world.does("PUT", &path, body).await;
    assert_eq!(refused(&world, client, &issuer.token(SUBJECT, AUDIENCE)).await, 70_025);
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(exchange(&world, client, &issuer.token(SUBJECT, AUDIENCE)).await.0, 200);
    world.does("DELETE", &path, Value::Null).await;
    assert_eq!(exchange(&world, client, &issuer.token(SUBJECT, AUDIENCE)).await.0, 200);
    world.azure.faults().advance(Duration::from_secs(61));
    assert_eq!(refused(&world, client, &issuer.token(SUBJECT, AUDIENCE)).await, 70_025);
}

#[tokio::test]
async fn the_metadata_service_speaks_for_the_default_identity() {
    let world = World::new().await;
    let made = world.identity("worker").await;
    world.azure.assign(GROUP, "Reader", made["properties"]["principalId"].as_str().unwrap());
    let ask = async |header: &str, query: &str| {
        let request = Request::get(format!("{}/metadata/identity/oauth2/token?{query}", world.azure.url()))
            .header("metadata", header)
            .body(Full::default())
            .unwrap();
        let (code, _, body) = world.send(request).await;
        (code, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let query = "api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";
    assert_eq!(ask("true", query).await.0, 400);
    world.azure.default_identity(&identity("worker"));
    assert_eq!(ask("no", query).await.0, 400);
    assert_eq!(ask("true", "api-version=2018-02-01").await.0, 400);
    let (code, answer) = ask("true", query).await;
    assert_eq!((code, &answer["client_id"]), (200, &made["properties"]["clientId"]));
    assert_eq!(answer["expires_in"], json!("86400"));
    assert_eq!(world.call(answer["access_token"].as_str().unwrap(), "GET", GROUP, Value::Null).await.0, 200);
}
