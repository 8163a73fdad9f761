//! How a request is handled: routed, authenticated, authorised, executed and answered.

use bytes::Bytes;
use serde_json::{Value, json};

use super::fail::Fail;
use super::methods::{self, Route};
use super::service;
use super::state::{Caller, Shared, State};
use crate::audit::{Request, redact};
use crate::schema;

/// A request to a REST API.
pub(crate) struct Ask<'a> {
    /// `GET`, `POST`, …
    pub(crate) verb: &'a str,
    /// The path and the query, encoded.
    pub(crate) target: &'a str,
    /// The bearer token.
    pub(crate) bearer: Option<&'a str>,
    pub(crate) content_type: &'a str,
    pub(crate) body: Bytes,
}

/// The answer of a REST API.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status code.
    pub(crate) code: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    /// The value of `Retry-After`, in seconds.
    pub(crate) retry_after: Option<u32>,
}

impl Answer {
    pub(crate) fn json(code: u16, body: &Value) -> Self {
        Self {
            code,
            content_type: "application/json; charset=UTF-8".to_owned(),
            body: body.to_string().into(),
            retry_after: None,
        }
    }
}

impl From<Fail> for Answer {
    fn from(fail: Fail) -> Self {
        Self { retry_after: fail.retry_after, ..Self::json(fail.code, &fail.body()) }
    }
}

/// What a handler knows about the request.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) caller: &'a Caller,
    pub(crate) route: &'a Route,
    /// The full name of the resource that the path names.
    pub(crate) on: String,
    /// The id of the project.
    pub(crate) project: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    /// The body of an upload. A handler puts the body of a download here.
    pub(crate) media: Option<Bytes>,
    pub(crate) content_type: String,
}

/// Executes a method.
pub(crate) type Handler = fn(&mut Call<'_>) -> Result<Value, Fail>;

/// An implemented method, and what its body and query may contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) handler: Handler,
    pub(crate) body: &'static str,
    pub(crate) query: &'static [&'static str],
}

pub(crate) const fn done(handler: Handler) -> Done {
    Done { handler, body: "", query: &[] }
}

impl Done {
    pub(crate) const fn body(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }

    pub(crate) const fn query(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }
}

/// The parameters that every method takes: <https://docs.cloud.google.com/apis/docs/system-parameters>.
const SYSTEM: &[&str] = &[
    "$.xgafv",
    "$alt",
    "$apiVersion",
    "$prettyPrint",
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
    "userProject",
    "$userProject",
];

impl Call<'_> {
    pub(crate) fn parameter(&self, name: &str) -> String {
        self.route.parameter(name).to_owned()
    }

    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A required query parameter.
    pub(crate) fn required(&self, name: &str) -> Result<String, Fail> {
        match self.query(name) {
            "" => Err(Fail::invalid(format!("The query parameter `{name}` is missing."))),
            value => Ok(value.to_owned()),
        }
    }

    /// Reads a string from the body.
    pub(crate) fn text(&self, pointer: &str) -> String {
        text(&self.body, pointer)
    }

    /// Checks a permission that the table lists as conditional.
    pub(crate) fn require(&mut self, permission: &str, on: &str) -> Result<(), Fail> {
        let method = self.route.method;
        debug_assert!(
            method.permissions.iter().chain(method.conditional).any(|known| *known == permission),
            "the row of {} does not say that it may ask for {permission}",
            method.id
        );
        self.state.authorise(self.caller, self.route.method.id, permission, on)
    }
}

pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Sets a field of an object.
pub(crate) fn set(body: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(members) = body.as_object_mut() {
        members.insert(field.to_owned(), value.into());
    }
}

impl Shared {
    /// Answers a REST request, received over HTTP or translated from a gRPC call.
    pub(crate) fn answer(&self, ask: &Ask<'_>) -> Answer {
        let state = &mut *self.lock();
        // Compute Engine's errors have no `status`
        // (<https://docs.cloud.google.com/compute/docs/troubleshooting/troubleshoot-operation-limits>).
        let fail = |fail: Fail| if ask.target.starts_with("/compute/") { fail.wordless() } else { fail };
        perform(state, ask).unwrap_or_else(|failed| Answer::from(fail(failed)))
    }
}

fn perform(state: &mut State, ask: &Ask<'_>) -> Result<Answer, Fail> {
    let (path, query) = ask.target.split_once('?').unwrap_or((ask.target, ""));
    let Some(route) = methods::route(ask.verb, path) else {
        return Err(Fail::unimplemented(format!(
            "{} {path} is not a method that the emulator knows: it models parts of {}.",
            ask.verb,
            service::MODELLED.join(", ")
        )));
    };
    let method = route.method;
    let query = crate::uri::query(query);
    let is_json = ask.content_type.is_empty() || ask.content_type.contains("json");
    let upload = path.starts_with("/upload/");
    let mut body = if ask.body.is_empty() || !is_json || upload {
        Value::Null
    } else {
        serde_json::from_slice(&ask.body)
            .map_err(|error| Fail::invalid(format!("Invalid JSON payload received: {error}")))?
    };
    remember(state, &route, path, &query, &body);
    state.knobs.throttled()?;
    let bearer = ask.bearer;
    let caller = state.caller(bearer)?;
    let mut on = service::canonical(state, route.resource());
    if method.id == "storage.objects.insert"
        && let Some((_, name)) = query.iter().find(|(name, _)| name == "name")
    {
        // The permission is checked on the object to be created:
        // <https://docs.cloud.google.com/storage/docs/access-control/iam>.
        on = format!("{on}/objects/{name}");
    }
    let project = service::project_of(state, &route, &on, &query);
    enabled(state, &project, &method.api())?;
    state.knobs.before(method.id)?;
    if let Some(name) = state.knobs.met(method.id) {
        state.touch(&name);
    }
    bucket_is_there(state, &on)?;
    // If the path names no project or no resource of its own, the method decides what is checked.
    if let Some((permissions, asked)) = service::asked(state, &route, &on, &project, &query) {
        for permission in permissions {
            state.authorise(&caller, method.id, permission, &asked)?;
        }
    }
    let done = service::find(method.id).ok_or_else(|| {
        Fail::unimplemented(format!(
            "{} is allowed, and not emulated: the emulator knows only what it needs.",
            method.id
        ))
    })?;
    if let Some((name, _)) =
        query.iter().find(|(name, _)| !SYSTEM.contains(&name.as_str()) && !done.query.contains(&name.as_str()))
    {
        return Err(Fail::invalid(format!(
            "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could not be found in request message."
        )));
    }
    if done.body != "*" {
        schema::check(done.body, &mut body)?;
    }
    let media = (!is_json || upload).then(|| ask.body.clone());
    let content_type = ask.content_type.to_owned();
    let mut call = Call { state, caller: &caller, route: &route, on, project, query, body, media, content_type };
    let answer = (done.handler)(&mut call)?;
    let download =
        if path.starts_with("/download/") || call.query("alt") == "media" { call.media.take() } else { None };
    state.knobs.after(method.id)?;
    Ok(match download {
        Some(body) => {
            Answer { code: 200, content_type: "application/octet-stream".to_owned(), body, retry_after: None }
        }
        None if answer.is_null() => {
            Answer { code: 204, content_type: "application/json".to_owned(), body: Bytes::new(), retry_after: None }
        }
        None => Answer::json(200, &answer),
    })
}

fn remember(state: &mut State, route: &Route, path: &str, query: &[(String, String)], body: &Value) {
    let mut body = body.clone();
    redact(&mut body);
    state.requests.push(Request {
        method: route.method.id.to_owned(),
        verb: route.method.verb.to_owned(),
        path: path.to_owned(),
        query: query.iter().filter(|(name, _)| name != "key" && !name.contains("token")).cloned().collect(),
        body,
    });
}

/// Bucket names are global, and whether one is taken is not secret: a missing bucket is `NOT_FOUND` even for a caller
/// without any permission. Source: <https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes#404_Not_Found>.
fn bucket_is_there(state: &State, on: &str) -> Result<(), Fail> {
    let prefix = "//storage.googleapis.com/projects/_/buckets/";
    let Some(name) = on.strip_prefix(prefix).and_then(|rest| rest.split('/').next()) else { return Ok(()) };
    state.thing(&format!("{prefix}{name}")).map(|_| ())
}

/// Source: <https://docs.cloud.google.com/service-usage/docs/enabled-service>.
fn enabled(state: &State, project: &str, api: &str) -> Result<(), Fail> {
    let Some(known) = state.projects.get(project) else { return Ok(()) };
    if !known.disabled.contains(api) {
        return Ok(());
    }
    let consumer = format!("projects/{}", known.number);
    Err(Fail::forbidden(format!(
        "{api} has not been used in project {} before or it is disabled. Enable it, then retry.",
        known.number
    ))
    .because("accessNotConfigured")
    .detail("SERVICE_DISABLED", json!({"service": api, "consumer": consumer})))
}
