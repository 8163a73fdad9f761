//! Bodies and parameters of calls: bounded, read in time, and refused where they are not of the form.

use std::time::Duration;

use alien_core::adapter::read_json;
use alien_core::{Error, ErrorKind, Result};
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::describe::{Draft, Part};
use super::failure::{Failure, JSON, form, refused};

/// The most bytes of a small body: an order, a setting.
pub(super) const SMALL: usize = 64 << 10;

/// The most bytes of a body with a stack or a record.
pub(super) const DOCUMENT: usize = 8 << 20;

/// The most bytes of a command, and of its answer: what a function takes at most.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(super) const COMMAND: usize = 6 << 20;

/// The most bytes of a zip: what a function's code may have unpacked.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(super) const ZIP: usize = 250 << 20;

/// How long each part of a body may take to arrive.
pub(super) const PART: Duration = Duration::from_secs(30);

/// How long the whole of a body may take, and how long a zip.
const WHOLE: Duration = Duration::from_secs(60);
pub(super) const WHOLE_ZIP: Duration = Duration::from_secs(15 * 60);

/// Reads a body, part by part.
pub(super) struct Reader {
    parts: BodyDataStream,
    limit: usize,
    left: usize,
    patience: Duration,
    until: Option<Instant>,
}

impl Reader {
    /// Begins to read at most `limit` bytes, of which each part arrives within `patience`.
    pub(super) fn new(body: Body, limit: usize, patience: Duration) -> Self {
        Self { parts: body.into_data_stream(), limit, left: limit, patience, until: None }
    }

    /// Sets how long the whole may take: whoever sends it byte by byte is in time with each part.
    pub(super) fn within(mut self, time: Duration) -> Self {
        self.until = Some(Instant::now() + time);
        self
    }

    /// The next part; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = Instant::now() + self.patience;
        let (until, what) = match self.until.filter(|until| *until < next) {
            Some(until) => (until, "the body did not arrive in time".to_owned()),
            None => (next, format!("nothing arrived for {} seconds", self.patience.as_secs())),
        };
        let late = |_| Error::new(ErrorKind::TimedOut, what);
        let part = tokio::time::timeout_at(until, self.parts.next()).await.map_err(late)?;
        let Some(part) = part else { return Ok(None) };
        let broken = |error| Error::new(ErrorKind::Unavailable, "the connection ended early").caused_by(&error);
        let part = part.map_err(broken)?;
        self.left = self.left.checked_sub(part.len()).ok_or_else(|| too_large(self.limit))?;
        Ok(Some(part))
    }

    /// All that is left.
    pub(super) async fn all(mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(part) = self.next().await? {
            all.extend_from_slice(&part);
        }
        Ok(all)
    }
}

/// The error of a body above its limit.
pub(super) fn too_large(limit: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the body is larger than {limit} bytes"))
}

/// A body of JSON, of at most so many bytes.
pub(super) struct Given<T, const LIMIT: usize>(pub(super) T);

impl<S: Sync, T: DeserializeOwned, const LIMIT: usize> FromRequest<S> for Given<T, LIMIT> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let text = Reader::new(request.into_body(), LIMIT, PART).within(WHOLE).all().await?;
        read_json(&text).map(Self).map_err(|error| Failure(refused(form("body", error))))
    }
}

impl<T: JsonSchema, const LIMIT: usize> Part for Given<T, LIMIT> {
    fn describe(draft: &mut Draft<'_>) {
        let schema = draft.schema::<T>();
        draft.body(JSON, schema);
        draft.fails(BODY);
    }
}

/// What a body may be refused with, beyond its form.
pub(super) const BODY: &[ErrorKind] = &[ErrorKind::TooLarge, ErrorKind::TimedOut];

/// A body of bytes, of at most so many.
pub(super) struct Raw<const LIMIT: usize>(pub(super) Vec<u8>);

impl<S: Sync, const LIMIT: usize> FromRequest<S> for Raw<LIMIT> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        Ok(Self(Reader::new(request.into_body(), LIMIT, PART).within(WHOLE).all().await?))
    }
}

impl<const LIMIT: usize> Part for Raw<LIMIT> {
    fn describe(draft: &mut Draft<'_>) {
        draft.bytes("application/octet-stream", LIMIT);
        draft.fails(BODY);
    }
}

/// The bytes of a zip.
impl Part for Body {
    fn describe(draft: &mut Draft<'_>) {
        draft.bytes("application/zip", ZIP);
        draft.fails(BODY);
    }
}

/// The parameters in the path.
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let found = Path::<T>::from_request_parts(parts, state).await;
        found.map(|Path(found)| Self(found)).map_err(|error| Failure(refused(form("path", error.body_text()))))
    }
}

impl<T: JsonSchema> Part for At<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.path::<T>();
    }
}

/// The parameters after the path.
pub(super) struct With<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for With<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let found = Query::<T>::try_from_uri(&parts.uri);
        found.map(|Query(found)| Self(found)).map_err(|error| Failure(refused(form("query", error.body_text()))))
    }
}

impl<T: JsonSchema> Part for With<T> {
    const IS_QUERY: bool = true;

    fn describe(draft: &mut Draft<'_>) {
        draft.query::<T>();
    }
}
