//! The clients for Azure: Resource Manager and the data planes of queues and logs; and the context of a call.

mod answer;
mod credentials;
pub(crate) mod desk;
mod error;
pub(crate) mod settle;
pub(crate) mod tags;
mod transport;
mod vendor_token;

use std::fmt;
use std::sync::{Arc, OnceLock};

use alien_core::{Error, ErrorKind, Result};
use azure_core::Bytes;
use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{Context as HttpContext, Method, Pipeline, PipelineSendOptions, Request, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::Azure;

pub(crate) use answer::Answer;
pub use credentials::{Config, Endpoint};
use error::failure;
pub(crate) use error::{CLOCK, entra, is_outage, is_untimely, issuers_status, issuers_words, unsent};
pub use vendor_token::VendorToken;

/// The scope of tokens for Resource Manager.
pub(crate) const ARM: &str = "https://management.azure.com/.default";
/// The scope of tokens for queues (<https://learn.microsoft.com/azure/service-bus-messaging/authenticate-application>).
const BUS: &str = "https://servicebus.azure.net/.default";
/// The scope of tokens for logs (<https://learn.microsoft.com/azure/azure-monitor/logs/api/access-api>).
const LOGS: &str = "https://api.loganalytics.io/.default";

/// The clients for all services that this crate calls, with the credentials of one identity. Each is built when it is
/// first needed, and all send through the endpoint's one HTTP client. They do not retry: the
/// [`Gate`](alien_core::adapter::Gate) counts and repeats attempts.
pub(crate) struct Clients {
    credential: Arc<dyn TokenCredential>,
    arm: OnceLock<Pipeline>,
    bus: OnceLock<Pipeline>,
    logs: OnceLock<Pipeline>,
    endpoint: Endpoint,
    /// Serializes writes of federated credentials: Azure accepts one at a time
    /// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations#concurrent-updates-arent-supported-user-assigned-managed-identities>).
    pub(crate) federation: Arc<Mutex<()>>,
    /// Who waits for which answer of a function.
    pub(crate) desks: Arc<desk::Desks>,
    /// Serializes writes of subnets and of environments in them: Azure accepts one at a time in a network.
    pub(crate) network: Arc<Mutex<()>>,
}

/// Shows no credentials.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The subject that calls are about, and how they are made.
pub(crate) type Context<'a> = alien_core::adapter::CallContext<'a, Azure, Clients>;

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    value: Vec<T>,
    next_link: Option<String>,
}

/// The API version for a resource, by the provider of its type: the last provider in its id.
/// <https://learn.microsoft.com/rest/api/azure/>
fn version(id: &str) -> &'static str {
    // A provider itself is of Resource Manager's own; what is below it is the provider's.
    let provider = id.rsplit_once("/providers/").and_then(|(_, rest)| Some(rest.split_once('/')?.0));
    match provider.unwrap_or_default() {
        "Microsoft.App" => "2025-07-01",
        "Microsoft.Authorization" => "2022-04-01",
        "Microsoft.ManagedIdentity" => "2024-11-30",
        "Microsoft.Network" => "2025-07-01",
        "Microsoft.OperationalInsights" => "2025-07-01",
        "Microsoft.ServiceBus" => "2024-01-01",
        "Microsoft.Storage" => "2025-08-01",
        _ => "2025-04-01",
    }
}

impl Clients {
    /// Builds clients with these credentials. Makes no calls.
    pub(crate) fn new(credential: &Arc<dyn TokenCredential>, endpoint: &Endpoint) -> Self {
        Self {
            credential: Arc::clone(credential),
            arm: OnceLock::new(),
            bus: OnceLock::new(),
            logs: OnceLock::new(),
            endpoint: endpoint.clone(),
            federation: Arc::default(),
            network: Arc::default(),
            desks: Arc::default(),
        }
    }

    /// The pipeline in a slot, for tokens of this scope.
    fn pipeline<'c>(&self, slot: &'c OnceLock<Pipeline>, scope: &'static str) -> &'c Pipeline {
        slot.get_or_init(|| {
            let bearer: Arc<dyn Policy> =
                Arc::new(BearerTokenAuthorizationPolicy::new(Arc::clone(&self.credential), [scope]));
            let name = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
            Pipeline::new(name.0, name.1, self.endpoint.options(), Vec::new(), vec![bearer], None)
        })
    }

    /// Gets a resource from Resource Manager by its id.
    pub(crate) async fn get<T: DeserializeOwned>(&self, id: &str) -> Result<T> {
        self.arm(Method::Get, id, &[], None).await?.json()
    }

    /// Gets all pages of a list.
    pub(crate) async fn list<T: DeserializeOwned>(&self, id: &str, query: &[(&str, &str)]) -> Result<Vec<T>> {
        let mut page: Page<T> = self.arm(Method::Get, id, query, None).await?.json()?;
        let mut all = page.value;
        while let Some(next) = page.next_link.take().filter(|next| !next.is_empty()) {
            // The next page must be at the address of the first one: the request carries a token.
            let next = url(&next)?;
            if next.origin() != url(self.endpoint.arm())?.origin() {
                return Err(Error::new(ErrorKind::Internal, "a list goes on at another address"));
            }
            page = self.send(self.pipeline(&self.arm, ARM), Request::new(next, Method::Get)).await?.json()?;
            all.append(&mut page.value);
        }
        Ok(all)
    }

    /// Creates or replaces a resource.
    pub(crate) async fn put(&self, id: &str, body: &(impl Serialize + Sync)) -> Result<Answer> {
        self.arm(Method::Put, id, &[], Some(json(body)?.into())).await
    }

    /// Creates or replaces a resource by a body that holds a secret: the body is wiped when it has been sent.
    pub(crate) async fn put_secret(&self, id: &str, body: &(impl Serialize + Sync)) -> Result<Answer> {
        self.arm(Method::Put, id, &[], Some(Bytes::from_owner(secret_json(body)?))).await
    }

    /// Updates a resource by a body that holds a secret: the body is wiped when it has been sent.
    pub(crate) async fn patch_secret(&self, id: &str, body: &(impl Serialize + Sync)) -> Result<Answer> {
        self.arm(Method::Patch, id, &[], Some(Bytes::from_owner(secret_json(body)?))).await
    }

    /// Updates a resource. It is a breach if the answer says that it was created: the permission to update must not be
    /// enough to create.
    pub(crate) async fn patch(&self, id: &str, body: &(impl Serialize + Sync)) -> Result<Answer> {
        let answer = self.arm(Method::Patch, id, &[], Some(json(body)?.into())).await?;
        if answer.status == 201 {
            let what = "an update created something without a permission to; have the customer's admin check the \
                        roles of the management identity";
            return Err(Error::new(ErrorKind::Internal, what));
        }
        Ok(answer)
    }

    /// Deletes a resource.
    pub(crate) async fn delete(&self, id: &str, query: &[(&str, &str)]) -> Result<()> {
        self.arm(Method::Delete, id, query, None).await.map(drop)
    }

    /// Posts an action of a resource.
    pub(crate) async fn post(&self, id: &str) -> Result<Answer> {
        self.arm(Method::Post, id, &[], None).await
    }

    async fn arm(&self, method: Method, id: &str, query: &[(&str, &str)], body: Option<Bytes>) -> Result<Answer> {
        let mut address = url(&[self.endpoint.arm(), id].concat())?;
        address.query_pairs_mut().append_pair("api-version", version(id)).extend_pairs(query);
        let mut request = Request::new(address, method);
        if let Some(body) = body {
            request.insert_header("content-type", "application/json");
            request.set_body(body);
        }
        self.send(self.pipeline(&self.arm, ARM), request).await
    }

    /// Queries Log Analytics.
    pub(crate) async fn query(&self, workspace: &str, body: &Value) -> Result<Answer> {
        let address = url(&self.endpoint.logs(workspace))?;
        let mut request = Request::new(address, Method::Post);
        request.insert_header("content-type", "application/json");
        request.set_body(json(body)?);
        self.send(self.pipeline(&self.logs, LOGS), request).await
    }

    /// Calls the data plane of a Service Bus namespace: `path` follows the namespace in the address.
    pub(crate) async fn bus(
        &self,
        method: Method,
        namespace: &str,
        path: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let mut request = Request::new(url(&[&self.endpoint.bus(namespace), path].concat())?, method);
        for (name, value) in headers {
            request.insert_header(*name, value.clone());
        }
        request.set_body(body);
        self.send(self.pipeline(&self.bus, BUS), request).await
    }

    async fn send(&self, pipeline: &Pipeline, mut request: Request) -> Result<Answer> {
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let host = transport::host(request.url());
        let sent =
            pipeline.send(&HttpContext::new(), &mut request, Some(options)).await.map_err(|error| unsent(&error))?;
        let (status, headers, body) = sent.deconstruct();
        let answer = Answer { status: u16::from(status), headers, body: body.into() };
        if status.is_success() { Ok(answer) } else { Err(failure(&answer, &host)) }
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| Error::new(ErrorKind::Internal, format!("no JSON: {error}")))
}

/// Writes JSON that holds a secret into a buffer that is wiped in the end. The buffer has the right size from the
/// beginning: one that grows leaves its first part somewhere.
fn secret_json(body: &impl Serialize) -> Result<Zeroizing<Vec<u8>>> {
    let no_json = |error| Error::new(ErrorKind::Internal, format!("no JSON: {error}"));
    let mut size = Size(0);
    serde_json::to_writer(&mut size, body).map_err(no_json)?;
    let mut written = Zeroizing::new(Vec::with_capacity(size.0));
    serde_json::to_writer(&mut *written, body).map_err(no_json)?;
    Ok(written)
}

/// Counts what is written.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn url(text: &str) -> Result<Url> {
    text.parse().map_err(|error| Error::new(ErrorKind::Internal, format!("`{text}` is not a URL: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_provider_in_an_id_says_which_api_speaks_of_it() {
        let group = "/subscriptions/s/resourceGroups/g";
        assert_eq!(version(group), "2025-04-01");
        let app = format!("{group}/providers/Microsoft.App/containerApps/a");
        assert_eq!(version(&app), "2025-07-01");
        assert_eq!(version(&format!("{app}/providers/Microsoft.Authorization/roleAssignments/r")), "2022-04-01");
        assert_eq!(version(&format!("{app}/providers/Microsoft.Resources/tags/default")), "2025-04-01");
    }

    /// Answers every request with one status and one body.
    #[derive(Debug)]
    struct Answers(u16, &'static str);

    #[async_trait::async_trait]
    impl azure_core::http::HttpClient for Answers {
        async fn execute_request(&self, _: &Request) -> Result<azure_core::http::AsyncRawResponse, azure_core::Error> {
            let headers = azure_core::http::headers::Headers::new();
            Ok(azure_core::http::AsyncRawResponse::from_bytes(self.0.into(), headers, self.1))
        }
    }

    #[tokio::test]
    async fn an_update_that_makes_something_is_a_breach() {
        let body = serde_json::json!({});
        let denied = r#"{"error":{"code":"AuthorizationFailed","message":"no"}}"#;
        for (status, answer, kind) in [
            (200, "{}", None),
            (202, "{}", None),
            (201, "{}", Some(ErrorKind::Internal)),
            (403, denied, Some(ErrorKind::Denied)),
        ] {
            let endpoint = Endpoint::through(Arc::new(Answers(status, answer)));
            let config = Config::from_token("token").with_endpoint(endpoint);
            let clients = Clients::new(config.credential().unwrap(), &config.endpoint().unwrap());
            let sent =
                clients.patch("/subscriptions/s/resourceGroups/g/providers/Microsoft.App/containerApps/a", &body);
            let error = sent.await.err();
            assert_eq!(error.as_ref().map(Error::kind), kind, "{status}: {error:?}");
            if status == 201 {
                assert!(error.unwrap().to_string().contains("an update created something"));
            }
        }
    }

    #[test]
    fn a_secret_is_written_into_one_buffer() {
        let body = serde_json::json!({ "sharedKey": "k".repeat(1_000), "more": [1, 2, 3] });
        let written = secret_json(&body).unwrap();
        assert_eq!(written.capacity(), written.len(), "it never grew");
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), body);
    }

    #[tokio::test]
    async fn a_session_builds_what_it_needs_once() {
        let transport: Arc<dyn azure_core::http::HttpClient> = Arc::new(Answers(200, r#"{"value":[]}"#));
        let config = Config::from_token("token").with_endpoint(Endpoint::through(Arc::clone(&transport)));
        // Everything that is built holds the one transport.
        let holders = || Arc::strong_count(&transport);
        let before = holders();
        let clients = Clients::new(config.credential().unwrap(), &config.endpoint().unwrap());
        assert_eq!(holders(), before + 1, "a session without calls builds no pipeline");
        clients.list::<u8>("/subscriptions/s", &[]).await.unwrap();
        let with_one = holders();
        assert!(with_one > before + 1);
        clients.list::<u8>("/subscriptions/s", &[]).await.unwrap();
        assert_eq!(holders(), with_one, "the second call builds nothing");
        clients.bus(Method::Get, "n", "/q", &[], Vec::new()).await.unwrap();
        assert_eq!(holders() - with_one, with_one - before - 1, "another service has another pipeline");
    }

    #[tokio::test]
    async fn a_list_goes_on_at_the_same_address_alone() {
        for next in ["https://management.azure.com.evil.example/x", "https://management.azure.com@evil.example/x"] {
            let page: &'static str = format!(r#"{{"value":[1],"nextLink":"{next}"}}"#).leak();
            let config = Config::from_token("token").with_endpoint(Endpoint::through(Arc::new(Answers(200, page))));
            let clients = Clients::new(config.credential().unwrap(), &config.endpoint().unwrap());
            let error = clients.list::<u8>("/subscriptions/s", &[]).await.unwrap_err();
            assert!(error.to_string().contains("goes on at another address"), "{error}");
        }
    }
}
