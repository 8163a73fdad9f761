//! The audit log: decisions and requests.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// How many decisions and how many requests are kept. The oldest are dropped first.
pub(crate) const REMEMBERED: usize = 65_536;

/// The newest events, oldest first.
#[derive(Debug)]
pub(crate) struct Log<T>(VecDeque<T>);

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Clone> Log<T> {
    pub(crate) fn push(&mut self, entry: T) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.iter().cloned().collect()
    }

    pub(crate) fn take(&mut self) -> Vec<T> {
        self.0.drain(..).collect()
    }
}

/// A permission check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Decision {
    /// The time by the emulator's clock.
    pub at: Timestamp,
    /// The caller: `user:…`, `serviceAccount:…` or `allUsers` on Google Cloud, an object id on Azure.
    pub principal: String,
    /// The method, such as `run.projects.locations.services.get` or `GET Microsoft.App/containerApps`.
    pub method: String,
    /// The permission, such as `run.services.get` or `Microsoft.App/containerApps/read`.
    pub permission: String,
    /// The full resource name, such as `//run.googleapis.com/projects/p/locations/l/services/s`, or the scope, such as
    /// `/subscriptions/s/resourceGroups/g`.
    pub resource: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// The binding or assignment that allowed it, or why none did.
    pub why: String,
}

/// A request that was routed to a method.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Request {
    /// The method, as in a [`Decision`].
    pub method: String,
    /// `GET`, `POST`, …
    pub verb: String,
    /// The path, without the query.
    pub path: String,
    /// The query's parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The body as JSON, or `null` without one. Tokens, keys and assertions are redacted.
    pub body: Value,
}

/// Parts of the names of fields whose values are secret.
const SECRET: &[&str] = &[
    "assertion",
    "token",
    "privateKeyData",
    "client_secret",
    "password",
    "payload",
    "sharedKey",
    "primaryKey",
    "secondaryKey",
    "onnectionString",
];

/// Removes secrets from a body.
pub(crate) fn redact(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            for (name, value) in fields {
                if SECRET.iter().any(|part| name.contains(part)) && value.is_string() {
                    *value = Value::from("redacted");
                } else if name == "secrets" {
                    // A list of names and values.
                    for value in value.as_array_mut().into_iter().flatten().filter_map(|item| item.get_mut("value")) {
                        *value = Value::from("redacted");
                    }
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
