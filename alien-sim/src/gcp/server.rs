//! The HTTP server: one port for REST and gRPC, with HTTP/1 and HTTP/2 without TLS.

use std::convert::Infallible;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tonic::body::Body;

use super::call::{Answer, Ask};
use super::fail::Fail;
use super::service::run;
use super::state::Shared;
use super::{grpc, iam};
use crate::uri::query;

/// The largest body that is accepted, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// Serves a connection until the client closes it.
pub(crate) async fn connection(shared: Shared, stream: TcpStream) {
    let service = service_fn(move |request| respond(shared.clone(), request));
    // A client may close the connection at any time.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(shared: Shared, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let grpc = header(request.headers(), CONTENT_TYPE.as_str()).starts_with("application/grpc");
    if grpc {
        return Ok(grpc::serve(shared, request).await);
    }
    let (parts, body) = request.into_parts();
    let answer = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => route(&shared, &parts, body.to_bytes()),
        Err(_) => Fail::invalid("The body is longer than 32 MiB, or was cut off.").into(),
    };
    let late = shared.lock().knobs.answer;
    if !late.is_zero() {
        tokio::time::sleep(late).await;
    }
    Ok(response(answer))
}

fn response(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = HeaderValue::from_str(&answer.content_type) {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    if let Some(seconds) = answer.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn route(shared: &Shared, parts: &http::request::Parts, body: bytes::Bytes) -> Answer {
    let path = parts.uri.path();
    let bearer = header(&parts.headers, AUTHORIZATION.as_str());
    let bearer = bearer.strip_prefix("Bearer ").or_else(|| bearer.strip_prefix("bearer "));
    if path == "/token" {
        return token(shared, header(&parts.headers, CONTENT_TYPE.as_str()), &body);
    }
    if let Some(rest) = path.strip_prefix("/computeMetadata/v1/") {
        return metadata(shared, &parts.headers, rest, parts.uri.query().unwrap_or_default());
    }
    if path == "/_sim/decisions" {
        let state = shared.lock();
        return Answer::json(200, &json!({"decisions": state.decisions.all()}));
    }
    if let Some(service) = path.strip_prefix("/run/") {
        return run::invoke(&mut shared.lock(), service, bearer, &body);
    }
    let ask = Ask {
        verb: parts.method.as_str(),
        target: parts.uri.path_and_query().map_or(path, |target| target.as_str()),
        bearer,
        content_type: header(&parts.headers, CONTENT_TYPE.as_str()),
        body,
    };
    shared.answer(&ask)
}

/// The OAuth token endpoint, for form and JSON bodies.
fn token(shared: &Shared, content_type: &str, body: &[u8]) -> Answer {
    let form = if content_type.contains("json") {
        serde_json::from_slice(body).unwrap_or(Value::Null)
    } else {
        let fields = query(&String::from_utf8_lossy(body));
        Value::Object(fields.into_iter().map(|(name, value)| (name, Value::from(value))).collect())
    };
    match shared.lock().grant(&form) {
        Ok(granted) => Answer::json(200, &granted),
        Err(fail) => Answer::json(400, &json!({"error": "invalid_grant", "error_description": fail.message})),
    }
}

/// The metadata server: <https://docs.cloud.google.com/compute/docs/metadata/predefined-metadata-keys>.
fn metadata(shared: &Shared, headers: &HeaderMap, path: &str, parameters: &str) -> Answer {
    let text = |code: u16, text: String| Answer {
        code,
        content_type: "application/text".to_owned(),
        body: text.into(),
        retry_after: None,
    };
    if header(headers, "metadata-flavor") != "Google" {
        return text(403, "Missing required header \"Metadata-Flavor\": \"Google\"".to_owned());
    }
    let state = &mut *shared.lock();
    let absent = || text(404, format!("{path} is not there"));
    let Some(email) = state.default_account.clone().filter(|email| state.is_live(email)) else { return absent() };
    let Some(project) = state.account(&email).map(|account| account.project.clone()) else { return absent() };
    match path {
        "instance/service-accounts/default/token" => {
            let scopes = vec![iam::token::CLOUD_PLATFORM.to_owned()];
            let lifetime = iam::token::LIFETIME;
            let token = state.access_token(&format!("serviceAccount:{email}"), scopes, lifetime);
            let answer = json!({"access_token": token, "expires_in": lifetime.as_secs(), "token_type": "Bearer"});
            Answer::json(200, &answer)
        }
        "instance/service-accounts/default/identity" => {
            match query(parameters).into_iter().find(|(name, _)| name == "audience") {
                Some((_, audience)) => text(200, state.id_token(&email, &audience)),
                None => text(400, "non-empty audience parameter required".to_owned()),
            }
        }
        "instance/service-accounts/default/email" => text(200, email),
        "project/project-id" => text(200, project),
        "universe/universe-domain" => text(200, "googleapis.com".to_owned()),
        _ => absent(),
    }
}
