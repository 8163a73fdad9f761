//! What agents ask, over HTTP: the calls of [`alien_release::agent`], and the files of a repository.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alien_core::{CommandId, Error, ErrorKind, Result};
use alien_release::agent::{
    Bearer, CommandReply, Desired, ETag, Hold, LogPage, Message, Report, SIGNATURE_HEADER, Signed, Token, TokenRequest,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde_json::json;
use tokio::sync::Semaphore;

use super::body::{At, BODY, PART, Reader, too_large};
use super::describe::{AGENT, About, Answers, Draft, Part};
use super::failure::{Failure, JSON, Json};
use super::table::Routes;
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
        let calls = calls().router.with_state(agents);
        let unknown = |method: Method, uri: Uri| async move {
            let what = format!("there is no call {method} {}", uri.path());
            Failure(Error::new(ErrorKind::NotFound, what))
        };
        let files = match repository {
            Some(folder) => files().router.with_state(Arc::from(folder)),
            None => Router::new(),
        };
        let places = Arc::new(Semaphore::new(queue));
        calls.merge(files).method_not_allowed_fallback(unknown).layer(from_fn_with_state(places, in_turn))
    }
}

/// The table of calls.
pub(super) fn calls() -> Routes<Agents> {
    use ErrorKind::{Busy, Conflict, Credentials, NotFound};
    let is = |id, summary, kinds| About { id, summary, kinds };
    Routes::new()
        .open("POST", "/v1/agent/token", token, is("agentToken", "Gives an agent a bearer for an hour.", &[Busy]))
        .open("GET", "/v1/agent/desired", desired, is("agentDesired", "What a deployment should run.", &[Busy]))
        .open(
            "POST",
            "/v1/agent/report",
            report,
            is("agentReport", "Takes what an agent reports.", &[Busy, Conflict, Credentials]),
        )
        .open(
            "POST",
            "/v1/agent/commands/{id}",
            command,
            is(
                "agentCommand",
                "Gives a command to an agent that takes it, and takes the answer.",
                &[Busy, Conflict, NotFound],
            ),
        )
        .open(
            "POST",
            "/v1/agent/logs/{id}",
            logs,
            is("agentLogs", "Takes a page of a log that was asked for.", &[Busy, Conflict, NotFound]),
        )
}

/// The files of a repository.
pub(super) fn files() -> Routes<Arc<Path>> {
    let kinds = &[ErrorKind::Busy, ErrorKind::NotFound];
    let about = About { id: "repositoryFile", summary: "A file of the repository of signed releases.", kinds };
    Routes::new().open("GET", "/v1/repository/{file}", file, about)
}

/// Sends away whoever comes beyond the queue.
async fn in_turn(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        return Spread(Error::new(ErrorKind::Busy, "too many agents ask at once")).into_response();
    };
    next.run(request).await
}

/// An error as an answer. Whoever is to come again is told when: not all at the same time. One that sends too much gets 429, so that it is
/// told from a manager that has too much to do.
struct Spread(Error);

impl From<Error> for Spread {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Spread {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let again = AWAY.0 + (AWAY.1 - AWAY.0).mul_f64(fastrand::f64());
        let is_later = matches!(
            error.kind(),
            ErrorKind::Busy | ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Propagating
        );
        let error = if is_later && error.retry_after().is_none() { error.with_retry_after(Some(again)) } else { error };
        let is_flood = error.kind() == ErrorKind::Throttled;
        let mut response = Failure(error).into_response();
        if is_flood {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        }
        response
    }
}

/// The bearer of a call.
struct Asking(Bearer);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Spread;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Spread> {
        let text = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        // The name of the scheme is the same in capitals: <https://www.rfc-editor.org/rfc/rfc9110#section-11.1>.
        let text =
            text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let bearer = text.and_then(|(_, bearer)| bearer.parse().ok());
        let none = || Spread(Error::new(ErrorKind::Credentials, "refused: there is no bearer; ask for a token"));
        bearer.map(Self).ok_or_else(none)
    }
}

impl Part for Asking {
    fn describe(draft: &mut Draft<'_>) {
        draft.bearer(AGENT);
        draft.fails(&[ErrorKind::Credentials]);
    }
}

/// The tag of the last answer, if the agent has one.
struct Last(Option<ETag>);

impl<S: Sync> FromRequestParts<S> for Last {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let last = parts.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        // A tag of somebody else's is none of these.
        Ok(Self(last.and_then(|text| text.parse().ok())))
    }
}

impl Part for Last {
    fn describe(draft: &mut Draft<'_>) {
        let tag = json!({ "type": "string", "description": "The `ETag` of the last answer." });
        draft.header("If-None-Match", false, tag);
    }
}

/// A signed message.
struct Received<M>(Signed<M>);

impl<S: Sync, M: Message> FromRequest<S> for Received<M> {
    type Rejection = Spread;

    async fn from_request(request: Request, _: &S) -> Result<Self, Spread> {
        let signature = request.headers().get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
        let missing = || {
            let what = format!("refused: the header `{SIGNATURE_HEADER}` has no signature");
            Spread(Error::new(ErrorKind::Credentials, what))
        };
        let signature = signature.and_then(|text| text.parse().ok()).ok_or_else(missing)?;
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > M::MOST) {
            return Err(too_large(M::MOST).into());
        }
        let body = Reader::new(request.into_body(), M::MOST, PART).within(WHOLE).all().await?;
        Ok(Self(Signed::new(body, signature)))
    }
}

impl<M: Message + JsonSchema> Part for Received<M> {
    fn describe(draft: &mut Draft<'_>) {
        let signature = "The signature of the body by the agent's Ed25519 key, in the context of the message.";
        draft.header(SIGNATURE_HEADER, true, json!({ "type": "string", "description": signature }));
        let schema = draft.schema::<M>();
        draft.body(JSON, schema);
        draft.fails(BODY);
        draft.fails(&[ErrorKind::Credentials]);
        draft.limits();
    }
}

/// What is answered to an agent.
type Answer<T> = Result<T, Spread>;

async fn token(State(agents): State<Agents>, Received(signed): Received<TokenRequest>) -> Answer<Issued> {
    Ok(Issued(agents.token(&signed).await?))
}

/// A token. Nobody on the way keeps it.
struct Issued(Token);

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        (unkept(JSON), Body::from(self.0.reveal().to_string())).into_response()
    }
}

impl Answers for Answer<Issued> {
    fn describe(draft: &mut Draft<'_>) {
        let token = draft.schema::<Token>();
        draft.answers(200, "A bearer, and the counter of the last message that was taken.", JSON, token);
    }
}

fn unkept(media: &'static str) -> [(HeaderName, HeaderValue); 2] {
    let secret = HeaderValue::from_static("no-store");
    [(header::CONTENT_TYPE, HeaderValue::from_static(media)), (header::CACHE_CONTROL, secret)]
}

async fn desired(State(agents): State<Agents>, Asking(bearer): Asking, Last(last): Last) -> Answer<Poll> {
    Ok(agents.desired(&bearer, last).await?)
}

impl IntoResponse for Poll {
    fn into_response(self) -> Response {
        let tagged = |etag: ETag| {
            let mut headers = HeaderMap::new();
            // Base64 in quotation marks is a valid value.
            headers.extend(HeaderValue::from_str(&etag.to_string()).ok().map(|value| (header::ETAG, value)));
            headers
        };
        match self {
            Self::Unchanged(etag) => (StatusCode::NOT_MODIFIED, tagged(etag)).into_response(),
            Self::Desired(etag, json) => {
                let mut headers = tagged(etag);
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
                (headers, Body::from(json.to_string())).into_response()
            }
        }
    }
}

impl Answers for Answer<Poll> {
    fn describe(draft: &mut Draft<'_>) {
        let desired = draft.schema::<Desired>();
        draft.answers(200, "What it should run.", JSON, desired);
        draft.answers_nothing(304, "It is as it was at the last poll.");
        for status in [200, 304] {
            draft.answer_header(status, "ETag", json!({ "type": "string" }));
        }
    }
}

async fn report(
    State(agents): State<Agents>,
    Asking(bearer): Asking,
    Received(signed): Received<Report>,
) -> Answer<Noted> {
    Ok(Noted(agents.report(&bearer, &signed).await?))
}

/// A report was taken. What the agent wanted to begin is perhaps held.
struct Noted(Option<Hold>);

impl IntoResponse for Noted {
    fn into_response(self) -> Response {
        match self.0 {
            None => StatusCode::NO_CONTENT.into_response(),
            Some(hold) => Json(hold).into_response(),
        }
    }
}

impl Answers for Answer<Noted> {
    fn describe(draft: &mut Draft<'_>) {
        let hold = draft.schema::<Hold>();
        draft.answers(200, "It was taken, and what it begins is held.", JSON, hold);
        draft.answers_nothing(204, "It was taken.");
    }
}

async fn command(
    State(agents): State<Agents>,
    At(id): At<CommandId>,
    Asking(bearer): Asking,
    Received(signed): Received<CommandReply>,
) -> Answer<Given> {
    Ok(Given(agents.reply(&bearer, id, &signed).await?))
}

/// The bytes of a command that was taken. Nobody on the way keeps them.
struct Given(Option<Vec<u8>>);

impl IntoResponse for Given {
    fn into_response(self) -> Response {
        match self.0 {
            None => StatusCode::NO_CONTENT.into_response(),
            Some(bytes) => (unkept("application/octet-stream"), Body::from(bytes)).into_response(),
        }
    }
}

impl Answers for Answer<Given> {
    fn describe(draft: &mut Draft<'_>) {
        let what = "The bytes of the command, which the agent took.";
        draft.answers(200, what, "application/octet-stream", json!({ "type": "string" }));
        draft.answers_nothing(204, "The answer was taken.");
    }
}

async fn logs(
    State(agents): State<Agents>,
    At(id): At<CommandId>,
    Asking(bearer): Asking,
    Received(signed): Received<LogPage>,
) -> Answer<Taken> {
    agents.log_page(&bearer, id, &signed).await?;
    Ok(Taken)
}

/// A page was taken.
struct Taken;

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answers for Answer<Taken> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_nothing(204, "It was taken.");
    }
}

/// A file of the repository, which lies flat in its folder.
async fn file(State(folder): State<Arc<Path>>, At(name): At<String>) -> Answer<Found> {
    let missing = || Err(Error::new(ErrorKind::NotFound, format!("the repository has no file `{name}`")).into());
    if !is_name(&name) {
        return missing();
    }
    let path = folder.join(&name);
    let opened = tokio::task::spawn_blocking(move || {
        let found = std::fs::metadata(&path)?;
        // A pipe is not opened: nobody may ever write to it.
        let file = if found.is_file() { Some(std::fs::File::open(path)?) } else { None };
        Ok::<_, std::io::Error>((file, found.len()))
    });
    let (file, length) = match opened.await {
        Ok(Ok((Some(file), length))) if length <= LARGEST => (file, length),
        Ok(Ok(_)) => return missing(),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return missing(),
        Ok(Err(error)) => {
            return Err(Error::new(ErrorKind::Unavailable, "the repository cannot be read").caused_by(&error).into());
        }
        Err(error) => return Err(Error::new(ErrorKind::Internal, "the call ended early").caused_by(&error).into()),
    };
    // Only the timestamp is written anew; every other name holds one content for ever.
    let cached = if name == "timestamp.json" { "no-cache" } else { "public, max-age=31536000, immutable" };
    Ok(Found { file, length, cached })
}

/// A file that is there.
struct Found {
    file: std::fs::File,
    length: u64,
    cached: &'static str,
}

impl IntoResponse for Found {
    fn into_response(self) -> Response {
        let Self { file, length, cached } = self;
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (header::CONTENT_LENGTH, HeaderValue::from(length)),
            (header::CACHE_CONTROL, HeaderValue::from_static(cached)),
        ];
        (headers, Body::from_stream(chunks(file, length))).into_response()
    }
}

impl Answers for Answer<Found> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers(200, "The file.", "application/octet-stream", json!({ "type": "string" }));
    }
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
