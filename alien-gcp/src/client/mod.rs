//! Calling GCP: the clients, and what a call is about.

mod credentials;
mod error;
mod invoker;
pub(crate) mod policy;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alien_core::adapter::chain;
use alien_core::{Error, ErrorKind, Result};
use google_cloud_api_serviceusage_v1::client::ServiceUsage;
use google_cloud_artifactregistry_v1::client::ArtifactRegistry;
use google_cloud_compute_v1::client::{Firewalls, GlobalOperations, Networks, RegionOperations, Subnetworks};
use google_cloud_firestore_admin_v1::client::FirestoreAdmin;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_iam_credentials_v1::client::IAMCredentials;
use google_cloud_logging_v2::client::{ConfigServiceV2, LoggingServiceV2};
use google_cloud_pubsub::client::{SchemaService, SubscriptionAdmin, TopicAdmin};
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_run_v2::client::Services;
use google_cloud_storage::client::StorageControl;
use tokio::sync::Mutex;

use crate::Gcp;

pub use credentials::Config;
pub(crate) use credentials::{SCOPE, bearer};
pub(crate) use error::{failure, refused_by_operation};
pub(crate) use invoker::Invoker;

/// How long one attempt of a call may take; a service's answer to a command has its own time.
const ATTEMPT: Duration = Duration::from_secs(60);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The clients of all services that are called, with the credentials of one identity. Attempts are counted and repeated by the
/// [`Gate`](alien_core::adapter::Gate), not by them.
#[derive(Clone)]
pub struct Clients {
    pub(crate) credentials: IAMCredentials,
    pub(crate) firestore: FirestoreAdmin,
    pub(crate) firewalls: Firewalls,
    pub(crate) global_operations: GlobalOperations,
    pub(crate) http: reqwest::Client,
    pub(crate) iam: Iam,
    /// Who gets the identity tokens that commands are sent with: in a session of the vendor's.
    pub(crate) invoker: Option<Arc<Invoker>>,
    pub(crate) log_entries: LoggingServiceV2,
    pub(crate) logs: ConfigServiceV2,
    pub(crate) networks: Networks,
    pub(crate) projects: Projects,
    /// The policies of topics and subscriptions: Pub/Sub's clients share one way to them.
    pub(crate) pubsub_policies: SchemaService,
    /// The custom roles that were seen to permit what they should.
    pub(crate) defined: Arc<Mutex<HashSet<String>>>,
    /// Whose turn it is to write the policy of the project.
    pub(crate) project_policy: Arc<Mutex<()>>,
    pub(crate) region_operations: RegionOperations,
    pub(crate) registry: ArtifactRegistry,
    pub(crate) run: Services,
    pub(crate) storage: StorageControl,
    pub(crate) subnetworks: Subnetworks,
    pub(crate) subscriptions: SubscriptionAdmin,
    pub(crate) topics: TopicAdmin,
    pub(crate) usage: ServiceUsage,
}

/// Without the credentials.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// One client, with the credentials and the endpoint of a configuration.
macro_rules! client {
    ($client:ty, $config:expr) => {{
        let builder = <$client>::builder()
            .with_credentials($config.credentials.clone())
            .with_retry_policy(NeverRetry)
            .with_attempt_timeout(ATTEMPT);
        let builder = match &$config.endpoint {
            Some(url) => builder.with_endpoint(url.clone()),
            None => builder,
        };
        builder.build().await.map_err(unbuilt)?
    }};
}

impl Clients {
    /// Clients with the credentials and the endpoint of a configuration. Nothing is called yet.
    pub(crate) async fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            credentials: client!(IAMCredentials, config),
            firestore: client!(FirestoreAdmin, config),
            firewalls: client!(Firewalls, config),
            global_operations: client!(GlobalOperations, config),
            http: unredirected()?,
            iam: client!(Iam, config),
            invoker: None,
            log_entries: client!(LoggingServiceV2, config),
            logs: client!(ConfigServiceV2, config),
            networks: client!(Networks, config),
            projects: client!(Projects, config),
            defined: Arc::default(),
            project_policy: Arc::default(),
            pubsub_policies: client!(SchemaService, config),
            region_operations: client!(RegionOperations, config),
            registry: client!(ArtifactRegistry, config),
            run: client!(Services, config),
            storage: client!(StorageControl, config),
            subnetworks: client!(Subnetworks, config),
            subscriptions: client!(SubscriptionAdmin, config),
            topics: client!(TopicAdmin, config),
            usage: client!(ServiceUsage, config),
        })
    }
}

/// A token that is good at one address goes nowhere else.
fn unredirected() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
    client.build().map_err(unbuilt)
}

fn unbuilt(error: impl std::error::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("a client of GCP could not be made: {}", chain(&error)))
}

/// One subject, and how calls about it are made.
pub(crate) type Context<'a> = alien_core::adapter::CallContext<'a, Gcp, Clients>;

/// The marks of ownership as labels.
pub(crate) mod labels {
    use std::collections::HashMap;

    /// The marks among them.
    pub(crate) fn marks(labels: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
        labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The marks beside what others wrote.
    pub(crate) fn with(
        mut found: HashMap<String, String>,
        marks: impl IntoIterator<Item = (&'static str, String)>,
    ) -> HashMap<String, String> {
        found.extend(marks.into_iter().map(|(name, value)| (name.to_owned(), value)));
        found
    }
}

/// The marks of ownership as words of a description: what has no labels has one of these.
pub(crate) mod description {
    use alien_core::adapter::{DeploymentContext, Observed};
    use alien_core::{Error, ErrorKind, Result};

    use crate::Gcp;

    /// The words.
    pub(crate) fn of<'m>(marks: impl IntoIterator<Item = &'m (&'static str, String)>) -> String {
        let words: Vec<String> = marks.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        words.join(" ")
    }

    /// The marks among the words.
    pub(crate) fn marks(description: &str) -> impl Iterator<Item = (&str, &str)> {
        description.split(' ').filter_map(|word| word.split_once('='))
    }

    /// Refuses what is another's.
    pub(crate) fn own(deployment: &DeploymentContext<Gcp>, description: &str, what: &str) -> Result<()> {
        match Observed::marked("", deployment.id, marks(description)) {
            Observed::Foreign(whose) => Err(Error::new(ErrorKind::NotOwned, format!("{what} is there, and {whose}"))),
            _ => Ok(()),
        }
    }
}
