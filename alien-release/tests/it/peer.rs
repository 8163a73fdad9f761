//! A registry on this machine, which answers what it is told to.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use alien_core::{Code, Container, Platform, Profile, Stack};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// What is answered at a path.
#[derive(Clone)]
pub(crate) enum Answer {
    Bytes(Bytes),
    Status(u16, String),
    Redirect(String),
    /// A body without an end.
    Endless,
    /// No answer.
    Never,
}

/// Who may pull.
#[derive(Clone, Default)]
pub(crate) enum Door {
    #[default]
    Open,
    /// Who has a token, which this registry gives to everybody, or to a user with a password alone.
    Token(Option<(&'static str, &'static str)>),
    /// Who sends this header, and is told so by this challenge.
    Header(String, &'static str),
    /// Nobody: the challenge names another place for tokens.
    Elsewhere(&'static str),
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(crate) accept: String,
    pub(crate) authorization: Option<String>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    seen: Vec<Seen>,
    door: Door,
    /// How many requests for manifests wait for each other.
    together: Option<Arc<Barrier>>,
    at_work: usize,
    most_at_work: usize,
}

/// A registry on a free port of 127.0.0.1. It stops with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) host: String,
    state: Arc<Mutex<State>>,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let peer = Self { host, state: Arc::default() };
        let serving = peer.clone();
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let peer = serving.clone();
                let service = hyper::service::service_fn(move |request| {
                    let peer = peer.clone();
                    async move { Ok::<_, Infallible>(peer.answer(request).await) }
                });
                let connection = TokioIo::new(connection);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(connection, service));
            }
        });
        peer
    }

    pub(crate) async fn with_door(door: Door) -> Self {
        let peer = Self::new().await;
        peer.state.lock().unwrap().door = door;
        peer
    }

    /// Lets requests for manifests wait until this many have come.
    pub(crate) fn together(&self, count: usize) {
        self.state.lock().unwrap().together = Some(Arc::new(Barrier::new(count)));
    }

    /// How many requests for manifests were answered at the same time.
    pub(crate) fn most_at_work(&self) -> usize {
        self.state.lock().unwrap().most_at_work
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// How many requests for a token were answered.
    pub(crate) fn tokens(&self) -> usize {
        self.seen().iter().filter(|seen| seen.target.starts_with("/token")).count()
    }

    pub(crate) fn set(&self, path: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    /// Stores a manifest or an index, and returns its digest.
    pub(crate) fn manifest(&self, repository: &str, document: &Value) -> String {
        self.store(repository, "manifests", document)
    }

    /// Stores a config, and returns its digest.
    pub(crate) fn config(&self, repository: &str, document: &Value) -> String {
        self.store(repository, "blobs", document)
    }

    fn store(&self, repository: &str, kind: &str, document: &Value) -> String {
        let bytes = document.to_string();
        let digest = sha256(bytes.as_bytes());
        self.set(&format!("/v2/{repository}/{kind}/{digest}"), Answer::Bytes(bytes.into()));
        digest
    }

    /// Stores an image for a platform, and returns the digests of its manifest and its config.
    pub(crate) fn image(&self, repository: &str, os: &str, architecture: &str) -> [String; 2] {
        let config = self.config(repository, &json!({ "os": os, "architecture": architecture, "of": repository }));
        [self.manifest(repository, &manifest(&config)), config]
    }

    /// The reference of an image here.
    pub(crate) fn reference(&self, repository: &str, digest: &str) -> String {
        format!("{}/{repository}@{digest}", self.host)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let seen = Seen {
            target: request.uri().to_string(),
            accept: header(http::header::ACCEPT).unwrap_or_default(),
            authorization: header(http::header::AUTHORIZATION),
        };
        let path = request.uri().path().to_owned();
        let (door, answer, together) = {
            let mut state = self.state.lock().unwrap();
            state.seen.push(seen.clone());
            (state.door.clone(), state.answers.get(&path).cloned(), state.together.clone())
        };
        if path == "/token" {
            return self.token(&door, &seen);
        }
        let repository = path.strip_prefix("/v2/").and_then(|rest| rest.rsplitn(3, '/').nth(2)).unwrap_or_default();
        let (wanted, challenge) = match door {
            Door::Open => (None, String::new()),
            Door::Token(_) => {
                let realm = format!("http://{}/token", self.host);
                // It asks for more than is needed.
                let scope = format!("repository:{repository}:pull,push");
                let challenge = format!(r#"Bearer realm="{realm}",service="a peer",scope="{scope}""#);
                (Some(format!("Bearer for-{repository}")), challenge)
            }
            Door::Header(header, challenge) => (Some(header), challenge.to_owned()),
            Door::Elsewhere(realm) => (Some("nobody".to_owned()), format!(r#"Bearer realm="{realm}""#)),
        };
        if wanted.is_some() && wanted != seen.authorization {
            let told = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "who are you?\u{1b}[2J" }] });
            let mut response = plain(401, told.to_string());
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge.parse().unwrap());
            return response;
        }
        if let Some(together) = together.filter(|_| path.contains("/manifests/")) {
            {
                let mut state = self.state.lock().unwrap();
                state.at_work += 1;
                state.most_at_work = state.most_at_work.max(state.at_work);
            }
            together.wait().await;
            self.state.lock().unwrap().at_work -= 1;
        }
        match answer {
            Some(Answer::Bytes(bytes)) => Response::new(Full::new(bytes).boxed()),
            Some(Answer::Status(status, body)) => plain(status, body),
            Some(Answer::Redirect(to)) => {
                let mut response = plain(307, String::new());
                response.headers_mut().insert(http::header::LOCATION, to.parse().unwrap());
                response
            }
            Some(Answer::Endless) => {
                let piece = || Ok(Frame::data(Bytes::from_static(&[b' '; 64 * 1024])));
                Response::new(StreamBody::new(SyncStream(Box::pin(stream::repeat_with(piece)))).boxed())
            }
            Some(Answer::Never) => std::future::pending().await,
            None => {
                let told = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
                plain(404, told.to_string())
            }
        }
    }

    fn token(&self, door: &Door, seen: &Seen) -> Response<BoxBody<Bytes, Infallible>> {
        let Door::Token(user) = door else { return plain(404, String::new()) };
        let wanted = user.map(|(user, password)| basic(user, password));
        if seen.authorization != wanted {
            return plain(401, json!({ "errors": [{ "code": "DENIED", "message": "wrong password" }] }).to_string());
        }
        let query = seen.target.split_once('?').unwrap().1.replace("%3A", ":").replace("%2F", "/");
        let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=repository:")).unwrap();
        let (repository, actions) = scope.rsplit_once(':').unwrap();
        assert_eq!(actions, "pull", "a token that may do more than pull was asked for");
        assert!(query.contains("service=a+peer"), "{query}");
        let field = if user.is_some() { "access_token" } else { "token" };
        plain(200, json!({ field: format!("for-{repository}"), "expires_in": 300 }).to_string())
    }
}

/// A body has to be `Sync`, and only its own connection polls it.
struct SyncStream<S>(S);

impl<S: stream::Stream + Unpin> stream::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::pin::Pin::new(&mut self.0).poll_next(cx)
    }
}

fn plain(status: u16, body: String) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder().status(status).body(Full::new(body.into()).boxed()).unwrap()
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut digest = String::from("sha256:");
    for byte in <sha2::Sha256 as sha2::Digest>::digest(bytes) {
        write!(digest, "{byte:02x}").unwrap();
    }
    digest
}

pub(crate) fn manifest(config: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config, "size": 1 },
        "layers": [],
    })
}

/// The entry of an index for a platform, `os/architecture` or `os/architecture/variant`.
pub(crate) fn entry(platform: &str, digest: &str) -> Value {
    let words: Vec<&str> = platform.split('/').collect();
    let mut platform = json!({ "os": words[0], "architecture": words[1] });
    if let Some(variant) = words.get(2) {
        platform["variant"] = (*variant).into();
    }
    json!({ "mediaType": MANIFEST, "digest": digest, "size": 1, "platform": platform })
}

pub(crate) fn index(entries: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries })
}

/// A stack of one container for each image.
pub(crate) fn stack(references: &[String]) -> Stack {
    let mut stack = Stack::builder("shop");
    for (n, reference) in references.iter().enumerate() {
        stack.live(format!("worker-{n}"), Container::new(reference.parse::<Code>().unwrap(), "code"));
    }
    stack.profile("code", Profile::new());
    stack.build().unwrap_or_else(|problems| panic!("{problems}"))
}

/// A stack whose container names a digest for each platform.
pub(crate) fn stack_of_platforms(repository: &str, digests: [(Platform, &str); 2]) -> Stack {
    let mut code = Code::default();
    for (platform, digest) in digests {
        code = code.with_platform_image(repository, platform, digest).unwrap();
    }
    let mut stack = Stack::builder("shop");
    stack.live("worker", Container::new(code, "code"));
    stack.profile("code", Profile::new());
    stack.build().unwrap()
}
