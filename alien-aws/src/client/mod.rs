//! The clients for AWS's services, and the context of a call.

mod config;
mod ec2;
mod error;

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;

use crate::Aws;

pub use config::Config;
use ec2::{ATTEMPT, CONNECT};
pub(crate) use ec2::{Ec2, Element};
pub(crate) use error::{busy, failure};

/// The clients for all services that this crate calls, with the credentials of one identity.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) ec2: Ec2,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

/// Shows no credentials.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// The timeout of an attempt that may upload a zip of 50 MB.
const SENDING: Duration = Duration::from_secs(600);

impl Clients {
    /// Builds clients with the credentials, region and endpoint of a configuration. The SDK's retries are off: the
    /// [`Gate`](alien_core::adapter::Gate) counts and repeats attempts.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
        let config = config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts.build()).build();
        // A service at a custom endpoint rarely has a host name for each bucket, so S3 then uses path-style URLs.
        let sending = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(SENDING);
        let lambda = aws_sdk_lambda::config::Builder::from(&config).timeout_config(sending.build());
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(config.endpoint_url().is_some());
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            ec2: Ec2::new(&config),
            ecs: aws_sdk_ecs::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            lambda: aws_sdk_lambda::Client::from_conf(lambda.build()),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sqs: aws_sdk_sqs::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
        }
    }
}

/// The subject that calls are about, and how they are made.
pub(crate) type Context<'a> = alien_core::adapter::CallContext<'a, Aws, Clients>;
