//! The log: a part of it, and a stream.

use std::convert::Infallible;
use std::time::Duration;

use alien_core::Result;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use serde::Serialize;
use serde_json::json;

use crate::api::acting::{Acting, Api};
use crate::api::body::With;
use crate::api::describe::{Answers, Draft, Part};
use crate::api::failure::{Answer, Failure, Json, form, refused};
use crate::api::forms::{After, From};
use crate::log::Entry;

/// The most entries or lines of one answer.
pub(in crate::api) const MOST: usize = 1000;

/// How often a stream that has nothing to tell sends a comment, so that either side sees whether the other is there.
const ALIVE: Duration = Duration::from_secs(15);

/// The type of the event that ends a stream that failed. Others have no type.
pub(in crate::api) const FAILED: &str = "failed";

pub(in crate::api) async fn list(
    Acting(fleet): Acting,
    With(After { after, limit }): With<After>,
) -> Answer<Vec<Entry>> {
    Ok(Json(fleet.log(after, bounded(limit)?).await?))
}

/// Each entry as an event, until the reader leaves or the server shuts down. An event's id is the number of its entry.
pub(in crate::api) async fn stream(
    State(api): State<Api>,
    Acting(fleet): Acting,
    LastEventId(last): LastEventId,
    With(From { after }): With<From>,
) -> Result<Events, Failure> {
    let events = Events::of(fleet.follow(last.unwrap_or(after)));
    Ok(Events(events.0.take_until(Box::pin(api.closing())).boxed()))
}

/// The number of the last entry that a reader has, which says it when it comes again. It wins over `after`, which is then still what it
/// was at first. <https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header>
pub(in crate::api) struct LastEventId(Option<u64>);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(given) = parts.headers.get(LAST_EVENT_ID) else { return Ok(Self(None)) };
        let number = given.to_str().ok().and_then(|text| text.parse().ok());
        let wrong = || refused(form("Last-Event-ID", "it is not the id of an event, which is a number"));
        Ok(Self(Some(number.ok_or_else(wrong)?)))
    }
}

impl Part for LastEventId {
    fn describe(draft: &mut Draft<'_>) {
        let description = "The id of the last event that was read. The stream goes on after it.";
        let id = json!({ "type": "integer", "minimum": 0, "format": "uint64", "description": description });
        draft.header("Last-Event-ID", false, id);
    }
}

/// Server-Sent Events. <https://html.spec.whatwg.org/multipage/server-sent-events.html>
pub(in crate::api) struct Events(BoxStream<'static, Event>);

impl Events {
    /// The events of entries.
    pub(in crate::api) fn of(entries: BoxStream<'static, Result<Entry>>) -> Self {
        Self(told(entries).boxed())
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        Sse::new(self.0.map(Ok::<_, Infallible>)).into_response()
    }
}

impl Answers for Result<Events, Failure> {
    fn describe(draft: &mut Draft<'_>) {
        let entry = draft.schema::<Entry>();
        let what = "An event for each entry of the log, with its number as id. The last one of a stream that failed is of type \
                    `failed`, and has the error. A comment comes every 15 seconds where there is no event.";
        let text = json!({ "type": "string", "contentMediaType": "application/json", "contentSchema": entry });
        draft.answers(200, what, "text/event-stream", text);
    }
}

fn told(entries: BoxStream<'static, Result<Entry>>) -> impl Stream<Item = Event> + Send + 'static {
    stream::unfold(entries, |mut entries| async move {
        let event = match tokio::time::timeout(ALIVE, entries.next()).await {
            Ok(Some(Ok(entry))) => Event::default().id(entry.number.to_string()).data(text(&entry)),
            Ok(Some(Err(error))) => Event::default().event(FAILED).data(text(&error)),
            Ok(None) => return None,
            Err(_) => Event::default().comment(""),
        };
        Some((event, entries))
    })
}

fn text(value: &impl Serialize) -> String {
    // Entries and errors have a JSON form, without line breaks.
    serde_json::to_string(value).unwrap_or_default()
}

/// A limit within its bounds.
pub(super) fn bounded(limit: Option<usize>) -> Result<usize> {
    let limit = limit.unwrap_or(MOST);
    let what = format!("the limit {limit} is out of bounds; use 1 to {MOST}");
    if (1..=MOST).contains(&limit) { Ok(limit) } else { Err(refused(form("limit", what))) }
}
