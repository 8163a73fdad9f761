//! The clients for GCP's services, and the context of a call.

mod credentials;
mod error;
mod invoker;
pub(crate) mod policy;
mod seen;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use alien_core::adapter::{ATTEMPT, CONNECT};
use alien_core::{Error, Result};
use async_trait::async_trait;
use google_cloud_api_serviceusage_v1::client::ServiceUsage;
use google_cloud_artifactregistry_v1::client::ArtifactRegistry;
use google_cloud_compute_v1::client::{Firewalls, GlobalOperations, Networks, RegionOperations, Subnetworks};
use google_cloud_firestore_admin_v1::client::FirestoreAdmin;
use google_cloud_gax::client_builder::internal::with_follow_redirects;
use google_cloud_gax::error::Error as GaxError;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_iam_credentials_v1::client::IAMCredentials;
use google_cloud_iam_v1::model::Policy;
use google_cloud_logging_v2::client::{ConfigServiceV2, LoggingServiceV2};
use google_cloud_orgpolicy_v2::client::OrgPolicy;
use google_cloud_pubsub::client::{SchemaService, SubscriptionAdmin, TopicAdmin};
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_run_v2::client::Services;
use google_cloud_storage::client::StorageControl;
use tokio::sync::{Mutex, OnceCell};

use self::error::unbuilt;
use crate::Gcp;
use crate::operations::Scope;

pub use credentials::Config;
pub(crate) use credentials::{CREDENTIALS, SCOPE, bearer};
pub(crate) use error::{refused_by_operation, unanswered};
pub(crate) use invoker::Invoker;

/// Declares the clients, each of which is built when it is first used.
macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident: $client:ty, $service:literal;)*) => {
        /// The clients that were built.
        #[derive(Default)]
        struct Built {
            http: OnceCell<reqwest::Client>,
            $($name: OnceCell<$client>,)*
        }

        impl Clients {
            $(
                $(#[$doc])*
                pub(crate) async fn $name(&self) -> Result<&$client> {
                    let build = || async {
                        let builder = <$client>::builder()
                            .with_credentials(self.config.credentials.clone())
                            .with_retry_policy(NeverRetry)
                            .with_attempt_timeout(ATTEMPT);
                        // What redirects is not Google's: that is told, and the token goes nowhere else.
                        let builder = with_follow_redirects(builder, false);
                        let builder = match &self.config.endpoint {
                            Some(url) => builder.with_endpoint(url.clone()),
                            None => builder,
                        };
                        builder.build().await.map_err(unbuilt)
                    };
                    self.built.$name.get_or_try_init(build).await
                }
            )*

            /// The names of the clients that were built.
            #[cfg(test)]
            pub(crate) fn built(&self) -> Vec<&'static str> {
                let all = [
                    ("http", self.built.http.initialized()),
                    $((stringify!($name), self.built.$name.initialized()),)*
                ];
                all.into_iter().filter(|(_, built)| *built).map(|(name, _)| name).collect()
            }
        }

        /// Converts errors of each client's calls. The errors of Google's clients do not all say which host was called.
        pub(crate) mod failed {
            use super::{Clients, Error, GaxError, error};

            $(
                $(#[$doc])*
                pub(crate) fn $name(clients: &Clients) -> impl Fn(GaxError) -> Error + '_ {
                    |failed| error::failure(failed, &clients.host($service))
                }
            )*
        }
    };
}

clients! {
    /// Access tokens and identity tokens of service accounts.
    credentials: IAMCredentials, "iamcredentials";
    /// Databases.
    firestore: FirestoreAdmin, "firestore";
    /// Firewall rules.
    firewalls: Firewalls, "compute";
    /// Operations on networks and firewall rules.
    global_operations: GlobalOperations, "compute";
    /// Service accounts and custom roles.
    iam: Iam, "iam";
    /// Log entries.
    log_entries: LoggingServiceV2, "logging";
    /// Log buckets, views and sinks.
    logs: ConfigServiceV2, "logging";
    /// Networks.
    networks: Networks, "compute";
    /// What the organisation forbids.
    organisation: OrgPolicy, "orgpolicy";
    /// The project and its policy.
    projects: Projects, "cloudresourcemanager";
    /// The policies of topics and subscriptions: Pub/Sub's clients share one interface to them.
    pubsub_policies: SchemaService, "pubsub";
    /// Operations on subnetworks.
    region_operations: RegionOperations, "compute";
    /// Repositories of images.
    registry: ArtifactRegistry, "artifactregistry";
    /// Cloud Run services.
    run: Services, "run";
    /// Buckets and objects.
    storage: StorageControl, "storage";
    /// Subnetworks.
    subnetworks: Subnetworks, "compute";
    /// Subscriptions.
    subscriptions: SubscriptionAdmin, "pubsub";
    /// Topics.
    topics: TopicAdmin, "pubsub";
    /// Which APIs are enabled.
    usage: ServiceUsage, "serviceusage";
}

/// The clients for all services that this crate calls, with the credentials of one identity. They do not retry: the
/// [`Gate`](alien_core::adapter::Gate) counts and repeats attempts. Each is built when it is first used, because most sessions
/// use one or two, and each has an HTTP client of its own: Google's crates take none from outside.
pub(crate) struct Clients {
    config: Config,
    built: Built,
    /// Gets the identity tokens of commands; only in a session of the vendor.
    pub(crate) invoker: Option<Arc<Invoker>>,
    /// Custom roles that are known to have the right permissions.
    pub(crate) defined: Arc<Mutex<HashSet<String>>>,
    /// How policies are read and written; only of the admin.
    pub(crate) policy_calls: Option<&'static dyn PolicyCalls>,
    /// The policies that runs have read.
    pub(crate) policies: seen::Policies,
    /// Serializes writes of the project's policy.
    pub(crate) project_policy: Arc<Mutex<()>>,
}

/// How policies are read and written. Only the admin's clients have it: no permission of the vendor's touches a policy, so an agent has
/// none of the code for that.
#[async_trait]
pub(crate) trait PolicyCalls: Send + Sync {
    /// Reads the policy of something, by the scope that it is and its full name.
    async fn read(&self, cx: Context<'_>, scope: Scope, name: &str) -> Result<Policy>;

    /// Writes it.
    async fn write(&self, cx: Context<'_>, scope: Scope, name: &str, policy: Policy) -> Result<()>;
}

/// Shows no credentials.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Clients with the credentials and the endpoint of a configuration. None is built yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            built: Built::default(),
            invoker: None,
            defined: Arc::default(),
            policy_calls: None,
            policies: seen::Policies::default(),
            project_policy: Arc::default(),
        }
    }

    /// The same, which also read and write policies.
    pub(crate) fn with_policies(self, calls: &'static dyn PolicyCalls) -> Self {
        Self { policy_calls: Some(calls), ..self }
    }

    /// The host of a service.
    pub(crate) fn host(&self, service: &str) -> String {
        let given = self.config.endpoint.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
        let given = given.and_then(|url| url.authority().map(ToString::to_string));
        given.unwrap_or_else(|| format!("{service}.googleapis.com"))
    }

    /// Sends commands to services.
    pub(crate) async fn http(&self) -> Result<&reqwest::Client> {
        self.built.http.get_or_try_init(|| async { unredirected() }).await
    }
}

/// Does not follow redirects: a token that is valid at one address must not be sent to another.
fn unredirected() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
    client.build().map_err(unbuilt)
}

/// The subject that calls are about, and how they are made.
pub(crate) type Context<'a> = alien_core::adapter::CallContext<'a, Gcp, Clients>;

/// Marks of ownership as labels.
pub(crate) mod labels {
    use std::collections::HashMap;

    /// The labels as marks: names and values.
    pub(crate) fn marks(labels: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
        labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds the marks to the labels that exist already.
    pub(crate) fn with(
        mut found: HashMap<String, String>,
        marks: impl IntoIterator<Item = (&'static str, String)>,
    ) -> HashMap<String, String> {
        found.extend(marks.into_iter().map(|(name, value)| (name.to_owned(), value)));
        found
    }
}

/// Marks of ownership as words of a description, for resources that have no labels.
pub(crate) mod description {
    use alien_core::adapter::{DeploymentContext, Marks, Observed};
    use alien_core::{Error, ErrorKind, Result};

    use crate::Gcp;

    /// Writes marks as words.
    pub(crate) fn of<'m>(marks: impl IntoIterator<Item = &'m (&'static str, String)>) -> String {
        let words: Vec<String> = marks.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        words.join(" ")
    }

    /// Reads the marks from the words.
    pub(crate) fn marks(description: &str) -> impl Iterator<Item = (&str, &str)> {
        description.split(' ').filter_map(|word| word.split_once('='))
    }

    /// Fails if it belongs to somebody else, or carries no mark and is not to be marked again.
    pub(crate) fn usable(
        deployment: &DeploymentContext<Gcp>,
        description: &str,
        what: &str,
        again: &Marks,
    ) -> Result<()> {
        match Observed::marked("", deployment.owner(), marks(description)).refused(again) {
            Some(whose) => Err(Error::new(ErrorKind::NotOwned, format!("{what} already exists, and {whose}"))),
            None => Ok(()),
        }
    }

    /// Fails if it belongs to somebody else.
    pub(crate) fn own(deployment: &DeploymentContext<Gcp>, description: &str, what: &str) -> Result<()> {
        match Observed::marked("", deployment.owner(), marks(description)) {
            Observed::Foreign(whose) => {
                Err(Error::new(ErrorKind::NotOwned, format!("{what} already exists, and {whose}")))
            }
            _ => Ok(()),
        }
    }
}
