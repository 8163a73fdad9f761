//! What 10,000 kept sessions on AWS take: each is opened and used for one heartbeat. STS and Lambda are answered in this
//! process, so what is measured is the library, the SDK's clients and what they keep.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use alien_aws::{Aws, Config, Target, Trust};
use alien_core::adapter::{DeploymentContext, Purpose};
use alien_core::{Artifacts, Code, Deployment, DeploymentId, Function, Profile, Release, Stack};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

/// More than 10,000 kept sessions take, in MB. The aim is 200.
const MOST: usize = 220;

const SESSIONS: usize = 10_000;

/// Answers every call in this process.
#[derive(Debug, Clone)]
struct Answers(Arc<AtomicUsize>);

impl HttpClient for Answers {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Answers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_sts = request.headers().get("authorization").is_some_and(|signed| signed.contains("/sts/"));
        let body = if is_sts {
            self.0.fetch_add(1, Ordering::Relaxed);
            let credentials = "<AccessKeyId>ASIAEXAMPLEEXAMPLE12</AccessKeyId><SecretAccessKey>0123456789012345678901234567890123456789\
                               </SecretAccessKey><SessionToken>token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>";
            format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials>{credentials}</Credentials></AssumeRoleResult>\
                 </AssumeRoleResponse>"
            )
        } else {
            r#"{"FunctionName":"api","State":"Active","LastUpdateStatus":"Successful","CodeSha256":"Zg=="}"#.to_owned()
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(body))))
    }
}

/// The record of a deployment with one function.
fn record(number: usize, stack: &Stack) -> Deployment {
    let target = Target {
        account: "222222222222".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        prefix: format!("customer-{number}").parse().unwrap(),
        trust: Trust::Vendor {
            vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
            external_id: format!("external-{number}").parse().unwrap(),
        },
    };
    let release = Release::partial(stack.clone(), Artifacts::default());
    DeploymentContext::<Aws>::new(DeploymentId::new(), target, release).record().unwrap()
}

/// What this process has in memory, in bytes: the second number, in pages of 4 KiB.
/// <https://www.kernel.org/doc/html/latest/filesystems/proc.html>
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn main() {
    let mut stack = Stack::builder("shop");
    stack.live("api", Function::new(Code::zip(b"code"), "api"));
    stack.profile("api", Profile::new());
    let stack = stack.build().unwrap();
    let entered = Arc::new(AtomicUsize::new(0));
    let credentials = Credentials::new("AKIAEXAMPLE", "secret", None, None, "bench");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .http_client(SharedHttpClient::new(Answers(Arc::clone(&entered))))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let vendor = alien_aws::vendor(&Config::new(sdk));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = "api".parse().unwrap();
    let beat = |number: usize| {
        let record = record(number, &stack);
        runtime.block_on(async {
            let session = vendor.session(&record, &Purpose::Watch).await.unwrap();
            session.heartbeat(&api).await.unwrap();
        });
    };
    // What is made once a process is not counted.
    beat(SESSIONS);
    let (before, start) = (resident(), Instant::now());
    (0..SESSIONS).for_each(beat);
    let took = start.elapsed();
    let taken = resident().saturating_sub(before) / 1_000_000;
    println!("{SESSIONS} sessions, each opened and used once: {taken} MB, {took:.1?}");
    assert!(taken < MOST, "{taken} MB, and at most {MOST} are allowed");
    assert_eq!(entered.load(Ordering::Relaxed), SESSIONS + 1);
}
