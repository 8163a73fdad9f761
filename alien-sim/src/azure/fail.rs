//! Errors in the form of Azure Resource Manager:
//! <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>.

use serde_json::{Value, json};

use crate::schema::Problem;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fail {
    /// The HTTP status code.
    pub(crate) status: u16,
    /// The error code in Azure's words, such as `ResourceNotFound`.
    pub(crate) code: String,
    /// The message for people.
    pub(crate) message: String,
    /// How many seconds a throttled caller should wait.
    pub(crate) retry_after: Option<u32>,
}

impl Fail {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), retry_after: None }
    }

    /// 400.
    pub(crate) fn invalid(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// 401.
    pub(crate) fn unauthenticated(code: &str, message: impl Into<String>) -> Self {
        Self::new(401, code, message)
    }

    /// 409.
    pub(crate) fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(409, code, message)
    }

    /// 404 for a resource, by its id, with the code that Azure uses for its type.
    pub(crate) fn missing(id: &str) -> Self {
        let segments: Vec<&str> = id.split('/').skip(1).collect();
        match segments.as_slice() {
            [_, subscription] => {
                Self::new(404, "SubscriptionNotFound", format!("The subscription '{subscription}' could not be found."))
            }
            [_, _, _, group] => {
                Self::new(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
            }
            [_, _, groups, group, _, rest @ ..] if groups.eq_ignore_ascii_case("resourceGroups") => Self::new(
                404,
                "ResourceNotFound",
                format!(
                    "The Resource '{}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                    rest.join("/")
                ),
            ),
            _ => Self::new(404, "ResourceNotFound", format!("The resource '{id}' was not found.")),
        }
    }

    /// 404 for the missing parent of a nested resource.
    pub(crate) fn parentless(id: &str) -> Self {
        Self::new(
            404,
            "ParentResourceNotFound",
            format!("Can not perform requested operation on nested resource. Parent resource '{id}' not found."),
        )
    }

    /// 501.
    pub(crate) fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", message)
    }

    /// An error by its code, for failures that a test injects.
    pub(crate) fn with_code(code: &str) -> Self {
        let status = match code {
            "AuthorizationFailed" | "LinkedAuthorizationFailed" | "RequestDisallowedByPolicy" => 403,
            "ResourceNotFound" | "ResourceGroupNotFound" | "ParentResourceNotFound" | "NotFound" => 404,
            "TooManyRequests" | "SubscriptionRequestsThrottled" | "OperationNotAllowed" => 429,
            "InvalidAuthenticationToken" | "ExpiredAuthenticationToken" => 401,
            "ServiceUnavailable" | "ServerTimeout" => 503,
            "GatewayTimeout" => 504,
            "BadGateway" => 502,
            "PreconditionFailed" => 412,
            "InternalServerError" => 500,
            code if code.contains("Conflict") || code.contains("AnotherOperation") || code.contains("Exists") => 409,
            _ => 400,
        };
        let mut fail = Self::new(status, code, format!("The emulator was asked to fail with {code}."));
        fail.retry_after = (status == 429).then_some(1);
        fail
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }
}

impl From<Problem> for Fail {
    fn from(problem: Problem) -> Self {
        let message = match problem {
            Problem::NotAnObject(at) if at.is_empty() => {
                "The request content was invalid and could not be deserialized: an object is expected.".to_owned()
            }
            Problem::NotAnObject(at) => {
                format!("The request content was invalid and could not be deserialized: '{at}' has to be an object.")
            }
            Problem::Unknown { name, within } => format!(
                "The request content was invalid and could not be deserialized: 'Could not find member '{name}' on object at path '{within}'.'."
            ),
            Problem::NotAWord { at, value } => format!("The value {value} of '{at}' is not a value that it can have."),
            Problem::Misplaced(at) => format!("The value of '{at}' cannot be an object."),
            Problem::Missing(at) => format!("The required property '{at}' is missing."),
        };
        Self::invalid("InvalidRequestContent", message)
    }
}
