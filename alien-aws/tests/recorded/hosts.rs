//! The hosts that calls go to where no other address is given.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use alien_aws::Config;
use alien_core::adapter::{LogQuery, Purpose};
use alien_core::{CallConfig, Deployment};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use jiff::Timestamp;

use crate::clock::WoundClock;
use crate::replay::RECORDING;

/// Remembers hosts, lets the vendor in, says whose account it is, and refuses everything else.
#[derive(Debug, Clone, Default)]
struct Hosts(Arc<Mutex<BTreeSet<String>>>);

impl HttpClient for Hosts {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Hosts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri().strip_prefix("https://").unwrap_or_else(|| panic!("{}", request.uri()));
        self.0.lock().unwrap().insert(url.split('/').next().unwrap().to_owned());
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let asked = ["Action=AssumeRole", "Action=GetCallerIdentity"].into_iter().find(|asked| body.starts_with(asked));
        let recorded = |asked: &str| {
            RECORDING.iter().find(|line| line.exchange.sent.body.as_str().is_some_and(|body| body.starts_with(asked)))
        };
        let (status, body) =
            asked.and_then(recorded).map_or((400, ""), |line| (200, line.exchange.sent.answer.as_str().unwrap()));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), body.to_owned().into())))
    }
}

/// In a usual region, and in a partition of its own.
#[tokio::test]
async fn services_are_called_by_their_own_names() {
    for (region, partition, domain, iam) in [
        ("eu-central-1", "aws", "eu-central-1.amazonaws.com", "iam.amazonaws.com"),
        ("cn-north-1", "aws-cn", "cn-north-1.amazonaws.com.cn", "iam.cn-north-1.amazonaws.com.cn"),
    ] {
        let record = include_str!("record.json").replace("eu-central-1", region);
        let record = Deployment::from_json(&record.replace("arn:aws:", &format!("arn:{partition}:"))).unwrap();
        let hosts = Hosts::default();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .http_client(SharedHttpClient::new(hosts.clone()))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
            .build();
        let config = Config::new(config).with_calls(CallConfig::new(WoundClock::begin(None)));
        let vendor = alien_aws::vendor(&config);
        let session = vendor.session(&record, &Purpose::Watch).await.unwrap();
        for resource in record.stack.resources() {
            session.heartbeat(resource.id()).await.unwrap_err();
        }
        session.logs(&"api".parse().unwrap(), &LogQuery::from(Timestamp::UNIX_EPOCH)).await.unwrap_err();
        let target = record.target::<alien_aws::Aws>().unwrap().clone();
        let admin = alien_aws::admin(&config, record.id, target);
        admin.revoke(&record).run("hosts".parse().unwrap()).await.unwrap_err();

        let bucket = "life-data-4-222222222222.s3";
        let regional =
            ["dynamodb", "ec2", "ecs", "lambda", "logs", "sqs", "sts", bucket].map(|name| format!("{name}.{domain}"));
        let expected: BTreeSet<String> = regional.into_iter().chain([iam.to_owned()]).collect();
        assert_eq!(*hosts.0.lock().unwrap(), expected);
    }
}
