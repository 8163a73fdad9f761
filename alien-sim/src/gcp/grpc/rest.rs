//! Translates gRPC calls to REST requests and REST errors to gRPC statuses, so that one code path enforces, records and
//! disturbs both APIs. Google's own APIs are bridged in this way too (<https://google.aip.dev/127>).

use std::fmt::Write as _;

use googleapis_tonic_google_storage_v2::google::rpc;
use prost::Message as _;
use serde_json::Value;
use tonic::{Code, Status};

use super::json::{items, map, text};

/// A request to the REST API.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) verb: &'static str,
    /// The encoded path and query.
    pub(super) target: String,
    pub(super) body: Option<Value>,
}

impl Rest {
    /// Builds the path from segments, which are encoded and may contain any character.
    pub(super) fn new<const N: usize>(verb: &'static str, segments: [&str; N]) -> Self {
        let mut target = String::new();
        for segment in segments {
            target.push('/');
            encode(segment, &mut target);
        }
        Self { verb, target, body: None }
    }

    /// Adds a query parameter, if it has a value.
    pub(super) fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.target.push(if self.target.contains('?') { '&' } else { '?' });
            encode(name, &mut self.target);
            self.target.push('=');
            encode(&value.to_string(), &mut self.target);
        }
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// Percent-encodes everything that is not unreserved: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(byte.into());
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// Converts an error of the REST API to a status, with its details. Source:
/// <https://cloud.google.com/apis/design/errors>.
pub(super) fn status(http: u16, answer: &Value, conflict: Code) -> Status {
    let error = answer.get("error").unwrap_or(&Value::Null);
    let code = code(&text(error, "status")).unwrap_or(match http {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => conflict,
        412 => Code::FailedPrecondition,
        429 => Code::ResourceExhausted,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    });
    let message = text(error, "message");
    let infos = items(error, "details").filter(|detail| text(detail, "@type").ends_with("google.rpc.ErrorInfo"));
    let details: Vec<prost_types::Any> = infos
        .map(|info| prost_types::Any {
            type_url: text(info, "@type"),
            value: rpc::ErrorInfo {
                reason: text(info, "reason"),
                domain: text(info, "domain"),
                metadata: map(info, "metadata"),
            }
            .encode_to_vec(),
        })
        .collect();
    if details.is_empty() {
        return Status::new(code, message);
    }
    let whole = rpc::Status { code: code.into(), message: message.clone(), details };
    Status::with_details(code, message, whole.encode_to_vec().into())
}

/// The code with a name: <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>.
fn code(word: &str) -> Option<Code> {
    Some(match word {
        "CANCELLED" => Code::Cancelled,
        "INVALID_ARGUMENT" => Code::InvalidArgument,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        "NOT_FOUND" => Code::NotFound,
        "ALREADY_EXISTS" => Code::AlreadyExists,
        "PERMISSION_DENIED" => Code::PermissionDenied,
        "UNAUTHENTICATED" => Code::Unauthenticated,
        "RESOURCE_EXHAUSTED" => Code::ResourceExhausted,
        "FAILED_PRECONDITION" => Code::FailedPrecondition,
        "ABORTED" => Code::Aborted,
        "OUT_OF_RANGE" => Code::OutOfRange,
        "UNIMPLEMENTED" => Code::Unimplemented,
        "INTERNAL" => Code::Internal,
        "UNAVAILABLE" => Code::Unavailable,
        "UNKNOWN" => Code::Unknown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn segments_and_parameters_may_hold_any_character() {
        let rest = Rest::new("GET", ["b", "a/b c?é"]).query("x", Some("1&2=3")).query("none", None::<&str>);
        assert_eq!(rest.target, "/b/a%2Fb%20c%3F%C3%A9?x=1%262%3D3");
        assert_eq!(rest.query("y", Some(7)).target, "/b/a%2Fb%20c%3F%C3%A9?x=1%262%3D3&y=7");
    }

    #[test]
    fn an_error_keeps_its_code_its_message_and_its_details() {
        let info = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED",
            "domain": "iam.googleapis.com", "metadata": {"permission": "storage.buckets.get"}});
        let answer = json!({"error": {"status": "PERMISSION_DENIED", "message": "no", "details": [info]}});
        let status = status(403, &answer, Code::Aborted);
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no"));
        let whole = rpc::Status::decode(status.details()).unwrap();
        let info = rpc::ErrorInfo::decode(whole.details.first().unwrap().value.as_slice()).unwrap();
        assert_eq!(info.metadata.get("permission").unwrap(), "storage.buckets.get");
    }

    #[test]
    fn an_error_without_a_word_is_known_by_its_number() {
        let answer = json!({"error": {"message": "taken"}});
        assert_eq!(status(409, &answer, Code::AlreadyExists).code(), Code::AlreadyExists);
        assert_eq!(status(412, &answer, Code::Aborted).code(), Code::FailedPrecondition);
        assert_eq!(status(418, &Value::Null, Code::Aborted).code(), Code::Internal);
    }
}
