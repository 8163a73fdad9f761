//! Asynchronous operations: <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Answer, Call, text};
use super::fail::Fail;
use super::route::Route;
use super::state::State;

/// How a provider reports an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lro {
    /// The path of the operation's URL, up to its id. `{subscriptionId}` and `{location}` are filled in. The provider's
    /// table must have a row for it, with [`status`] or [`result`] as its handler.
    pub(crate) path: &'static str,
    /// The header that holds the URL: `azure-asyncoperation` or `location`.
    pub(crate) header: &'static str,
    /// The API version in the URL.
    pub(crate) version: &'static str,
    /// The `provisioningState` while the operation runs, such as `InProgress` or `Creating`.
    pub(crate) word: &'static str,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Delete,
}

/// An operation that finishes at a set time.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The id of the resource that is written or deleted.
    id: String,
    kind: Kind,
    started: Timestamp,
    done_at: Timestamp,
    /// The code that it fails with, if it fails.
    failure: Option<String>,
}

impl State {
    /// Starts an operation on an existing resource, if the emulator is set to delay operations. Returns the headers of
    /// the answer.
    pub(crate) fn begin(
        &mut self,
        id: &str,
        route: &Route,
        lro: &Lro,
        kind: Kind,
    ) -> Option<Vec<(&'static str, String)>> {
        let failure = self.knobs.operation_fails.take(route.key);
        if self.knobs.operation.is_zero() && failure.is_none() {
            return None;
        }
        let started = self.now();
        let done_at = started + self.knobs.operation;
        let thing = self.thing_mut(id).ok()?;
        if kind == Kind::Write {
            thing.writing = Some((done_at, lro.word));
        }
        if let (Kind::Write, Some(_), Some(properties)) = (kind, &failure, thing.body.get_mut("properties")) {
            super::call::set(properties, "provisioningState", "Failed");
        }
        let location = match text(&thing.body, "/location").replace(' ', "").to_lowercase() {
            location if location.is_empty() => "global".to_owned(),
            location => location,
        };
        if kind == Kind::Delete && failure.is_none() {
            self.leave(id, done_at).ok()?;
        }
        let name = Uuid::new_v4().to_string();
        let subscription = id.split('/').nth(2).unwrap_or_default();
        let path = lro.path.replace("{subscriptionId}", subscription).replace("{location}", &location);
        let url = format!("{}{path}/{name}?api-version={}", self.url, lro.version);
        self.operations.insert(name, Operation { id: id.to_owned(), kind, started, done_at, failure });
        Some(vec![(lro.header, url), ("retry-after", "1".to_owned()), ("x-ms-retry-after-ms", "10".to_owned())])
    }
}

/// Finds the operation that the last segment of the path names.
fn found(call: &Call<'_>) -> Result<Operation, Fail> {
    let name = call.route.path.rsplit('/').next().unwrap_or_default().to_lowercase();
    call.state.operations.get(&name).cloned().ok_or_else(|| {
        Fail::new(404, "NotFound", format!("The entity '{name}' was not found: no operation has that id."))
    })
}

/// Answers a GET of an `Azure-AsyncOperation` URL: `{"status": "InProgress" | "Succeeded" | "Failed", …}`.
pub(crate) fn status(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let operation = found(call)?;
    let name = call.route.path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut body = json!({"id": call.route.path, "name": name, "startTime": operation.started.to_string()});
    let is_done = call.now() >= operation.done_at;
    let word = match &operation.failure {
        _ if !is_done => "InProgress",
        Some(_) => "Failed",
        None => "Succeeded",
    };
    super::call::set(&mut body, "status", word);
    if is_done {
        super::call::set(&mut body, "endTime", operation.done_at.to_string());
        if let Some(code) = &operation.failure {
            super::call::set(&mut body, "error", failure(code));
        }
    }
    let answer = Answer::json(200, &body);
    Ok(if is_done { answer } else { answer.header("retry-after", "1").header("x-ms-retry-after-ms", "10") })
}

fn failure(code: &str) -> Value {
    json!({"code": code, "message": format!("The emulator was asked to let this operation fail with {code}.")})
}

/// Answers a GET of a `Location` URL: 202 while the operation runs, then the written resource, or 204 after a deletion.
pub(crate) fn result(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let operation = found(call)?;
    if call.now() < operation.done_at {
        let url = format!("{}{}?api-version={}", call.state.url, call.route.path, call.query("api-version"));
        return Ok(Answer::empty(202)
            .header("location", url)
            .header("retry-after", "1")
            .header("x-ms-retry-after-ms", "10"));
    }
    if let Some(code) = &operation.failure {
        return Err(Fail::conflict(code, "The emulator was asked to let this operation fail."));
    }
    match (operation.kind, call.state.thing(&operation.id)) {
        (Kind::Write, Ok(thing)) => Ok(Answer::json(200, &thing.shown(call.now()))),
        _ => Ok(Answer::empty(204)),
    }
}
