//! Maps errors of Azure's clients and answers of Azure to [`Error`].

use std::time::Duration;

use alien_core::adapter::{Peer, causes, chain};
use alien_core::{Error, ErrorKind};
use azure_core::error::ErrorKind as CoreKind;
use serde::Deserialize;

use super::Answer;

/// The error body of Resource Manager and of most data planes.
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
    details: Vec<Detail>,
}

/// Converts an error response of a host. It keeps the status, codes and messages of Azure's answer; the rest of the answer may
/// hold secrets.
pub(super) fn failure(answer: &Answer, host: &str) -> Error {
    let detail = serde_json::from_slice::<Body>(answer.bytes()).map(|body| body.error);
    let detail = detail.unwrap_or_else(|_| Detail::of_xml(answer.bytes()));
    let (mut codes, mut messages) = (Vec::new(), Vec::new());
    let mut inner = Some(&detail);
    while let Some(detail) = inner {
        codes.extend(Some(detail.code.as_str()).filter(|code| !code.is_empty()));
        messages.extend(Some(plain(&detail.message)).filter(|message| !message.is_empty()));
        // What several parts of a request were refused for.
        for more in &detail.details {
            codes.extend(Some(more.code.as_str()).filter(|code| !code.is_empty() && !codes.contains(code)));
            let more = Some(plain(&more.message)).filter(|more| !more.is_empty() && !messages.contains(more));
            messages.extend(more);
        }
        inner = detail.innererror.as_deref();
    }
    let status = answer.status;
    if codes.is_empty() && messages.is_empty() && !is_azures(answer) {
        return Peer { service: "Azure", host: Some(host) }.not_its_own(status).with_retry_after(wait(answer));
    }
    let said = if messages.is_empty() { format!("Azure answered {status}") } else { messages.join(": ") };
    let kind = kind(status, codes.first().copied().unwrap_or_default(), &said);
    let message = if codes.is_empty() { said } else { format!("{said} ({})", codes.join("/")) };
    let mut error = Error::new(kind, message).with_retry_after(wait(answer));
    if let Some(advice) = codes.iter().find_map(|code| advice(code)) {
        error = error.because(advice);
    }
    let error = Peer { service: "Azure", host: Some(host) }.at_fault(error);
    error.with_request_id(answer.header("x-ms-request-id"))
}

/// Whether an answer that says nothing has at least a header as only Azure gives it
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling>).
fn is_azures(answer: &Answer) -> bool {
    answer.headers.iter().any(|(name, _)| name.as_str().starts_with("x-ms-"))
}

impl Detail {
    /// Reads the XML errors of Service Bus and storage.
    fn of_xml(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let within = |tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            rest.split_once(&format!("</{tag}>")).map(|(value, _)| value.to_owned())
        };
        let message = within("Detail").or_else(|| within("Message")).unwrap_or_default();
        Self { message, ..Self::default() }
    }
}

fn plain(message: &str) -> &str {
    message.lines().next().unwrap_or_default().trim_end_matches('.')
}

fn wait(answer: &Answer) -> Option<Duration> {
    let milliseconds = answer.header("x-ms-retry-after-ms").and_then(|value| value.parse().ok());
    let seconds = answer.header("retry-after").and_then(|value| value.parse().ok());
    milliseconds.map(Duration::from_millis).or(seconds.map(Duration::from_secs))
}

/// Classifies an error response, by its code where that says more than its status
/// (<https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>). A code that is not named here
/// counts as its status says (<https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md>), and is
/// told with all that the answer says.
fn kind(status: u16, code: &str, said: &str) -> ErrorKind {
    match code {
        // An identity or a role that was just created has not propagated yet, nor has a deletion
        // (<https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>).
        "PrincipalNotFound" | "RoleDefinitionDoesNotExist" | "RoleDefinitionHasAssignments" => {
            return ErrorKind::Propagating;
        }
        // <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>
        "RoleAssignmentExists" => return ErrorKind::AlreadyExists,
        // <https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet>
        "InUseSubnetCannotBeDeleted" | "NetcfgSubnetInUse" => return ErrorKind::Busy,
        // <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-storage-account-name>,
        // <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-resource-manager-exceptions>
        "StorageAccountAlreadyTaken" | "NamespaceUnavailable" => return ErrorKind::NotOwned,
        // <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-policy-requestdisallowedbypolicy>,
        // <https://learn.microsoft.com/azure/role-based-access-control/deny-assignments>
        "RequestDisallowedByPolicy" | "RequestDisallowedByAzure" | "DenyAssignmentAuthorizationFailed" => {
            return ErrorKind::Rejected;
        }
        // <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>
        "InvalidAuthenticationTokenTenant" => return ErrorKind::Credentials,
        // <https://www.rfc-editor.org/rfc/rfc9110#status.413>
        "RequestEntityTooLarge" => return ErrorKind::TooLarge,
        _ => {}
    }
    match status {
        // Service Bus gives the same status for a missing permission and for an expired token.
        401 if said.contains("claim(s) are required") => ErrorKind::Denied,
        401 => ErrorKind::Expired,
        403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        409 if passes(code) => ErrorKind::Busy,
        412 => ErrorKind::Busy,
        413 => ErrorKind::TooLarge,
        408 | 500.. => ErrorKind::Unavailable,
        429 => ErrorKind::Throttled,
        _ => ErrorKind::Rejected,
    }
}

/// Whether a conflict is with another change in progress, to the resource itself or to its parent
/// (<https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>, `AnotherOperationInProgress`;
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations#concurrent-updates-arent-supported-user-assigned-managed-identities>).
fn passes(code: &str) -> bool {
    code.is_empty()
        || code == "Conflict"
        || code.starts_with("Concurrent")
        || ["InProgress", "BeingDeleted", "Retryable", "GatewayConflict"].iter().any(|word| code.contains(word))
            && code != "ResourceGroupBeingDeleted"
}

/// What to do if the subscription or its owner does not allow something.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "MissingSubscriptionRegistration" => {
            "register the provider named above: `az provider register --namespace`, by an administrator of the \
             subscription"
        }
        "RequestDisallowedByPolicy" | "RequestDisallowedByAzure" => {
            "a policy of the organisation forbids it: an administrator can make an exception for this resource \
             group; or change the stack so that it does not need it"
        }
        "DenyAssignmentAuthorizationFailed" => "a deny assignment forbids it, whatever roles allow: ask who created it",
        "InvalidAuthenticationTokenTenant" => "sign in to the customer's tenant: `az login --tenant`",
        "ScopeLocked" => "remove the lock, or keep the resource as it is",
        _ if code.contains("Quota") => "ask for a higher quota, or delete what is not used",
        _ => return None,
    })
}

/// Converts a request that was not sent, or that got no answer.
pub(crate) fn unsent(error: &azure_core::Error) -> Error {
    // What the transport told, or a source of tokens.
    if let Some(own) = Error::among(error) {
        return own.clone();
    }
    if let Some((code, message)) = entra(error) {
        let kind = is_outage(error, &code).unwrap_or(ErrorKind::Credentials);
        let told = Error::new(kind, format!("Entra issued no token: {message} ({code})"));
        return if is_untimely(&code) { told.because(CLOCK) } else { told };
    }
    if let Some(kind) = is_outage(error, "") {
        let status = issuers_status(error).unwrap_or_default();
        return Error::new(kind, format!("the service that issues tokens answered {status}: {}", brief(error)));
    }
    let is_garbled = causes(error).any(|cause| is_of(cause, &CoreKind::DataConversion));
    match error.kind() {
        CoreKind::Credential if is_garbled => {
            let what = format!("cannot read the answer of the service that issues tokens: {}", brief(error));
            Error::new(ErrorKind::Unavailable, what)
        }
        CoreKind::Connection | CoreKind::Io => Peer { service: "Azure", host: None }.unanswered(error),
        CoreKind::Credential => {
            let help = "run `az login`, or provide the credentials of a managed identity or of a workload identity";
            Error::new(
                ErrorKind::Credentials,
                format!("there are no Azure credentials here ({}); {help}", brief(error)),
            )
        }
        _ => Error::new(ErrorKind::Internal, chain(error)),
    }
}

/// The first line of an error; the other lines list the credentials that were tried.
fn brief(error: &azure_core::Error) -> String {
    let text = chain(error);
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

fn is_of(cause: &(dyn std::error::Error + 'static), kind: &CoreKind) -> bool {
    cause.downcast_ref::<azure_core::Error>().is_some_and(|cause| cause.kind() == kind)
}

/// Whether a token was refused because the service that issues it does not work, or is asked too often: by the number that Entra gives
/// (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>), or by the status.
pub(crate) fn is_outage(error: &azure_core::Error, code: &str) -> Option<ErrorKind> {
    match code.trim_start_matches("AADSTS") {
        "90033" => return Some(ErrorKind::Unavailable),
        "50196" | "90055" => return Some(ErrorKind::Throttled),
        _ => {}
    }
    match issuers_status(error) {
        Some(429) => Some(ErrorKind::Throttled),
        Some(408 | 500..) => Some(ErrorKind::Unavailable),
        _ => None,
    }
}

/// Whether Entra refused the token that was shown to it for its time alone.
/// <https://login.microsoftonline.com/error?code=700024>
pub(crate) fn is_untimely(code: &str) -> bool {
    matches!(code.trim_start_matches("AADSTS"), "700024" | "500133")
}

/// What to do about a token that is not valid now.
pub(crate) const CLOCK: &str = "it has expired, or is not valid yet: get a new one, and set the clock of this machine and of the one that issues it";

/// The status with which a service that issues tokens refused one.
pub(crate) fn issuers_status(error: &azure_core::Error) -> Option<u16> {
    let status = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<azure_core::Error>()?.http_status();
    causes(error).find_map(status).map(u16::from)
}

/// The body with which a service that issues tokens refused one.
pub(crate) fn issuers_words(error: &azure_core::Error) -> Option<&[u8]> {
    causes(error).find_map(|cause| match cause.downcast_ref::<azure_core::Error>()?.kind() {
        CoreKind::HttpResponse { raw_response: Some(answer), .. } => Some(answer.body().as_ref()),
        _ => None,
    })
}

/// The number and the message with which Entra refused a token.
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
pub(crate) fn entra(error: &azure_core::Error) -> Option<(String, String)> {
    causes(error).find_map(|cause| {
        let CoreKind::HttpResponse { error_code: Some(code), .. } = cause.downcast_ref::<azure_core::Error>()?.kind()
        else {
            return None;
        };
        let words = cause.to_string();
        let words = words.split(" Trace ID").next().unwrap_or_default();
        let words = words.split_once(": ").map_or(words, |(_, words)| words);
        Some((format!("AADSTS{code}"), plain(words).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> Error {
        let body = serde_json::json!({ "error": { "code": code, "message": "Something.\nMore." } });
        let headers = azure_core::http::headers::Headers::new();
        failure(&Answer { status, headers, body: body.to_string().into() }, "management.example")
    }

    #[test]
    fn an_error_is_known_by_its_code_and_its_status() {
        for (status, code, expected) in [
            (400, "PrincipalNotFound", ErrorKind::Propagating),
            (400, "InvalidParameter", ErrorKind::Rejected),
            (401, "ExpiredAuthenticationToken", ErrorKind::Expired),
            (403, "AuthorizationFailed", ErrorKind::Denied),
            (403, "LinkedAuthorizationFailed", ErrorKind::Denied),
            (403, "RequestDisallowedByPolicy", ErrorKind::Rejected),
            (404, "ResourceNotFound", ErrorKind::NotFound),
            (409, "RoleAssignmentExists", ErrorKind::AlreadyExists),
            (409, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity", ErrorKind::Busy),
            (409, "MissingSubscriptionRegistration", ErrorKind::Rejected),
            (409, "InvalidResourceLocation", ErrorKind::Rejected),
            (409, "AnotherOperationInProgress", ErrorKind::Busy),
            (409, "ResourceGroupBeingDeleted", ErrorKind::Rejected),
            (400, "RoleDefinitionHasAssignments", ErrorKind::Propagating),
            (401, "InvalidAuthenticationTokenTenant", ErrorKind::Credentials),
            (403, "DenyAssignmentAuthorizationFailed", ErrorKind::Rejected),
            (410, "", ErrorKind::NotFound),
            (403, "", ErrorKind::Denied),
            (429, "TooManyRequests", ErrorKind::Throttled),
            (503, "ServerTimeout", ErrorKind::Unavailable),
        ] {
            assert_eq!(answered(status, code).kind(), expected, "{status} {code}");
        }
        assert_eq!(answered(400, "X").to_string(), "Something (X)");
        // Whatever code it is, all that is said of it is told.
        let several = r#"{ "error": { "code": "Unheard", "message": "Several.", "details": [
            { "code": "InThere", "message": "One is wrong." }, { "code": "InThere", "message": "Another is." } ] } }"#;
        assert_eq!(of(400, several).to_string(), "Several: One is wrong: Another is (Unheard/InThere)");
    }

    fn of(status: u16, body: &str) -> Error {
        let headers = azure_core::http::headers::Headers::new();
        failure(&Answer { status, headers, body: body.to_owned().into() }, "management.example")
    }

    #[test]
    fn a_missing_right_is_told_by_service_bus_as_a_missing_token() {
        let lacking =
            "<Error><Code>401</Code><Detail>Unauthorized access. 'Send' claim(s) are required.</Detail></Error>";
        assert_eq!(of(401, lacking).kind(), ErrorKind::Denied);
        assert!(of(401, lacking).to_string().contains("'Send' claim(s) are required"));
        assert_eq!(of(401, "<Error><Detail>ExpiredToken</Detail></Error>").kind(), ErrorKind::Expired);
        let puid = r#"{"error":{"code":"X","message":"at least one of the claims 'puid' should be present"}}"#;
        assert_eq!(of(401, puid).kind(), ErrorKind::Expired);
    }

    #[test]
    fn what_is_not_said_in_azures_words_says_nothing_of_rights() {
        for (status, body) in
            [(403, ""), (403, "denied by the policy of the network"), (404, r#"{"message":"no route"}"#), (401, "<p>")]
        {
            let error = of(status, body);
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{status} {body}");
            assert!(error.to_string().contains("Azure at `management.example`"), "{error}");
        }
        let mut headers = azure_core::http::headers::Headers::new();
        headers.insert("x-ms-request-id", "r-1");
        let silent = failure(&Answer { status: 403, headers, body: azure_core::Bytes::new() }, "management.example");
        assert_eq!((silent.kind(), silent.request_id()), (ErrorKind::Denied, Some("r-1")));
    }

    fn refused(status: u16, code: Option<&str>, words: &str) -> ErrorKind {
        let error_code = code.map(str::to_owned);
        let kind = CoreKind::HttpResponse { status: status.into(), error_code, raw_response: None };
        let inner = azure_core::Error::with_message(kind, words.to_owned());
        unsent(&azure_core::Error::with_error(CoreKind::Credential, inner, "it failed")).kind()
    }

    /// <https://github.com/Azure/azure-workload-identity/issues/693>
    #[test]
    fn a_token_that_is_refused_for_its_time_is_told_with_the_clock() {
        let told = |code: &str| {
            let kind =
                CoreKind::HttpResponse { status: 401.into(), error_code: Some(code.to_owned()), raw_response: None };
            let words = format!("AADSTS{code}: Client assertion is not within its valid time range. Current time: x");
            unsent(&azure_core::Error::with_error(
                CoreKind::Credential,
                azure_core::Error::with_message(kind, words),
                "x",
            ))
        };
        for code in ["700024", "500133"] {
            let told = told(code);
            assert_eq!(told.kind(), ErrorKind::Credentials, "{told}");
            assert!(told.to_string().contains(code) && told.to_string().contains("set the clock"), "{told}");
        }
        // By the code, whatever the words are.
        assert!(!told("7000215").to_string().contains("clock"), "{}", told("7000215"));
    }

    #[test]
    fn an_entra_that_does_not_work_is_told_from_credentials_that_are_not_there() {
        assert_eq!(refused(400, Some("90033"), "AADSTS90033: A transient error has occurred."), ErrorKind::Unavailable);
        assert_eq!(refused(400, Some("90055"), "AADSTS90055: too many requests"), ErrorKind::Throttled);
        assert_eq!(refused(401, Some("7000215"), "AADSTS7000215: Invalid client secret"), ErrorKind::Credentials);
        assert_eq!(refused(503, None, "The request failed"), ErrorKind::Unavailable);
        assert_eq!(refused(400, None, "The requested identity has not been assigned"), ErrorKind::Credentials);
        let told =
            |inner: azure_core::Error| unsent(&azure_core::Error::with_error(CoreKind::Credential, inner, "x")).kind();
        assert_eq!(
            told(azure_core::Error::with_message(CoreKind::DataConversion, "expected value")),
            ErrorKind::Unavailable
        );
        assert_eq!(
            told(azure_core::Error::with_message(CoreKind::Credential, "please run `az login`")),
            ErrorKind::Credentials
        );
        let proxy = Peer { service: "Azure", host: Some("login.example") }.not_its_own(407);
        assert_eq!(told(azure_core::Error::new(CoreKind::Io, proxy)), ErrorKind::Unreachable);
    }

    #[test]
    fn what_lies_deep_is_told_too() {
        let deep = r#"{"error":{"code":"BadArgumentError","message":"a","innererror":{"code":"SemanticError","message":"b",
            "innererror":{"code":"SEM0100","message":"'T' is not known"}}}}"#;
        assert_eq!(of(400, deep).to_string(), "a: b: 'T' is not known (BadArgumentError/SemanticError/SEM0100)");
    }

    #[test]
    fn what_a_subscription_forbids_is_said_with_who_can_change_it() {
        let error = answered(409, "MissingSubscriptionRegistration");
        assert!(error.to_string().contains("az provider register"), "{error}");
    }
}
