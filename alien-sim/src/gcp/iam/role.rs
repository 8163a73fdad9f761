//! Roles: some predefined ones, and the custom roles of projects. Source:
//! <https://docs.cloud.google.com/iam/docs/roles-permissions>.

use jiff::Timestamp;

use crate::dated::Dated;
use crate::gcp::state::State;

/// A custom role of a project.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) stage: String,
    /// Its permissions in effect. Empty while it is deleted.
    pub(crate) permissions: Dated<Vec<String>>,
    /// Its permissions, kept while it is deleted.
    pub(crate) kept: Vec<String>,
    pub(crate) deleted: Option<Timestamp>,
    pub(crate) etag: String,
}

/// The predefined roles that are modelled. The owner's role has every permission.
const PREDEFINED: &[(&str, &[&str])] = &[
    ("roles/owner", &[]),
    ("roles/run.invoker", &["run.jobs.run", "run.routes.invoke"]),
    ("roles/run.viewer", &["run.services.get", "run.services.list", "run.operations.get", "run.services.getIamPolicy"]),
    (
        "roles/iam.serviceAccountTokenCreator",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.implicitDelegation",
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.signBlob",
            "iam.serviceAccounts.signJwt",
        ],
    ),
    (
        "roles/iam.serviceAccountUser",
        &[
            "iam.serviceAccounts.actAs",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    ("roles/pubsub.publisher", &["pubsub.topics.publish"]),
    (
        "roles/pubsub.subscriber",
        &["pubsub.snapshots.seek", "pubsub.subscriptions.consume", "pubsub.topics.attachSubscription"],
    ),
    // What Google gives Pub/Sub's agent on the project: <https://docs.cloud.google.com/iam/docs/service-agents>.
    ("roles/pubsub.serviceAgent", &["iam.serviceAccounts.getOpenIdToken"]),
    (
        "roles/storage.objectViewer",
        &[
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
            "storage.folders.get",
            "storage.folders.list",
            "storage.managedFolders.get",
            "storage.managedFolders.list",
            "storage.objects.get",
            "storage.objects.list",
        ],
    ),
    (
        "roles/artifactregistry.reader",
        &[
            "artifactregistry.repositories.downloadArtifacts",
            "artifactregistry.repositories.get",
            "artifactregistry.repositories.list",
        ],
    ),
    ("roles/logging.logWriter", &["logging.logEntries.create"]),
    (
        "roles/logging.viewAccessor",
        &["logging.views.access", "logging.views.listLogs", "logging.views.listResourceKeys"],
    ),
    ("roles/logging.bucketWriter", &["logging.buckets.write"]),
];

/// The permissions of a predefined role. An empty list means every permission.
pub(crate) fn predefined(role: &str) -> Option<&'static [&'static str]> {
    PREDEFINED.iter().find(|(name, _)| *name == role).map(|(_, permissions)| *permissions)
}

/// Whether a role has a permission.
pub(crate) fn holds(state: &State, role: &str, permission: &str, now: Timestamp) -> bool {
    match predefined(role) {
        Some(permissions) => role == "roles/owner" || permissions.contains(&permission),
        None => state
            .roles
            .get(role)
            .is_some_and(|role| role.permissions.in_effect(now).iter().any(|held| held == permission)),
    }
}

/// Whether a role can be bound. A deleted role can.
pub(crate) fn is_known(state: &State, role: &str) -> bool {
    predefined(role).is_some() || state.roles.contains_key(role)
}

/// Checks the form `service.resource.verb`, or the longer form of workload identity: `iam.googleapis.com/pools.verb`.
pub(crate) fn looks_like_a_permission(name: &str) -> bool {
    let dots = name.split('.').collect::<Vec<_>>();
    dots.len() >= 3
        && dots.iter().all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/'))
        })
}

/// An id has 3 to 64 characters of `[A-Za-z0-9_.]`: <https://docs.cloud.google.com/iam/docs/creating-custom-roles>.
pub(crate) fn is_role_id(id: &str) -> bool {
    (3..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}
