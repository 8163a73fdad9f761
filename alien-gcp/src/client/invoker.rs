//! Identity tokens for commands.

use std::fmt;

use alien_core::Result;
use google_cloud_iam_credentials_v1::client::IAMCredentials;

use super::error::failure;

/// Gets the identity tokens with which commands are sent. The vendor gets them for the management service account.
pub(crate) struct Invoker {
    /// A client with the vendor's own credentials.
    pub(crate) vendor: IAMCredentials,
    /// The host that this client calls.
    pub(crate) host: String,
    /// The management service account, in the form that calls take.
    pub(crate) account: String,
    /// The delegation chain to it.
    pub(crate) delegates: Vec<String>,
}

/// Shows no credentials.
impl fmt::Debug for Invoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invoker").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Invoker {
    /// Gets a token that is valid only at this URL.
    pub(crate) async fn token(&self, audience: &str) -> Result<String> {
        let call = self.vendor.generate_id_token().set_name(&self.account);
        let call = call.set_delegates(&self.delegates).set_audience(audience).set_include_email(true);
        Ok(call.send().await.map_err(|error| failure(error, &self.host))?.token)
    }
}
