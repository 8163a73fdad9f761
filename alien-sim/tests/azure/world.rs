//! An emulator with a subscription, a resource group, an owner, and a client of plain JSON.

use std::sync::atomic::{AtomicU32, Ordering};

use alien_sim::azure::Azure;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

pub(crate) const ARM: &str = "https://management.azure.com/";
pub(crate) const SUBSCRIPTION: &str = "/subscriptions/11111111-1111-1111-1111-111111111111";
pub(crate) const GROUP: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/acme";

/// API versions by what follows the last `/providers/` of a path, in lower case.
const VERSIONS: &[(&str, &str)] = &[
    ("microsoft.authorization/locks", "2020-05-01"),
    ("microsoft.authorization/", "2022-04-01"),
    ("microsoft.managedidentity/", "2024-11-30"),
    ("microsoft.insights/", "2021-05-01-preview"),
    ("microsoft.app/", "2025-07-01"),
    ("microsoft.storage/", "2025-08-01"),
    ("microsoft.servicebus/", "2024-01-01"),
    ("microsoft.network/", "2025-07-01"),
    ("microsoft.operationalinsights/", "2025-07-01"),
    ("", "2025-04-01"),
];

pub(crate) struct World {
    pub(crate) azure: Azure,
    /// The object id of the subscription's owner.
    pub(crate) owner: String,
    /// His token for Azure Resource Manager.
    pub(crate) admin: String,
    /// How many users were made.
    users: AtomicU32,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let azure = Azure::start().await.unwrap();
        // What is not yet over stays so until a test puts the clock forward, however slow the machine is.
        azure.faults().stop_clock();
        let subscription = azure.subscription(SUBSCRIPTION.rsplit('/').next().unwrap());
        assert_eq!(subscription, SUBSCRIPTION);
        let group = azure.resource_group(SUBSCRIPTION.rsplit('/').next().unwrap(), "acme", "westeurope");
        assert_eq!(group, GROUP);
        let owner = azure.user("owner@example.com");
        azure.assign(SUBSCRIPTION, "Owner", &owner);
        let admin = azure.token(&owner, ARM);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(azure.certificate().as_bytes()).unwrap()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { azure, owner, admin, users: AtomicU32::new(0), client }
    }

    /// A new user who holds these actions and data actions at a scope: the object id.
    pub(crate) fn user_at(&self, scope: &str, actions: &[&str], data_actions: &[&str]) -> String {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let user = self.azure.user(&format!("user-{number}@example.com"));
        let role = format!("{number:08x}-0000-4000-8000-0000000000aa");
        self.azure.set_role(&role, actions, data_actions);
        self.azure.assign(scope, &role, &user);
        user
    }

    /// The token for Azure Resource Manager of a new user who holds these actions at a scope.
    pub(crate) fn holder(&self, scope: &str, actions: &[&str]) -> String {
        self.azure.token(&self.user_at(scope, actions, &[]), ARM)
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> (u16, HeaderMap, Bytes) {
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status.as_u16(), parts.headers, body.collect().await.unwrap().to_bytes())
    }

    /// A call of Azure Resource Manager: the status code, the headers and the answer. The API version is added if the path
    /// has none.
    pub(crate) async fn call_in_full(
        &self,
        token: &str,
        verb: &str,
        path: &str,
        body: Value,
    ) -> (u16, HeaderMap, Value) {
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let lower = path.to_lowercase();
        // Registering is Resource Manager's.
        let of = lower.rsplit_once("/providers/").map_or("", |(_, of)| if of.ends_with("/register") { "" } else { of });
        let version = VERSIONS.iter().find(|(prefix, _)| of.starts_with(prefix)).unwrap().1;
        let join = if path.contains('?') { '&' } else { '?' };
        let suffix = if path.contains("api-version") { String::new() } else { format!("{join}api-version={version}") };
        let request = Request::builder()
            .method(verb)
            .uri(format!("{}{path}{suffix}", self.azure.url()))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(bytes))
            .unwrap();
        let (code, headers, bytes) = self.send(request).await;
        (code, headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// A call of Azure Resource Manager: the status code and the answer.
    pub(crate) async fn call(&self, token: &str, verb: &str, path: &str, body: Value) -> (u16, Value) {
        let (code, _, answer) = self.call_in_full(token, verb, path, body).await;
        (code, answer)
    }

    /// What a caller asks is refused or not: the status code, and the error's code.
    pub(crate) async fn asks(&self, token: &str, verb: &str, path: &str, body: Value) -> (u16, String) {
        let (code, answer) = self.call(token, verb, path, body).await;
        (code, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// What the owner does succeeds.
    pub(crate) async fn does(&self, verb: &str, path: &str, body: Value) -> Value {
        let (code, answer) = self.call(&self.admin, verb, path, body).await;
        assert!((200..300).contains(&code), "{verb} {path}: {code} {answer}");
        answer
    }

    /// What the owner asks is refused: the status code, and the error's code.
    pub(crate) async fn refused(&self, verb: &str, path: &str, body: Value) -> (u16, String) {
        let (code, answer) = self.call(&self.admin, verb, path, body).await;
        assert!(code >= 400, "{verb} {path}: {code} {answer}");
        (code, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// A user-assigned identity, made by the owner; its body.
    pub(crate) async fn identity(&self, name: &str) -> Value {
        self.does("PUT", &identity(name), json!({"location": "westeurope"})).await
    }
}

/// The id of a user-assigned identity in the group.
pub(crate) fn identity(name: &str) -> String {
    format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}")
}

pub(crate) fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A GUID that is the same for the same number.
pub(crate) fn guid(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}
