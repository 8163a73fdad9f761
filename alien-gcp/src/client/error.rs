//! Maps errors of Google's clients and answers of GCP to [`Error`].

use std::error::Error as StdError;
use std::time::Duration;

use alien_core::adapter::{Peer, causes, chain, is_page};
use alien_core::{Error, ErrorKind};
use google_cloud_gax::error::rpc::{Code, Status, StatusDetails};
use google_cloud_gax::error::{CredentialsError, Error as GaxError};

/// Converts an error of a call on this host. It keeps the code, message and reason of GCP's answer; the rest of the answer may hold
/// secrets.
pub(super) fn failure(error: GaxError, host: &str) -> Error {
    let gcp = Peer { host: Some(host), ..GCP };
    if error.is_authentication() {
        return Error::among(&error).cloned().unwrap_or_else(|| unsigned(&error, None));
    }
    if let Some(status) = mapped(&error) {
        return gcp.not_its_own(status);
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
        (Some(status), _) => gcp.at_fault(answer(status)),
        // Google's own errors have a body.
        (None, Some(status)) => gcp.not_its_own(status),
        (None, None) if error.is_timeout() || error.is_exhausted() => gcp.late(),
        (None, None) if error.is_connect() || error.is_io() || error.is_transport() => unanswered_at(&error, gcp),
        (None, None) if error.is_deserialization() => {
            // What is no JSON is no service of Google's.
            let is_json = causes(&error).find_map(|cause| cause.downcast_ref()).is_none_or(serde_json::Error::is_data);
            let what = format!("cannot read the answer of GCP at `{host}`: {}", chain(&error));
            if is_json { Error::new(ErrorKind::Internal, what) } else { gcp.not_its_own(200) }
        }
        (None, None) => Error::new(ErrorKind::Internal, chain(&error)),
    };
    made.with_retry_after(wait)
}

/// GCP, at a host that is not known.
const GCP: Peer<'_> = Peer { service: "GCP", host: None };

/// Converts the error of a client that cannot be built.
pub(super) fn unbuilt(error: impl StdError) -> Error {
    GCP.uncallable(&chain(&error))
}

/// The HTTP status of an answer to a call by gRPC that is no answer of gRPC. The library makes a code of it, as if a server had said so,
/// and has no type that would tell (<https://docs.rs/tonic/0.14.9/src/tonic/status.rs.html#802>).
fn mapped(error: &GaxError) -> Option<u16> {
    let said = error.status().map_or_else(|| chain(error), |status| status.message.clone());
    let (_, status) = said.split_once("grpc-status header missing, mapped from HTTP status code ")?;
    status.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// Converts an error of a request that got no answer. The error says which host it was for.
pub(crate) fn unanswered(error: &(dyn StdError + 'static)) -> Error {
    unanswered_at(error, GCP)
}

/// Converts an error of a request that got no answer of this peer, if the error names no other host.
fn unanswered_at(error: &(dyn StdError + 'static), gcp: Peer<'_>) -> Error {
    let sent = causes(error).find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    let host = sent.and_then(reqwest::Error::url).and_then(|url| {
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    let peer = Peer { host: host.as_deref().or(gcp.host), ..gcp };
    if sent.is_some_and(reqwest::Error::is_timeout) { peer.late() } else { peer.unanswered(error) }
}

/// The error if a token takes too long. `host` is that of the metadata server, where one is asked.
pub(super) fn no_token(host: Option<&str>) -> Error {
    issuer(host).late()
}

/// Whoever issues tokens.
const fn issuer(host: Option<&str>) -> Peer<'_> {
    Peer { service: "the service that issues tokens of GCP", host }
}

/// The error if this machine has no credentials of any kind.
pub(super) fn unfound(error: &gcp_auth::Error) -> Error {
    let help = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account";
    let tried = match error {
        gcp_auth::Error::NoAuthMethod(gcloud, file, metadata) => {
            [gcloud, file, metadata].map(|error| chain(&**error)).join("; ")
        }
        other => chain(other),
    };
    Error::new(ErrorKind::Credentials, format!("there are no GCP credentials here ({tried}); {help}"))
}

/// The error if there are no credentials, or Google rejects them, or whoever issues tokens cannot be reached.
pub(super) fn unsigned(error: &(dyn StdError + 'static), host: Option<&str>) -> Error {
    let issuer = issuer(host);
    let sent = causes(error).find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    if sent.is_some_and(reqwest::Error::is_decode) {
        // It changes nothing to ask for a token, so there is nothing to find out.
        return issuer.not_its_own(200).with_kind(ErrorKind::Unreachable);
    }
    let is_networks = causes(error)
        .any(|cause| cause.is::<reqwest::Error>() || matches!(cause.downcast_ref(), Some(gcp_auth::Error::Http(..))));
    if is_networks {
        return unanswered_at(error, issuer);
    }
    if let Some(error) = issuer.unreached(error) {
        return error;
    }
    let said = causes(error).filter_map(|cause| cause.downcast_ref::<GaxError>());
    let answered = said.filter_map(|said| Some((said.http_status_code()?, said))).next();
    if let Some((status, _)) = answered.filter(|(status, said)| is_foreign(*status, said)) {
        return issuer.not_its_own(status);
    }
    let passes = causes(error).any(|cause| cause.downcast_ref().is_some_and(CredentialsError::is_transient));
    if passes {
        // Google's library puts the whole answer into its words.
        let why = answered.map_or_else(|| cause(error), |(status, _)| format!("it answered {status}"));
        return issuer.at_fault(Error::new(ErrorKind::Unavailable, format!("no token of GCP was issued: {why}")));
    }
    let help = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS; the key of a service account is \
                refused too if this machine's clock is wrong";
    let what = format!("cannot get a token with the GCP credentials ({}); {help}", cause(error));
    Error::new(ErrorKind::Credentials, what)
}

/// Whether who refuses a token is none of Google's services.
fn is_foreign(status: u16, said: &GaxError) -> bool {
    let kind = said.http_headers().and_then(|headers| headers.get("content-type")?.to_str().ok());
    let body = said.http_payload().map(|body| &body[..]).unwrap_or_default();
    status == 407 || is_page(kind, body)
}

/// Why there is no token, without what each layer of Google's library says of the layer below.
fn cause(error: &(dyn StdError + 'static)) -> String {
    let own = causes(error).find(|cause| !cause.is::<GaxError>() && !cause.is::<CredentialsError>());
    let last = || causes(error).last().map(ToString::to_string).unwrap_or_default();
    own.map_or_else(last, chain)
}

/// Converts an error status. <https://docs.cloud.google.com/apis/design/errors>
fn answer(status: &Status) -> Error {
    let info = status.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let reason = info.map_or("", |info| info.reason.as_str());
    let kind = kind(status, reason);
    let mut said = format!("{} ({})", status.message.trim_end_matches('.'), status.code.name());
    for more in violations(status).filter(|more| !status.message.contains(more.as_str())) {
        said.push_str("; ");
        said.push_str(more.trim_end_matches('.'));
    }
    let error = Error::new(kind, said);
    let error = match advice(status, reason) {
        Some(advice) => error.because(advice),
        None => error,
    };
    error.with_retry_after(told_wait(&status.message))
}

/// What the details of an answer name: the field that is wrong, the constraint of an organisation that forbids it, the quota that is
/// used up. They repeat nothing that was sent (<https://google.aip.dev/193>).
fn violations(status: &Status) -> impl Iterator<Item = String> {
    let each = status.details.iter().flat_map(|detail| match detail {
        StatusDetails::BadRequest(wrong) => {
            wrong.field_violations.iter().map(|one| named(&one.field, &one.description)).collect()
        }
        StatusDetails::PreconditionFailure(failed) => {
            failed.violations.iter().map(|one| named(&one.r#type, &one.description)).collect()
        }
        StatusDetails::QuotaFailure(failed) => {
            failed.violations.iter().map(|one| named(&one.subject, &one.description)).collect()
        }
        _ => Vec::new(),
    });
    each.filter(|one| !one.is_empty())
}

fn named(what: &str, description: &str) -> String {
    [what, description].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// How long to wait, if the message says so: Firestore does, of the name of a database that was deleted
/// (<https://docs.cloud.google.com/firestore/native/docs/manage-databases>).
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

/// What a code means, by Google's own description of each (<https://docs.cloud.google.com/apis/design/errors#handling_errors>,
/// <https://google.aip.dev/193>), but for those that services use otherwise. A code that is not named here is refused for good, and
/// told with its name and all its details.
fn kind(status: &Status, reason: &str) -> ErrorKind {
    let said = |words: &str| status.message.contains(words);
    match status.code {
        // <https://docs.cloud.google.com/service-usage/docs/enable-disable>
        Code::PermissionDenied if reason == "SERVICE_DISABLED" => ErrorKind::Rejected,
        Code::PermissionDenied => ErrorKind::Denied,
        // A token that has ended, or none (<https://docs.cloud.google.com/docs/authentication/troubleshoot-adc>).
        Code::Unauthenticated => ErrorKind::Expired,
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        // Somebody else wrote between our read and our write: the read must be repeated as well
        // (<https://docs.cloud.google.com/iam/docs/retry-strategy>).
        Code::Aborted => ErrorKind::Busy,
        Code::ResourceExhausted => quota(&status.message).unwrap_or(ErrorKind::Throttled),
        // An agent of Google's that nobody has made yet does not come by waiting.
        Code::InvalidArgument | Code::FailedPrecondition if lacking_agent(&status.message).is_some() => {
            ErrorKind::Rejected
        }
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
        // All of these can pass (<https://docs.cloud.google.com/iam/docs/retry-strategy>,
        // <https://docs.cloud.google.com/storage/docs/retry-strategy>).
        Code::Unavailable | Code::Internal | Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Unavailable,
        Code::Unknown => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// Classifies an answer of Compute, whose errors have only an HTTP status, as each code has one
/// (<https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>).
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

/// The service whose agent does not exist, where the message says that of an agent, `service-NUMBER@gcp-sa-SERVICE.…`. It is made
/// with the first use of some services, and by a call of its own for others
/// (<https://docs.cloud.google.com/iam/docs/create-service-agents>).
fn lacking_agent(message: &str) -> Option<(&str, &str)> {
    let (before, after) = message.split_once("@gcp-sa-")?;
    let number = before.rsplit_once("service-").map(|(_, number)| number)?;
    let (service, _) = after.split_once('.')?;
    message.contains("does not exist").then_some((service, number))
}

/// What to do if the project or its organisation does not allow something.
fn advice(status: &Status, reason: &str) -> Option<String> {
    if let Some((service, number)) = lacking_agent(&status.message) {
        return Some(format!(
            "make that agent of Google's, and set up again: \
             `gcloud beta services identity create --service {service}.googleapis.com --project {number}`"
        ));
    }
    if reason == "SERVICE_DISABLED" {
        return Some("enable the API: `gcloud services enable`, with the service named above".to_owned());
    }
    if quota(&status.message) == Some(ErrorKind::Rejected) {
        return Some("ask for a higher quota, or delete what is not used".to_owned());
    }
    // <https://docs.cloud.google.com/resource-manager/docs/organization-policy/restricting-domains>
    let organisation = ["constraints/", "rganization policy", "org policy", "permitted customer"];
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

    fn failure(error: GaxError) -> Error {
        super::failure(error, "run.googleapis.com")
    }

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
            (
                Code::InvalidArgument,
                "Service account service-1@gcp-sa-pubsub.iam.gserviceaccount.com does not exist.",
                ErrorKind::Rejected,
            ),
            (Code::InvalidArgument, "Role (x) does not exist in the resource's hierarchy.", ErrorKind::Propagating),
        ] {
            assert_eq!(refused_by_operation(code as i32, message).kind(), expected, "{code:?} {message}");
        }
    }

    #[test]
    fn what_an_answer_says_in_its_details_is_told() {
        let of = |code: &str, message: &str, details: &str| {
            let body =
                format!(r#"{{"error":{{"code":400,"status":"{code}","message":"{message}","details":[{details}]}}}}"#);
            let status = Status::try_from(&bytes::Bytes::from(body)).unwrap();
            failure(GaxError::service_with_http_metadata(status, Some(400), None)).to_string()
        };
        let forbidden = r#"{"@type":"type.googleapis.com/google.rpc.PreconditionFailure","violations":[{
            "type":"constraints/iam.allowedPolicyMemberDomains","description":"User vendor is not permitted."}]}"#;
        let told = of("FAILED_PRECONDITION", "One or more users do not belong to a permitted customer.", forbidden);
        assert!(told.contains("constraints/iam.allowedPolicyMemberDomains: User vendor is not permitted"), "{told}");
        assert!(told.contains("a policy of the organisation forbids it"), "{told}");
        let wrong = r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{
            "field":"template.containers[0].image","description":"no"}]}"#;
        let told = of("OUT_OF_RANGE", "x", wrong);
        assert!(told.contains("x (OUT_OF_RANGE); template.containers[0].image: no"), "{told}");
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

    /// By HTTP with a body that is not Google's, and by gRPC without a status.
    #[test]
    fn what_something_on_the_way_answers_says_nothing_of_rights() {
        let page =
            |status| failure(GaxError::http(status, http::HeaderMap::new(), bytes::Bytes::from_static(b"<html>")));
        for (status, expected) in [
            (401, ErrorKind::Unreachable),
            (403, ErrorKind::Unreachable),
            (404, ErrorKind::Unreachable),
            (407, ErrorKind::Unreachable),
            (502, ErrorKind::Unavailable),
        ] {
            assert_eq!(page(status).kind(), expected, "{status}");
        }
        let message = "grpc-status header missing, mapped from HTTP status code 403";
        let by_grpc = GaxError::service(Status::default().set_code(Code::PermissionDenied).set_message(message));
        assert_eq!(failure(by_grpc).kind(), ErrorKind::Unreachable);
        assert!(page(403).to_string().contains("GCP at `run.googleapis.com` answered 403"), "{}", page(403));
    }

    /// A page with the status of a success is no answer; JSON that lacks a field is one, which this version does not understand.
    #[test]
    fn an_answer_that_is_no_json_is_told_from_one_that_is_not_understood() {
        let of = |body: &str| failure(GaxError::deser(serde_json::from_str::<serde_json::Value>(body).unwrap_err()));
        for body in ["<!DOCTYPE html>", "", "{\"name\":"] {
            assert_eq!(of(body).kind(), ErrorKind::Unavailable, "{body}");
            assert!(of(body).to_string().contains("answered 200, and not in the words of GCP"), "{}", of(body));
        }
        let other = failure(GaxError::deser(serde_json::from_str::<u8>("{}").unwrap_err()));
        assert_eq!(other.kind(), ErrorKind::Internal, "{other}");
    }

    #[test]
    fn what_fails_says_which_host_was_called() {
        let internal = Status::default().set_code(Code::Internal).set_message("it fails");
        for error in [GaxError::timeout("late"), GaxError::exhausted("late"), GaxError::service(internal)] {
            let told = failure(error).to_string();
            assert!(told.contains("GCP at `run.googleapis.com`") && told.contains("try again later"), "{told}");
        }
    }

    /// The answer may have a secret.
    #[test]
    fn the_answer_of_who_issues_no_token_is_not_repeated() {
        let body = bytes::Bytes::from_static(b"failed to fetch access token :b\"planted\"");
        let answered = GaxError::http(500, http::HeaderMap::new(), body);
        let told = unsigned(&CredentialsError::from_source(true, answered), Some("metadata:80"));
        assert_eq!(told.kind(), ErrorKind::Unavailable, "{told}");
        let told = told.to_string();
        assert!(told.contains("it answered 500") && told.contains("`metadata:80`"), "{told}");
        assert!(!told.contains("planted"), "{told}");
    }

    #[test]
    fn who_issues_tokens_and_cannot_be_reached_is_told_from_credentials_that_are_not_there() {
        let told = |error: CredentialsError| failure(GaxError::authentication(error)).kind();
        let late = Error::new(ErrorKind::Unavailable, "late");
        assert_eq!(told(CredentialsError::from_source(true, late)), ErrorKind::Unavailable);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let reset = gcp_auth::Error::Other("HTTP request failed", reset.into());
        assert_eq!(told(CredentialsError::from_source(false, reset)), ErrorKind::Unavailable);
        assert_eq!(told(CredentialsError::from_msg(true, "503")), ErrorKind::Unavailable);
        let refused = gcp_auth::Error::Str("token request failed");
        assert_eq!(told(CredentialsError::from_source(false, refused)), ErrorKind::Credentials);
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        let gone = gcp_auth::Error::Io("failed to open application credentials file", gone);
        assert_eq!(told(CredentialsError::from_source(false, gone)), ErrorKind::Credentials);
    }

    #[test]
    fn what_an_organisation_forbids_is_said_with_who_can_change_it() {
        let message = "One or more users named in the policy do not belong to a permitted customer.";
        let error = refused_by_operation(Code::FailedPrecondition as i32, message);
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("a policy of the organisation forbids it"), "{error}");
    }
}
