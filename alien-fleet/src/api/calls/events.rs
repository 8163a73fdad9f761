//! The log: a part of it, and a stream.

use std::convert::Infallible;
use std::time::Duration;

use alien_core::Result;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::Serialize;

use crate::api::body::With;
use crate::api::failure::{Answer, Failure, Json, form, refused};
use crate::api::forms::{After, Failed, From};
use crate::api::router::{Acting, Api};
use crate::log::Entry;

/// The most entries or lines of one answer.
pub(in crate::api) const MOST: usize = 1000;

/// How often a stream that has nothing to tell sends an empty line, so that either side sees whether the other is there.
const ALIVE: Duration = Duration::from_secs(15);

pub(in crate::api) async fn list(
    Acting(fleet): Acting,
    With(After { after, limit }): With<After>,
) -> Answer<Vec<Entry>> {
    Ok(Json(fleet.log(after, bounded(limit)?).await?))
}

/// An entry a line, until the reader leaves or the server shuts down.
pub(in crate::api) async fn stream(
    State(api): State<Api>,
    Acting(fleet): Acting,
    With(From { after }): With<From>,
) -> Result<Response, Failure> {
    let lines = lines(fleet.follow(after)).take_until(Box::pin(api.closing()));
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    Ok((kind, Body::from_stream(lines.map(Ok::<_, Infallible>))).into_response())
}

fn lines(entries: BoxStream<'static, Result<Entry>>) -> BoxStream<'static, Bytes> {
    let lines = stream::unfold(entries, |mut entries| async move {
        let line = match tokio::time::timeout(ALIVE, entries.next()).await {
            Ok(Some(Ok(entry))) => line(&entry),
            Ok(Some(Err(error))) => line(&Failed { error }),
            Ok(None) => return None,
            Err(_) => Bytes::from_static(b"\n"),
        };
        Some((line, entries))
    });
    lines.boxed()
}

fn line(value: &impl Serialize) -> Bytes {
    // Entries and errors have a JSON form.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// A limit within its bounds.
pub(super) fn bounded(limit: Option<usize>) -> Result<usize> {
    let limit = limit.unwrap_or(MOST);
    let what = format!("the limit {limit} is out of bounds; use 1 to {MOST}");
    if (1..=MOST).contains(&limit) { Ok(limit) } else { Err(refused(form("limit", what))) }
}
