//! Calls of services about which the peer decides wrongly go to it as its root's: they run unenforced, and nothing that the
//! library renders is widened for the peer.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use alien_conformance::upgrade::Sent;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::life::CUSTOMER;
use crate::world::root;

/// The services, as signatures name them. Of EC2 the vendor calls nothing but what the peer decides wrongly.
const SERVICES: [&str; 2] = ["ecs", "ec2"];

/// Operations of DynamoDB that name a table by its ARN, in which the peer does not look for it.
const BY_ARN: [&str; 2] = ["DynamoDB_20120810.ListTagsOfResource", "DynamoDB_20120810.TagResource"];

/// The path of CreateFunction. The name of the function is in its body, where the peer does not look for it.
const CREATE_FUNCTION: &str = "/2015-03-31/functions";

/// The header by which a proxy says whether a client used TLS. The peer is called without TLS and believes this header, and buckets refuse
/// requests that came without.
pub(crate) const FORWARDED: &str = "x-forwarded-proto";

/// The bodies of requests to STS: what was asked for when someone was let in.
pub(crate) type Entries = Arc<Mutex<Vec<String>>>;

/// A client over which calls of those services go as the root's, and which keeps what STS is asked.
pub(crate) fn client(entries: &Entries) -> SharedHttpClient {
    SharedHttpClient::new(Unenforced { inner: Builder::new().build_http(), entries: Arc::clone(entries) })
}

#[derive(Debug)]
struct Unenforced<T> {
    inner: T,
    entries: Entries,
}

impl HttpClient for Unenforced<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Unenforced { inner, entries: Arc::clone(&self.entries) })
    }
}

impl HttpConnector for Unenforced<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        request.headers_mut().insert(FORWARDED, "https");
        let signed_for = |service: &str| {
            let scope = format!("/{service}/aws4_request");
            request.headers().get("authorization").is_some_and(|signed| signed.contains(&scope))
        };
        if signed_for("sts") {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
            self.entries.lock().unwrap().push(body);
        } else if request.method() == "POST" && request.uri().ends_with(CREATE_FUNCTION) {
            resign(&mut request, "lambda");
        } else if request.headers().get("x-amz-target").is_some_and(|target| BY_ARN.contains(&target)) {
            resign(&mut request, "dynamodb");
        } else if let Some(service) = SERVICES.into_iter().find(|service| signed_for(service)) {
            resign(&mut request, service);
        }
        self.inner.call(request)
    }
}

/// Whether a request is one of those.
pub(crate) fn is_unenforced(sent: &Sent) -> bool {
    let target = sent.headers.get("x-amz-target");
    SERVICES.contains(&sent.headers["service"].as_str())
        || target.is_some_and(|target| BY_ARN.contains(&target.as_str()))
}

/// Signs a request again.
fn resign(request: &mut HttpRequest, service: &str) {
    for header in ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
        request.headers_mut().remove(header);
    }
    let identity = Identity::from(root(CUSTOMER));
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let (method, uri) = (request.method().to_owned(), request.uri().to_owned());
    let headers: Vec<(String, String)> =
        request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = request.body().bytes().unwrap_or_default().to_vec();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new(&method, &uri, headers, SignableBody::Bytes(&body)).unwrap();
    let (signature, _) = sign(signable, &signing).unwrap().into_parts();
    for (name, value) in signature.headers() {
        request.headers_mut().insert(name.to_owned(), value.to_owned());
    }
}
