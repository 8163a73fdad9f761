//! A request id, a line in the log, and a count, for each request.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::auth::Acted;
use crate::metrics::Metrics;
use crate::shed::Peer;

/// The header with the request's id, which the caller may choose.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most bytes of an id that a caller chooses.
const LONGEST: usize = 128;

/// The outermost layer. The query is not logged, and no header. A caller that chose an id gets it back, and one that did not is told it,
/// unless nothing changed: a poll is short.
pub(crate) async fn observed(State(metrics): State<Arc<Metrics>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let given = request.headers().get(&REQUEST_ID).filter(|id| is_plain(id)).cloned();
    let is_given = given.is_some();
    let id = given.or_else(|| HeaderValue::try_from(Uuid::new_v4().to_string()).ok());
    let id = id.unwrap_or_else(|| HeaderValue::from_static("none"));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let address = request.extensions().get::<Peer>().and_then(|peer| peer.address(request.headers()));
    let span = tracing::info_span!("request", request_id = id.to_str().unwrap_or_default());
    let mut response = next.run(request).instrument(span).await;
    if is_given || response.status() != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    let (status, took) = (response.status(), begun.elapsed());
    metrics.request(&method, &route, status, took);
    tracing::info!(
        request_id = id.to_str().unwrap_or_default(),
        method = method.as_str(),
        path,
        status = status.as_u16(),
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        who = response.extensions().get::<Acted>().map(|Acted(who)| who.to_string()),
        address = address.map(|address| address.to_string()),
        "answered"
    );
    response
}

/// Whether an id that a caller chose can stand in a log.
fn is_plain(id: &HeaderValue) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}
