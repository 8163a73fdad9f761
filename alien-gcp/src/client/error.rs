//! Maps errors of Google's clients and answers of GCP to [`Error`].

use std::time::Duration;

use alien_core::adapter::chain;
use alien_core::{Error, ErrorKind};
use google_cloud_gax::error::Error as GaxError;
use google_cloud_gax::error::rpc::{Code, Status, StatusDetails};

/// Converts an error of a call. It keeps the code, message and reason of GCP's answer; the rest of the answer may hold
/// secrets.
pub(crate) fn failure(error: GaxError) -> Error {
    if error.is_authentication() {
        return unsigned(&error);
    }
    let wait = error.http_headers().and_then(|headers| headers.get("retry-after"));
    let wait = wait.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let made = match (error.status(), error.http_status_code()) {
        // Compute's errors have a number but no gRPC status
        // (<https://docs.cloud.google.com/compute/docs/troubleshooting/troubleshoot-operation-limits>).
        (Some(status), Some(number)) if status.code == Code::Unknown => {
            let kind = quota(&status.message).unwrap_or_else(|| by_status(number));
            let error = Error::new(kind, format!("{} ({number})", status.message.trim_end_matches('.')));
            match advice(status, "") {
                Some(advice) => error.because(advice),
                None => error,
            }
        }
        (Some(status), _) => answer(status),
        (None, Some(status)) => Error::new(by_status(status), format!("GCP answered {status}")),
        (None, None) if error.is_timeout() || error.is_exhausted() => {
            Error::new(ErrorKind::Unavailable, "GCP did not answer in time")
        }
        (None, None) if error.is_connect() || error.is_io() || error.is_transport() => {
            Error::new(ErrorKind::Unavailable, format!("cannot reach GCP: {}", chain(&error)))
        }
        (None, None) => Error::new(ErrorKind::Internal, chain(&error)),
    };
    made.with_retry_after(wait)
}

/// The error if there are no credentials, or Google rejects them.
fn unsigned(error: &GaxError) -> Error {
    let help = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS";
    Error::new(
        ErrorKind::Credentials,
        format!("cannot get a token with the GCP credentials ({}); {help}", chain(error)),
    )
}

/// Converts an error status. <https://docs.cloud.google.com/apis/design/errors>
fn answer(status: &Status) -> Error {
    let info = status.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let reason = info.map_or("", |info| info.reason.as_str());
    let kind = kind(status, reason);
    let error = Error::new(kind, format!("{} ({})", status.message.trim_end_matches('.'), status.code.name()));
    let error = match advice(status, reason) {
        Some(advice) => error.because(advice),
        None => error,
    };
    error.with_retry_after(told_wait(&status.message))
}

/// How long to wait, if the message says so.
fn told_wait(message: &str) -> Option<Duration> {
    let seconds = message.split("retry in ").nth(1)?.split(' ').next()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// Recognizes an exceeded quota. An exceeded rate recovers by itself; another quota does not
/// (<https://docs.cloud.google.com/docs/quotas/troubleshoot>).
fn quota(message: &str) -> Option<ErrorKind> {
    let said = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if said(&["ate Limit Exceeded", "ate limit exceeded", "rateLimitExceeded", "per minute", "per second"]) {
        return Some(ErrorKind::Throttled);
    }
    let all = said(&["uota exceeded", "Quota '", "maximum number of", "has reached", "imit reached"]);
    all.then_some(ErrorKind::Rejected)
}

fn kind(status: &Status, reason: &str) -> ErrorKind {
    let said = |words: &str| status.message.contains(words);
    match status.code {
        Code::PermissionDenied if reason == "SERVICE_DISABLED" => ErrorKind::Rejected,
        Code::PermissionDenied => ErrorKind::Denied,
        Code::Unauthenticated => ErrorKind::Expired,
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        // Somebody else wrote between our read and our write: the read must be repeated as well
        // (<https://docs.cloud.google.com/iam/docs/retry-strategy>).
        Code::Aborted => ErrorKind::Busy,
        Code::ResourceExhausted => quota(&status.message).unwrap_or(ErrorKind::Throttled),
        // A service account that was just created has not propagated yet
        // (<https://docs.cloud.google.com/iam/docs/access-change-propagation>).
        Code::InvalidArgument | Code::FailedPrecondition if said("does not exist") && said("ervice account") => {
            ErrorKind::Propagating
        }
        // The same for a role.
        Code::InvalidArgument if said("does not exist in the resource's hierarchy") => ErrorKind::Propagating,
        // Somebody else wrote to a bucket between our read and our write
        // (<https://docs.cloud.google.com/storage/docs/request-preconditions>).
        Code::FailedPrecondition if said("pre-conditions you specified did not hold") => ErrorKind::Busy,
        // The name of a database is free again five minutes after its deletion.
        Code::InvalidArgument | Code::FailedPrecondition if told_wait(&status.message).is_some() => ErrorKind::Busy,
        Code::Unavailable | Code::Internal | Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Unavailable,
        Code::Unknown => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// Classifies an answer of Compute, whose errors have only an HTTP status.
fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Expired,
        403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::AlreadyExists,
        412 => ErrorKind::Busy,
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// What to do if the project or its organisation does not allow something.
fn advice(status: &Status, reason: &str) -> Option<String> {
    if reason == "SERVICE_DISABLED" {
        return Some("enable the API: `gcloud services enable`, with the service named above".to_owned());
    }
    if quota(&status.message) == Some(ErrorKind::Rejected) {
        return Some("ask for a higher quota, or delete what is not used".to_owned());
    }
    // <https://docs.cloud.google.com/resource-manager/docs/organization-policy/restricting-domains>
    let organisation = ["constraints/", "rganization policy", "permitted customer"];
    organisation.iter().any(|words| status.message.contains(words)).then(|| {
        "a policy of the organisation forbids it: an administrator of the organisation can make an exception for this \
         project; or change the stack so that it does not need it"
            .to_owned()
    })
}

/// Converts the error with which a long-running operation ended.
pub(crate) fn refused_by_operation(code: i32, message: &str) -> Error {
    answer(&Status::default().set_code(Code::from(code)).set_message(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_code_and_words() {
        for (code, message, expected) in [
            (Code::PermissionDenied, "Permission 'run.services.get' denied", ErrorKind::Denied),
            (Code::NotFound, "", ErrorKind::NotFound),
            (Code::Aborted, "There were concurrent policy changes.", ErrorKind::Busy),
            (Code::InvalidArgument, "Service account x@y does not exist.", ErrorKind::Propagating),
            (Code::InvalidArgument, "Invalid value", ErrorKind::Rejected),
            (Code::Unauthenticated, "", ErrorKind::Expired),
            (Code::ResourceExhausted, "Quota exceeded for quota metric 'Requests per minute'", ErrorKind::Throttled),
            (Code::ResourceExhausted, "Maximum number of roles reached", ErrorKind::Throttled),
            (Code::ResourceExhausted, "The maximum number of service accounts was reached", ErrorKind::Rejected),
            (Code::FailedPrecondition, "Database ID is not available. Please retry in 120 seconds", ErrorKind::Busy),
            (Code::InvalidArgument, "Role (x) does not exist in the resource's hierarchy.", ErrorKind::Propagating),
        ] {
            assert_eq!(refused_by_operation(code as i32, message).kind(), expected, "{code:?} {message}");
        }
    }

    #[test]
    fn what_compute_answers_is_known_by_its_number() {
        let body = |number: u16, message: &str| {
            let body = format!(r#"{{"error":{{"code":{number},"message":"{message}","errors":[{{"reason":"x"}}]}}}}"#);
            let status = Status::try_from(&bytes::Bytes::from(body)).unwrap();
            failure(GaxError::service_with_http_metadata(status, Some(number), None)).kind()
        };
        assert_eq!(body(404, "The resource was not found"), ErrorKind::NotFound);
        assert_eq!(body(409, "The resource already exists"), ErrorKind::AlreadyExists);
        assert_eq!(body(403, "Required permission"), ErrorKind::Denied);
        assert_eq!(body(403, "Rate Limit Exceeded"), ErrorKind::Throttled);
        assert_eq!(body(403, "Quota 'NETWORKS' exceeded. Limit: 5.0 globally."), ErrorKind::Rejected);
    }

    #[test]
    fn what_an_organisation_forbids_is_said_with_who_can_change_it() {
        let message = "One or more users named in the policy do not belong to a permitted customer.";
        let error = refused_by_operation(Code::FailedPrecondition as i32, message);
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("a policy of the organisation forbids it"), "{error}");
    }
}
