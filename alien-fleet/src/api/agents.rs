//! What agents ask, over HTTP: the calls of [`alien_release::agent`], and the files of a repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alien_core::{CommandId, Error, ErrorKind, Result};
use alien_release::agent::{
    Bearer, CommandReply, ETag, LogPage, Message, Report, SIGNATURE_HEADER, Signed, TokenRequest,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use super::body::{At, PART, Reader, too_large};
use super::failure::{Failure, Json};
use crate::agents::{Agents, Poll};

/// How many calls may go on at once, unless that is set.
const QUEUE: usize = 1024;

/// The shortest and the longest time in the `Retry-After` of a 503.
const AWAY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// How long the body of a message may take.
const WHOLE: Duration = Duration::from_secs(40);

/// The largest file of a repository that is served: the zip of a function has at most 250 MiB.
const LARGEST: u64 = 250 << 20;

/// How much of a file is read at once.
const CHUNK: usize = 64 << 10;

/// Collects how agents are answered over HTTP.
#[derive(Debug, Clone)]
#[must_use = "call `router`"]
pub struct AgentApi {
    agents: Agents,
    queue: usize,
    repository: Option<PathBuf>,
}

impl AgentApi {
    /// Answers by these.
    pub fn new(agents: &Agents) -> Self {
        Self { agents: agents.clone(), queue: QUEUE, repository: None }
    }

    /// Sets how many calls may go on at once. Whoever comes beyond is sent away with 503 and a time to come again, between 5 and 60
    /// seconds, another for each.
    pub const fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// Serves the files of a repository from this folder. They are signed, and nothing in them is secret.
    pub fn repository(mut self, folder: impl Into<PathBuf>) -> Self {
        self.repository = Some(folder.into());
        self
    }

    /// The router: `/v1/agent/…`, and `/v1/repository/{file}` if there is one. TLS, limits on connections and time-outs of slow clients
    /// are the server's.
    pub fn router(self) -> Router {
        let Self { agents, queue, repository } = self;
        let calls = Router::new()
            .route("/v1/agent/token", post(token))
            .route("/v1/agent/desired", get(desired))
            .route("/v1/agent/report", post(report))
            .route("/v1/agent/commands/{id}", post(command))
            .route("/v1/agent/logs/{id}", post(logs))
            .with_state(agents);
        let unknown = |method: Method, uri: Uri| async move {
            let what = format!("there is no call {method} {}", uri.path());
            Failure(Error::new(ErrorKind::NotFound, what))
        };
        let files = match repository {
            Some(folder) => Router::new().route("/v1/repository/{file}", get(file)).with_state(Arc::from(folder)),
            None => Router::new(),
        };
        let places = Arc::new(Semaphore::new(queue));
        calls.merge(files).method_not_allowed_fallback(unknown).layer(from_fn_with_state(places, in_turn))
    }
}

/// Sends away whoever comes beyond the queue.
async fn in_turn(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        return failed(Error::new(ErrorKind::Busy, "too many agents ask at once"));
    };
    next.run(request).await
}

/// An error as an answer. Whoever is to come again is told when: not all at the same time.
fn failed(error: Error) -> Response {
    let again = AWAY.0 + (AWAY.1 - AWAY.0).mul_f64(fastrand::f64());
    let is_later = matches!(
        error.kind(),
        ErrorKind::Busy | ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Propagating
    );
    let error = if is_later && error.retry_after().is_none() { error.with_retry_after(Some(again)) } else { error };
    Failure(error).into_response()
}

/// The bearer of a call.
struct Asking(Bearer);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let text = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        // The name of the scheme is the same in capitals: <https://www.rfc-editor.org/rfc/rfc9110#section-11.1>.
        let text =
            text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let bearer = text.and_then(|(_, bearer)| bearer.parse().ok());
        let none = || failed(Error::new(ErrorKind::Credentials, "refused: there is no bearer; ask for a token"));
        bearer.map(Self).ok_or_else(none)
    }
}

/// A signed message.
struct Received<M>(Signed<M>);

impl<S: Sync, M: Message> FromRequest<S> for Received<M> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let signature = request.headers().get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
        let missing = || {
            let what = format!("refused: the header `{SIGNATURE_HEADER}` has no signature");
            failed(Error::new(ErrorKind::Credentials, what))
        };
        let signature = signature.and_then(|text| text.parse().ok()).ok_or_else(missing)?;
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > M::MOST) {
            return Err(failed(too_large(M::MOST)));
        }
        let body = Reader::new(request.into_body(), M::MOST, PART).within(WHOLE).all().await.map_err(failed)?;
        Ok(Self(Signed::new(body, signature)))
    }
}

async fn token(State(agents): State<Agents>, Received(signed): Received<TokenRequest>) -> Response {
    match agents.token(&signed).await {
        Ok(token) => {
            let json = HeaderValue::from_static("application/json");
            let secret = HeaderValue::from_static("no-store");
            let headers = [(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, secret)];
            (headers, Body::from(token.reveal().to_string())).into_response()
        }
        Err(error) => failed(error),
    }
}

async fn desired(State(agents): State<Agents>, Asking(bearer): Asking, headers: HeaderMap) -> Response {
    let last = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    // A tag of somebody else's is none of these.
    let last = last.and_then(|text| text.parse::<ETag>().ok());
    let tagged = |etag: ETag| {
        let mut headers = HeaderMap::new();
        // Base64 in quotation marks is a valid value.
        headers.extend(HeaderValue::from_str(&etag.to_string()).ok().map(|value| (header::ETAG, value)));
        headers
    };
    match agents.desired(&bearer, last).await {
        Ok(Poll::Unchanged(etag)) => (StatusCode::NOT_MODIFIED, tagged(etag)).into_response(),
        Ok(Poll::Desired(etag, json)) => {
            let mut headers = tagged(etag);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
            (headers, Body::from(json.to_string())).into_response()
        }
        Err(error) => failed(error),
    }
}

async fn report(State(agents): State<Agents>, Asking(bearer): Asking, Received(signed): Received<Report>) -> Response {
    match agents.report(&bearer, &signed).await {
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Ok(Some(hold)) => Json(hold).into_response(),
        Err(error) => failed(error),
    }
}

async fn command(
    State(agents): State<Agents>,
    At(id): At<CommandId>,
    Asking(bearer): Asking,
    Received(signed): Received<CommandReply>,
) -> Response {
    match agents.reply(&bearer, id, &signed).await {
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Ok(Some(bytes)) => {
            let octets = HeaderValue::from_static("application/octet-stream");
            let secret = HeaderValue::from_static("no-store");
            ([(header::CONTENT_TYPE, octets), (header::CACHE_CONTROL, secret)], Body::from(bytes)).into_response()
        }
        Err(error) => failed(error),
    }
}

async fn logs(
    State(agents): State<Agents>,
    At(id): At<CommandId>,
    Asking(bearer): Asking,
    Received(signed): Received<LogPage>,
) -> Response {
    match agents.log_page(&bearer, id, &signed).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(error),
    }
}

/// A file of the repository, which lies flat in its folder.
async fn file(State(folder): State<Arc<Path>>, At(name): At<String>) -> Response {
    let missing = || failed(Error::new(ErrorKind::NotFound, format!("the repository has no file `{name}`")));
    if !is_name(&name) {
        return missing();
    }
    let path = folder.join(&name);
    let opened = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(path)?;
        let found = file.metadata()?;
        Ok::<_, std::io::Error>((file, found.is_file(), found.len()))
    });
    let (file, length) = match opened.await {
        Ok(Ok((file, true, length))) if length <= LARGEST => (file, length),
        Ok(Ok(_)) => return missing(),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return missing(),
        Ok(Err(error)) => {
            return failed(Error::new(ErrorKind::Unavailable, "the repository cannot be read").caused_by(&error));
        }
        Err(error) => return failed(Error::new(ErrorKind::Internal, "the call ended early").caused_by(&error)),
    };
    // Only the timestamp is written anew; every other name holds one content for ever.
    let cached = if name == "timestamp.json" { "no-cache" } else { "public, max-age=31536000, immutable" };
    let headers = [
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cached)),
    ];
    (headers, Body::from_stream(chunks(file, length))).into_response()
}

/// The bytes of a file, up to the length that it had, read while they are sent.
fn chunks(
    file: std::fs::File,
    length: u64,
) -> impl futures_util::Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
    futures_util::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            use std::io::Read as _;
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let mut chunk = vec![0; most];
            let count = file.read(&mut chunk)?;
            chunk.truncate(count);
            if count == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
            Ok((chunk, file))
        });
        let (chunk, file) = read.await.map_err(std::io::Error::other)??;
        // A chunk is never longer than what is left.
        let left = left.saturating_sub(chunk.len() as u64);
        Ok(Some((chunk, (file, left))))
    })
}

/// Names of a repository are flat: nothing leads out of the folder, and nothing is hidden.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=255).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["timestamp.json", "1.root.json", "abc.release-3.json", "a..b"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "/etc", "a\0", "ä", "a b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
