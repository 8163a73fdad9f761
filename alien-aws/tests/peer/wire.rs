//! What goes over the wire: a proxy that remembers it, and what sends it again.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use alien_conformance::upgrade::Sent;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::exchange::{Exchange, kept, sent, shown};
use crate::life::CUSTOMER;
use crate::server::{Body, Server, whole};
use crate::undecided::FORWARDED;
use crate::unenforced::is_unenforced;
use crate::world::root;

/// Headers that say what an answer is, where a body alone does not tell that it is an error, or which.
const ANSWERED: [&str; 3] = ["x-amzn-errortype", "x-amzn-query-error", "x-amz-function-error"];

type Http = Client<HttpConnector, Full<Bytes>>;

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build(HttpConnector::new())
}

/// Stands before a peer and remembers what went through.
pub(crate) struct Proxy {
    server: Server,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Proxy {
    pub(crate) async fn before(upstream: &str) -> Self {
        let seen = Arc::<Mutex<Vec<Exchange>>>::default();
        let (client, upstream, kept) = (http(), upstream.to_owned(), Arc::clone(&seen));
        let server =
            Server::start(move |request| forward(client.clone(), upstream.clone(), Arc::clone(&kept), request));
        Self { server: server.await, seen }
    }

    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    /// What went through, and forgets it.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The requests that were done and changed something, each with what was answered.
    pub(crate) fn changes(&self) -> Vec<Sent> {
        let done = |seen: &&Exchange| (200..300).contains(&seen.status) && changes(&seen.sent);
        self.seen.lock().unwrap().iter().filter(done).map(|seen| seen.sent.clone()).collect()
    }
}

async fn forward(
    client: Http,
    upstream: String,
    seen: Arc<Mutex<Vec<Exchange>>>,
    request: Request<Bytes>,
) -> Response<Body> {
    let target = request.uri().path_and_query().unwrap();
    let mut passed = Request::builder().method(request.method()).uri(format!("{upstream}{target}"));
    // The name of the host is signed: it stays the one that the client called.
    *passed.headers_mut().unwrap() = request.headers().clone();
    let answer = client.request(passed.body(Full::new(request.body().clone())).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let sent = Sent { answer: shown(&body), ..sent(&request) };
    let answered = kept(&head.headers, &ANSWERED);
    seen.lock().unwrap().push(Exchange { sent, status: head.status.as_u16(), answered });
    Response::from_parts(head, whole(body))
}

/// Whether a request changes something, by the name of its action where it has one.
fn changes(sent: &Sent) -> bool {
    let form = sent.body.as_str().and_then(|body| body.strip_prefix("Action=")?.split('&').next());
    let target = sent.headers.get("x-amz-target").and_then(|target| target.rsplit('.').next());
    match form.or(target) {
        Some(action) => !["Get", "List", "Describe", "Simulate"].iter().any(|read| action.starts_with(read)),
        None => sent.verb != "GET" && sent.verb != "HEAD",
    }
}

/// Sends requests again, as the root of the customer's account. What the peer chose before and chooses now is paired.
pub(crate) async fn send_again(url: &str, calls: &[Sent]) -> Vec<(String, String)> {
    let client = http();
    let mut swaps = Vec::new();
    for call in calls {
        let swapped = |text: &str| -> String {
            swaps.iter().fold(text.to_owned(), |text, (old, new): &(String, String)| text.replace(old, new))
        };
        let body = swapped(&text(&call.body));
        let uri = format!("{url}{}", swapped(&call.target));
        let request = signed(call, &uri, body, root(CUSTOMER));
        let answer = client.request(request).await.unwrap();
        let status = answer.status();
        let answered = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&answered);
        assert!(status < StatusCode::BAD_REQUEST, "{} {uri} {}: {status} {text}", call.verb, call.body);
        let pairs: Vec<_> = chosen(&call.answer.to_string()).zip(chosen(&text)).collect();
        for (old, new) in pairs {
            if old != new && !swaps.iter().any(|(known, _)| *known == old) {
                swaps.push((old, new));
            }
        }
    }
    swaps
}

/// A client that signs requests and sends them, and knows nothing of this library.
#[derive(Debug)]
pub(crate) struct Plain(Http);

impl Plain {
    pub(crate) fn new() -> Self {
        Self(http())
    }

    /// Assumes a role by a request to STS. Returns the credentials that it gives.
    pub(crate) async fn enter(&self, url: &str, call: &Sent, vendor: Credentials) -> Credentials {
        // A session for one purpose would not do for all.
        let body = text(&call.body);
        let body: Vec<&str> = body.split('&').filter(|pair| !pair.starts_with("Policy=")).collect();
        let answered = self.answer(url, call, body.join("&"), vendor).await;
        let field = |name: &str| {
            answered.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned()
        };
        let token = Some(field("SessionToken"));
        Credentials::new(field("AccessKeyId"), field("SecretAccessKey"), token, None, "test")
    }

    /// Sends a request with these credentials, or with the root's, where the peer decides wrongly.
    pub(crate) async fn send(&self, url: &str, call: &Sent, session: Credentials) {
        let credentials = if is_unenforced(call) { root(CUSTOMER) } else { session };
        self.answer(url, call, text(&call.body), credentials).await;
    }

    /// Calls EC2 with its Query API, as the root. Returns the answer, or what EC2 says against it.
    pub(crate) async fn ec2(&self, url: &str, action: &str, params: &[(&str, &str)]) -> Result<String, String> {
        let pairs: Vec<String> = params.iter().map(|(name, value)| format!("&{name}={}", encoded(value))).collect();
        let body = format!("Action={action}&Version=2016-11-15{}", pairs.concat());
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("service", "ec2")];
        let call = Sent {
            verb: "POST".to_owned(),
            target: "/".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: Value::Null,
            answer: Value::Null,
        };
        let answer = self.0.request(signed(&call, &format!("{url}/"), body, root(CUSTOMER))).await.unwrap();
        let status = answer.status();
        let answered = answer.into_body().collect().await.unwrap().to_bytes();
        let answered = String::from_utf8_lossy(&answered).into_owned();
        if status.is_success() { Ok(answered) } else { Err(answered) }
    }

    async fn answer(&self, url: &str, call: &Sent, body: String, credentials: Credentials) -> String {
        let uri = format!("{url}{}", call.target);
        let answer = self.0.request(signed(call, &uri, body, credentials)).await.unwrap();
        let status = answer.status();
        let answered = answer.into_body().collect().await.unwrap().to_bytes();
        let answered = String::from_utf8_lossy(&answered).into_owned();
        assert!(status < StatusCode::BAD_REQUEST, "{} {uri} {}: {status} {answered}", call.verb, call.body);
        answered
    }
}

/// A value in a form: what is not a letter, a digit or one of a few signs is written as its bytes.
fn encoded(value: &str) -> String {
    let byte = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
        other => format!("%{other:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// A body as it is sent.
fn text(body: &Value) -> String {
    match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    }
}

/// The ids of EC2's in a text, in order.
fn chosen(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let is_id = |word: &&str| {
        let known = ["vpc-", "subnet-", "sg-", "igw-", "rtb-", "rtbassoc-"];
        let hex = known.iter().find_map(|known| word.strip_prefix(known));
        hex.is_some_and(|hex| hex.len() >= 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    words.filter(is_id).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn signed(call: &Sent, uri: &str, body: String, credentials: Credentials) -> Request<Full<Bytes>> {
    let identity = Identity::from(credentials);
    let service = &call.headers["service"];
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(if service == "iam" { "us-east-1" } else { "eu-central-1" })
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let mut request = Request::builder().method(call.verb.as_str()).uri(uri).header(FORWARDED, "https");
    for (name, value) in call.headers.iter().filter(|(name, _)| *name != "service") {
        request = request.header(name, value);
    }
    let headers: Vec<(&str, &str)> =
        call.headers.iter().filter(|(name, _)| *name != "service").map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let signable = SignableRequest::new(&call.verb, uri, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
    let (signature, _) = sign(signable.unwrap(), &signing).unwrap().into_parts();
    let mut request = request.body(Full::new(Bytes::from(body))).unwrap();
    signature.apply_to_request_http1x(&mut request);
    request
}
