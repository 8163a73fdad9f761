//! Calls of a service about which the peer decides wrongly go to it as its root's: they run unenforced, and nothing that the
//! library renders is widened for the peer.

use std::time::SystemTime;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::world::{CUSTOMER, root};

/// The service, as signatures name it.
const SERVICE: &str = "ecs";

/// A client over which calls of that service go as the root's.
pub(crate) fn client() -> SharedHttpClient {
    SharedHttpClient::new(Unenforced(Builder::new().build_http()))
}

#[derive(Debug)]
struct Unenforced<T>(T);

impl HttpClient for Unenforced<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Unenforced(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Unenforced<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let scope = format!("/{SERVICE}/aws4_request");
        if request.headers().get("authorization").is_some_and(|signed| signed.contains(&scope)) {
            resign(&mut request);
        }
        self.0.call(request)
    }
}

/// Signs a request again.
fn resign(request: &mut HttpRequest) {
    for header in ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
        request.headers_mut().remove(header);
    }
    let identity = Identity::from(root(CUSTOMER));
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name(SERVICE)
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
