//! An HTTP client that authorizes, from a role's policies, the requests that the peer authorizes wrongly. What it refuses does not reach
//! the peer.

use std::sync::Arc;

use alien_aws::policy::{Policy, Principal};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::life::CUSTOMER;
use crate::undecided::Asked;
use crate::unenforced::asking;

/// A client for a role. `unknown` are keys that this AWS does not have.
pub(crate) fn client(inner: SharedHttpClient, role: &Principal, unknown: &'static [&'static str]) -> SharedHttpClient {
    let policies = role.policies.iter().map(|policy| policy.document.clone()).collect();
    SharedHttpClient::new(Decided { inner, policies, unknown })
}

#[derive(Debug)]
struct Decided<T> {
    inner: T,
    policies: Arc<[Policy]>,
    unknown: &'static [&'static str],
}

impl HttpClient for Decided<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        let (policies, unknown) = (Arc::clone(&self.policies), self.unknown);
        SharedHttpConnector::new(Decided { inner, policies, unknown })
    }
}

impl HttpConnector for Decided<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = asking(&request).asked(CUSTOMER);
        let refused = asked.into_iter().find(|asked| !asked.is_allowed(&self.policies, self.unknown));
        let Some(refused) = refused else { return self.inner.call(request) };
        let mut answer = HttpResponse::new(403.try_into().unwrap(), SdkBody::from(refused.refusal()));
        answer.headers_mut().insert("x-amzn-errortype", Asked::REFUSED);
        HttpConnectorFuture::ready(Ok(answer))
    }
}
