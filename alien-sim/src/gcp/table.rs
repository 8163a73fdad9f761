//! The permissions that each method needs, as far as Google publishes them.
//!
//! The table has the implemented methods, and those that read, write or expose the data, credentials, code or
//! permissions of the same services, because tests of least privilege try them. Any other method is answered with 501.

use super::methods::Method;

/// Rows grouped by the documentation page that lists their permissions. `at` gives the prefix of their ids and paths.
/// Each row has the end of the id, the verb, the end of the path, the permissions that are always needed on the
/// resource of the path, and those that are needed in some cases or on another resource, which the method checks
/// itself.
macro_rules! methods {
    ($(source $source:literal { $(
        at $id:literal $path:literal;
        $($name:literal $verb:ident $end:literal [$($always:literal),*] $(also [$($sometimes:literal),* $(,)?])?;)*
    )* })*) => {
        &[$($($(Method {
            id: concat!($id, $name),
            verb: stringify!($verb),
            path: concat!($path, $end),
            permissions: &[$($always),*],
            conditional: &[$($($sometimes),*)?],
            source: $source,
        },)*)*)*]
    };
}

/// All rows, grouped by service and resource.
pub(crate) const TABLE: &[Method] = methods! {
    source "https://docs.cloud.google.com/resource-manager/docs/access-control-proj" {
        at "cloudresourcemanager.projects." "/v3/projects/{project}";
        "get" GET "" ["resourcemanager.projects.get"];
        "delete" DELETE "" ["resourcemanager.projects.delete"];
        "getIamPolicy" POST ":getIamPolicy" ["resourcemanager.projects.getIamPolicy"];
        "setIamPolicy" POST ":setIamPolicy" ["resourcemanager.projects.setIamPolicy"];
        "testIamPermissions" POST ":testIamPermissions" [];

        at "cloudresourcemanager.projects." "/v1/projects/{project}";
        "get" GET "" ["resourcemanager.projects.get"];
        "getIamPolicy" POST ":getIamPolicy" ["resourcemanager.projects.getIamPolicy"];
        "setIamPolicy" POST ":setIamPolicy" ["resourcemanager.projects.setIamPolicy"];
        "testIamPermissions" POST ":testIamPermissions" [];
    }
    source "https://docs.cloud.google.com/iam/docs/roles-permissions/iam" {
        at "iam.projects.roles." "/v1/projects/{project}/roles";
        "create" POST "" ["iam.roles.create"];
        "get" GET "/{role}" ["iam.roles.get"];
        "list" GET "" ["iam.roles.list"];
        // The page does not say that a patch also reads.
        "patch" PATCH "/{role}" ["iam.roles.get", "iam.roles.update"];
        "delete" DELETE "/{role}" ["iam.roles.delete"];
        "undelete" POST "/{role}:undelete" ["iam.roles.undelete"];

        at "iam." "/v1/";
        // Not documented.
        "permissions.queryTestablePermissions" POST "permissions:queryTestablePermissions" [];
        // The predefined roles, which everyone may read: no permission is checked.
        "roles.get" GET "roles/{role}" ["iam.roles.get"];

        at "iam.projects.serviceAccounts." "/v1/projects/{project}/serviceAccounts";
        "create" POST "" ["iam.serviceAccounts.create"];
        "get" GET "/{account}" ["iam.serviceAccounts.get"];
        "list" GET "" ["iam.serviceAccounts.list"];
        // The page does not say that a patch also reads.
        "patch" PATCH "/{account}" ["iam.serviceAccounts.get", "iam.serviceAccounts.update"];
        "update" PUT "/{account}" ["iam.serviceAccounts.update"];
        "delete" DELETE "/{account}" ["iam.serviceAccounts.delete"];
        "undelete" POST "/{account}:undelete" ["iam.serviceAccounts.undelete"];
        "disable" POST "/{account}:disable" ["iam.serviceAccounts.disable"];
        "enable" POST "/{account}:enable" ["iam.serviceAccounts.enable"];
        "getIamPolicy" POST "/{account}:getIamPolicy" ["iam.serviceAccounts.getIamPolicy"];
        "setIamPolicy" POST "/{account}:setIamPolicy" ["iam.serviceAccounts.setIamPolicy"];
        "testIamPermissions" POST "/{account}:testIamPermissions" [];

        at "iam.projects.serviceAccounts.keys." "/v1/projects/{project}/serviceAccounts/{account}/keys";
        "create" POST "" ["iam.serviceAccountKeys.create"];
        "disable" POST "/{key}:disable" ["iam.serviceAccountKeys.disable"];
        "enable" POST "/{key}:enable" ["iam.serviceAccountKeys.enable"];
        "upload" POST ":upload" ["iam.serviceAccountKeys.create"];
    }
    source "https://docs.cloud.google.com/iam/docs/service-account-permissions" {
        at "iamcredentials.projects.serviceAccounts." "/v1/projects/{project}/serviceAccounts/{account}";
        "generateAccessToken" POST ":generateAccessToken"
            ["iam.serviceAccounts.getAccessToken"] also ["iam.serviceAccounts.implicitDelegation"];
        "generateIdToken" POST ":generateIdToken" ["iam.serviceAccounts.getOpenIdToken"];
        "signBlob" POST ":signBlob" ["iam.serviceAccounts.signBlob"];
        "signJwt" POST ":signJwt" ["iam.serviceAccounts.signJwt"];
    }
    source "https://docs.cloud.google.com/service-usage/docs/access-control" {
        at "serviceusage.services." "/v1/projects/{project}/services";
        "get" GET "/{service}" ["serviceusage.services.get"];
        "list" GET "" ["serviceusage.services.list"];
        "disable" POST "/{service}:disable" ["serviceusage.services.disable"];
        "enable" POST "/{service}:enable" ["serviceusage.services.enable"];
        // Not documented; as for a single one.
        "batchGet" GET ":batchGet" ["serviceusage.services.get"];
    }
    source "https://docs.cloud.google.com/resource-manager/docs/access-control-org" {
        at "orgpolicy.projects.policies." "/v2/projects/{project}/policies/{policy}";
        "getEffectivePolicy" GET ":getEffectivePolicy" ["orgpolicy.policy.get"];
    }
    source "https://docs.cloud.google.com/run/docs/reference/iam/permissions" {
        at "run.projects.locations.services." "/v2/projects/{project}/locations/{location}/services";
        "create" POST "" ["run.services.create"] also [
            "iam.serviceAccounts.actAs",
            "artifactregistry.repositories.downloadArtifacts",
            "run.services.setIamPolicy",
        ];
        "get" GET "/{service}" ["run.services.get"];
        "list" GET "" ["run.services.list"];
        "patch" PATCH "/{service}" ["run.services.update"] also [
            "iam.serviceAccounts.actAs",
            "artifactregistry.repositories.downloadArtifacts",
            "run.services.setIamPolicy",
            "run.services.create",
        ];
        "delete" DELETE "/{service}" ["run.services.delete"];
        "getIamPolicy" GET "/{service}:getIamPolicy" ["run.services.getIamPolicy"];
        "setIamPolicy" POST "/{service}:setIamPolicy" ["run.services.setIamPolicy"];
        "testIamPermissions" POST "/{service}:testIamPermissions" [];

        at "run.projects.locations.services.revisions."
            "/v2/projects/{project}/locations/{location}/services/{service}/revisions";
        "get" GET "/{revision}" ["run.revisions.get"];
        "list" GET "" ["run.revisions.list"];

        at "run.projects.locations.jobs." "/v2/projects/{project}/locations/{location}/jobs";
        "create" POST "" ["run.jobs.create"];
        "get" GET "/{job}" ["run.jobs.get"];
        // The page does not say that a patch also reads.
        "patch" PATCH "/{job}" ["run.jobs.get", "run.jobs.update"];
        "delete" DELETE "/{job}" ["run.jobs.delete"];
        "run" POST "/{job}:run" ["run.jobs.run"];
        "setIamPolicy" POST "/{job}:setIamPolicy" ["run.jobs.setIamPolicy"];

        at "run.projects.locations.operations." "/v2/projects/{project}/locations/{location}/operations";
        "get" GET "/{operation}" ["run.operations.get"];
        "wait" POST "/{operation}:wait" ["run.operations.get"];
    }
    source "https://docs.cloud.google.com/artifact-registry/docs/access-control" {
        at "artifactregistry.projects.locations.repositories."
            "/v1/projects/{project}/locations/{location}/repositories";
        "create" POST "" ["artifactregistry.repositories.create"];
        "get" GET "/{repository}" ["artifactregistry.repositories.get"];
        "list" GET "" ["artifactregistry.repositories.list"];
        "delete" DELETE "/{repository}" ["artifactregistry.repositories.delete"];
        "getIamPolicy" GET "/{repository}:getIamPolicy" ["artifactregistry.repositories.getIamPolicy"];
        "setIamPolicy" POST "/{repository}:setIamPolicy" ["artifactregistry.repositories.setIamPolicy"];
        "testIamPermissions" POST "/{repository}:testIamPermissions" [];
    }
    source "https://docs.cloud.google.com/storage/docs/access-control/iam-json" {
        at "storage.buckets." "/storage/v1/b";
        "insert" POST "" ["storage.buckets.create"];
        "get" GET "/{bucket}" ["storage.buckets.get"];
        "list" GET "" ["storage.buckets.list"];
        // Also for what acts like a policy: access control lists and public access prevention.
        "patch" PATCH "/{bucket}" ["storage.buckets.update"] also ["storage.buckets.setIamPolicy"];
        "delete" DELETE "/{bucket}" ["storage.buckets.delete"];
        "getIamPolicy" GET "/{bucket}/iam" ["storage.buckets.getIamPolicy"];
        "setIamPolicy" PUT "/{bucket}/iam" ["storage.buckets.setIamPolicy"];
        "testIamPermissions" GET "/{bucket}/iam/testPermissions" [];

        at "storage.objects." "/upload/storage/v1/b/{bucket}/o";
        "insert" POST "" ["storage.objects.create"] also ["storage.objects.delete"];

        at "storage.objects." "/download/storage/v1/b/{bucket}/o";
        "get" GET "/{object}" ["storage.objects.get"];

        at "storage.objects." "/storage/v1/b";
        "insert" POST "/{bucket}/o" ["storage.objects.create"] also ["storage.objects.delete"];
        "get" GET "/{bucket}/o/{object}" ["storage.objects.get"];
        "list" GET "/{bucket}/o" ["storage.objects.list"];
        "patch" PATCH "/{bucket}/o/{object}" ["storage.objects.update"];
        "delete" DELETE "/{bucket}/o/{object}" ["storage.objects.delete"];
        // On the target; the source is checked for `get`.
        "copy" POST "/{sourceBucket}/o/{sourceObject}/copyTo/b/{destinationBucket}/o/{destinationObject}"
            ["storage.objects.create"] also ["storage.objects.get", "storage.objects.delete"];
        "rewrite" POST "/{sourceBucket}/o/{sourceObject}/rewriteTo/b/{destinationBucket}/o/{destinationObject}"
            ["storage.objects.create"] also ["storage.objects.get", "storage.objects.delete"];
        "setIamPolicy" PUT "/{bucket}/o/{object}/iam" ["storage.objects.setIamPolicy"];

        at "storage.projects.hmacKeys." "/storage/v1/projects/{project}/hmacKeys";
        "create" POST "" ["storage.hmacKeys.create"];
    }
    source "https://docs.cloud.google.com/firestore/native/docs/security/iam" {
        at "firestore.projects.databases." "/v1/projects/{project}/databases";
        "create" POST "" ["datastore.databases.create"];
        "get" GET "/{database}" ["datastore.databases.getMetadata"];
        "list" GET "" ["datastore.databases.list"];
        "patch" PATCH "/{database}" ["datastore.databases.update"];
        "delete" DELETE "/{database}" ["datastore.databases.delete"];
        "bulkDeleteDocuments" POST "/{database}:bulkDeleteDocuments" ["datastore.databases.bulkDelete"];
        "clone" POST ":clone" ["datastore.databases.clone"];
        "exportDocuments" POST "/{database}:exportDocuments" ["datastore.databases.export"];
        "importDocuments" POST "/{database}:importDocuments" ["datastore.databases.import"];
        "restore" POST ":restore" ["datastore.backups.restoreDatabase"];
        "operations.get" GET "/{database}/operations/{operation}" ["datastore.operations.get"];

        at "firestore.projects.databases.collectionGroups.fields."
            "/v1/projects/{project}/databases/{database}/collectionGroups/{group}/fields";
        // Not documented; inferred from the names.
        "get" GET "/{field}" ["datastore.schemas.get"];
        "patch" PATCH "/{field}" ["datastore.schemas.update"];

        at "firestore.projects.databases.userCreds." "/v1/projects/{project}/databases/{database}/userCreds";
        "create" POST "" ["datastore.userCreds.create"];
        "resetPassword" POST "/{userCred}:resetPassword" ["datastore.userCreds.update"];

        at "firestore.projects.databases.documents." "/v1/projects/{project}/databases/{database}/documents";
        "get" GET "/{even**}" ["datastore.entities.get"];
        "list" GET "/{odd**}" ["datastore.entities.get", "datastore.entities.list"];
        "patch" PATCH "/{even**}" ["datastore.entities.update"];
        "delete" DELETE "/{even**}" ["datastore.entities.delete"];
        "batchGet" POST ":batchGet" ["datastore.entities.get"];
        "batchWrite" POST ":batchWrite"
            [] also ["datastore.entities.create", "datastore.entities.update", "datastore.entities.delete"];
        "beginTransaction" POST ":beginTransaction" ["datastore.databases.get"];
        "commit" POST ":commit"
            [] also ["datastore.entities.create", "datastore.entities.update", "datastore.entities.delete"];
        "createDocument" POST "/{odd**}" ["datastore.entities.create"];
        "listCollectionIds" POST "/{even**}:listCollectionIds" ["datastore.entities.list"];
        "listCollectionIds" POST ":listCollectionIds" ["datastore.entities.list"];
        // Not documented; as for a query.
        "listen" POST ":listen" ["datastore.entities.get", "datastore.entities.list"];
        // Not documented; as for a query.
        "runAggregationQuery" POST "/{even**}:runAggregationQuery"
            ["datastore.entities.get", "datastore.entities.list"];
        "runAggregationQuery" POST ":runAggregationQuery" ["datastore.entities.get", "datastore.entities.list"];
        "runQuery" POST "/{even**}:runQuery" ["datastore.entities.get", "datastore.entities.list"];
        "runQuery" POST ":runQuery" ["datastore.entities.get", "datastore.entities.list"];
        "write" POST ":write"
            [] also ["datastore.entities.create", "datastore.entities.update", "datastore.entities.delete"];
    }
    source "https://docs.cloud.google.com/pubsub/docs/access-control" {
        at "pubsub.projects.topics." "/v1/projects/{project}/topics";
        "create" PUT "/{topic}" ["pubsub.topics.create"];
        "get" GET "/{topic}" ["pubsub.topics.get"];
        "list" GET "" ["pubsub.topics.list"];
        "patch" PATCH "/{topic}" ["pubsub.topics.update"];
        "delete" DELETE "/{topic}" ["pubsub.topics.delete"];
        "publish" POST "/{topic}:publish" ["pubsub.topics.publish"];
        // Not documented; what Google's own emulator checks.
        "snapshots.list" GET "/{topic}/snapshots" ["pubsub.topics.get"];
        "subscriptions.list" GET "/{topic}/subscriptions" ["pubsub.topics.get"];
        "getIamPolicy" GET "/{topic}:getIamPolicy" ["pubsub.topics.getIamPolicy"];
        "setIamPolicy" POST "/{topic}:setIamPolicy" ["pubsub.topics.setIamPolicy"];
        "testIamPermissions" POST "/{topic}:testIamPermissions" [];

        at "pubsub.projects.subscriptions." "/v1/projects/{project}/subscriptions";
        "create" PUT "/{subscription}"
            ["pubsub.subscriptions.create"] also ["pubsub.topics.attachSubscription", "iam.serviceAccounts.actAs"];
        "get" GET "/{subscription}" ["pubsub.subscriptions.get"];
        "list" GET "" ["pubsub.subscriptions.list"];
        "patch" PATCH "/{subscription}" ["pubsub.subscriptions.update"] also ["iam.serviceAccounts.actAs"];
        "delete" DELETE "/{subscription}" ["pubsub.subscriptions.delete"];
        "acknowledge" POST "/{subscription}:acknowledge" ["pubsub.subscriptions.consume"];
        "detach" POST "/{subscription}:detach" ["pubsub.topics.detachSubscription"];
        "modifyAckDeadline" POST "/{subscription}:modifyAckDeadline" ["pubsub.subscriptions.consume"];
        "modifyPushConfig" POST "/{subscription}:modifyPushConfig" ["pubsub.subscriptions.update"];
        "pull" POST "/{subscription}:pull" ["pubsub.subscriptions.consume"];
        "seek" POST "/{subscription}:seek" ["pubsub.subscriptions.consume"];
        "getIamPolicy" GET "/{subscription}:getIamPolicy" ["pubsub.subscriptions.getIamPolicy"];
        "setIamPolicy" POST "/{subscription}:setIamPolicy" ["pubsub.subscriptions.setIamPolicy"];
        "testIamPermissions" POST "/{subscription}:testIamPermissions" [];

        at "pubsub.projects.snapshots." "/v1/projects/{project}/snapshots";
        "create" PUT "/{snapshot}" ["pubsub.snapshots.create"];
        "get" GET "/{snapshot}" ["pubsub.snapshots.get"];
        "list" GET "" ["pubsub.snapshots.list"];
        "delete" DELETE "/{snapshot}" ["pubsub.snapshots.delete"];
        "setIamPolicy" POST "/{snapshot}:setIamPolicy" ["pubsub.snapshots.setIamPolicy"];
    }
    source "https://docs.cloud.google.com/secret-manager/docs/audit-logging" {
        at "secretmanager.projects.secrets." "/v1/projects/{project}/secrets";
        "create" POST "" ["secretmanager.secrets.create"];
        "get" GET "/{secret}" ["secretmanager.secrets.get"];
        "list" GET "" ["secretmanager.secrets.list"];
        "patch" PATCH "/{secret}" ["secretmanager.secrets.update"];
        "delete" DELETE "/{secret}" ["secretmanager.secrets.delete"];
        "addVersion" POST "/{secret}:addVersion" ["secretmanager.versions.add"];
        "getIamPolicy" GET "/{secret}:getIamPolicy" ["secretmanager.secrets.getIamPolicy"];
        "setIamPolicy" POST "/{secret}:setIamPolicy" ["secretmanager.secrets.setIamPolicy"];
        "testIamPermissions" POST "/{secret}:testIamPermissions" [];

        at "secretmanager.projects.secrets.versions." "/v1/projects/{project}/secrets/{secret}/versions";
        "disable" POST "/{version}:disable" ["secretmanager.versions.disable"];
        "enable" POST "/{version}:enable" ["secretmanager.versions.enable"];
        "access" GET "/{version}:access" ["secretmanager.versions.access"];
        "destroy" POST "/{version}:destroy" ["secretmanager.versions.destroy"];
    }
    source "https://docs.cloud.google.com/logging/docs/audit-logging" {
        at "logging.entries." "/v2/entries";
        "list" POST ":list" ["logging.logEntries.list"] also ["logging.views.access"];
        "write" POST ":write" ["logging.logEntries.create"];

        at "logging.projects.sinks." "/v2/projects/{project}/sinks";
        "create" POST "" ["logging.sinks.create"];
        "get" GET "/{sink}" ["logging.sinks.get"];
        "list" GET "" ["logging.sinks.list"];
        // The page does not say that a patch also reads.
        "patch" PATCH "/{sink}" ["logging.sinks.get", "logging.sinks.update"];
        "update" PUT "/{sink}" ["logging.sinks.update"];
        "delete" DELETE "/{sink}" ["logging.sinks.delete"];

        at "logging.projects.locations.buckets." "/v2/projects/{project}/locations/{location}/buckets";
        "create" POST "" ["logging.buckets.create"];
        "get" GET "/{bucket}" ["logging.buckets.get"];
        "list" GET "" ["logging.buckets.list"];
        // The page does not say that a patch also reads.
        "patch" PATCH "/{bucket}" ["logging.buckets.get", "logging.buckets.update"];
        "delete" DELETE "/{bucket}" ["logging.buckets.delete"];
        "undelete" POST "/{bucket}:undelete" ["logging.buckets.undelete"];

        at "logging.projects.locations.buckets.views."
            "/v2/projects/{project}/locations/{location}/buckets/{bucket}/views";
        "create" POST "" ["logging.views.create"];
        "get" GET "/{view}" ["logging.views.get"];
        "list" GET "" ["logging.views.list"];
        // The page does not say that a patch also reads.
        "patch" PATCH "/{view}" ["logging.views.get", "logging.views.update"];
        "delete" DELETE "/{view}" ["logging.views.delete"];
        // Not documented; inferred from the names.
        "getIamPolicy" POST "/{view}:getIamPolicy" ["logging.views.getIamPolicy"];
        "setIamPolicy" POST "/{view}:setIamPolicy" ["logging.views.setIamPolicy"];
    }
    source "https://docs.cloud.google.com/compute/docs/reference/rest/v1/networks" {
        at "compute.networks." "/compute/v1/projects/{project}/global/networks";
        "insert" POST "" ["compute.networks.create"];
        "get" GET "/{network}" ["compute.networks.get"];
        "list" GET "" ["compute.networks.list"];
        "patch" PATCH "/{network}" ["compute.networks.update"];
        "delete" DELETE "/{network}" ["compute.networks.delete"];
        "addPeering" POST "/{network}/addPeering" ["compute.networks.addPeering"];
    }
    source "https://docs.cloud.google.com/compute/docs/reference/rest/v1/subnetworks" {
        at "compute.subnetworks." "/compute/v1/projects/{project}/regions/{region}/subnetworks";
        "insert" POST "" ["compute.subnetworks.create"] also ["compute.networks.updatePolicy"];
        "get" GET "/{subnetwork}" ["compute.subnetworks.get"];
        "list" GET "" ["compute.subnetworks.list"];
        "patch" PATCH "/{subnetwork}" ["compute.subnetworks.update"];
        "delete" DELETE "/{subnetwork}" ["compute.subnetworks.delete"];
        "getIamPolicy" GET "/{resource}/getIamPolicy" ["compute.subnetworks.getIamPolicy"];
        "setIamPolicy" POST "/{resource}/setIamPolicy" ["compute.subnetworks.setIamPolicy"];
        // Not documented; as in the other services.
        "testIamPermissions" POST "/{resource}/testIamPermissions" [];
    }
    source "https://docs.cloud.google.com/compute/docs/reference/rest/v1/firewalls" {
        at "compute.firewalls." "/compute/v1/projects/{project}/global/firewalls";
        "insert" POST "" ["compute.firewalls.create"] also ["compute.networks.updatePolicy"];
        "get" GET "/{firewall}" ["compute.firewalls.get"];
        "list" GET "" ["compute.firewalls.list"];
        "patch" PATCH "/{firewall}" ["compute.firewalls.update"] also ["compute.networks.updatePolicy"];
        "delete" DELETE "/{firewall}" ["compute.firewalls.delete"] also ["compute.networks.updatePolicy"];
        // Not documented; as in the other services.
        "testIamPermissions" POST "/{resource}/testIamPermissions" [];
    }
    source "https://docs.cloud.google.com/compute/docs/reference/rest/v1/globalOperations" {
        at "compute.globalOperations." "/compute/v1/projects/{project}/global/operations";
        "get" GET "/{operation}" ["compute.globalOperations.get"];
        "wait" POST "/{operation}/wait" ["compute.globalOperations.get"];
    }
    source "https://docs.cloud.google.com/compute/docs/reference/rest/v1/regionOperations" {
        at "compute.regionOperations." "/compute/v1/projects/{project}/regions/{region}/operations";
        "get" GET "/{operation}" ["compute.regionOperations.get"];
        "wait" POST "/{operation}/wait" ["compute.regionOperations.get"];
    }
};
