//! Errors in the form of Google's APIs: <https://docs.cloud.google.com/apis/design/errors>.

use serde_json::{Value, json};

use crate::schema::Problem;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fail {
    /// The HTTP status code.
    pub(crate) code: u16,
    /// The name of the `google.rpc.Code`, such as `NOT_FOUND`.
    pub(crate) status: &'static str,
    /// The message for people.
    pub(crate) message: String,
    /// Messages such as `google.rpc.ErrorInfo`.
    pub(crate) details: Vec<Value>,
    /// The reason in the older error format, which Compute Engine and Cloud Storage add.
    pub(crate) reason: &'static str,
    /// How many seconds a throttled caller should wait.
    pub(crate) retry_after: Option<u32>,
    /// Whether the API omits the `status`.
    is_wordless: bool,
}

impl Fail {
    fn of(code: u16, status: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            details: Vec::new(),
            reason,
            retry_after: None,
            is_wordless: false,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::of(400, "INVALID_ARGUMENT", "invalid", message)
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::of(400, "FAILED_PRECONDITION", "failedPrecondition", message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::of(401, "UNAUTHENTICATED", "authError", message).detail("ACCESS_TOKEN_TYPE_UNSUPPORTED", json!({}))
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::of(403, "PERMISSION_DENIED", "forbidden", message)
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self::of(404, "NOT_FOUND", "notFound", format!("Resource '{what}' was not found."))
    }

    pub(crate) fn exists(what: &str) -> Self {
        Self::of(409, "ALREADY_EXISTS", "alreadyExists", format!("Resource '{what}' already exists."))
    }

    pub(crate) fn aborted(message: impl Into<String>) -> Self {
        Self::of(409, "ABORTED", "conflict", message)
    }

    pub(crate) fn unimplemented(message: impl Into<String>) -> Self {
        Self::of(501, "UNIMPLEMENTED", "notImplemented", message)
    }

    /// The caller lacks `permission` on `resource`: <https://docs.cloud.google.com/iam/docs/permission-error-messages>.
    pub(crate) fn denied(permission: &str, resource: &str) -> Self {
        Self::forbidden(format!("Permission '{permission}' denied on resource '{resource}' (or it may not exist)."))
            .detail("IAM_PERMISSION_DENIED", json!({"permission": permission, "resource": resource}))
    }

    /// An error by its `google.rpc.Code`, for failures that a test injects.
    pub(crate) fn with_status(status: &str) -> Self {
        let (code, status, reason) = match status {
            "INVALID_ARGUMENT" => (400, "INVALID_ARGUMENT", "invalid"),
            "FAILED_PRECONDITION" => (400, "FAILED_PRECONDITION", "failedPrecondition"),
            "UNAUTHENTICATED" => (401, "UNAUTHENTICATED", "authError"),
            "PERMISSION_DENIED" => (403, "PERMISSION_DENIED", "forbidden"),
            "NOT_FOUND" => (404, "NOT_FOUND", "notFound"),
            "ALREADY_EXISTS" => (409, "ALREADY_EXISTS", "alreadyExists"),
            "ABORTED" => (409, "ABORTED", "conflict"),
            "RESOURCE_EXHAUSTED" => (429, "RESOURCE_EXHAUSTED", "rateLimitExceeded"),
            "UNAVAILABLE" => (503, "UNAVAILABLE", "backendError"),
            "DEADLINE_EXCEEDED" => (504, "DEADLINE_EXCEEDED", "timeout"),
            _ => (500, "INTERNAL", "internalError"),
        };
        Self::of(code, status, reason, format!("The emulator was asked to fail with {status}."))
    }

    pub(crate) fn detail(mut self, reason: &str, metadata: Value) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": if reason == "IAM_PERMISSION_DENIED" { "iam.googleapis.com" } else { "googleapis.com" },
            "metadata": metadata,
        }));
        self
    }

    pub(crate) fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// Reduces the error to its number, message and reason.
    pub(crate) fn wordless(mut self) -> Self {
        self.is_wordless = true;
        self
    }

    pub(crate) fn body(&self) -> Value {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "status": self.status,
            "errors": [{"message": self.message, "domain": "global", "reason": self.reason}],
        });
        if let Some(error) = error.as_object_mut() {
            if self.is_wordless {
                error.remove("status");
            }
            if !self.details.is_empty() {
                error.insert("details".to_owned(), self.details.clone().into());
            }
        }
        json!({"error": error})
    }
}

impl From<Problem> for Fail {
    fn from(problem: Problem) -> Self {
        Self::invalid(match problem {
            Problem::NotAnObject(at) if at.is_empty() => {
                "Invalid JSON payload received: expected an object.".to_owned()
            }
            Problem::NotAnObject(at) => format!("Invalid value at '{at}': expected an object."),
            Problem::Unknown { name, within } => {
                format!("Invalid JSON payload received. Unknown name \"{name}\" at '{within}': Cannot find field.")
            }
            Problem::NotAWord { at, value } => format!("Invalid value at '{at}': {value} is not a value of the enum."),
            Problem::Misplaced(at) => format!("Invalid value at '{at}': an object does not belong here."),
            Problem::Missing(at) => format!("The field '{at}' is missing."),
        })
    }
}
