//! What goes over the wire: a proxy that remembers it, and what sends it again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use alien_conformance::upgrade::Sent;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::{CUSTOMER, root};

/// Headers that say what a body is; all others are the client's own, or are made anew with the signature.
const KEPT: [&str; 2] = ["content-type", "x-amz-target"];

type Http = Client<HttpConnector, Full<Bytes>>;

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build(HttpConnector::new())
}

/// Stands before a peer and remembers what went through. It ends with the value.
pub(crate) struct Proxy {
    url: String,
    seen: Arc<Mutex<Vec<Sent>>>,
    serving: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    /// Listens on a free port of the loopback interface.
    pub(crate) async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Sent>>>::default();
        let (upstream, kept) = (upstream.to_owned(), Arc::clone(&seen));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (client, upstream, kept) = (http(), upstream.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    let service = service_fn(|request| forward(&client, &upstream, &kept, request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, seen, serving }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The requests that were done and changed something, each with what was answered.
    pub(crate) fn changes(&self) -> Vec<Sent> {
        self.seen.lock().unwrap().iter().filter(|sent| changes(sent)).cloned().collect()
    }
}

async fn forward(
    client: &Http,
    upstream: &str,
    seen: &Mutex<Vec<Sent>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let target = head.uri.path_and_query().unwrap().to_string();
    let mut request = Request::builder().method(head.method.clone()).uri(format!("{upstream}{target}"));
    // The name of the host is signed: it stays the one that the client called.
    *request.headers_mut().unwrap() = head.headers.clone();
    let answer = client.request(request.body(Full::new(body.clone())).unwrap()).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let answered = answer.into_body().collect().await.unwrap().to_bytes();
    if status.is_success() {
        seen.lock().unwrap().push(Sent {
            verb: head.method.to_string(),
            target,
            headers: kept(&head.headers),
            body: shown(&body),
            answer: shown(&answered),
        });
    }
    let mut response = Response::new(Full::new(answered));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// A body as JSON where it is JSON, else as text.
fn shown(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

/// What is sent again with a request, and the service that it was signed for.
fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    let mut kept: BTreeMap<String, String> =
        KEPT.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?))).collect();
    let scope = text("authorization").unwrap_or_default();
    let service = scope.split("/aws4_request").next().and_then(|scope| scope.rsplit('/').next()).unwrap_or_default();
    kept.insert("service".to_owned(), service.to_owned());
    kept
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
        let body = match &call.body {
            Value::Null => String::new(),
            Value::String(text) => swapped(text),
            json => swapped(&json.to_string()),
        };
        let uri = format!("{url}{}", swapped(&call.target));
        let request = signed(call, &uri, body);
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

fn signed(call: &Sent, uri: &str, body: String) -> Request<Full<Bytes>> {
    let identity = Identity::from(root(CUSTOMER));
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
    let mut request = Request::builder().method(call.verb.as_str()).uri(uri);
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
