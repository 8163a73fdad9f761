//! Calling AWS: the clients, and what a call is about.

mod ec2;
mod error;

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;

use crate::Aws;

use ec2::{ATTEMPT, CONNECT};
pub(crate) use ec2::{Ec2, Element};
pub(crate) use error::{busy, failure};

/// The clients of all services that are called, with the credentials of one identity.
#[derive(Clone)]
pub struct Clients {
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

/// Without the credentials.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// The same where a zip of 50 MB may be sent.
const SENDING: Duration = Duration::from_secs(600);

impl Clients {
    /// Clients with the credentials, the region and the endpoint of a configuration. Attempts are counted and repeated by
    /// the [`Gate`](alien_core::adapter::Gate), not by the SDK.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
        let config = config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts.build()).build();
        // What stands behind another endpoint than AWS's seldom has a host name for every bucket.
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

/// One subject, and how calls about it are made.
pub(crate) type Context<'a> = alien_core::adapter::CallContext<'a, Aws, Clients>;
