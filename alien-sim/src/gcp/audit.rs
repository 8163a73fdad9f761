//! What was decided, and what was asked.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One question to IAM and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Decision {
    /// When, by the emulator's clock.
    pub at: Timestamp,
    /// Who asked: `user:…`, `serviceAccount:…` or `allUsers`.
    pub principal: String,
    /// The method id, such as `run.projects.locations.services.get`.
    pub method: String,
    /// Such as `run.services.get`.
    pub permission: String,
    /// The full resource name, such as `//run.googleapis.com/projects/p/locations/l/services/s`.
    pub resource: String,
    /// The answer.
    pub allowed: bool,
    /// The binding that allowed it, or why none did.
    pub why: String,
}

/// One request that was routed to a method.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Request {
    /// The method id.
    pub method: String,
    /// `GET`, `POST`, …
    pub verb: String,
    /// The path, without the query.
    pub path: String,
    /// The query's parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The body as JSON, `null` without one; tokens, keys and assertions are taken out.
    pub body: Value,
}

/// Takes what is secret out of a body.
pub(crate) fn redact(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            for (name, value) in fields {
                let secret = ["assertion", "token", "privateKeyData", "client_secret", "password", "payload"];
                if secret.iter().any(|part| name.contains(part)) && value.is_string() {
                    *value = Value::from("redacted");
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
