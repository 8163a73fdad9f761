//! The data plane of Cloud Run: requests to a service, from callers and from Pub/Sub pushes.

use serde_json::{Value, json};

use crate::gcp::call::{Answer, text};
use crate::gcp::state::{State, relative};

const INVOKE: &str = "run.routes.invoke";

/// Answers a request to the service itself: `P/L/S` and the rest of the path. Source:
/// <https://docs.cloud.google.com/run/docs/authenticating/overview>.
pub(crate) fn invoke(state: &mut State, path: &str, bearer: Option<&str>, body: &[u8]) -> Answer {
    let mut parts = path.split('/');
    let (Some(project), Some(location), Some(service)) = (parts.next(), parts.next(), parts.next()) else {
        return Answer::json(404, &json!("not found"));
    };
    let name = format!("//run.googleapis.com/projects/{project}/locations/{location}/services/{service}");
    let Ok(thing) = state.thing(&name) else { return Answer::json(404, &json!("not found")) };
    // Nobody who calls here is in a network of the project. What is not let in is not found, whoever calls.
    if !is_open(&thing.body) {
        return page(404, "Page not found", "The requested URL was not found on this server.");
    }
    let mut audiences = vec![text(&thing.body, "/uri")];
    let more = thing.body.get("customAudiences").and_then(Value::as_array).into_iter().flatten();
    audiences.extend(more.filter_map(Value::as_str).map(str::to_owned));
    let open = thing.body.get("invokerIamDisabled") == Some(&Value::Bool(true));
    let now = state.now();
    let token = bearer.and_then(|bearer| state.tokens.get(bearer));
    let principal = token
        .filter(|token| token.expires > now)
        .filter(|token| token.audience.as_ref().is_some_and(|audience| audiences.contains(audience)))
        .map(|token| token.principal.clone());
    if bearer.is_some() && principal.is_none() {
        return page(401, "Unauthorized", "Your client does not have permission to the requested URL");
    }
    let principal = principal.unwrap_or_else(|| "allUsers".to_owned());
    if !open && !state.asks(&principal, INVOKE, INVOKE, &name) {
        return page(
            403,
            "Forbidden",
            "Your client does not have permission to get URL <code>/</code> from this server.",
        );
    }
    run(state, &name, body)
}

/// Whether a service can be reached from everywhere: <https://docs.cloud.google.com/run/docs/securing/ingress#settings>.
fn is_open(service: &Value) -> bool {
    matches!(text(service, "/ingress").as_str(), "" | "INGRESS_TRAFFIC_UNSPECIFIED" | "INGRESS_TRAFFIC_ALL")
}

/// What Cloud Run answers before any code runs: <https://docs.cloud.google.com/run/docs/troubleshooting#403>,
/// <https://docs.cloud.google.com/run/docs/troubleshooting#404>.
fn page(code: u16, title: &str, says: &str) -> Answer {
    let body = format!("<html><head><title>{code} {title}</title></head><body><h2>{says}</h2></body></html>");
    Answer { code, content_type: "text/html; charset=UTF-8".to_owned(), body: body.into(), retry_after: None }
}

/// Delivers a push of a subscription as an account. Returns whether the service accepted it. Pub/Sub of the same project is let in as if
/// from a network of the project: <https://docs.cloud.google.com/run/docs/securing/ingress#settings>.
pub(crate) fn push(state: &mut State, subscription: &str, endpoint: &str, account: &str, body: &[u8]) -> bool {
    let prefix = format!("{}/run/", state.url);
    let Some(path) = endpoint.strip_prefix(&prefix) else { return false };
    let principal = if account.is_empty() { "allUsers".to_owned() } else { format!("serviceAccount:{account}") };
    let mut parts = path.split('/');
    let (Some(project), Some(location), Some(service)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let name = format!("//run.googleapis.com/projects/{project}/locations/{location}/services/{service}");
    let is_own = relative(subscription).split('/').nth(1) == Some(project);
    let is_reached = |service: &Value| match text(service, "/ingress").as_str() {
        "INGRESS_TRAFFIC_NONE" => false,
        _ => is_own || is_open(service),
    };
    state.thing(&name).is_ok_and(|thing| is_reached(&thing.body))
        && (account.is_empty() || state.is_live(account))
        && state.asks(&principal, INVOKE, INVOKE, &name)
        && run(state, &name, body).code == 200
}

/// The emulated code: it answers with the request. One with `fail` is answered with 500, one with `answer 401` or
/// `answer 403` with that status.
fn run(state: &mut State, name: &str, body: &[u8]) -> Answer {
    let now = state.now();
    let ready = state.serving.get(name).and_then(|serving| serving.ready(now).cloned());
    let (Some(revision), Some(thing)) = (ready, state.things.get(name)) else {
        return Answer::json(503, &json!("no revision of the service is ready"));
    };
    let says = thing
        .body
        .pointer("/template/containers/0/env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|variable| text(variable, "/name") == "SAYS")
        .map(|variable| format!("{} ", text(variable, "/value")))
        .unwrap_or_default();
    let said = String::from_utf8_lossy(body);
    let mut parts = name.split('/').skip(4);
    let (project, location, service) = (parts.next(), parts.nth(1), parts.nth(1));
    let project = project.unwrap_or_default().to_owned();
    let entry = json!({
        "logName": format!("projects/{project}/logs/run.googleapis.com%2Fstdout"),
        "resource": {
            "type": "cloud_run_revision",
            "labels": {
                "service_name": service,
                "revision_name": revision,
                "configuration_name": service,
                "location": location,
                "project_id": project,
            },
        },
        "textPayload": format!("{says}{said}"),
    });
    state.write_log(&project, entry);
    let told = |code: &u16| said.contains(&format!("answer {code}"));
    let code = [401, 403].into_iter().find(told).unwrap_or(if said.contains("fail") { 500 } else { 200 });
    Answer {
        code,
        content_type: "application/octet-stream".to_owned(),
        body: bytes::Bytes::copy_from_slice(body),
        retry_after: None,
    }
}
