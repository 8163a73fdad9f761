//! The clients for AWS's services, and the context of a call.

mod address;
mod config;
mod ec2;
mod error;
mod http;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alien_core::adapter::ATTEMPT;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;

use crate::Aws;

pub use config::Config;
pub(crate) use config::PROFILE;
pub(crate) use ec2::{Ec2, Element};
pub(crate) use error::{busy, failure};
use http::limits;

/// The timeout of an attempt that may upload a zip of 50 MB.
const SENDING: Duration = Duration::from_secs(600);

/// Declares the clients: for each service a method, which builds the client at its first use. A session needs few of
/// them: a heartbeat of a function one.
macro_rules! clients {
    ($($service:ident: $client:ty = $build:expr;)*) => {
        /// Each client, once it is built.
        #[derive(Default)]
        struct Built {
            $($service: OnceLock<$client>,)*
        }

        impl Clients {
            $(pub(crate) fn $service(&self) -> &$client {
                let build: fn(&SdkConfig) -> $client = $build;
                self.0.built.$service.get_or_init(|| build(&self.0.config))
            })*

            /// The services whose clients are built.
            #[cfg(test)]
            pub(crate) fn built(&self) -> Vec<&'static str> {
                let built = [$(self.0.built.$service.get().map(|_| stringify!($service)),)*];
                built.into_iter().flatten().collect()
            }
        }
    };
}

clients! {
    dynamodb: aws_sdk_dynamodb::Client = aws_sdk_dynamodb::Client::new;
    ec2: Ec2 = Ec2::new;
    ecs: aws_sdk_ecs::Client = aws_sdk_ecs::Client::new;
    iam: aws_sdk_iam::Client = aws_sdk_iam::Client::new;
    lambda: aws_sdk_lambda::Client = lambda;
    logs: aws_sdk_cloudwatchlogs::Client = aws_sdk_cloudwatchlogs::Client::new;
    s3: aws_sdk_s3::Client = s3;
    sqs: aws_sdk_sqs::Client = aws_sdk_sqs::Client::new;
    sts: aws_sdk_sts::Client = aws_sdk_sts::Client::new;
}

/// The clients for all services that this crate calls, with the credentials of one identity. They share the HTTP client
/// of the configuration, and so its connections and the root certificates that it has read.
#[derive(Clone)]
pub(crate) struct Clients(Arc<Shared>);

/// What the clones of the clients share.
struct Shared {
    config: SdkConfig,
    built: Built,
}

/// Shows no credentials.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// The clients with the credentials, region and endpoint of a configuration. The SDK's retries are off: the
    /// [`Gate`](alien_core::adapter::Gate) counts and repeats attempts.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let config = config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(limits(ATTEMPT)).build();
        Self(Arc::new(Shared { config, built: Built::default() }))
    }
}

fn lambda(config: &SdkConfig) -> aws_sdk_lambda::Client {
    let lambda = aws_sdk_lambda::config::Builder::from(config).timeout_config(limits(SENDING));
    aws_sdk_lambda::Client::from_conf(lambda.build())
}

/// A service at a custom endpoint rarely has a host name for each bucket, so S3 then uses path-style URLs.
fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(config.endpoint_url().is_some());
    aws_sdk_s3::Client::from_conf(s3.build())
}

/// The subject that calls are about, and how they are made.
pub(crate) type Context<'a> = alien_core::adapter::CallContext<'a, Aws, Clients>;
