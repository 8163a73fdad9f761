//! Errors, as answers.

use alien_core::{Error, ErrorKind, Problem, Rule};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The media type of what is asked and answered.
pub(super) const JSON: &str = "application/json";

/// A call that failed: the error as JSON, with the status that fits best. Whoever needs to know more reads the error.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Error);

/// A value as JSON.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// What a call answers.
pub(super) type Answer<T> = Result<Json<T>, Failure>;

/// An error as a call of operators answers it: JSON, with the status that fits best.
#[must_use]
pub fn refusal(error: Error) -> Response {
    Failure(error).into_response()
}

/// The statuses of <https://www.rfc-editor.org/rfc/rfc9110#section-15>, and 423 of
/// <https://www.rfc-editor.org/rfc/rfc4918#section-11.3>.
pub(super) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Input => StatusCode::BAD_REQUEST,
        ErrorKind::Credentials => StatusCode::UNAUTHORIZED,
        ErrorKind::NotGranted | ErrorKind::Denied | ErrorKind::Expired | ErrorKind::Revoked => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::NotOwned | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Locked => StatusCode::LOCKED,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Propagating | ErrorKind::Busy => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorKind::Rejected | ErrorKind::Failed | ErrorKind::Unreachable => StatusCode::BAD_GATEWAY,
        ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let mut response = (status(error.kind()), Json(&error)).into_response();
        if let Some(wait) = error.retry_after() {
            // Whole seconds, rounded up: <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static(JSON))];
        match serde_json::to_vec(&self.0) {
            Ok(text) => (json, Body::from(text)).into_response(),
            Err(error) => {
                let error = Error::new(ErrorKind::Internal, "the answer has no JSON form").caused_by(&error);
                // An error has a JSON form.
                let text = serde_json::to_vec(&error).unwrap_or_default();
                (StatusCode::INTERNAL_SERVER_ERROR, json, Body::from(text)).into_response()
            }
        }
    }
}

/// The problem of something that is not of the form of the call.
pub(super) fn form(at: &str, what: impl std::fmt::Display) -> Problem {
    let help = "give what the call takes, and nothing else".to_owned();
    Problem::error(Rule::Form, what.to_string(), help).at(at)
}

/// The error of one problem.
pub(super) fn refused(problem: Problem) -> Error {
    vec![problem].into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_error_is_read_back_as_it_was_and_its_status_fits() {
        let kinds = [
            (ErrorKind::Input, 400),
            (ErrorKind::NotGranted, 403),
            (ErrorKind::Denied, 403),
            (ErrorKind::Credentials, 401),
            (ErrorKind::Expired, 403),
            (ErrorKind::Revoked, 403),
            (ErrorKind::NotFound, 404),
            (ErrorKind::AlreadyExists, 409),
            (ErrorKind::NotOwned, 409),
            (ErrorKind::Locked, 423),
            (ErrorKind::Conflict, 409),
            (ErrorKind::Throttled, 503),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::Unreachable, 502),
            (ErrorKind::Propagating, 503),
            (ErrorKind::Busy, 503),
            (ErrorKind::Rejected, 502),
            (ErrorKind::TooLarge, 413),
            (ErrorKind::Failed, 502),
            (ErrorKind::TimedOut, 504),
            (ErrorKind::Unsupported, 422),
            (ErrorKind::Internal, 500),
        ];
        for (kind, status) in kinds {
            let source = std::io::Error::other("the disk is full");
            let error = Error::new(kind, "it failed").at("api").in_operation("lambda:UpdateFunctionCode");
            let error = error.with_request_id(Some("7")).with_put_back().with_sent().caused_by(&source);
            let error = error.with_retry_after(Some(Duration::from_millis(1500)));
            let response = Failure(error.clone()).into_response();
            assert_eq!(response.status(), status, "{kind:?}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "2");
            let text = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            assert_eq!(serde_json::from_slice::<Error>(&text).unwrap(), error);
        }
        let error = refused(form("body", "unknown field `colour`"));
        let text = serde_json::to_vec(&error).unwrap();
        assert_eq!(serde_json::from_slice::<Error>(&text).unwrap(), error);
    }
}
