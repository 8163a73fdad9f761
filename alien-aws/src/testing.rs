//! For unit tests: a deployment, and clients whose requests a function answers.

#![expect(clippy::unwrap_used, reason = "what is given here is valid")]

use std::fmt;
use std::sync::Arc;

use alien_core::adapter::DeploymentContext;
use alien_core::{Artifacts, Code, Function, Profile, Release, Stack};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::{Aws, Target, Trust};

/// A deployment of two live functions.
pub(crate) fn two() -> Arc<DeploymentContext<Aws>> {
    let mut stack = Stack::builder("two");
    for id in ["api", "jobs"] {
        stack.live(id, Function::new(Code::zip(b"code"), "code"));
    }
    stack.profile("code", Profile::new());
    placed(stack.build().unwrap(), "acme")
}

/// The deployment of a stack under a prefix.
pub(crate) fn placed(stack: Stack, prefix: &str) -> Arc<DeploymentContext<Aws>> {
    let target = Target {
        account: "222222222222".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        prefix: prefix.parse().unwrap(),
        trust: Trust::Vendor {
            vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
            external_id: "acme-7f3a".parse().unwrap(),
        },
    };
    let id = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    let release = Release::partial(stack, Artifacts::default());
    Arc::new(DeploymentContext::<Aws>::new(id, target, release))
}

/// Answers every request, by its body.
#[derive(Clone, Copy)]
struct Answering(fn(&str) -> String);

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

impl HttpClient for Answering {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(*self)
    }
}

impl HttpConnector for Answering {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), (self.0)(&body).into())))
    }
}

/// A configuration whose requests are answered with what this gives for their bodies.
pub(crate) fn sdk(answer: fn(&str) -> String) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::from_static("eu-central-1"))
        .http_client(Answering(answer))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
        .build()
}
