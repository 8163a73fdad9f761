//! The credentials and the endpoints of calls.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alien_core::adapter::{Answers, chain};
use alien_core::{CallConfig, Error, ErrorKind, Result};
use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport, Url};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientAssertionCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::transport::{answered, recorded, transport};
use super::vendor_token::VendorToken;

/// The addresses of Azure's services, and the transport to them.
#[derive(Clone)]
pub struct Endpoint {
    /// The address of all services; `None` for Azure's own addresses.
    at: Option<String>,
    transport: Arc<dyn HttpClient>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The endpoints of Azure's public cloud.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`] if this machine has no root certificates.
    pub fn azure() -> Result<Self> {
        Ok(Self { at: None, transport: transport(reqwest::Client::builder())? })
    }

    /// Sends the calls to all services to this `https://` URL of an emulator, whose certificate is given in PEM. Tokens
    /// are sent there too.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the URL is not an HTTPS URL, or the certificate cannot be read.
    pub fn emulator(url: &str, certificate: &[u8]) -> Result<Self> {
        let wrong = |what: String| Error::new(ErrorKind::Input, what);
        let url = url.trim_end_matches('/');
        if !url.starts_with("https://") {
            return Err(wrong(format!("`{url}` is not an `https://` URL: tokens are sent only over TLS")));
        }
        let certificates = reqwest::Certificate::from_pem_bundle(certificate)
            .map_err(|error| wrong(format!("the emulator's certificate cannot be read: {}", chain(&error))))?;
        if certificates.is_empty() {
            return Err(wrong("the emulator's certificate is not in PEM".to_owned()));
        }
        let base = Url::parse(url).map_err(|error| wrong(format!("`{url}` is not a URL: {error}")))?;
        let inner = transport(reqwest::Client::builder().tls_certs_only(certificates))?;
        Ok(Self { at: Some(url.to_owned()), transport: Arc::new(Emulated { inner, base }) })
    }

    /// Calls nothing: what answers in the place of Azure, or of the emulator at that address, is given.
    pub(crate) fn answered(at: Option<&str>, answers: Answers) -> Self {
        Self { at: at.map(|url| url.trim_end_matches('/').to_owned()), transport: answered(answers) }
    }

    /// Azure's own addresses, through a transport of a test.
    #[cfg(test)]
    pub(crate) fn through(transport: Arc<dyn HttpClient>) -> Self {
        Self { at: None, transport }
    }

    /// The address of Resource Manager.
    pub(crate) fn arm(&self) -> &str {
        self.at.as_deref().unwrap_or("https://management.azure.com")
    }

    /// The address for queries of a workspace, by the id that Log Analytics gave it.
    pub(crate) fn logs(&self, workspace: &str) -> String {
        let host = self.at.as_deref().unwrap_or("https://api.loganalytics.io");
        format!("{host}/v1/workspaces/{workspace}/query")
    }

    /// The address of a namespace's data plane.
    pub(crate) fn bus(&self, namespace: &str) -> String {
        match &self.at {
            Some(url) => format!("{url}/{namespace}.servicebus.windows.net"),
            None => format!("https://{namespace}.servicebus.windows.net"),
        }
    }

    /// The client options. The SDK does not retry: the caller counts and repeats attempts.
    pub(crate) fn options(&self) -> ClientOptions {
        let cloud = self.at.as_ref().map(|url| {
            let mut custom = CustomConfiguration::default();
            custom.authority_host = url.clone();
            Arc::new(CloudConfiguration::Custom(custom))
        });
        ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::clone(&self.transport))),
            cloud,
            ..ClientOptions::default()
        }
    }
}

/// The address of the metadata service of every machine
/// (<https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service>).
const METADATA: &str = "169.254.169.254";

/// Sends what is for the metadata service of a machine to the emulator as well.
#[derive(Debug)]
struct Emulated {
    inner: Arc<dyn HttpClient>,
    base: Url,
}

#[async_trait]
impl HttpClient for Emulated {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        if request.url().host_str() != Some(METADATA) {
            return self.inner.execute_request(request).await;
        }
        let mut request = request.clone();
        let mut url = self.base.clone();
        url.set_path(request.url().path());
        url.set_query(request.url().query());
        *request.url_mut() = url;
        self.inner.execute_request(&request).await
    }
}

/// How Azure is called: with which credentials, where, and how often a call is tried again. It is either side's: the customer's
/// admin has one with a credential, the vendor one with a source of tokens.
///
/// ```
/// use alien_azure::{Config, Target, Trust, VendorToken};
/// use alien_core::DeploymentId;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let target = Target {
///     tenant: "00000000-0000-0000-0000-00000000000f".parse()?,
///     subscription: "00000000-0000-0000-0000-000000000001".parse()?,
///     resource_group: "customer-rg".parse()?,
///     location: "westeurope".parse()?,
///     prefix: "acme".parse()?,
///     trust: Trust::Vendor {
///         issuer: "https://oidc.vendor.example.com".parse()?,
///         subject: "deployment:acme".parse()?,
///     },
/// };
/// let config = Config::from_token("of the admin"); // or `Config::found()?`
/// let admin = alien_azure::admin(&config, DeploymentId::new(), target);
/// let vendor = alien_azure::vendor(&Config::for_vendor(VendorToken::file("/var/run/token")));
/// # let _ = (admin, vendor);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Config {
    credential: Option<Arc<dyn TokenCredential>>,
    token: Option<VendorToken>,
    /// Azure's public cloud where none is given. Clones of the config share it, and so its HTTP client.
    endpoint: Arc<OnceLock<Endpoint>>,
    pub(crate) calls: CallConfig,
}

/// Shows no credentials.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, token, .. } = self;
        f.debug_struct("Config").field("endpoint", &endpoint.get()).field("token", token).finish_non_exhaustive()
    }
}

/// The variable with the path of a workload identity's token, as Azure's own tools set it.
const FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// The variable with the address of a managed identity's tokens, as App Service and Container Apps set it.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

impl Config {
    /// Finds the credentials of this machine: those of the workload identity that `AZURE_FEDERATED_TOKEN_FILE`,
    /// `AZURE_CLIENT_ID` and `AZURE_TENANT_ID` name; if `IDENTITY_ENDPOINT` is set, those of the managed identity;
    /// otherwise the login of `az login` or `azd auth login`.
    /// <https://learn.microsoft.com/azure/developer/rust/sdk/authentication/overview>
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if the variables that are set are not complete.
    pub fn found() -> Result<Self> {
        Self::found_at(Endpoint::azure()?)
    }

    /// Finds the credentials of this machine as [`found`](Self::found) does, and gets their tokens from this endpoint.
    ///
    /// # Errors
    ///
    /// As [`found`](Self::found).
    pub fn found_at(endpoint: Endpoint) -> Result<Self> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let credential: Result<Arc<dyn TokenCredential>, azure_core::Error> = if is_set(FEDERATED_TOKEN_FILE) {
            let credential_options = ClientAssertionCredentialOptions { client_options: endpoint.options() };
            let options = WorkloadIdentityCredentialOptions { credential_options, ..Default::default() };
            WorkloadIdentityCredential::new(Some(options)).map(|found| found as _)
        } else if is_set(IDENTITY_ENDPOINT) {
            let options = ManagedIdentityCredentialOptions { client_options: endpoint.options(), ..Default::default() };
            ManagedIdentityCredential::new(Some(options)).map(|found| found as _)
        } else {
            DeveloperToolsCredential::new(None).map(|found| found as _)
        };
        let credential = credential.map_err(|error| {
            Error::new(ErrorKind::Credentials, format!("the Azure credentials are not complete: {}", chain(&error)))
        })?;
        Ok(Self::new(credential).with_endpoint(endpoint))
    }

    /// Uses a credential that the host program provides.
    #[must_use]
    pub fn new(credential: Arc<dyn TokenCredential>) -> Self {
        Self { credential: Some(credential), token: None, endpoint: Arc::default(), calls: CallConfig::default() }
    }

    /// Uses an access token for Resource Manager that was obtained elsewhere. It is not renewed.
    #[must_use]
    pub fn from_token(token: impl Into<String>) -> Self {
        Self::new(Arc::new(Fixed(token.into())))
    }

    /// Uses the vendor's tokens. The vendor needs no Azure credential of its own.
    #[must_use]
    pub fn for_vendor(token: VendorToken) -> Self {
        Self { credential: None, token: Some(token), endpoint: Arc::default(), calls: CallConfig::default() }
    }

    /// Calls as the agent of a deployment, where releases are pulled. On a machine to which the deployment's identity is
    /// assigned, the machine's metadata service gives the tokens; in a cluster, `token` are those of the agent's service
    /// account.
    #[must_use]
    pub fn for_agent(token: Option<VendorToken>) -> Self {
        Self { credential: None, token, endpoint: Arc::default(), calls: CallConfig::default() }
    }

    /// Adds the vendor's tokens, for a program that is both sides.
    #[must_use]
    pub fn with_vendor_token(mut self, token: VendorToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Sends the calls to all services to this endpoint; without it, to Azure's public cloud.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Arc::new(OnceLock::from(endpoint));
        self
    }

    /// Makes calls in another way: with another clock, retries, or a recorder.
    #[must_use]
    pub fn with_calls(mut self, calls: CallConfig) -> Self {
        self.calls = calls;
        self
    }

    /// The endpoint.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`] if none was given and this machine has no root certificates.
    pub(crate) fn endpoint(&self) -> Result<Endpoint> {
        let endpoint = match self.endpoint.get() {
            Some(endpoint) => endpoint.clone(),
            None => {
                let azure = Endpoint::azure()?;
                self.endpoint.get_or_init(|| azure).clone()
            }
        };
        Ok(match &self.calls.exchanges {
            Some(exchanges) => {
                let transport = recorded(Arc::clone(&endpoint.transport), Arc::clone(exchanges));
                Endpoint { transport, ..endpoint }
            }
            None => endpoint,
        })
    }

    /// The admin's credential.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there is none.
    pub(crate) fn credential(&self) -> Result<&Arc<dyn TokenCredential>> {
        let help = "make the config by `Config::found`, `Config::new` or `Config::from_token`";
        let none = || Error::new(ErrorKind::Credentials, format!("there is no Azure credential in the config; {help}"));
        self.credential.as_ref().ok_or_else(none)
    }

    /// The vendor's tokens.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there are none.
    pub(crate) fn vendor_token(&self) -> Result<&VendorToken> {
        let help = "make the config by `Config::for_vendor`, or add the tokens by `with_vendor_token`";
        let none = || Error::new(ErrorKind::Credentials, format!("there is no vendor token in the config; {help}"));
        self.token.as_ref().ok_or_else(none)
    }
}

/// A token that is not renewed.
struct Fixed(String);

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixed").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> Result<AccessToken, azure_core::Error> {
        // The real expiry is not known here: Azure rejects the token after it. The SDK compares this one with the system
        // clock.
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let secret = "eyJ.secret";
        let endpoint = Endpoint::azure().unwrap();
        let config = Config::from_token(secret).with_endpoint(endpoint);
        let token = VendorToken::from_fn(move |_| async move { Ok(secret.to_owned()) });
        let printed = format!("{config:?} {:?} {token:?}", config.credential);
        assert!(!printed.contains(secret), "{printed}");
    }

    #[test]
    fn one_config_builds_one_http_client() {
        let config = Config::from_token("token");
        let (first, second) = (config.endpoint().unwrap(), config.clone().endpoint().unwrap());
        assert!(Arc::ptr_eq(&first.transport, &second.transport));
        let given = Endpoint::azure().unwrap();
        let config = config.with_endpoint(given.clone());
        assert!(Arc::ptr_eq(&config.endpoint().unwrap().transport, &given.transport));
    }

    #[test]
    fn an_emulator_is_reached_by_tls_alone() {
        for (url, certificate) in [("http://127.0.0.1:1", "x"), ("https://127.0.0.1:1", "x")] {
            let error = Endpoint::emulator(url, certificate.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        }
    }
}
