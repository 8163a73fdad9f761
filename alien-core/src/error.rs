//! What went wrong when a cloud was called: its kind, where, and what to do.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Problems};

/// What sort of failure it is: what a caller may want to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is wrong: see [`Error::problems`].
    Input,
    /// The library refused before any network: the session was not granted the operation.
    NotGranted,
    /// The cloud refused: the identity lacks the permission.
    Denied,
    /// There are no credentials, they are not valid, or they are of another account.
    Credentials,
    /// The session is over: a new one is needed.
    Expired,
    /// The customer took the vendor's access back.
    Revoked,
    /// It is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// Something of that name is there, and it is not this deployment's.
    NotOwned,
    /// Another run is setting up or taking down the same deployment.
    Locked,
    /// The cloud asks to be called less often.
    Throttled,
    /// The cloud or the way to it does not work at the moment.
    Unavailable,
    /// Something just made is not known everywhere yet.
    Propagating,
    /// It is being changed: it can be changed again afterwards.
    Busy,
    /// The cloud does not take what it was given.
    Rejected,
    /// The cloud does not take so much at once.
    TooLarge,
    /// An update did not become active.
    Failed,
    /// The resource has no such operation.
    Unsupported,
    /// The answer of the cloud makes no sense, or the library has a defect.
    Internal,
}

impl ErrorKind {
    /// Whether the same call can succeed a little later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Propagating | Self::Busy)
    }

    /// Whether the cloud certainly did nothing: the call can be made again even if it must not be made twice.
    #[must_use]
    pub const fn is_certainly_undone(self) -> bool {
        matches!(self, Self::Throttled | Self::Propagating | Self::Busy)
    }
}

/// A failure, with the call and the resource it happened at.
///
/// It holds no credential and no request: only the kind, the cloud's own words, and where.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    message: String,
    operation: Option<&'static str>,
    resource: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    problems: Vec<Problem>,
}

/// What calls of a cloud give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of this kind: what happened, and where it helps, what to do.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            resource: None,
            request_id: None,
            retry_after: None,
            problems: Vec::new(),
        }))
    }

    /// In this operation, as the cloud's API reference names it. The innermost one stays.
    #[must_use]
    pub fn in_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// At this resource. The innermost one stays.
    #[must_use]
    pub fn at(mut self, resource: impl Into<String>) -> Self {
        self.0.resource.get_or_insert_with(|| resource.into());
        self
    }

    /// With the id that the cloud gave the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<&str>) -> Self {
        self.0.request_id = id.map(str::to_owned);
        self
    }

    /// Not to be tried again before this time has passed.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Of another kind: where the caller knows more than the cloud said.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// With more words behind the message.
    #[must_use]
    pub fn because(mut self, more: impl fmt::Display) -> Self {
        self.0.message = format!("{}; {more}", self.0.message);
        self
    }

    /// An answer of a cloud lacks something that its API reference promises.
    #[must_use]
    pub fn missing_field(what: &str) -> Self {
        Self::new(ErrorKind::Internal, format!("the answer has no {what}"))
    }

    /// With what became of putting back what was there before.
    #[must_use]
    pub fn with_undo(self, undone: Result<()>, what: &str) -> Self {
        match undone {
            Ok(()) => self.because(format!("the previous {what} was put back")),
            Err(second) => self.because(format!("the previous {what} could not be put back: {second}")),
        }
    }

    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without where.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation it happened in, as the cloud's API reference names it.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The resource it happened at.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.0.resource.as_deref()
    }

    /// The id that the cloud gave the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the cloud asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What is wrong with the input, all of it; empty for every kind but [`ErrorKind::Input`].
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }
}

/// An error and what caused it, each once.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

/// Nothing, where a look found nothing.
pub trait OptionalExt<T> {
    /// `None` in the place of [`ErrorKind::NotFound`].
    ///
    /// # Errors
    ///
    /// Every other failure.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExt<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        let mut error = Self::new(ErrorKind::Input, problems.to_string());
        error.0.problems = problems.0;
        error
    }
}

impl From<Vec<Problem>> for Error {
    fn from(problems: Vec<Problem>) -> Self {
        Problems(problems).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, operation, resource, request_id, .. } = &*self.0;
        if let Some(resource) = resource {
            write!(f, "`{resource}`: ")?;
        }
        f.write_str(message)?;
        match (operation, request_id) {
            (Some(operation), Some(id)) => write!(f, " ({operation}, request {id})"),
            (Some(operation), None) => write!(f, " ({operation})"),
            (None, Some(id)) => write!(f, " (request {id})"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_keeps_the_innermost_place() {
        let error = Error::new(ErrorKind::Denied, "no").at("api").in_operation("a:Get").at("b").in_operation("b:Get");
        assert_eq!(error.to_string(), "`api`: no (a:Get)");
        assert_eq!(error.with_request_id(Some("7")).to_string(), "`api`: no (a:Get, request 7)");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for kind in [ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Propagating, ErrorKind::Busy] {
            assert!(kind.is_transient());
        }
        for kind in [ErrorKind::Denied, ErrorKind::Expired, ErrorKind::Revoked, ErrorKind::NotOwned, ErrorKind::Failed]
        {
            assert!(!kind.is_transient() && !kind.is_certainly_undone());
        }
        assert!(!ErrorKind::Unavailable.is_certainly_undone());
    }
}
