//! An emulator with a project, an administrator, and a client of plain JSON.

use alien_sim::gcp::Gcp;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

pub(crate) const PROJECT: &str = "//cloudresourcemanager.googleapis.com/projects/acme";
pub(crate) const ADMIN: &str = "user:admin@example.com";

pub(crate) struct World {
    pub(crate) gcp: Gcp,
    pub(crate) admin: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let gcp = Gcp::start().await.unwrap();
        // What is not yet over stays so until a test puts the clock forward, however slow the machine is.
        gcp.faults().stop_clock();
        gcp.project("acme", 42);
        gcp.bind(PROJECT, "roles/owner", ADMIN);
        let admin = gcp.token(ADMIN);
        Self { gcp, admin, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// The token of a user who holds these permissions on the project.
    pub(crate) fn user(&self, name: &str, permissions: &[&str]) -> String {
        let role = format!("projects/acme/roles/{name}");
        self.gcp.set_role(&role, permissions);
        let principal = format!("user:{name}@example.com");
        self.gcp.bind(PROJECT, &role, &principal);
        self.gcp.token(&principal)
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> (u16, String) {
        let response = self.client.request(request).await.unwrap();
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A call with a token: the status code and the answer.
    pub(crate) async fn call(&self, token: &str, verb: &str, path: &str, body: Value) -> (u16, Value) {
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = Request::builder()
            .method(verb)
            .uri(format!("{}{path}", self.gcp.url()))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(bytes))
            .unwrap();
        let (code, text) = self.send(request).await;
        (code, serde_json::from_str(&text).unwrap_or_default())
    }

    /// What the administrator does succeeds.
    pub(crate) async fn does(&self, verb: &str, path: &str, body: Value) -> Value {
        let (code, answer) = self.call(&self.admin, verb, path, body).await;
        assert!((200..300).contains(&code), "{verb} {path}: {code} {answer}");
        answer
    }

    /// What the administrator asks is refused: the code, and the status.
    pub(crate) async fn refused(&self, verb: &str, path: &str, body: Value) -> (u16, String) {
        let (code, answer) = self.call(&self.admin, verb, path, body).await;
        assert!(code >= 400, "{verb} {path}: {code} {answer}");
        // Compute tells the status by its number alone.
        let by_number = match code {
            400 => "INVALID_ARGUMENT",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ALREADY_EXISTS",
            _ => "",
        };
        (code, answer["error"]["status"].as_str().unwrap_or(by_number).to_owned())
    }

    /// A Cloud Run service, made by the administrator; its URI.
    pub(crate) async fn service(&self, id: &str, image: &str) -> String {
        let body = json!({"template": {"containers": [{"image": image, "env": [{"name": "SAYS", "value": "v1"}]}]}});
        let path = format!("/v2/projects/acme/locations/us-central1/services?serviceId={id}");
        let operation = self.does("POST", &path, body).await;
        operation["metadata"]["uri"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn refusal(code: u16, status: &str) -> (u16, String) {
    (code, status.to_owned())
}
