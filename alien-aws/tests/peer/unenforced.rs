//! Calls of services about which the peer decides wrongly go to it as its root's: they run unenforced, and nothing that the
//! library renders is widened for the peer.

use std::sync::{Arc, Mutex};

use alien_conformance::upgrade::Sent;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::life::CUSTOMER;
use crate::undecided::{Asking, BY_ARN, FORWARDED, SERVICES};

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
        let asking = asking(&request);
        if asking.service() == "sts" {
            self.entries.lock().unwrap().push(String::from_utf8_lossy(asking.body).into_owned());
        }
        if let Some(authorization) = asking.as_root(CUSTOMER) {
            request.headers_mut().insert("authorization", authorization);
            request.headers_mut().remove("x-amz-security-token");
        }
        self.inner.call(request)
    }
}

/// What a request of AWS's SDK asks for.
pub(crate) fn asking(request: &HttpRequest) -> Asking<'_> {
    Asking {
        method: request.method(),
        path: request.uri(),
        target: request.headers().get("x-amz-target"),
        authorization: request.headers().get("authorization").unwrap_or_default(),
        body: request.body().bytes().unwrap_or_default(),
    }
}

/// Whether a request is one of those.
pub(crate) fn is_unenforced(sent: &Sent) -> bool {
    let target = sent.headers.get("x-amz-target");
    SERVICES.contains(&sent.headers["service"].as_str())
        || target.is_some_and(|target| BY_ARN.contains(&target.as_str()))
}
