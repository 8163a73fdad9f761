//! What is asked: methods, versions, tokens.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{ARM, GROUP, SUBSCRIPTION, World, identity, refusal};

#[tokio::test]
async fn what_is_not_known_is_answered_501_with_what_is() {
    let world = World::new().await;
    let path = format!("{GROUP}/providers/Microsoft.Nowhere/things/one");
    let (code, answer) = world.call(&world.admin, "GET", &path, Value::Null).await;
    assert_eq!((code, &answer["error"]["code"]), (501, &json!("NotImplemented")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("Microsoft.ManagedIdentity"), "{answer}");
    assert_eq!(
        world.call(&world.admin, "PATCH", &(identity("x") + "/federatedIdentityCredentials/y"), json!({})).await.0,
        501
    );
}

#[tokio::test]
async fn what_is_known_and_not_done_is_refused_first() {
    let world = World::new().await;
    let nobody = world.azure.token(&world.azure.user("u@example.com"), ARM);
    let assignment = crate::world::guid(1);
    for (verb, path) in [
        ("PUT", format!("{GROUP}/providers/Microsoft.Authorization/policyAssignments/one")),
        ("PUT", format!("{GROUP}/providers/Microsoft.Authorization/denyAssignments/{assignment}")),
        ("PUT", format!("{GROUP}/providers/Microsoft.Resources/deployments/one")),
        ("PUT", format!("{GROUP}/providers/Microsoft.Resources/deploymentScripts/one")),
        ("POST", format!("{GROUP}/moveResources")),
        ("POST", "/providers/Microsoft.Authorization/elevateAccess".to_owned()),
    ] {
        let denied = world.asks(&nobody, verb, &path, json!({})).await;
        assert_eq!(denied, refusal(403, "AuthorizationFailed"), "{verb} {path}");
        if path.starts_with(GROUP) {
            assert_eq!(world.refused(verb, &path, json!({})).await, refusal(501, "NotImplemented"), "{verb} {path}");
        }
    }
}

#[tokio::test]
async fn a_version_is_needed_and_known() {
    let world = World::new().await;
    let bare = async |path: String| {
        let request = Request::get(format!("{}{path}", world.azure.url()))
            .header("authorization", format!("Bearer {}", world.admin))
            .body(Full::new(Bytes::new()))
            .unwrap();
        let (code, _, body) = world.send(request).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        (code, body["error"]["code"].as_str().unwrap_or_default().to_owned(), body)
    };
    let (code, error, _) = bare(GROUP.to_owned()).await;
    assert_eq!((code, error), refusal(400, "MissingApiVersionParameter"));
    let (code, error, _) = bare(format!("{GROUP}?api-version=2001-01-01")).await;
    assert_eq!((code, error), refusal(400, "InvalidApiVersionParameter"));
    let (code, error, body) = bare(format!("{}?api-version=2001-01-01", identity("x"))).await;
    assert_eq!((code, error), refusal(400, "NoRegisteredProviderFound"));
    assert!(body["error"]["message"].as_str().unwrap().contains("2024-11-30"), "{body}");
    let locks = format!("{GROUP}/providers/Microsoft.Authorization/locks?api-version=2022-04-01");
    assert_eq!(bare(locks).await.0, 400);
}

#[tokio::test]
async fn a_token_is_needed_known_and_for_resource_manager() {
    let world = World::new().await;
    let invalid = refusal(401, "InvalidAuthenticationToken");
    assert_eq!(world.asks("guessed", "GET", GROUP, Value::Null).await, invalid);
    assert_eq!(world.asks("", "GET", GROUP, Value::Null).await, refusal(401, "AuthenticationFailed"));
    let for_storage = world.azure.token(&world.owner, "https://storage.azure.com/");
    let audience = refusal(401, "InvalidAuthenticationTokenAudience");
    assert_eq!(world.asks(&for_storage, "GET", GROUP, Value::Null).await, audience);
    for audience in ["https://management.core.windows.net/", "https://management.azure.com"] {
        let token = world.azure.token(&world.owner, audience);
        assert_eq!(world.call(&token, "GET", GROUP, Value::Null).await.0, 200);
    }
    world.azure.remove_principal(&world.owner);
    assert_eq!(world.asks(&world.admin, "GET", GROUP, Value::Null).await, invalid);
}

#[tokio::test]
async fn a_body_that_is_no_json_and_a_parameter_that_is_not_known_are_refused() {
    let world = World::new().await;
    let request = Request::put(format!("{}{}?api-version=2024-11-30", world.azure.url(), identity("x")))
        .header("authorization", format!("Bearer {}", world.admin))
        .body(Full::new(Bytes::from_static(b"{")))
        .unwrap();
    assert_eq!(world.send(request).await.0, 400);
    let path = format!("{SUBSCRIPTION}/resourceGroups?$orderby=name");
    assert_eq!(world.refused("GET", &path, Value::Null).await.0, 501);
}

#[tokio::test]
async fn a_path_is_what_it_is_after_decoding_and_has_no_short_cut() {
    let world = World::new().await;
    world.identity("worker").await;
    let user = world.holder(&identity("other"), &["Microsoft.ManagedIdentity/userAssignedIdentities/read"]);
    for path in [
        identity("worker").replace("worker", "%77orker"),
        identity("other/../worker"),
        identity("other%2F..%2Fworker"),
        identity("worker/"),
    ] {
        let code = world.call(&user, "GET", &path, Value::Null).await.0;
        assert!([403, 404, 501].contains(&code), "{path}: {code}");
    }
}

#[tokio::test]
async fn who_reads_everything_gets_no_secret_and_runs_nothing() {
    let world = World::new().await;
    let reader = world.azure.user("reader@example.com");
    world.azure.assign("/", "Reader", &reader);
    let reader = world.azure.token(&reader, ARM);
    let actions: Vec<_> = alien_sim::azure::methods()
        .filter(|method| method.verb != "GET" && method.verb != "HEAD")
        // Whether a name is free is asked by POST, and is a read.
        .filter(|method| !method.actions.iter().all(|action| action.to_lowercase().ends_with("/read")))
        .collect();
    for key in [
        "POST Microsoft.Storage/storageAccounts/listKeys",
        "POST Microsoft.Storage/storageAccounts/regenerateKey",
        "POST Microsoft.Storage/storageAccounts/ListAccountSas",
        "POST Microsoft.Storage/storageAccounts/ListServiceSas",
        "POST Microsoft.App/containerApps/listSecrets",
        "POST Microsoft.App/containerApps/getAuthtoken",
        "POST Microsoft.App/managedEnvironments/getAuthtoken",
        "POST Microsoft.App/jobs/listSecrets",
        "POST Microsoft.App/jobs/start",
        "PUT Microsoft.App/jobs",
        "POST Microsoft.ServiceBus/namespaces/authorizationRules/listKeys",
        "POST Microsoft.ServiceBus/namespaces/authorizationRules/regenerateKeys",
        "POST Microsoft.ServiceBus/namespaces/queues/authorizationRules/listKeys",
        "POST Microsoft.OperationalInsights/workspaces/sharedKeys",
        "POST Microsoft.OperationalInsights/workspaces/regenerateSharedKey",
        "PUT Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
        "POST Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens",
        "PUT Microsoft.Authorization/roleAssignments",
        "PUT Microsoft.Resources/deployments",
        "PUT Microsoft.Insights/diagnosticSettings",
    ] {
        assert!(actions.iter().any(|method| method.key().eq_ignore_ascii_case(key)), "{key} is not known");
    }
    for method in &actions {
        let path: Vec<&str> = method
            .path
            .split('/')
            .map(|segment| match segment {
                "{subscriptionId}" => SUBSCRIPTION.rsplit('/').next().unwrap(),
                "{scope}" => GROUP.trim_start_matches('/'),
                "{resourceGroupName}" | "{sourceResourceGroupName}" => "acme",
                segment if segment.starts_with('{') => "some",
                segment => segment,
            })
            .collect();
        let versions = ["2025-07-01", "2025-08-01", "2024-01-01", "2020-05-01", "2025-04-01"];
        let mut codes = Vec::new();
        for version in [""].into_iter().chain(versions) {
            let version = if version.is_empty() { String::new() } else { format!("?api-version={version}") };
            codes.push(world.asks(&reader, method.verb, &(path.join("/") + &version), json!({})).await);
        }
        let refused = codes.iter().any(|code| *code == refusal(403, "AuthorizationFailed"));
        let others = codes.iter().all(|(code, _)| [400, 403].contains(code));
        assert!(refused && others, "{} {}: {codes:?}", method.verb, method.path);
    }
}
