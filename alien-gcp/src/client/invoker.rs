//! Identity tokens for commands.

use std::fmt;

use alien_core::Result;
use google_cloud_iam_credentials_v1::client::IAMCredentials;

use super::error::failure;

/// Who gets the identity tokens that commands are sent with: the vendor, of the management service account.
pub(crate) struct Invoker {
    /// The vendor's own client.
    pub(crate) vendor: IAMCredentials,
    /// The management service account, as calls name it.
    pub(crate) account: String,
    /// The chain that leads to it.
    pub(crate) delegates: Vec<String>,
}

/// Without the credentials.
impl fmt::Debug for Invoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invoker").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Invoker {
    /// A token that is good at this URL alone.
    pub(crate) async fn token(&self, audience: &str) -> Result<String> {
        let call = self.vendor.generate_id_token().set_name(&self.account);
        let call = call.set_delegates(&self.delegates).set_audience(audience).set_include_email(true);
        Ok(call.send().await.map_err(failure)?.token)
    }
}
