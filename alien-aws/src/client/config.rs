//! How AWS is called.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use alien_core::adapter::{Answers, read_text};
use alien_core::{CallConfig, ConnectOption, Connection, Error, ErrorKind, Result, Side};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use super::{address, http};
use crate::target::{PolicyArn, Region};

/// The variable with the path of the token of a service account, as EKS sets it.
const WEB_IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// How AWS is called: with which credentials, where, and how often a call is tried again. It is either side's: the customer's
/// admin and the vendor each have one with their own credentials. The region always follows from the target.
///
/// ```
/// use alien_aws::{Config, Target, Trust};
/// use alien_core::DeploymentId;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let credentials = aws_config::SdkConfig::builder().build();
/// let config = Config::new(credentials).with_operator("release-bot"); // or `Config::found().await`
/// let target = Target {
///     account: "222222222222".parse()?,
///     region: "eu-central-1".parse()?,
///     prefix: "acme".parse()?,
///     trust: Trust::Vendor {
///         vendor: "arn:aws:iam::111111111111:role/vendor".parse()?,
///         external_id: "acme-7f3a".parse()?,
///     },
/// };
/// let admin = alien_aws::admin(&config, DeploymentId::new(), target);
/// let vendor = alien_aws::vendor(&config);
/// # let _ = (admin, vendor);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Config {
    sdk: SdkConfig,
    pub(crate) boundary: Option<PolicyArn>,
    pub(crate) operator: String,
    pub(crate) attributed: bool,
    web_identity: Option<PathBuf>,
    pub(crate) calls: CallConfig,
}

/// Shows no credentials.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Config");
        shown.field("endpoint", &self.sdk.endpoint_url()).field("boundary", &self.boundary);
        shown.field("operator", &self.operator).finish_non_exhaustive()
    }
}

/// Credentials that a request can carry. For others, as a variable that was cut or has a control character, the SDK panics.
#[derive(Debug)]
struct Sound(SharedCredentialsProvider);

impl ProvideCredentials for Sound {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let found = self.0.provide_credentials().await?;
            let is_sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
            if is_sound(found.access_key_id()) && found.session_token().is_none_or(is_sound) {
                return Ok(found);
            }
            let what = "the access key or the session token has a character that none has";
            Err(CredentialsError::invalid_configuration(what))
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.fallback_on_interrupt()
    }
}

fn sound(sdk: SdkConfig) -> SdkConfig {
    match sdk.credentials_provider() {
        Some(provider) => {
            sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(Sound(provider))).build()
        }
        None => sdk,
    }
}

/// The option that names a profile.
pub(crate) const PROFILE: ConnectOption = ConnectOption {
    name: "profile",
    help: "the profile of your AWS configuration whose credentials are used, in the place of those of the environment",
    side: Side::Both,
};

fn loader() -> ConfigLoader {
    // The region follows from the target. Without one, the SDK would look for it, on the network too.
    let region = aws_config::Region::from_static("us-east-1");
    // Its providers of credentials call by the same client as everything else.
    aws_config::defaults(BehaviorVersion::latest()).region(region).http_client(http::client())
}

impl Config {
    /// Finds the credentials of this machine: environment variables, profiles, single sign-on and roles, as every SDK of AWS
    /// does. If none are found, the first call fails with [`ErrorKind::Credentials`](alien_core::ErrorKind::Credentials).
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
    pub async fn found() -> Self {
        Self::of(loader().load().await)
    }

    /// Finds the credentials of a profile of this machine's AWS configuration, as [`found`](Self::found) does for that of `AWS_PROFILE`.
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>
    pub async fn of_profile(name: impl Into<String>) -> Self {
        let name = name.into();
        // The variables with keys come before profiles, but who names one means it.
        let provider = ProfileFileCredentialsProvider::builder().profile_name(&name);
        let provider = provider.configure(&ProviderConfig::without_region().with_http_client(http::client())).build();
        Self::of(loader().profile_name(name).credentials_provider(provider).load().await)
    }

    /// Connects as the options say: with the credentials of the profile that is named, or else with those of this machine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) for an address that is none.
    pub async fn connected(connection: &Connection) -> Result<Self> {
        let url = connection.endpoint_url()?;
        let found = match (&connection.calls.answers, connection.get(PROFILE.name)) {
            (Some(answers), _) => Self::answered(Arc::clone(answers)),
            (None, Some(name)) => Self::of_profile(name).await,
            (None, None) => Self::found().await,
        };
        let config = found.with_calls(connection.calls.clone());
        Ok(match url {
            Some(url) => config.with_endpoint(url),
            None => config,
        })
    }

    /// Uses the credentials, the endpoint and the HTTP client of an SDK configuration. If it has no HTTP client, all
    /// clients that are made of this configuration share a new one: it reads the root certificates of the system once,
    /// and keeps connections open from one session to the next.
    #[must_use]
    pub fn new(sdk: SdkConfig) -> Self {
        let client = sdk.http_client().map_or_else(http::client, http::told);
        Self::of(sdk.to_builder().http_client(client).build())
    }

    /// Makes no calls: `answers` answers in AWS's place. No credentials are looked for.
    fn answered(answers: Answers) -> Self {
        let credentials = Credentials::new("answered", "answered", None, None, "answered");
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        let sdk = sdk.credentials_provider(SharedCredentialsProvider::new(credentials));
        Self::of(sdk.http_client(http::told(http::answered(answers))).build())
    }

    fn of(sdk: SdkConfig) -> Self {
        let (sdk, operator) = (sound(address::without_empty(&sdk)), "alien".to_owned());
        let web_identity = std::env::var_os(WEB_IDENTITY).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { sdk, boundary: None, operator, attributed: false, web_identity, calls: CallConfig::default() }
    }

    /// Sends the calls to all services to this URL, for example an emulator's, whatever `AWS_ENDPOINT_URL` and profiles say.
    #[must_use]
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.sdk = address::given(&self.sdk, url.into());
        self
    }

    /// Gives every role that the admin creates this permissions boundary. The vendor's calls do not use it.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>
    #[must_use]
    pub fn with_boundary(mut self, boundary: PolicyArn) -> Self {
        self.boundary = Some(boundary);
        self
    }

    /// Names the person or program that acts as the vendor. The name is part of each session's name, beside the release, and
    /// so appears in the customer's CloudTrail. The admin's calls do not use it.
    #[must_use]
    pub fn with_operator(mut self, name: impl Into<String>) -> Self {
        self.operator = name.into();
        self
    }

    /// Also sets the operator as the source identity of the vendor's sessions, which no later role of a chain can change. The
    /// vendor's own policies must allow `sts:SetSourceIdentity`; the trust policies that this library renders do.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html>
    #[must_use]
    pub const fn with_source_identity(mut self) -> Self {
        self.attributed = true;
        self
    }

    /// Names the file with the token of this agent's service account, which the cluster renews. Without it, the variable
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` names it, as EKS sets it
    /// (<https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html>).
    #[must_use]
    pub fn with_web_identity(mut self, path: impl Into<PathBuf>) -> Self {
        self.web_identity = Some(path.into());
        self
    }

    /// The token of this agent's service account.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there is none.
    pub(crate) fn web_identity(&self) -> Result<String> {
        let none = |what: String| Error::new(ErrorKind::Credentials, what);
        let path = self
            .web_identity
            .as_ref()
            .ok_or_else(|| none(format!("there is no token of a service account: `{WEB_IDENTITY}` is not set")))?;
        let token =
            read_text(path).map_err(|unread| none(format!("the token of a service account is missing: {unread}")))?;
        Ok(token.trim().to_owned())
    }

    /// Makes calls in another way: with another clock, retries, or a recorder.
    #[must_use]
    pub fn with_calls(mut self, calls: CallConfig) -> Self {
        self.calls = calls;
        self
    }

    /// The SDK configuration, with the credentials and the HTTP client, for calls of the host program. Records each request in
    /// [`CallConfig::exchanges`], as for the library's own calls. Its region is not that of any deployment.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let sdk = self.sdk.to_builder();
        match (&self.calls.exchanges, self.sdk.http_client()) {
            (Some(exchanges), Some(client)) => sdk.http_client(http::recorded(client, Arc::clone(exchanges))).build(),
            _ => sdk.build(),
        }
    }

    /// The SDK configuration for a region.
    pub(crate) fn sdk(&self, region: &Region) -> SdkConfig {
        self.sdk_config().to_builder().region(aws_config::Region::new(region.to_string())).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credentials_that_no_request_can_carry_are_told() {
        let given = |key: &str, token: Option<&str>| {
            let credentials = Credentials::new(key, "secret", token.map(str::to_owned), None, "test");
            Config::new(SdkConfig::builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build())
        };
        let read = async |config: Config| config.sdk.credentials_provider().unwrap().provide_credentials().await;
        assert_eq!(read(given("AKIA", Some("token=="))).await.unwrap().access_key_id(), "AKIA");
        for config in [given("\u{1b}[2J", None), given("AK\nIA", None), given("AKIA", Some("to ken"))] {
            let error = read(config).await.unwrap_err();
            let told = super::super::error::unsigned(&error).unwrap();
            assert_eq!(told.kind(), ErrorKind::Credentials);
            assert!(told.to_string().contains("has a character that none has"), "{told}");
        }
    }

    #[test]
    fn a_token_that_is_no_file_is_told_and_not_read() {
        let config = Config::new(SdkConfig::builder().build()).with_web_identity("/dev/zero");
        let error = config.web_identity().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().contains("`/dev/zero` is a pipe or a device"), "{error}");
    }
}
