//! Calling AWS: the clients, and what a call is about.

mod ec2;
mod error;

use std::fmt;
use std::time::Duration;

use alien_core::call::Caller;
use alien_core::cloud::Operation;
use alien_core::engine::{Marks, Observed};
use alien_core::permission::Subject;
use alien_core::{Error, ErrorKind, Result, Site};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;

use crate::Aws;
use crate::operations::Place;

pub(crate) use ec2::{Ec2, Element};
pub(crate) use error::{busy, failure};

/// The clients of all services that an adapter calls, under one identity.
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

/// Without the credentials.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// How long one attempt of a call may take; a function's answer to a command has its own time.
const ATTEMPT: Duration = Duration::from_secs(60);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The same where a zip of 50 MB may be sent.
const SENDING: Duration = Duration::from_secs(600);

impl Clients {
    /// Clients with the credentials, the region and the endpoint of a configuration. Attempts are counted and repeated by
    /// [`alien_core::call`], not by the SDK.
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) aws: &'a Clients,
    pub(crate) call: &'a Caller<Aws>,
    pub(crate) subject: Subject,
}

impl<'a> At<'a> {
    /// The deployment.
    pub(crate) fn site(&self) -> &'a Site<Aws> {
        self.call.site()
    }

    /// The ARN that a place has for the subject.
    pub(crate) fn arn(&self, place: Place) -> Result<&'a str> {
        self.call.site().name(self.subject, place)
    }

    /// The last part of that ARN: what most calls name the thing by.
    pub(crate) fn name(&self, place: Place) -> Result<&'a str> {
        self.arn(place).map(last)
    }

    /// Makes a call that does the same if it is made twice. `rows` are what it needs, its own first.
    pub(crate) async fn call<T, F: Future<Output = Result<T>> + Send>(
        &self,
        rows: &[&'static Operation<Place>],
        attempt: impl FnMut() -> F + Send,
    ) -> Result<T> {
        self.call.call(self.subject, rows, attempt).await
    }
}

/// What stands behind the last `/` or `:` of an ARN.
pub(crate) fn last(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

/// The tags that tell whose a thing is and what it was set to.
pub(crate) mod tag {
    pub(crate) use crate::naming::RESOURCE_TAG as RESOURCE;
    pub(crate) const DEPLOYMENT: &str = "alien-deployment";
    pub(crate) const RELEASE: &str = "alien-release";
    pub(crate) const SEAL: &str = "alien-seal";
    pub(crate) const CLAIM: &str = "alien-claim";
    /// The revision of the task definition that a service was set to.
    pub(crate) const DEFINITION: &str = "alien-definition";
}

/// The tags that a thing is made with: whose it is, and which release made it. It is not sealed yet.
pub(crate) fn ownership(marks: &Marks, resource: &str) -> [(&'static str, String); 3] {
    [
        (tag::DEPLOYMENT, marks.deployment.to_string()),
        (tag::RESOURCE, resource.to_owned()),
        (tag::RELEASE, marks.release.clone()),
    ]
}

/// The tags that are written when everything else is set.
pub(crate) fn seal(marks: &Marks) -> [(&'static str, String); 2] {
    [(tag::RELEASE, marks.release.clone()), (tag::SEAL, marks.seal.to_string())]
}

/// What a thing's tags say of it.
pub(crate) fn observed<'t>(
    site: &Site<Aws>,
    id: impl Into<String>,
    tags: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Observed {
    let (mut deployment, mut seal) = (None, None);
    for (key, value) in tags {
        match key {
            tag::DEPLOYMENT => deployment = Some(value),
            tag::SEAL => seal = Some(value),
            _ => {}
        }
    }
    Observed::marked(id, site.id, deployment, seal)
}

/// Nothing, where a look found nothing.
pub(crate) trait OrAbsent<T> {
    /// `None` in the place of [`ErrorKind::Missing`].
    fn or_absent(self) -> Result<Option<T>>;
}

impl<T> OrAbsent<T> for Result<T> {
    fn or_absent(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// An answer of AWS lacks something that its API reference promises.
pub(crate) fn lacking(what: &str) -> Error {
    Error::new(ErrorKind::Defect, format!("the answer has no {what}"))
}
