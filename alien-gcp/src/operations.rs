//! The operation table of GCP.
//!
//! The permissions of a method, and what they are checked on, are taken from the product's own access control pages.
//! Rows that are in no permission set are never granted: the audit uses them to say what a wrong document would allow.

use alien_core::adapter::Escalation;

/// What a permission is checked on, and so where it can be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A Cloud Run service.
    Service,
    /// A Cloud Run service that a queue triggers: Pub/Sub calls it with the service's own identity.
    TriggeredService,
    /// The Artifact Registry repository of an image, in the customer's project.
    Repository,
    /// The log view of all live services, or of all frozen ones.
    LogView,
    /// A bucket, and the objects in it.
    Bucket,
    /// A Firestore database, and the documents in it.
    Database,
    /// A topic.
    Topic,
    /// The topic that holds the labels of a database, because a database cannot have any.
    Marker,
    /// A subscription.
    Subscription,
    /// The topic for dead letters of a queue.
    DeadTopic,
    /// The subscription that keeps the dead letters of a queue.
    DeadSubscription,
    /// A VPC network.
    Network,
    /// A subnetwork.
    Subnetwork,
    /// A service account that code runs as.
    RuntimeAccount,
    /// Any service account of the deployment.
    ServiceAccount,
    /// The project: for what is created, and for what has no name of its own.
    Project,
    /// The full resource name of a resource. No permission is checked on it.
    Id,
}

alien_core::operations! {
    on Scope;

    // services.get is the only call that shows a service's state, and it returns the environment variables too. Without
    // `allowMissing`, patch never creates.
    source "https://docs.cloud.google.com/run/docs/reference/iam/permissions" {
        GET_SERVICE = "run.projects.locations.services.get" needs "run.services.get" on Service, Observe, reveals "environment variables";
        PATCH_SERVICE = "run.projects.locations.services.patch" needs "run.services.update" on Service, Update;
        CREATE_SERVICE = "run.projects.locations.services.create" needs "run.services.create" on Project, Create;
        DELETE_SERVICE = "run.projects.locations.services.delete" needs "run.services.delete" on Service, Delete;
        GET_SERVICE_POLICY = "run.projects.locations.services.getIamPolicy" needs "run.services.getIamPolicy" on Service, Observe;
        SET_SERVICE_POLICY = "run.projects.locations.services.setIamPolicy" needs "run.services.setIamPolicy" on Service, Control;
        INVOKE_SERVICE = "a request to the service" needs "run.routes.invoke" on Service, Invoke;
        PUSH_TO_SERVICE = "a push of Pub/Sub to the service" needs "run.routes.invoke" on TriggeredService, Invoke;
        SHELL_IN_SERVICE = "a shell in an instance" needs "run.services.sshRoot" on Service, Credential;
        READ_IN_SERVICE = "a restricted shell in an instance" needs "run.services.sshRead" on Service, Credential;
        LIST_SERVICES = "run.projects.locations.services.list" needs "run.services.list" on Project, Observe, reveals "every service of the project and its environment variables";
        CREATE_JOB = "run.projects.locations.jobs.create" needs "run.jobs.create" on Project, Create;
        RUN_JOB = "run.projects.locations.jobs.run" needs "run.jobs.run" on Project, Invoke;
        RUN_JOB_OVERRIDDEN = "run.projects.locations.jobs.run with overrides" needs "run.jobs.runWithOverrides" on Project, Update;
        UPDATE_JOB = "run.projects.locations.jobs.patch" needs "run.jobs.update" on Project, Update;
    }

    // A new revision names its service account and its image: the caller needs permissions on both.
    source "https://docs.cloud.google.com/run/docs/reference/iam/roles" {
        ACT_AS = "run.projects.locations.services.patch" needs "iam.serviceAccounts.actAs" on RuntimeAccount, Bind;
        ACT_AS_ANY = "anything that runs under an identity" needs "iam.serviceAccounts.actAs" on ServiceAccount, Bind;
        PULL_IMAGE = "run.projects.locations.services.patch" needs "artifactregistry.repositories.downloadArtifacts" on Repository, ReadCode;
        GET_REPOSITORY_POLICY = "artifactregistry.projects.locations.repositories.getIamPolicy" needs "artifactregistry.repositories.getIamPolicy" on Repository, Observe;
        SET_REPOSITORY_POLICY = "artifactregistry.projects.locations.repositories.setIamPolicy" needs "artifactregistry.repositories.setIamPolicy" on Repository, Control;
        PUSH_IMAGE = "a push to the repository" needs "artifactregistry.repositories.uploadArtifacts" on Repository, Update;
    }

    // buckets.update can change lifecycle rules, retention and website settings. getStorageLayout needs
    // storage.objects.list, so it cannot be a health check.
    source "https://docs.cloud.google.com/storage/docs/access-control/iam-json" {
        GET_BUCKET = "storage.buckets.get" on Bucket, Observe;
        CREATE_BUCKET = "storage.buckets.insert" needs "storage.buckets.create" on Project, Create;
        DELETE_BUCKET = "storage.buckets.delete" on Bucket, Delete;
        PATCH_BUCKET = "storage.buckets.patch" needs "storage.buckets.update" on Bucket, Redirect;
        GET_BUCKET_POLICY = "storage.buckets.getIamPolicy" on Bucket, Observe;
        SET_BUCKET_POLICY = "storage.buckets.setIamPolicy" on Bucket, Control;
        GET_OBJECT = "storage.objects.get" on Bucket, ReadData;
        LIST_OBJECTS = "storage.objects.list" on Bucket, ReadData;
        CREATE_OBJECT = "storage.objects.insert" needs "storage.objects.create" on Bucket, WriteData;
        UPDATE_OBJECT = "storage.objects.patch" needs "storage.objects.update" on Bucket, WriteData;
        DELETE_OBJECT = "storage.objects.delete" on Bucket, WriteData;
        RESTORE_OBJECT = "storage.objects.restore" on Bucket, WriteData;
        MOVE_OBJECT = "storage.objects.move" on Bucket, WriteData;
        SET_OBJECT_POLICY = "storage.objects.setIamPolicy" on Bucket, Control;
        RESTORE_BUCKET = "storage.buckets.restore" on Bucket, Redirect;
        RELOCATE_BUCKET = "storage.buckets.relocate" on Bucket, Redirect;
        CREATE_HMAC_KEY = "storage.projects.hmacKeys.create" needs "storage.hmacKeys.create" on Project, Credential;
        LIST_BUCKETS = "storage.buckets.list" on Project, Observe, reveals "the name of every bucket of the project";
    }

    // `datastore.databases.get` does not read the database's settings: it allows starting a transaction.
    source "https://docs.cloud.google.com/firestore/native/docs/security/iam" {
        GET_DATABASE = "firestore.projects.databases.get" needs "datastore.databases.getMetadata" on Database, Observe;
        CREATE_DATABASE = "firestore.projects.databases.create" needs "datastore.databases.create" on Project, Create;
        GET_DATABASE_OPERATION = "firestore.projects.databases.operations.get" needs "datastore.operations.get" on Project, Observe;
        DELETE_DATABASE = "firestore.projects.databases.delete" needs "datastore.databases.delete" on Database, Delete;
        PATCH_DATABASE = "firestore.projects.databases.patch" needs "datastore.databases.update" on Database, Redirect;
        GET_DATABASE_FIELD = "firestore.projects.databases.collectionGroups.fields.get" needs "datastore.schemas.get" on Database, Observe;
        PATCH_DATABASE_FIELD = "firestore.projects.databases.collectionGroups.fields.patch" needs "datastore.schemas.update" on Database, Redirect;
        GET_DOCUMENT = "firestore.projects.databases.documents.get" needs "datastore.entities.get" on Database, ReadData;
        LIST_DOCUMENTS = "firestore.projects.databases.documents.list" needs "datastore.entities.list" on Database, ReadData;
        BEGIN_TRANSACTION = "firestore.projects.databases.documents.beginTransaction" needs "datastore.databases.get" on Database, ReadData;
        CREATE_DOCUMENT = "firestore.projects.databases.documents.createDocument" needs "datastore.entities.create" on Database, WriteData;
        UPDATE_DOCUMENT = "firestore.projects.databases.documents.patch" needs "datastore.entities.update" on Database, WriteData;
        DELETE_DOCUMENT = "firestore.projects.databases.documents.delete" needs "datastore.entities.delete" on Database, WriteData;
        ALLOCATE_IDS = "datastore.projects.allocateIds" needs "datastore.entities.allocateIds" on Database, WriteData;
        EXPORT_DATABASE = "firestore.projects.databases.exportDocuments" needs "datastore.databases.export" on Database, ReadData;
        IMPORT_DATABASE = "firestore.projects.databases.importDocuments" needs "datastore.databases.import" on Database, WriteData;
        BULK_DELETE = "firestore.projects.databases.bulkDeleteDocuments" needs "datastore.databases.bulkDelete" on Database, WriteData;
        CLONE_DATABASE = "firestore.projects.databases.clone" needs "datastore.databases.clone" on Database, Redirect;
        RESTORE_DATABASE = "firestore.projects.databases.restore" needs "datastore.backups.restoreDatabase" on Project, Redirect;
        CREATE_DATABASE_USER = "firestore.projects.databases.userCreds.create" needs "datastore.userCreds.create" on Database, Credential;
        RESET_DATABASE_USER = "firestore.projects.databases.userCreds.resetPassword" needs "datastore.userCreds.update" on Database, Credential;
        LIST_NAMESPACES = "a query for namespaces" needs "datastore.namespaces.list" on Database, ReadData;
        LIST_STATISTICS = "a query for statistics" needs "datastore.statistics.list" on Database, ReadData;
    }

    // subscriptions.update can set a push endpoint and topics.update an ingestion source: messages can leave without
    // the consume permission.
    source "https://docs.cloud.google.com/pubsub/docs/access-control" {
        GET_TOPIC = "pubsub.projects.topics.get" needs "pubsub.topics.get" on Topic, Observe;
        GET_SUBSCRIPTION = "pubsub.projects.subscriptions.get" needs "pubsub.subscriptions.get" on Subscription, Observe;
        CREATE_TOPIC = "pubsub.projects.topics.create" needs "pubsub.topics.create" on Project, Create;
        CREATE_SUBSCRIPTION = "pubsub.projects.subscriptions.create" needs "pubsub.subscriptions.create" on Project, Redirect;
        ATTACH_SUBSCRIPTION = "pubsub.projects.subscriptions.create" needs "pubsub.topics.attachSubscription" on Topic, Redirect;
        DELETE_TOPIC = "pubsub.projects.topics.delete" needs "pubsub.topics.delete" on Topic, Delete;
        DELETE_SUBSCRIPTION = "pubsub.projects.subscriptions.delete" needs "pubsub.subscriptions.delete" on Subscription, Delete;
        GET_DEAD_TOPIC = "pubsub.projects.topics.get" needs "pubsub.topics.get" on DeadTopic, Observe;
        DELETE_DEAD_TOPIC = "pubsub.projects.topics.delete" needs "pubsub.topics.delete" on DeadTopic, Delete;
        GET_DEAD_SUBSCRIPTION = "pubsub.projects.subscriptions.get" needs "pubsub.subscriptions.get" on DeadSubscription, Observe;
        DELETE_DEAD_SUBSCRIPTION = "pubsub.projects.subscriptions.delete" needs "pubsub.subscriptions.delete" on DeadSubscription, Delete;
        PATCH_TOPIC = "pubsub.projects.topics.patch" needs "pubsub.topics.update" on Topic, Redirect;
        PATCH_SUBSCRIPTION = "pubsub.projects.subscriptions.patch" needs "pubsub.subscriptions.update" on Subscription, Redirect;
        PATCH_DEAD_SUBSCRIPTION = "pubsub.projects.subscriptions.patch" needs "pubsub.subscriptions.update" on DeadSubscription, Redirect;
        GET_TOPIC_POLICY = "pubsub.projects.topics.getIamPolicy" needs "pubsub.topics.getIamPolicy" on Topic, Observe;
        SET_TOPIC_POLICY = "pubsub.projects.topics.setIamPolicy" needs "pubsub.topics.setIamPolicy" on Topic, Control;
        GET_SUBSCRIPTION_POLICY = "pubsub.projects.subscriptions.getIamPolicy" needs "pubsub.subscriptions.getIamPolicy" on Subscription, Observe;
        SET_SUBSCRIPTION_POLICY = "pubsub.projects.subscriptions.setIamPolicy" needs "pubsub.subscriptions.setIamPolicy" on Subscription, Control;
        CONSUME = "pubsub.projects.subscriptions.pull" needs "pubsub.subscriptions.consume" on Subscription, ReadData;
        PUBLISH = "pubsub.projects.topics.publish" needs "pubsub.topics.publish" on Topic, WriteData;
        GET_MARKER_POLICY = "pubsub.projects.topics.getIamPolicy" needs "pubsub.topics.getIamPolicy" on Marker, Observe;
        SET_MARKER_POLICY = "pubsub.projects.topics.setIamPolicy" needs "pubsub.topics.setIamPolicy" on Marker, Control;
        GET_MARKER = "pubsub.projects.topics.get" needs "pubsub.topics.get" on Marker, Observe;
        PATCH_MARKER = "pubsub.projects.topics.patch" needs "pubsub.topics.update" on Marker, Redirect;
        DELETE_MARKER = "pubsub.projects.topics.delete" needs "pubsub.topics.delete" on Marker, Delete;
        DETACH_SUBSCRIPTION = "pubsub.projects.subscriptions.detach" needs "pubsub.topics.detachSubscription" on Topic, Redirect;
        CREATE_SNAPSHOT = "pubsub.projects.snapshots.create" needs "pubsub.snapshots.create" on Project, Redirect;
        SEEK_SNAPSHOT = "pubsub.projects.subscriptions.seek" needs "pubsub.snapshots.seek" on Project, ReadData;
    }

    source "https://docs.cloud.google.com/compute/docs/access/iam-permissions" {
        GET_NETWORK = "compute.networks.get" on Network, Observe;
        GET_SUBNETWORK = "compute.subnetworks.get" on Subnetwork, Observe;
        CREATE_NETWORK = "compute.networks.insert" needs "compute.networks.create" on Project, Create;
        CREATE_SUBNETWORK = "compute.subnetworks.insert" needs "compute.subnetworks.create" on Project, Create;
        CREATE_SUBNETWORK_IN_NETWORK = "compute.subnetworks.insert" needs "compute.networks.updatePolicy" on Network, Redirect;
        CREATE_FIREWALL = "compute.firewalls.insert" needs "compute.firewalls.create" on Project, Create;
        GET_FIREWALL = "compute.firewalls.get" on Project, Observe;
        DELETE_FIREWALL = "compute.firewalls.delete" on Project, Delete;
        PATCH_FIREWALL = "compute.firewalls.patch" needs "compute.firewalls.update" on Project, Redirect;
        DELETE_NETWORK = "compute.networks.delete" on Network, Delete;
        DELETE_SUBNETWORK = "compute.subnetworks.delete" on Subnetwork, Delete;
        PATCH_NETWORK = "compute.networks.patch" needs "compute.networks.update" on Network, Redirect;
        PATCH_SUBNETWORK = "compute.subnetworks.patch" needs "compute.subnetworks.update" on Subnetwork, Redirect;
        GET_GLOBAL_OPERATION = "compute.globalOperations.get" on Project, Observe;
        GET_REGION_OPERATION = "compute.regionOperations.get" on Project, Observe;
        GET_SUBNETWORK_POLICY = "compute.subnetworks.getIamPolicy" on Subnetwork, Observe;
        SET_SUBNETWORK_POLICY = "compute.subnetworks.setIamPolicy" on Subnetwork, Control;
        PEER_NETWORK = "compute.networks.addPeering" on Network, Redirect;
        MIRROR_NETWORK = "a packet mirroring of the network" needs "compute.networks.mirror" on Network, Redirect;
        SET_PROJECT_METADATA = "compute.projects.setCommonInstanceMetadata" on Project, Credential;
    }

    // entries.list of a project is checked on the whole project; a log view shows only what a sink wrote to its bucket.
    source "https://docs.cloud.google.com/logging/docs/access-control" {
        READ_LOG_VIEW = "logging.entries.list" needs "logging.views.access" on LogView, ReadLogs;
        CREATE_LOG_BUCKET = "logging.projects.locations.buckets.create" needs "logging.buckets.create" on Project, Create;
        GET_LOG_BUCKET = "logging.projects.locations.buckets.get" needs "logging.buckets.get" on Project, Observe;
        PATCH_LOG_BUCKET = "logging.projects.locations.buckets.patch" needs "logging.buckets.update" on Project, Update;
        UNDELETE_LOG_BUCKET = "logging.projects.locations.buckets.undelete" needs "logging.buckets.undelete" on Project, Create;
        DELETE_LOG_BUCKET = "logging.projects.locations.buckets.delete" needs "logging.buckets.delete" on Project, Delete;
        CREATE_LOG_VIEW = "logging.projects.locations.buckets.views.create" needs "logging.views.create" on Project, Create;
        GET_LOG_VIEW = "logging.projects.locations.buckets.views.get" needs "logging.views.get" on Project, Observe;
        DELETE_LOG_VIEW = "logging.projects.locations.buckets.views.delete" needs "logging.views.delete" on LogView, Delete;
        CREATE_SINK = "logging.projects.sinks.create" needs "logging.sinks.create" on Project, Create;
        GET_SINK = "logging.projects.sinks.get" needs "logging.sinks.get" on Project, Observe;
        DELETE_SINK = "logging.projects.sinks.delete" needs "logging.sinks.delete" on Project, Delete;
        LIST_LOG_ENTRIES = "logging.entries.list of a project" needs "logging.logEntries.list" on Project, ReadLogs;
        LIST_PRIVATE_LOG_ENTRIES = "logging.entries.list of private logs" needs "logging.privateLogEntries.list" on Project, ReadLogs;
        WRITE_LOG_ENTRIES = "logging.entries.write" needs "logging.logEntries.create" on Project, WriteLogs;
        UPDATE_SINK = "logging.projects.sinks.update" needs "logging.sinks.update" on Project, Redirect;
    }

    source "https://docs.cloud.google.com/iam/docs/roles-permissions/iam" {
        CREATE_SERVICE_ACCOUNT = "iam.projects.serviceAccounts.create" needs "iam.serviceAccounts.create" on Project, Control;
        GET_SERVICE_ACCOUNT = "iam.projects.serviceAccounts.get" needs "iam.serviceAccounts.get" on ServiceAccount, Observe;
        PATCH_SERVICE_ACCOUNT = "iam.projects.serviceAccounts.patch" needs "iam.serviceAccounts.update" on ServiceAccount, Control;
        DELETE_SERVICE_ACCOUNT = "iam.projects.serviceAccounts.delete" needs "iam.serviceAccounts.delete" on ServiceAccount, Control;
        GET_SERVICE_ACCOUNT_POLICY = "iam.projects.serviceAccounts.getIamPolicy" needs "iam.serviceAccounts.getIamPolicy" on ServiceAccount, Observe;
        SET_SERVICE_ACCOUNT_POLICY = "iam.projects.serviceAccounts.setIamPolicy" needs "iam.serviceAccounts.setIamPolicy" on ServiceAccount, Control;
        CREATE_ROLE = "iam.projects.roles.create" needs "iam.roles.create" on Project, Control;
        GET_ROLE = "iam.projects.roles.get" needs "iam.roles.get" on Project, Observe;
        PATCH_ROLE = "iam.projects.roles.patch" needs "iam.roles.update" on Project, Control;
        DELETE_ROLE = "iam.projects.roles.delete" needs "iam.roles.delete" on Project, Control;
        UNDELETE_ROLE = "iam.projects.roles.undelete" needs "iam.roles.undelete" on Project, Control;
        CREATE_SERVICE_ACCOUNT_KEY = "iam.projects.serviceAccounts.keys.create" needs "iam.serviceAccountKeys.create" on ServiceAccount, Credential;
        ENABLE_SERVICE_ACCOUNT_KEY = "iam.projects.serviceAccounts.keys.enable" needs "iam.serviceAccountKeys.enable" on ServiceAccount, Credential;
        CREATE_WORKLOAD_PROVIDER = "iam.projects.locations.workloadIdentityPools.providers.create" needs "iam.googleapis.com/workloadIdentityPoolProviders.create" on Project, Control;
        UPDATE_WORKLOAD_PROVIDER = "iam.projects.locations.workloadIdentityPools.providers.patch" needs "iam.googleapis.com/workloadIdentityPoolProviders.update" on Project, Control;
    }

    // The vendor's role on the management service account has only the first of these permissions;
    // roles/iam.serviceAccountTokenCreator has them all.
    source "https://docs.cloud.google.com/iam/docs/service-account-permissions" {
        GENERATE_ACCESS_TOKEN = "iamcredentials.projects.serviceAccounts.generateAccessToken" needs "iam.serviceAccounts.getAccessToken" on ServiceAccount, Credential;
        GENERATE_ID_TOKEN = "iamcredentials.projects.serviceAccounts.generateIdToken" needs "iam.serviceAccounts.getOpenIdToken" on ServiceAccount, Credential;
        SIGN_BLOB = "iamcredentials.projects.serviceAccounts.signBlob" needs "iam.serviceAccounts.signBlob" on ServiceAccount, Credential;
        SIGN_JWT = "iamcredentials.projects.serviceAccounts.signJwt" needs "iam.serviceAccounts.signJwt" on ServiceAccount, Credential;
        DELEGATE = "a delegated request for a token" needs "iam.serviceAccounts.implicitDelegation" on ServiceAccount, Credential;
    }

    // Asking which permissions one has takes none. Whoever asks has read the project before, so the row has the permission for that.
    source "https://docs.cloud.google.com/resource-manager/docs/access-control-proj" {
        GET_PROJECT = "cloudresourcemanager.projects.get" needs "resourcemanager.projects.get" on Project, Observe;
        TEST_PROJECT_PERMISSIONS = "cloudresourcemanager.projects.testIamPermissions" needs "resourcemanager.projects.get" on Project, Observe;
        GET_PROJECT_POLICY = "cloudresourcemanager.projects.getIamPolicy" needs "resourcemanager.projects.getIamPolicy" on Project, Observe;
        SET_PROJECT_POLICY = "cloudresourcemanager.projects.setIamPolicy" needs "resourcemanager.projects.setIamPolicy" on Project, Control;
        GET_API = "serviceusage.services.get" on Project, Observe;
        GET_ORGANISATION_POLICY = "orgpolicy.projects.policies.getEffectivePolicy" needs "orgpolicy.policy.get" on Project, Observe;
        CREATE_API_KEY = "apikeys.projects.locations.keys.create" needs "apikeys.keys.create" on Project, Credential;
        READ_API_KEY = "apikeys.projects.locations.keys.getKeyString" needs "apikeys.keys.getKeyString" on Project, Credential;
        READ_SECRET = "secretmanager.projects.secrets.versions.access" needs "secretmanager.versions.access" on Project, Credential;
        DECRYPT = "cloudkms.projects.locations.keyRings.cryptoKeys.decrypt" needs "cloudkms.cryptoKeyVersions.useToDecrypt" on Project, Credential;
    }
}

/// The known ways to escalate one's privileges on GCP.
///
/// Sources: the methods published by Rhino Security Labs
/// (<https://rhinosecuritylabs.com/gcp/privilege-escalation-google-cloud-platform-part-1/>) and the permissions' own
/// descriptions.
pub static ESCALATIONS: &[Escalation] = &[
    Escalation { name: "write the project's policy", required: &["resourcemanager.projects.setIamPolicy"] },
    Escalation { name: "write a folder's policy", required: &["resourcemanager.folders.setIamPolicy"] },
    Escalation { name: "write the organization's policy", required: &["resourcemanager.organizations.setIamPolicy"] },
    Escalation { name: "write a service account's policy", required: &["iam.serviceAccounts.setIamPolicy"] },
    Escalation { name: "write a service's policy", required: &["run.services.setIamPolicy"] },
    Escalation { name: "write a bucket's policy", required: &["storage.buckets.setIamPolicy"] },
    Escalation { name: "write a topic's policy", required: &["pubsub.topics.setIamPolicy"] },
    Escalation { name: "write a subscription's policy", required: &["pubsub.subscriptions.setIamPolicy"] },
    Escalation { name: "widen a custom role", required: &["iam.roles.update"] },
    Escalation { name: "get a token of a service account", required: &["iam.serviceAccounts.getAccessToken"] },
    Escalation {
        name: "get an identity token of a service account",
        required: &["iam.serviceAccounts.getOpenIdToken"],
    },
    Escalation { name: "sign as a service account", required: &["iam.serviceAccounts.signBlob"] },
    Escalation { name: "sign a token as a service account", required: &["iam.serviceAccounts.signJwt"] },
    Escalation { name: "get a token by delegation", required: &["iam.serviceAccounts.implicitDelegation"] },
    Escalation { name: "make a key of a service account", required: &["iam.serviceAccountKeys.create"] },
    Escalation { name: "enable a key of a service account", required: &["iam.serviceAccountKeys.enable"] },
    Escalation { name: "make an HMAC key of a service account", required: &["storage.hmacKeys.create"] },
    Escalation { name: "make an API key", required: &["apikeys.keys.create"] },
    Escalation { name: "read an API key", required: &["apikeys.keys.getKeyString"] },
    Escalation { name: "trust another issuer", required: &["iam.googleapis.com/workloadIdentityPoolProviders.create"] },
    Escalation {
        name: "change a trusted issuer",
        required: &["iam.googleapis.com/workloadIdentityPoolProviders.update"],
    },
    Escalation { name: "change an organization policy", required: &["orgpolicy.policies.update"] },
    Escalation { name: "delete a deny policy", required: &["iam.denypolicies.delete"] },
    Escalation { name: "change a deny policy", required: &["iam.denypolicies.update"] },
    Escalation { name: "bind a tag that a condition asks for", required: &["resourcemanager.tagValueBindings.create"] },
    Escalation { name: "a shell in a service", required: &["run.services.sshRoot"] },
    Escalation {
        name: "a new service under an identity",
        required: &["iam.serviceAccounts.actAs", "run.services.create"],
    },
    Escalation {
        name: "a service updated under an identity",
        required: &["iam.serviceAccounts.actAs", "run.services.update"],
    },
    Escalation {
        name: "a job under an identity",
        required: &["iam.serviceAccounts.actAs", "run.jobs.create", "run.jobs.run"],
    },
    Escalation {
        name: "a job updated under an identity",
        required: &["iam.serviceAccounts.actAs", "run.jobs.update", "run.jobs.run"],
    },
    Escalation { name: "a job run with other arguments", required: &["run.jobs.runWithOverrides"] },
    Escalation {
        name: "a function under an identity",
        required: &[
            "iam.serviceAccounts.actAs",
            "cloudfunctions.functions.create",
            "cloudfunctions.functions.sourceCodeSet",
        ],
    },
    Escalation {
        name: "a function updated under an identity",
        required: &[
            "iam.serviceAccounts.actAs",
            "cloudfunctions.functions.update",
            "cloudfunctions.functions.sourceCodeSet",
        ],
    },
    Escalation {
        name: "a push of messages under an identity",
        required: &["iam.serviceAccounts.actAs", "pubsub.subscriptions.update"],
    },
    Escalation {
        name: "a new push of messages under an identity",
        required: &["iam.serviceAccounts.actAs", "pubsub.subscriptions.create"],
    },
    Escalation {
        name: "an instance under an identity",
        required: &["iam.serviceAccounts.actAs", "compute.instances.create"],
    },
    Escalation {
        name: "a scheduled request under an identity",
        required: &["iam.serviceAccounts.actAs", "cloudscheduler.jobs.create"],
    },
    Escalation { name: "a build", required: &["cloudbuild.builds.create"] },
    Escalation { name: "a deployment of Deployment Manager", required: &["deploymentmanager.deployments.create"] },
    Escalation {
        name: "an image that others run, overwritten",
        required: &["artifactregistry.repositories.uploadArtifacts"],
    },
    Escalation { name: "an SSH key for every instance", required: &["compute.projects.setCommonInstanceMetadata"] },
    Escalation { name: "a password of a database", required: &["datastore.userCreds.create"] },
    Escalation { name: "a reset password of a database", required: &["datastore.userCreds.update"] },
    Escalation { name: "read a secret", required: &["secretmanager.versions.access"] },
];
