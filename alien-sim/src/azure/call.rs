//! How a request of Azure Resource Manager is handled: routed, authenticated, authorised, executed and answered.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fail::Fail;
use super::operation::Lro;
use super::provider;
use super::rbac::linked;
use super::route::{self, Route};
use super::state::{Caller, Shared, State};
use crate::schema;

/// A request of Azure Resource Manager.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// `GET`, `POST`, …
    pub(crate) verb: &'a str,
    /// The path and the query, encoded.
    pub(crate) target: &'a str,
    /// The caller's bearer token, if the request has one.
    pub(crate) bearer: Option<&'a str>,
    /// The header of that name, or empty.
    pub(crate) if_match: &'a str,
    pub(crate) if_none_match: &'a str,
    pub(crate) body: Bytes,
}

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The HTTP status code.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A list that fits on one page: `{"value": […]}`.
    pub(crate) fn list(items: Vec<Value>) -> Self {
        Self::json(200, &json!({"value": items}))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Fail> for Answer {
    fn from(fail: Fail) -> Self {
        let mut answer = Self::json(fail.status, &fail.body()).header("x-ms-failure-cause", "gateway");
        if let Some(seconds) = fail.retry_after {
            answer = answer.header("retry-after", seconds.to_string());
        }
        if fail.status == 401 {
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", fail.code);
            answer = answer.header("www-authenticate", challenge);
        }
        answer
    }
}

/// Executes a method.
pub(crate) type Handler = fn(&mut Call<'_>) -> Result<Answer, Fail>;

/// What a handler knows about the request.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) caller: &'a Caller,
    pub(crate) route: &'a Route,
    /// The id that the path names: for a list, the id of its parent; for an action, the id of the resource that it acts
    /// on; for a PUT, the id of the resource to write.
    pub(crate) id: String,
    pub(crate) query: Vec<(String, String)>,
    /// The body, checked against the row's schema, or null. `id`, `name`, `type` and `systemData` are removed.
    pub(crate) body: Value,
    if_match: &'a str,
    if_none_match: &'a str,
}

/// The audiences of tokens for Azure Resource Manager, with and without the trailing slash:
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/control-plane-and-data-plane>.
pub(crate) const AUDIENCES: &[&str] = &["https://management.azure.com", "https://management.core.windows.net"];

/// Reads a string from a body. Empty if it is missing.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Sets a field of an object.
pub(crate) fn set(body: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(members) = body.as_object_mut() {
        members.insert(field.to_owned(), value.into());
    }
}

/// Applies a JSON merge patch (<https://datatracker.ietf.org/doc/html/rfc7396>) to a body: null removes a field,
/// objects are merged, everything else is replaced.
pub(crate) fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let Some(members) = into.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The status codes with which a provider answers a PUT or PATCH.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codes {
    /// Created at once.
    pub(crate) made: u16,
    /// Updated at once.
    pub(crate) changed: u16,
    /// Creation accepted, done later.
    pub(crate) making: u16,
    /// Update accepted, done later.
    pub(crate) changing: u16,
}

impl Call<'_> {
    pub(crate) fn now(&self) -> Timestamp {
        self.state.now()
    }

    /// A parameter of the path.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.route.parameter(name)
    }

    /// A query parameter, or empty.
    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// Reads a string from the request's body.
    pub(crate) fn text(&self, pointer: &str) -> String {
        text(&self.body, pointer)
    }

    /// The last segment of the id: the name of the resource to write.
    pub(crate) fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }

    /// The type of the resource that the path names, such as `Microsoft.App/containerApps`.
    pub(crate) fn kind(&self) -> String {
        self.route.key.split_once(' ').map_or("", |(_, kind)| kind).to_owned()
    }

    /// Checks an action that is needed because of what the request contains.
    pub(crate) fn require(&mut self, action: &str, scope: &str) -> Result<(), Fail> {
        self.state.authorise(self.caller, self.route.key, action, scope)
    }

    /// The body of a resource with these properties, its `id`, `name` and `type`, and the request's `location` and
    /// `tags`.
    pub(crate) fn resource(&self, properties: Value) -> Value {
        let mut body = json!({"id": self.id, "name": self.name(), "type": self.kind()});
        for field in ["location", "tags"] {
            if let Some(value) = self.body.get(field).filter(|value| !value.is_null()) {
                set(&mut body, field, value.clone());
            }
        }
        set(&mut body, "properties", properties);
        body
    }

    /// Checks `If-Match` and `If-None-Match: *` against the etag of the existing resource, if any.
    ///
    /// # Errors
    ///
    /// 412 `PreconditionFailed` if a condition is not met.
    pub(crate) fn precondition(&self, etag: Option<&str>) -> Result<(), Fail> {
        let bare = |etag: &str| etag.trim_matches('"').to_owned();
        let is_met = match etag {
            Some(_) if self.if_none_match == "*" => false,
            Some(etag) => self.if_match.is_empty() || self.if_match == "*" || bare(self.if_match) == bare(etag),
            None => self.if_match.is_empty(),
        };
        if is_met {
            return Ok(());
        }
        Err(Fail::new(412, "PreconditionFailed", "The condition that the request names by its etag is not met."))
    }

    /// Writes the resource that the path names, and answers as the provider does: at once, or with an asynchronous
    /// operation if the emulator is set to delay operations and the provider has one. `properties.provisioningState` is
    /// set if `lro` is given.
    ///
    /// # Errors
    ///
    /// `InvalidResourceLocation` if the resource exists in another location.
    pub(crate) fn write(&mut self, mut body: Value, codes: Codes, lro: Option<&Lro>) -> Result<Answer, Fail> {
        let id = self.id.clone();
        if let Ok(known) = self.state.thing(&id) {
            let place = |body: &Value| text(body, "/location").replace(' ', "").to_lowercase();
            let (was, is) = (place(&known.body), place(&body));
            if !was.is_empty() && !is.is_empty() && was != is {
                return Err(Fail::conflict(
                    "InvalidResourceLocation",
                    format!(
                        "The resource '{}' already exists in location '{was}' in resource group '{}'. A resource with the same name cannot be created in location '{is}'. Please select a new resource name.",
                        self.name(),
                        self.parameter("resourceGroupName")
                    ),
                ));
            }
            if known.gone.is_some() {
                return Err(Fail::conflict(
                    "Conflict",
                    format!("The resource '{id}' is being deleted: write it when it is gone."),
                ));
            }
            // The id keeps the case in which it was first written.
            let (id, name) = (text(&known.body, "/id"), text(&known.body, "/name"));
            set(&mut body, "id", id);
            set(&mut body, "name", name);
        }
        provider::resources::check_tags(body.get("tags").unwrap_or(&Value::Null))?;
        if lro.is_some()
            && let Some(properties) = body.get_mut("properties")
        {
            set(properties, "provisioningState", "Succeeded");
        }
        let is_new = self.state.put(&id, body);
        let (done, running) = if is_new { (codes.made, codes.making) } else { (codes.changed, codes.changing) };
        let headers = match lro {
            Some(lro) => self.state.begin(&id, self.route, lro, super::operation::Kind::Write),
            None => None,
        };
        let shown = self.state.thing(&id)?.shown(self.now());
        let mut answer = Answer::json(if headers.is_some() { running } else { done }, &shown);
        answer.headers.extend(headers.into_iter().flatten());
        Ok(answer)
    }

    /// Deletes the resource that the path names, with everything in it. Answers 204 if it does not exist, or else
    /// `done`; or 202 with an asynchronous operation if the emulator is set to delay operations and the provider has
    /// one.
    ///
    /// # Errors
    ///
    /// None at present. A provider refuses before it calls this.
    pub(crate) fn delete(&mut self, done: u16, lro: Option<&Lro>) -> Result<Answer, Fail> {
        let id = self.id.clone();
        if self.state.thing(&id).is_err() {
            return Ok(Answer::empty(204));
        }
        let headers = lro.and_then(|lro| self.state.begin(&id, self.route, lro, super::operation::Kind::Delete));
        let Some(headers) = headers else {
            self.state.remove(&id);
            return Ok(Answer::empty(done));
        };
        let mut answer = Answer::empty(202);
        answer.headers.extend(headers);
        Ok(answer)
    }
}

/// Answers a GET of what the path names.
///
/// # Errors
///
/// 404 if the resource does not exist.
pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::json(200, &call.state.thing(&call.id)?.shown(call.now())))
}

impl Shared {
    /// Answers a request of Azure Resource Manager.
    pub(crate) fn answer(&self, ask: &Ask<'_>) -> Answer {
        let state = &mut *self.lock();
        state.settle();
        perform(state, ask).unwrap_or_else(Answer::from)
    }
}

fn perform(state: &mut State, ask: &Ask<'_>) -> Result<Answer, Fail> {
    let (path, query) = ask.target.split_once('?').unwrap_or((ask.target, ""));
    let Some(route) = route::route(ask.verb, path) else {
        return Err(Fail::unimplemented(format!(
            "{} {path} is not a method that the emulator knows: it models parts of {}.",
            ask.verb,
            provider::namespaces().collect::<Vec<_>>().join(", ")
        )));
    };
    let query = crate::uri::query(query);
    let mut body: Value = if ask.body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&ask.body).map_err(|error| {
            Fail::invalid(
                "InvalidRequestContent",
                format!("The request content was invalid and could not be deserialized: '{error}'."),
            )
        })?
    };
    state.remember(route.key, ask.verb, path, &query, &body);
    state.knobs.throttled()?;
    route.version(&query)?;
    let caller = state.arm_caller(ask.bearer)?;
    state.knobs.before(route.key)?;
    let id = route.scope();
    let method = route.method;
    for action in method.actions.iter().filter(|_| !method.is_filtered) {
        state.authorise(&caller, route.key, action, &id)?;
    }
    linked::check(state, &caller, &route, &id, &body)?;
    // Resource Manager passes nothing on to a provider that is not registered, and registers by itself.
    if matches!(ask.verb, "PUT" | "PATCH") {
        state.registration(route.provider.namespace)?;
    }
    provider::resources::is_there(state, &route, &id)?;
    provider::authorization::locked(state, &route, &id)?;
    let Some(handler) = method.handler else {
        return Err(Fail::unimplemented(format!(
            "{} is allowed, and not emulated: the emulator knows only what it needs.",
            route.key
        )));
    };
    if let Some((name, _)) = query
        .iter()
        .find(|(name, _)| name != "api-version" && !method.query.iter().any(|known| known.eq_ignore_ascii_case(name)))
    {
        return Err(Fail::unimplemented(format!("The query parameter '{name}' of {} is not emulated.", route.key)));
    }
    if method.body != "*" {
        if let Some(members) = body.as_object_mut().filter(|_| matches!(ask.verb, "PUT" | "PATCH")) {
            // A client may send back a body that it read, with the fields that only answers have.
            for name in ["id", "name", "type", "systemData"] {
                members.remove(name);
            }
        }
        if body.is_null() && method.body.contains('!') {
            body = json!({});
        }
        schema::check(method.body, &mut body)?;
    }
    let mut call = Call {
        state,
        caller: &caller,
        route: &route,
        id,
        query,
        body,
        if_match: ask.if_match,
        if_none_match: ask.if_none_match,
    };
    let answer = handler(&mut call)?;
    state.knobs.after(route.key)?;
    Ok(answer)
}

impl Route {
    /// Source: <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-register-resource-provider>.
    fn version(&self, query: &[(String, String)]) -> Result<(), Fail> {
        let asked = query.iter().find(|(name, _)| name.eq_ignore_ascii_case("api-version")).map(|(_, value)| value);
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            return Err(Fail::invalid(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        };
        let own = self.method.versions;
        // Resource Manager itself handles registration:
        // <https://learn.microsoft.com/rest/api/resources/providers/register>.
        let of = if self.key.ends_with("/register") { &provider::resources::PROVIDER } else { self.provider };
        let versions = if own.is_empty() { of.versions } else { own };
        if versions.iter().any(|known| known.eq_ignore_ascii_case(asked)) {
            return Ok(());
        }
        if of.namespace == "Microsoft.Resources" {
            return Err(Fail::invalid(
                "InvalidApiVersionParameter",
                format!("The api-version '{asked}' is invalid. The supported versions are '{}'.", versions.join(",")),
            ));
        }
        let kind = self.key.split_once('/').map_or("", |(_, kind)| kind);
        Err(Fail::invalid(
            "NoRegisteredProviderFound",
            format!(
                "No registered resource provider found for location '' and API version '{asked}' for type '{kind}'. The supported api-versions are '{}'.",
                versions.join(", ")
            ),
        ))
    }
}
