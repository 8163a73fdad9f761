//! The endpoint URL of all calls. One that is given wins over environment variables and profiles.

use std::fmt;

use aws_config::SdkConfig;
use aws_types::origin::Origin;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// The setting of an address, by the name that the SDK has for it.
const SETTING: &str = "endpoint_url";

/// Sends the calls to all services to this address. Without its origin, `AWS_ENDPOINT_URL` and its like for single services, and
/// `endpoint_url` of a profile, would win over it
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
pub(super) fn given(sdk: &SdkConfig, url: String) -> SdkConfig {
    let mut builder = sdk.to_builder().endpoint_url(url);
    builder.insert_origin(SETTING, Origin::shared_config());
    builder.build()
}

/// The same configuration, in which an empty variable is none: the SDK would take it for an address, and end the program.
pub(super) fn without_empty(sdk: &SdkConfig) -> SdkConfig {
    let mut builder = sdk.to_builder();
    builder.set_endpoint_url(sdk.endpoint_url().filter(|url| !url.is_empty()).map(str::to_owned));
    if sdk.service_config().is_some() {
        builder.set_service_config(Some(WithoutEmpty(sdk.clone())));
    }
    builder.build()
}

/// What variables and profiles say for a service, without what is empty.
struct WithoutEmpty(SdkConfig);

impl LoadServiceConfig for WithoutEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        self.0.service_config()?.load_config(key).filter(|value| !value.is_empty())
    }
}

/// Shows no credentials.
impl fmt::Debug for WithoutEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WithoutEmpty").finish_non_exhaustive()
    }
}
