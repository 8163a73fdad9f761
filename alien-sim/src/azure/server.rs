//! The HTTPS server: one port for Azure Resource Manager, Entra and the data planes. Path and host tell them apart.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::call::{Answer, Ask};
use super::data::{self, Host};
use super::entra::issuer;
use super::fail::Fail;
use super::provider::app::code;
use super::state::Shared;
use crate::uri::query;

/// The largest body that is accepted, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// Serves a connection until the client closes it.
pub(crate) async fn connection(shared: Shared, acceptor: TlsAcceptor, stream: TcpStream) {
    // A client that does not trust the certificate closes the connection.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| respond(shared.clone(), request));
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(shared: Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let answer = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => route(&shared, &parts, body.to_bytes()),
        Err(_) => Fail::new(413, "RequestContentTooLarge", "The body is longer than 32 MiB, or was cut off.").into(),
    };
    let late = shared.lock().knobs.answer;
    if !late.is_zero() {
        tokio::time::sleep(late).await;
    }
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let id = Uuid::new_v4().to_string();
    for (name, value) in answer.headers.into_iter().chain([("x-ms-request-id", id)]) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The data plane that a host belongs to.
fn service(host: &str) -> Option<Host> {
    let host = host.split(':').next().unwrap_or_default().to_lowercase();
    if host == "api.loganalytics.io" || host == "api.loganalytics.azure.com" {
        return Some(Host::Logs);
    }
    let (name, suffix) = host.split_once('.')?;
    match suffix {
        "servicebus.windows.net" => Some(Host::ServiceBus(name.to_owned())),
        "blob.core.windows.net" => Some(Host::Blob(name.to_owned())),
        "table.core.windows.net" => Some(Host::Table(name.to_owned())),
        _ => None,
    }
}

fn route(shared: &Shared, parts: &http::request::Parts, body: Bytes) -> Answer {
    let path = parts.uri.path();
    let target = parts.uri.path_and_query().map_or(path, |target| target.as_str());
    let bearer = header(&parts.headers, AUTHORIZATION.as_str());
    let bearer = bearer.strip_prefix("Bearer ").or_else(|| bearer.strip_prefix("bearer "));
    // HTTP/2 has the host in the URI.
    let host = parts.uri.host().unwrap_or_else(|| header(&parts.headers, HOST.as_str()));
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    // Apps are reached by their names, as the data planes are.
    if let Some(named) = [host, first].into_iter().find(|host| code::is_apps(host)) {
        let state = &mut *shared.lock();
        state.settle();
        return code::answer(state, named, &body);
    }
    let plane = match (service(host), service(first)) {
        (Some(service), _) => Some((service, target)),
        (None, Some(service)) => Some((service, target.trim_start_matches('/').strip_prefix(first).unwrap_or(target))),
        (None, None) if path.starts_with("/v1/workspaces/") => Some((Host::Logs, target)),
        _ => None,
    };
    let verb = parts.method.as_str();
    if let Some((service, target)) = plane {
        let state = &mut *shared.lock();
        state.settle();
        return data::answer(state, &data::Ask { service, verb, target, bearer, headers: &parts.headers, body });
    }
    let parameters = query(parts.uri.query().unwrap_or_default());
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (verb, segments.as_slice()) {
        ("GET", ["_sim", "decisions"]) => Answer::json(200, &json!({"decisions": shared.lock().decisions.all()})),
        ("GET", ["metadata", "identity", "oauth2", "token"]) => metadata(shared, &parts.headers, &parameters),
        ("GET", ["common", "discovery", "instance"]) => instance(shared),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => {
            let form = query(&String::from_utf8_lossy(&body));
            let state = &mut *shared.lock();
            let fields = form.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
            state.remember("POST Entra/token", verb, path, &[], &Value::Object(fields));
            state.grant(tenant, &form)
        }
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => openid(shared, tenant),
        ("GET", ["issuers", name, ".well-known", "openid-configuration"]) => published(shared, name, issuer::discovery),
        ("GET", ["issuers", name, "keys"]) => published(shared, name, |_| issuer::keys()),
        _ => shared.answer(&Ask {
            verb,
            target,
            bearer,
            if_match: header(&parts.headers, "if-match"),
            if_none_match: header(&parts.headers, "if-none-match"),
            body,
        }),
    }
}

fn published(shared: &Shared, name: &str, document: fn(&str) -> Value) -> Answer {
    let url = format!("{}/issuers/{name}", shared.url());
    if shared.lock().directory.issuers.contains_key(&url) {
        return Answer::json(200, &document(&url));
    }
    Fail::new(404, "NotFound", format!("There is no issuer '{url}'.")).into()
}

/// The discovery document of a tenant, which names its token endpoint.
fn openid(shared: &Shared, tenant: &str) -> Answer {
    let url = shared.url();
    Answer::json(
        200,
        &json!({
            "token_endpoint": format!("{url}/{tenant}/oauth2/v2.0/token"),
            "authorization_endpoint": format!("{url}/{tenant}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{url}/{tenant}/oauth2/v2.0/devicecode"),
            "issuer": format!("{url}/{tenant}/v2.0"),
            "jwks_uri": format!("{url}/{tenant}/discovery/v2.0/keys"),
        }),
    )
}

/// The instance discovery that clients use before they trust an unknown authority.
fn instance(shared: &Shared) -> Answer {
    let url = shared.url();
    let host = url.trim_start_matches("https://");
    Answer::json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("{url}/{}/v2.0/.well-known/openid-configuration", shared.tenant()),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }),
    )
}

/// The instance metadata service:
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.
fn metadata(shared: &Shared, headers: &HeaderMap, parameters: &[(String, String)]) -> Answer {
    let refused = |status: u16, error: &str, description: &str| {
        Answer::json(status, &json!({"error": error, "error_description": description}))
    };
    if !header(headers, "metadata").eq_ignore_ascii_case("true") {
        return refused(400, "bad_request_102", "Required metadata header not specified");
    }
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    if parameter("api-version").is_empty() || parameter("resource").is_empty() {
        return refused(400, "invalid_request", "Required query variables 'api-version' and 'resource' are missing");
    }
    let state = &mut *shared.lock();
    let asked = parameter("client_id");
    let object = state.directory.default_identity.clone().filter(|object| {
        state.directory.principal(object).is_some_and(|principal| asked.is_empty() || principal.client == asked)
    });
    let Some(object) = object else { return refused(400, "invalid_request", "Identity not found") };
    let resource = parameter("resource");
    let Some(made) = state.access_token(&object, resource) else {
        return refused(400, "invalid_request", "Identity not found");
    };
    let client = state.directory.principal(&object).map(|principal| principal.client.clone());
    // The service returns its numbers as strings.
    Answer::json(
        200,
        &json!({
            "access_token": made.token,
            "client_id": client,
            "expires_in": made.lifetime.as_secs().to_string(),
            "expires_on": made.expires.as_second().to_string(),
            "ext_expires_in": made.lifetime.as_secs().to_string(),
            "not_before": state.now().as_second().to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }),
    )
}
