//! A failure as JSON: one shape for all programs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::exit::Exit;
use crate::printable::printable;
use crate::problem::Problem;

/// What `--json` prints where there is no result.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Failed {
    error: Told,
}

/// Why a command failed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WhyItFailed")]
#[serde(rename_all = "camelCase")]
struct Told {
    /// How the program ended, by name.
    exit: Exit,
    /// The exit code.
    code: u8,
    /// The error message. If there are several problems, that of the first.
    message: String,
    /// The kind of failure, where a call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ErrorKind>,
    /// The operation that failed, in the cloud's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// The resource at which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// The cloud's own number of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Every problem of the files, the options or the deployment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

impl Failed {
    /// Creates a failure from a message, as a program prints it: `error: ` in front is left out.
    #[must_use]
    pub fn new(exit: Exit, message: &str) -> Self {
        let message = message.strip_prefix("error: ").unwrap_or(message).trim_end().to_owned();
        let (kind, operation, resource, request_id) = (None, None, None, None);
        let (code, problems) = (exit.code(), Vec::new());
        Self { error: Told { exit, code, message, kind, operation, resource, request_id, problems } }
    }

    /// The failure of a program that ends because of this error.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let first = error.problems().iter().find(|problem| problem.is_error());
        let message = first.map_or_else(|| error.to_string(), ToString::to_string);
        Self::new(Exit::of(error), &message).caused_by(error)
    }

    /// The failure as indented JSON, with a line's end. What a terminal would obey is written out.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and numbers have a JSON form.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        printable(&format!("{json}\n")).into_owned()
    }

    /// Adds what an error says beside its message, and its problems.
    #[must_use]
    pub fn caused_by(mut self, error: &Error) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        self.error.kind = Some(error.kind());
        self.error.operation = owned(error.operation());
        self.error.resource = owned(error.resource());
        self.error.request_id = owned(error.request_id());
        self.with_problems(error.problems())
    }

    /// Sets the problems.
    #[must_use]
    pub fn with_problems(mut self, problems: &[Problem]) -> Self {
        self.error.problems = problems.to_vec();
        self
    }
}
