//! Tokens: made, verified, delegated, ended.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{World, refusal};

const WHO: &str = "/v2/projects/acme/locations/l/services";

/// An assertion signed by a key file, with these claims over what it needs.
fn assertion(key: &Value, claims: Value) -> String {
    let pem: String = key["private_key"].as_str().unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(pem).unwrap()).unwrap();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": key["private_key_id"]});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn grant(world: &World, form: String) -> (u16, Value) {
    let request = Request::post(format!("{}/token", world.gcp.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form)))
        .unwrap();
    let (code, text) = world.send(request).await;
    (code, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn an_assertion_is_granted_by_its_signature_audience_and_time() {
    let world = World::new().await;
    let email = world.gcp.service_account("acme", "worker");
    let key: Value = serde_json::from_str(&world.gcp.key(&email)).unwrap();
    assert_eq!(key["token_uri"], format!("{}/token", world.gcp.url()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"iss": email, "aud": key["token_uri"], "iat": now, "exp": now + 3_600,
        "scope": "https://www.googleapis.com/auth/cloud-platform"});
    let form = |assertion: String| {
        format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
    };
    let (code, granted) = grant(&world, form(assertion(&key, claims.clone()))).await;
    assert_eq!((code, &granted["expires_in"]), (200, &json!(3_600)));
    world.gcp.bind(crate::world::PROJECT, "roles/run.viewer", &format!("serviceAccount:{email}"));
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(world.call(token, "GET", WHO, Value::Null).await.0, 200);
    for (claim, wrong) in [
        ("aud", json!("https://elsewhere.example")),
        ("exp", json!(now - 1)),
        ("iat", json!(now + 900)),
        ("iss", json!("42-compute@developer.gserviceaccount.com")),
        ("scope", json!("")),
    ] {
        let mut claims = claims.clone();
        claims[claim] = wrong;
        let (code, answer) = grant(&world, form(assertion(&key, claims))).await;
        assert_eq!((code, &answer["error"]), (400, &json!("invalid_grant")), "{claim}");
    }
    let mut tampered = assertion(&key, claims);
    tampered.replace_range(tampered.len() - 4.., "AAAA");
    assert_eq!(grant(&world, form(tampered)).await.0, 400);
}

#[tokio::test]
async fn a_refresh_token_is_granted_by_form_and_by_json() {
    let world = World::new().await;
    let refresh = world.gcp.refresh_token(crate::world::ADMIN);
    let form =
        format!("grant_type=refresh_token&client_id=c&client_secret=s&refresh_token={}", refresh.replace('/', "%2F"));
    assert_eq!(grant(&world, form).await.0, 200);
    let (code, granted) =
        world.call("", "POST", "/token", json!({"grant_type": "refresh_token", "refresh_token": refresh})).await;
    assert_eq!(code, 200);
    assert_eq!(world.call(granted["access_token"].as_str().unwrap(), "GET", WHO, Value::Null).await.0, 200);
    assert_eq!(grant(&world, "grant_type=refresh_token&refresh_token=guess".to_owned()).await.0, 400);
}

#[tokio::test]
async fn tokens_expire_and_end_with_their_account() {
    let world = World::new().await;
    assert_eq!(world.call(&world.admin, "GET", WHO, Value::Null).await.0, 200);
    let email = world.gcp.service_account("acme", "worker");
    world.gcp.bind(crate::world::PROJECT, "roles/run.viewer", &format!("serviceAccount:{email}"));
    let generate = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    let body = json!({"scope": ["s"], "lifetime": "900s"});
    let token = world.does("POST", &generate, body.clone()).await["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(world.call(&token, "GET", WHO, Value::Null).await.0, 200);
    world.does("POST", &format!("/v1/projects/acme/serviceAccounts/{email}:disable"), json!({})).await;
    assert_eq!(world.call(&token, "GET", WHO, Value::Null).await.0, 401);
    assert_eq!(world.refused("POST", &generate, body.clone()).await, refusal(400, "FAILED_PRECONDITION"));
    world.does("POST", &format!("/v1/projects/acme/serviceAccounts/{email}:enable"), json!({})).await;
    let token = world.does("POST", &generate, body).await["accessToken"].as_str().unwrap().to_owned();
    world.gcp.faults().advance(Duration::from_secs(901));
    assert_eq!(world.call(&token, "GET", WHO, Value::Null).await.0, 401);
    world.gcp.faults().advance(Duration::from_secs(2_700));
    let (code, answer) = world.call(&world.admin, "GET", WHO, Value::Null).await;
    assert_eq!((code, &answer["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
}

#[tokio::test]
async fn an_access_token_has_a_scope_and_at_most_an_hour() {
    let world = World::new().await;
    let email = world.gcp.service_account("acme", "worker");
    let path = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    let refused = refusal(400, "INVALID_ARGUMENT");
    assert_eq!(world.refused("POST", &path, json!({"scope": []})).await, refused);
    assert_eq!(world.refused("POST", &path, json!({"scope": ["s"], "lifetime": "3601s"})).await, refused);
    assert_eq!(world.refused("POST", &path, json!({"scope": ["s"], "lifetime": "0s"})).await, refused);
    let answer = world.does("POST", &path, json!({"scope": ["s"], "lifetime": "3600s"})).await;
    assert!(answer["expireTime"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn each_delegate_needs_the_next_and_the_last_the_account() {
    let world = World::new().await;
    let emails = ["alpha-sa", "bravo-sa", "delta-sa"].map(|id| world.gcp.service_account("acme", id));
    let [alpha, bravo, target] = &emails;
    let user = world.gcp.token("user:u@example.com");
    let on = |email: &str| format!("//iam.googleapis.com/projects/acme/serviceAccounts/{email}");
    let path = format!("/v1/projects/-/serviceAccounts/{target}:generateAccessToken");
    let delegates = [alpha, bravo].map(|email| format!("projects/-/serviceAccounts/{email}"));
    let body = json!({"scope": ["s"], "delegates": delegates});
    let creator = "roles/iam.serviceAccountTokenCreator";
    for (email, member) in [
        (alpha, "user:u@example.com".to_owned()),
        (bravo, format!("serviceAccount:{alpha}")),
        (target, format!("serviceAccount:{bravo}")),
    ] {
        assert_eq!(world.call(&user, "POST", &path, body.clone()).await.0, 403);
        world.gcp.bind(&on(email), creator, &member);
    }
    assert_eq!(world.call(&user, "POST", &path, body).await.0, 200);
    let without = json!({"scope": ["s"]});
    assert_eq!(world.call(&user, "POST", &path, without).await.0, 403, "the chain is not a right of its own");
}

#[tokio::test]
async fn the_metadata_server_speaks_for_the_default_account() {
    let world = World::new().await;
    let ask = async |path: &str, flavor: &str| {
        let request = Request::get(format!("{}/computeMetadata/v1/{path}", world.gcp.url()))
            .header("metadata-flavor", flavor)
            .body(Full::default())
            .unwrap();
        world.send(request).await
    };
    let token = "instance/service-accounts/default/token";
    assert_eq!(ask(token, "Google").await.0, 404);
    world.gcp.default_account("42-compute@developer.gserviceaccount.com");
    assert_eq!(ask(token, "Other").await.0, 403);
    assert!(ask(token, "Google").await.1.contains("access_token"));
    let email = ask("instance/service-accounts/default/email", "Google").await;
    assert_eq!(email, (200, "42-compute@developer.gserviceaccount.com".to_owned()));
    assert_eq!(ask("project/project-id", "Google").await, (200, "acme".to_owned()));
}

#[tokio::test]
async fn a_key_that_the_api_makes_is_a_key_file() {
    let world = World::new().await;
    let email = world.gcp.service_account("acme", "worker");
    let path = format!("/v1/projects/-/serviceAccounts/{email}/keys");
    let made = world.does("POST", &path, json!({"keyAlgorithm": "KEY_ALG_RSA_2048"})).await;
    let key = STANDARD.decode(made["privateKeyData"].as_str().unwrap()).unwrap();
    let key: Value = serde_json::from_slice(&key).unwrap();
    let id = key["private_key_id"].as_str().unwrap();
    assert_eq!(made["name"], format!("projects/acme/serviceAccounts/{email}/keys/{id}"));
    assert_eq!((&key["client_email"], &key["type"]), (&json!(email), &json!("service_account")));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"iss": email, "aud": key["token_uri"], "iat": now, "exp": now + 60, "scope": "s"});
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
        assertion(&key, claims)
    );
    assert_eq!(grant(&world, form).await.0, 200);

    let refused = refusal(400, "INVALID_ARGUMENT");
    assert_eq!(world.refused("POST", &path, json!({"privateKeyType": "TYPE_PKCS12_FILE"})).await, refused);
    let absent = "/v1/projects/acme/serviceAccounts/absent@acme.iam.gserviceaccount.com/keys";
    assert_eq!(world.refused("POST", absent, json!({})).await, refusal(404, "NOT_FOUND"));
}
