//! What goes wrong with calls: the kind, the place, and what to do.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Problems};

/// The kind of a failure: what a caller may want to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// The customer revoked the vendor's access.
    Revoked,
    /// It does not exist.
    NotFound,
    /// It already exists.
    AlreadyExists,
    /// Something of that name exists, and it does not belong to this deployment.
    NotOwned,
    /// Another run is setting up, taking down or updating the same deployment.
    Locked,
    /// The record or the resource was changed by somebody else since it was looked at.
    Conflict,
    /// The cloud asks to be called less often.
    Throttled,
    /// The cloud, or the network on the way to it, does not work at the moment.
    Unavailable,
    /// Nothing of the cloud can be reached from here, and waiting does not help: the name is not known, the certificate is not trusted,
    /// or a proxy lets nothing pass.
    Unreachable,
    /// Something that was just created or granted has not propagated yet.
    Propagating,
    /// It is being changed: it can be changed again afterwards.
    Busy,
    /// The cloud rejects what it was given.
    Rejected,
    /// The cloud rejects it because it is too large.
    TooLarge,
    /// An update did not become active.
    Failed,
    /// It took longer than allowed. What was sent may still be done.
    TimedOut,
    /// The resource has no such operation.
    Unsupported,
    /// The cloud's answer makes no sense, or the library has a defect.
    Internal,
}

impl ErrorKind {
    /// Whether the same call can succeed a little later. Of [`Unreachable`](Self::Unreachable) that is so only by luck.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Unreachable | Self::Propagating | Self::Busy)
    }

    /// Whether the cloud refused what was sent, or it does not work: what was there before can be put back.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Failed | Self::Rejected | Self::TooLarge)
    }

    /// Whether the call may have been done although it failed: its answer was lost or makes no sense, or what it began
    /// failed or did not end in time.
    #[must_use]
    pub const fn may_be_done(self) -> bool {
        matches!(self, Self::Unavailable | Self::Unreachable | Self::TimedOut | Self::Failed | Self::Internal)
    }

    /// Whether the cloud certainly did nothing: even a call that must not be made twice can be made again.
    #[must_use]
    pub const fn is_certainly_undone(self) -> bool {
        matches!(self, Self::Throttled | Self::Propagating | Self::Busy)
    }

    /// How long at most a call is tried again after this. A name server or a proxy that has hiccups is back after seconds; whoever has
    /// mistyped a region need not wait for longer.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Self::Unreachable => Duration::from_secs(5),
            _ => Duration::MAX,
        }
    }
}

/// A failure, with the call and the resource it happened at.
///
/// It holds no credential and no request: only the kind, the cloud's own words, and the place. It can be serialized and read
/// back; its sources are kept as texts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Inner {
    kind: ErrorKind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    put_back: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sent: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

/// What caused an error, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Source {
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Box<Self>>,
}

impl Source {
    fn of(error: &dyn std::error::Error) -> Self {
        Self { message: error.to_string(), source: error.source().map(|source| Box::new(Self::of(source))) }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Source {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates a failure of this kind. `message` says what happened and, where that helps, what to do.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            resource: None,
            request_id: None,
            retry_after: None,
            put_back: false,
            sent: false,
            problems: Vec::new(),
            source: None,
        }))
    }

    /// Sets the cause. Its words and those of its own sources are kept, nothing else.
    #[must_use]
    pub fn caused_by(mut self, source: &dyn std::error::Error) -> Self {
        self.0.source = Some(Source::of(source));
        self
    }

    /// Sets the operation, as the cloud's API reference names it, unless one is set already.
    #[must_use]
    pub fn in_operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// Sets the resource, unless one is set already.
    #[must_use]
    pub fn at(mut self, resource: impl Into<String>) -> Self {
        self.0.resource.get_or_insert_with(|| resource.into());
        self
    }

    /// Sets the id that the cloud gave the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<&str>) -> Self {
        self.0.request_id = id.map(str::to_owned);
        self
    }

    /// Sets how long the cloud asks to wait before the next attempt.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Replaces the kind, where the caller knows more than the cloud said.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Marks that what ran before the update was put back and runs again.
    #[must_use]
    pub fn with_put_back(mut self) -> Self {
        self.0.put_back = true;
        self
    }

    /// Marks that what was sent may have been done, or may still be done.
    #[must_use]
    pub fn with_sent(mut self) -> Self {
        self.0.sent = true;
        self
    }

    /// Turns the refusal of a write into a [`Conflict`](ErrorKind::Conflict): it was based on a look, and somebody else has
    /// changed the resource since.
    #[must_use]
    pub fn into_conflict(self) -> Self {
        let help = "somebody else has changed it since it was looked at; look at it, and run again";
        self.with_kind(ErrorKind::Conflict).because(help)
    }

    /// Whether this is a conflict that may be with an earlier attempt of the same call, whose answer was lost.
    #[must_use]
    pub fn may_conflict_with_itself(&self) -> bool {
        self.kind() == ErrorKind::Conflict && self.was_sent()
    }

    /// The first error of this library among an error and its causes: an HTTP client or a provider of credentials may have passed it on
    /// inside one of its own.
    #[must_use]
    pub fn among<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        causes(error).find_map(|error| error.downcast_ref())
    }

    /// Appends words to the message.
    #[must_use]
    pub fn because(mut self, more: impl fmt::Display) -> Self {
        self.0.message = format!("{}; {more}", self.0.message);
        self
    }

    /// Creates a failure for an answer that lacks something its API reference promises.
    #[must_use]
    pub fn missing_field(what: &str) -> Self {
        Self::new(ErrorKind::Internal, format!("the answer has no {what}"))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation it happened in, as the cloud's API reference names it.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
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

    /// Whether an update failed, and what was there before it was put back and runs again.
    #[must_use]
    pub fn is_put_back(&self) -> bool {
        self.0.put_back
    }

    /// Whether what was sent may have been done, or may still be done, although this failed. It must not be repeated if
    /// it may not be done twice.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.0.sent
    }

    /// Every problem of the input; empty for every kind but [`ErrorKind::Input`].
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }
}

/// An error, and what caused it, one after another.
pub fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The text of an error and of its causes, each once.
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

/// Puts back what was there before, if the cloud refused what was sent or it does not work. The error says whether that
/// succeeded.
///
/// # Errors
///
/// The result of sending.
pub async fn or_undo<T>(sent: Result<T>, undo: impl Future<Output = Result<()>>, what: &str) -> Result<T> {
    match sent {
        Err(error) if error.kind().is_refusal() => Err(match undo.await {
            Ok(()) => error.because(format!("the previous {what} was put back")).with_put_back(),
            Err(second) => {
                let mut error = error.because(format!("the previous {what} could not be put back: {second}"));
                // Another part may have been put back before.
                error.0.put_back = false;
                error
            }
        }),
        sent => sent,
    }
}

/// Changes what a failure means at the place of a call.
pub trait ResultExt<T> {
    /// Turns [`ErrorKind::NotFound`] into `None`, for a lookup that may find nothing.
    ///
    /// # Errors
    ///
    /// Every other failure.
    fn optional(self) -> Result<Option<T>>;

    /// Turns [`ErrorKind::AlreadyExists`] into `None`, for a creation that may have been done before.
    ///
    /// # Errors
    ///
    /// Every other failure.
    fn unless_exists(self) -> Result<Option<T>>;

    /// Turns [`ErrorKind::NotFound`] into [`ErrorKind::Propagating`], for something that was just created.
    ///
    /// # Errors
    ///
    /// Every failure.
    fn propagating(self) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn unless_exists(self) -> Result<Option<T>> {
        match self {
            Ok(made) => Ok(Some(made)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn propagating(self) -> Result<T> {
        self.map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_kind(ErrorKind::Propagating),
            _ => error,
        })
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
            assert!(kind.is_transient() && kind.patience() == Duration::MAX);
        }
        assert!(ErrorKind::Unreachable.patience() < Duration::from_secs(10));
        for kind in [ErrorKind::Denied, ErrorKind::Expired, ErrorKind::Revoked, ErrorKind::NotOwned, ErrorKind::Failed]
        {
            assert!(!kind.is_transient() && !kind.is_certainly_undone());
        }
        // A connection may break, and a proxy may answer, after the cloud has done what it was asked.
        for kind in [ErrorKind::Unavailable, ErrorKind::Unreachable] {
            assert!(kind.may_be_done() && !kind.is_certainly_undone());
        }
    }
}
