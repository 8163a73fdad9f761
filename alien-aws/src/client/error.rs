//! Maps errors of the AWS SDKs and answers of AWS to [`Error`].

use std::time::Duration;

use alien_core::adapter::{Peer, causes, chain};
use alien_core::{Error, ErrorKind};
use aws_credential_types::provider::error::{CredentialsError, TokenError};
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_iam::operation::RequestId;

use super::http::answered_by;

/// Converts an error of an SDK call. It keeps the code, message and request id of AWS's answer; the rest of the answer
/// may hold secrets.
pub(crate) fn failure<E>(error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    let id = error.request_id().map(str::to_owned);
    let made = match &error {
        // The SDK reports a response that it cannot parse as a service error, whatever its status.
        SdkError::ServiceError(service) if service.raw().status().is_success() => not_its_own(service.raw()),
        SdkError::ServiceError(service) => {
            let response = service.raw();
            let header = response.headers().get("retry-after").and_then(|value| value.parse().ok());
            let code = service.err().code().unwrap_or_default();
            let message = service.err().message().unwrap_or_default();
            let made = match code {
                "" => not_its_own(response),
                code => {
                    let peer = Peer { host: answered_by(response), ..AWS };
                    peer.at_fault(answer(response.status().as_u16(), code, message))
                }
            };
            made.with_retry_after(header.map(Duration::from_secs))
        }
        error => unanswered(error),
    };
    made.with_request_id(id.as_deref())
}

/// Converts an error of a call that got no answer which can be read.
pub(super) fn unanswered<E>(error: &SdkError<E, HttpResponse>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::TimeoutError(_) => AWS.late(),
        SdkError::DispatchFailure(failure) => dispatch(failure.as_connector_error()),
        SdkError::ResponseError(unread) if unread.raw().status().is_success() => {
            // The request may have taken effect.
            Error::among(error).cloned().unwrap_or_else(|| not_its_own(unread.raw()))
        }
        SdkError::ResponseError(unread) => not_its_own(unread.raw()),
        _ => Error::new(ErrorKind::Internal, chain(error)),
    }
}

/// Converts an error of a call on a function that exists: a conflict then means that another change is in progress
/// (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>).
pub(crate) fn busy<E>(error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    let error = failure(error);
    if error.kind() == ErrorKind::AlreadyExists { error.with_kind(ErrorKind::Busy) } else { error }
}

/// An error without a code: every service of AWS gives one.
fn not_its_own(answer: &HttpResponse) -> Error {
    Peer { host: answered_by(answer), ..AWS }.not_its_own(answer.status().as_u16())
}

/// AWS, at a host that is not known.
pub(super) const AWS: Peer<'_> = Peer { service: "AWS", host: None };

/// Converts a failure before anything was sent: there are no credentials, or AWS cannot be reached.
fn dispatch(error: Option<&ConnectorError>) -> Error {
    match error {
        None => AWS.late(),
        Some(error) if error.is_io() || error.is_timeout() => unsigned(error).unwrap_or_else(|| AWS.unanswered(error)),
        Some(error) => unsigned(error).or_else(|| AWS.unreached(error)).unwrap_or_else(|| uncallable(error)),
    }
}

/// The error if a request could not be made at all, and it is not of the network: the address of a service is none.
fn uncallable(error: &ConnectorError) -> Error {
    let why = causes(error).last().map_or_else(|| chain(error), chain);
    let help = "check `AWS_ENDPOINT_URL`, and `endpoint_url` in the files of the AWS CLI";
    Error::new(ErrorKind::Unreachable, format!("AWS cannot be called: {why}")).because(help)
}

/// Returns the error if a provider gave no credentials to sign a request with: there are none, or it timed out. Returns `None` if it could
/// not reach the service that issues them: the caller reports the network error then.
pub(super) fn unsigned(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let provider = causes(error).find(|cause| cause.is::<CredentialsError>() || cause.is::<TokenError>())?;
    let none = || {
        let help = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in";
        let what = format!("there are no AWS credentials here ({}); {help}", chain(error));
        Some(Error::new(ErrorKind::Credentials, what))
    };
    match provider.downcast_ref() {
        Some(CredentialsError::ProviderTimedOut(_)) => {
            Some(Error::new(ErrorKind::Unavailable, "the provider of the AWS credentials did not answer in time"))
        }
        // A provider that is not there, as that of a machine of EC2, cannot be reached either.
        Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => none(),
        _ if Error::among(provider).is_some() => None,
        _ => none(),
    }
}

/// Converts an error response: by its code, as the services document it, or else by its HTTP status.
pub(crate) fn answer(status: u16, code: &str, message: &str) -> Error {
    // Some services put a namespace before the code, some a URL after it.
    let code = code.rsplit('#').next().and_then(|code| code.split(':').next()).unwrap_or(code);
    if code.is_empty() {
        return AWS.not_its_own(status);
    }
    let kind = kind(status, code, message);
    let said = match code {
        _ if skewed(code, message) => {
            format!("AWS does not accept the time of the request ({code}); set this machine's clock")
        }
        // AWS's message contains the canonical request, and with it the session token
        // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>).
        "IncompleteSignature" | "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            format!("AWS does not accept the signature ({code}); check the secret access key and this machine's clock")
        }
        _ if message.is_empty() => format!("AWS answered {status} ({code})"),
        _ => format!("{message} ({code})"),
    };
    let error = Error::new(kind, said);
    if kind == ErrorKind::Conflict { error.into_conflict() } else { error }
}

/// Whether AWS refuses a request for its time alone. S3 has a code for it; other services have the code of any wrong
/// signature, and only the message begins otherwise
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>).
fn skewed(code: &str, message: &str) -> bool {
    let starts = |words: &[&str]| words.iter().any(|words| message.starts_with(words));
    match code {
        "RequestTimeTooSkewed" => true,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            starts(&["Signature expired", "Signature not yet current"])
        }
        _ => false,
    }
}

/// The kind of an error. Each code is one that a service documents:
///
/// * common to all (<https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>), EC2
///   (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>), S3
///   (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>), SQS
///   (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>);
/// * each with its calls: Lambda (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>), ECS
///   (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html>), DynamoDB
///   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>), IAM
///   (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>), CloudWatch Logs
///   (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>).
///
/// A code that is not here keeps its words: the message of the service, and the code.
fn kind(status: u16, code: &str, message: &str) -> ErrorKind {
    // An identity that was just created is rejected as if it were invalid, until it has propagated
    // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>). No page has the
    // words; each has its own source.
    let settling = [
        // <https://github.com/hashicorp/terraform-provider-aws/issues/14285>
        ("InvalidParameterValueException", "cannot be assumed"),
        // A queue's new attributes take up to a minute to propagate
        // (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>).
        ("InvalidParameterValueException", "Queue visibility timeout"),
        // <https://github.com/aws/containers-roadmap/issues/2614>
        ("InvalidParameterException", "Unable to assume the service linked role"),
        // <https://github.com/hashicorp/terraform-provider-aws/pull/12436>
        ("MalformedPolicyDocument", "Invalid principal"),
        // The page of the consistency alone: no account of these words is known.
        ("ClientException", "Unable to assume role"),
        // As a queue's attributes.
        ("InvalidParameterValue", "Dead letter target does not exist"),
        // Lambda checks that a function's role has the permissions that its network and its triggers need
        // (<https://github.com/hashicorp/terraform/pull/15067>, <https://github.com/hashicorp/terraform-provider-aws/issues/8248>).
        ("InvalidParameterValueException", "execution role does not have permissions"),
    ];
    if settling.iter().any(|(known, words)| *known == code && message.contains(words)) {
        return ErrorKind::Propagating;
    }
    match code {
        "AccessDenied" | "AccessDeniedException" | "AuthorizationError" | "UnauthorizedOperation" => ErrorKind::Denied,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => ErrorKind::Expired,
        "AuthFailure"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => ErrorKind::Credentials,
        "AWS.SimpleQueueService.NonExistentQueue"
        | "ClusterNotFoundException"
        | "Gateway.NotAttached"
        | "NoSuchBucket"
        | "NoSuchBucketPolicy"
        | "NoSuchEntity"
        | "NoSuchLifecycleConfiguration"
        | "NoSuchPublicAccessBlockConfiguration"
        | "NoSuchTagSet"
        | "NotFound"
        | "OwnershipControlsNotFoundError"
        | "QueueDoesNotExist"
        | "ResourceNotFoundException"
        | "ServiceNotActiveException"
        | "ServiceNotFoundException" => ErrorKind::NotFound,
        "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "EntityAlreadyExists"
        | "QueueAlreadyExists"
        | "QueueNameExists"
        | "ResourceAlreadyExistsException"
        | "ResourceConflictException"
        | "ResourceInUseException"
        | "Resource.AlreadyAssociated"
        | "RouteAlreadyExists" => ErrorKind::AlreadyExists,
        // A quota of what exists, which no waiting raises: DynamoDB alone has this code for too many calls at once, and says so in
        // these words (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html>); ECS and CloudWatch
        // Logs have it for a quota.
        "LimitExceededException"
            if !["simultaneous", "concurrent", "Subscriber limit", "too many"]
                .iter()
                .any(|words| message.contains(words)) =>
        {
            ErrorKind::Rejected
        }
        // The codes that the SDK's own retry policy counts as throttling
        // (<https://docs.rs/aws-runtime/latest/aws_runtime/retries/classifiers/constant.THROTTLING_ERRORS.html>).
        "BandwidthLimitExceeded"
        | "EC2ThrottledException"
        | "LimitExceededException"
        | "PriorRequestNotComplete"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "TransactionInProgressException" => ErrorKind::Throttled,
        // A function is no longer at the revision that the request names
        // (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html>).
        "PreconditionFailedException" => ErrorKind::Conflict,
        "RequestTimeout" | "RequestTimeoutException" => ErrorKind::Unavailable,
        "AWS.SimpleQueueService.QueueDeletedRecently"
        | "ClusterContainsServicesException"
        | "ClusterContainsTasksException"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "ContinuousBackupsUnavailableException"
        | "DeleteConflict"
        | "DependencyViolation"
        | "EntityTemporarilyUnmodifiable"
        | "OperationAborted"
        | "OperationAbortedException"
        | "QueueDeletedRecently"
        | "UpdateInProgressException" => ErrorKind::Busy,
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => ErrorKind::TooLarge,
        _ if code.ends_with(".NotFound") => ErrorKind::NotFound,
        _ if code.ends_with(".Duplicate") => ErrorKind::AlreadyExists,
        _ if status >= 500 => ErrorKind::Unavailable,
        _ if status == 429 => ErrorKind::Throttled,
        _ => ErrorKind::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::error::ConnectorError;

    use super::*;

    #[test]
    fn an_error_is_known_by_its_code_whatever_the_service_puts_around_it() {
        for (status, code, message, expected) in [
            (400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "", ErrorKind::NotFound),
            (403, "AccessDenied", "not authorized", ErrorKind::Denied),
            (400, "InvalidVpcID.NotFound", "", ErrorKind::NotFound),
            (400, "InvalidGroup.Duplicate", "", ErrorKind::AlreadyExists),
            (400, "InvalidParameterValueException", "The role cannot be assumed by Lambda.", ErrorKind::Propagating),
            (400, "InvalidParameterValueException", "memory is 1", ErrorKind::Rejected),
            (503, "", "", ErrorKind::Unavailable),
            (429, "", "", ErrorKind::Throttled),
            (400, "InvalidSignatureException", "", ErrorKind::Credentials),
            (400, "ThrottledException", "", ErrorKind::Throttled),
            (400, "LimitExceededException", "You have reached the maximum number of resources", ErrorKind::Rejected),
            (
                400,
                "LimitExceededException",
                "Subscriber limit exceeded: Only 500 tables can be created, updated, or deleted simultaneously",
                ErrorKind::Throttled,
            ),
            (409, "EntityTemporarilyUnmodifiable", "", ErrorKind::Busy),
            (409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", ErrorKind::Rejected),
            (412, "PreconditionFailedException", "The RevisionId provided does not match", ErrorKind::Conflict),
            (400, "RequestTimeout", "", ErrorKind::Unavailable),
            // Every service gives a code: something on the way says this.
            (403, "", "", ErrorKind::Unreachable),
            (404, "", "", ErrorKind::Unreachable),
        ] {
            assert_eq!(answer(status, code, message).kind(), expected, "{status} {code} {message}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_told_and_not_waited_for() {
        let made = [ConnectorError::user as fn(_) -> _, |why| ConnectorError::other(why, None)];
        for error in made.map(|made| dispatch(Some(&made("invalid uri character".into())))) {
            assert_eq!(error.kind(), ErrorKind::Unreachable);
            assert!(error.message().ends_with("files of the AWS CLI"), "{error}");
        }
    }

    #[test]
    fn missing_credentials_are_known_by_their_type_and_by_no_word() {
        let missing = CredentialsError::not_loaded("none found in the chain");
        let missing = dispatch(Some(&ConnectorError::other(missing.into(), None)));
        assert_eq!(missing.kind(), ErrorKind::Credentials, "{missing}");
        let worded = std::io::Error::other("the proxy of `token.example` wants credentials");
        let worded = dispatch(Some(&ConnectorError::io(worded.into())));
        assert_eq!(worded.kind(), ErrorKind::Unavailable, "{worded}");
    }

    #[test]
    fn a_provider_that_cannot_be_reached_is_told_from_credentials_that_are_not_there() {
        let unknown = Peer { service: "AWS", host: Some("sts.eu-cental-1.amazonaws.com") }.not_its_own(403);
        for (error, expected) in [
            (CredentialsError::provider_error(unknown.clone()), ErrorKind::Unreachable),
            (CredentialsError::provider_timed_out(std::time::Duration::from_secs(5)), ErrorKind::Unavailable),
            (CredentialsError::provider_error("the session of single sign-on has ended"), ErrorKind::Credentials),
            (CredentialsError::not_loaded(unknown), ErrorKind::Credentials),
        ] {
            let told = dispatch(Some(&ConnectorError::other(error.into(), None)));
            assert_eq!(told.kind(), expected, "{told}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_key() {
        let early = "Signature not yet current: 20300101T000000Z is still later than 20261128T000000Z";
        for (status, code, message, clock) in [
            (
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the server's is too large",
                true,
            ),
            (403, "SignatureDoesNotMatch", early, true),
            (403, "InvalidSignatureException", "Signature expired: 20200101T000000Z is now earlier than", true),
            (403, "SignatureDoesNotMatch", "The request signature we calculated does not match", false),
        ] {
            let error = answer(status, code, message);
            assert_eq!(error.kind(), ErrorKind::Credentials, "{code} {message}");
            assert_eq!(!error.to_string().contains("secret access key"), clock, "{error}");
        }
    }
}
