//! Long-running operations: <https://docs.cloud.google.com/apis/design/design_patterns#long_running_operations>.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::State;

/// An operation that finishes at a set time.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) done_at: Timestamp,
    /// The answer once it is done.
    pub(crate) done: Value,
    /// The answer while it runs.
    pub(crate) running: Value,
}

impl State {
    /// Starts a `google.longrunning.Operation`, and returns its current state.
    pub(crate) fn start(&mut self, name: String, kind: &str, metadata: Value, mut response: Value) -> Value {
        if let Some(response) = response.as_object_mut() {
            response.insert("@type".to_owned(), format!("type.googleapis.com/{kind}").into());
        }
        let mut metadata = metadata;
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.entry("@type").or_insert_with(|| format!("type.googleapis.com/{kind}").into());
        }
        let done = json!({"name": name, "done": true, "metadata": metadata, "response": response});
        let running = json!({"name": name, "metadata": metadata});
        self.keep(name, running, done)
    }

    /// Stores an operation of any form, and returns its current state.
    pub(crate) fn keep(&mut self, name: String, running: Value, done: Value) -> Value {
        let done_at = self.now() + self.knobs.operation;
        let operation = Operation { done_at, done, running };
        let answer = operation.at(self.now());
        self.operations.insert(name, operation);
        answer
    }
}

impl Operation {
    pub(crate) fn at(&self, now: Timestamp) -> Value {
        if now >= self.done_at { self.done.clone() } else { self.running.clone() }
    }
}
