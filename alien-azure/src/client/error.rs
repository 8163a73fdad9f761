//! What an error of Azure means.

use std::time::Duration;

use alien_core::{Error, ErrorKind, chain};
use azure_core::error::ErrorKind as CoreKind;
use serde::Deserialize;

use super::Answer;

/// The error of Resource Manager and of most data planes.
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>
#[derive(Deserialize)]
struct Body {
    error: Detail,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail {
    code: String,
    message: String,
    innererror: Option<Box<Detail>>,
}

/// An answer that is a failure. Of what Azure answered it keeps status, code and message: the rest can hold anything.
pub(crate) fn failure(answer: &Answer) -> Error {
    let detail = serde_json::from_slice::<Body>(answer.bytes()).map(|body| body.error).unwrap_or_default();
    let (code, status) = (detail.code.as_str(), answer.status);
    let message = match (detail.message.as_str(), &detail.innererror) {
        ("", _) => format!("Azure answered {status}"),
        (message, Some(inner)) if !inner.message.is_empty() => format!("{}: {}", plain(message), plain(&inner.message)),
        (message, _) => plain(message).to_owned(),
    };
    let code = match &detail.innererror {
        Some(inner) if !inner.code.is_empty() => [code, "/", &inner.code].concat(),
        _ => code.to_owned(),
    };
    let kind = kind(status, &code, answer.bytes());
    let message = if code.is_empty() { message } else { format!("{message} ({code})") };
    let mut error = Error::new(kind, message).with_retry_after(wait(answer));
    if let Some(advice) = advice(&code) {
        error = error.because(advice);
    }
    error.with_request_id(answer.header("x-ms-request-id"))
}

fn plain(message: &str) -> &str {
    message.lines().next().unwrap_or_default().trim_end_matches('.')
}

fn wait(answer: &Answer) -> Option<Duration> {
    let milliseconds = answer.header("x-ms-retry-after-ms").and_then(|value| value.parse().ok());
    let seconds = answer.header("retry-after").and_then(|value| value.parse().ok());
    milliseconds.map(Duration::from_millis).or(seconds.map(Duration::from_secs))
}

/// <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>
fn kind(status: u16, code: &str, body: &[u8]) -> ErrorKind {
    match code {
        // An identity or a role that was just made is not known everywhere
        // (<https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---unable-to-assign-a-role>).
        "PrincipalNotFound" | "RoleDefinitionDoesNotExist" => return ErrorKind::Settling,
        "RoleAssignmentExists" => return ErrorKind::Exists,
        "InUseSubnetCannotBeDeleted" | "NetcfgSubnetInUse" => return ErrorKind::Busy,
        "StorageAccountAlreadyTaken" | "NamespaceUnavailable" => return ErrorKind::Foreign,
        "RequestDisallowedByPolicy" | "ScopeLocked" | "MissingSubscriptionRegistration" => return ErrorKind::Refused,
        "RequestEntityTooLarge" => return ErrorKind::TooLarge,
        _ => {}
    }
    match status {
        // Service Bus tells a missing right in the same number as a token that ended.
        401 if contains(body, "claim") => ErrorKind::Denied,
        401 => ErrorKind::Expired,
        403 => ErrorKind::Denied,
        404 => ErrorKind::Missing,
        // Something else is being done to it, or to what it stands in.
        409 | 412 => ErrorKind::Busy,
        413 => ErrorKind::TooLarge,
        408 | 500.. => ErrorKind::Unavailable,
        429 => ErrorKind::Throttled,
        _ => ErrorKind::Refused,
    }
}

fn contains(body: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(body).contains(word)
}

/// What to do about what the subscription or its owner forbids.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "MissingSubscriptionRegistration" => {
            "register the provider named above: `az provider register --namespace`, by whoever administers the \
             subscription"
        }
        "RequestDisallowedByPolicy" => {
            "a policy of the organisation forbids it: whoever administers it can make an exception for this resource \
             group, or the stack can do without"
        }
        "ScopeLocked" => "remove the lock, or leave it as it is",
        _ if code.contains("Quota") => "ask for a higher quota, or delete what nobody uses",
        _ => return None,
    })
}

/// A request that was not sent, or an answer that did not come.
pub(crate) fn unsent(error: &azure_core::Error) -> Error {
    if let Some((code, message)) = entra(error) {
        return Error::new(ErrorKind::Credentials, format!("Entra gives no token: {message} ({code})"));
    }
    match error.kind() {
        CoreKind::Connection | CoreKind::Io => {
            Error::new(ErrorKind::Unavailable, format!("Azure could not be reached: {}", chain(error)))
        }
        CoreKind::Credential => {
            let help = "run `az login`, or give the credentials of a managed identity or of a workload identity";
            Error::new(
                ErrorKind::Credentials,
                format!("there are no Azure credentials here ({}); {help}", brief(error)),
            )
        }
        _ => Error::new(ErrorKind::Defect, chain(error)),
    }
}

/// The first line of an error: what follows lists each credential that was tried.
fn brief(error: &azure_core::Error) -> String {
    let text = chain(error);
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// What Entra answered where it gives no token: its number, and its words.
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
pub(crate) fn entra(error: &azure_core::Error) -> Option<(String, String)> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(CoreKind::HttpResponse { error_code: Some(code), .. }) =
            error.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind)
        {
            let words = error.to_string();
            let words = words.split(" Trace ID").next().unwrap_or_default();
            let words = words.split_once(": ").map_or(words, |(_, words)| words);
            return Some((format!("AADSTS{code}"), plain(words).to_owned()));
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> Error {
        let body = serde_json::json!({ "error": { "code": code, "message": "Something.\nMore." } });
        let headers = azure_core::http::headers::Headers::new();
        failure(&Answer { status, headers, body: body.to_string().into() })
    }

    #[test]
    fn an_error_is_known_by_its_code_and_its_status() {
        for (status, code, expected) in [
            (400, "PrincipalNotFound", ErrorKind::Settling),
            (400, "InvalidParameter", ErrorKind::Refused),
            (401, "ExpiredAuthenticationToken", ErrorKind::Expired),
            (403, "AuthorizationFailed", ErrorKind::Denied),
            (403, "LinkedAuthorizationFailed", ErrorKind::Denied),
            (403, "RequestDisallowedByPolicy", ErrorKind::Refused),
            (404, "ResourceNotFound", ErrorKind::Missing),
            (409, "RoleAssignmentExists", ErrorKind::Exists),
            (409, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity", ErrorKind::Busy),
            (409, "MissingSubscriptionRegistration", ErrorKind::Refused),
            (429, "TooManyRequests", ErrorKind::Throttled),
            (503, "ServerTimeout", ErrorKind::Unavailable),
        ] {
            assert_eq!(answered(status, code).kind(), expected, "{status} {code}");
        }
        assert_eq!(answered(400, "X").to_string(), "Something (X)");
    }

    #[test]
    fn what_a_subscription_forbids_is_said_with_who_can_change_it() {
        let error = answered(409, "MissingSubscriptionRegistration");
        assert!(error.to_string().contains("az provider register"), "{error}");
    }
}
