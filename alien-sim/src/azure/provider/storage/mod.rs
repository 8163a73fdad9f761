//! Microsoft.Storage: accounts and their contents, <https://learn.microsoft.com/rest/api/storagerp/>.

mod account;
mod container;
mod policy;
mod service;
mod table;

use super::Provider;
use super::resource;
use super::rows::rows;
use crate::azure::operation;
use crate::azure::rbac::linked::Link;
use crate::azure::route::Method;

pub(super) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.Storage",
    versions: &[
        "2026-09-01",
        "2025-08-01",
        "2025-06-01",
        "2025-01-01",
        "2024-01-01",
        "2023-05-01",
        "2023-04-01",
        "2023-01-01",
        "2022-09-01",
    ],
    tables: &[TABLE],
    links: &[Link {
        action: "Microsoft.Storage/storageAccounts/write",
        field: "properties.networkAcls.virtualNetworkRules[].id",
        needs: "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
        source: "https://learn.microsoft.com/azure/storage/common/storage-network-security-virtual-networks#required-permissions",
    }],
};

const TABLE: &[Method] = rows! {
    "https://learn.microsoft.com/azure/role-based-access-control/permissions/storage#microsoftstorage"
    "Microsoft.Storage"
    "/subscriptions/{subscriptionId}" {
        POST "register" ["register/action"].done(super::resources::provider);
        // A POST whose action is a read.
        POST "checkNameAvailability" ["checkNameAvailability/read"].done(account::check_name).body("name! type!=Microsoft.Storage/storageAccounts");
        GET "storageAccounts" ["storageAccounts/read"].done(resource::list);
        GET "deletedAccounts" ["deletedAccounts/read"];
        GET "locations/{location}/deletedAccounts/{deletedAccountName}" ["deletedAccounts/read"];
        GET "locations/{location}/usages" ["locations/usages/read"];
        GET "skus" ["skus/read"];
        // No action is published for it: whoever has the URL may read it.
        GET "locations/{location}/asyncoperations/{operationId}" [].done(operation::result).query(&["monitor"]);
    }
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}" {
        GET "storageAccounts" ["storageAccounts/read"].done(resource::list);
        GET "storageAccounts/{accountName}" ["storageAccounts/read"].done(resource::show).query(&["$expand"]);
        PUT "storageAccounts/{accountName}" ["storageAccounts/write"].done(account::put).body(account::PUT);
        PATCH "storageAccounts/{accountName}" ["storageAccounts/write"].done(account::patch).body(account::PATCH);
        DELETE "storageAccounts/{accountName}" ["storageAccounts/delete"].done(account::delete);
        POST "storageAccounts/{accountName}/listKeys" ["storageAccounts/listKeys/action"].done(account::keys).query(&["$expand"]);
        POST "storageAccounts/{accountName}/regenerateKey" ["storageAccounts/regeneratekey/action"].done(account::regenerate).body("keyName!=key1|key2");
        POST "storageAccounts/{accountName}/ListAccountSas" ["storageAccounts/listAccountSas/action"];
        POST "storageAccounts/{accountName}/ListServiceSas" ["storageAccounts/listServiceSas/action"];
        POST "storageAccounts/{accountName}/failover" ["storageAccounts/failover/action"];
        POST "storageAccounts/{accountName}/hnsonmigration" ["storageAccounts/hnsonmigration/action"];
        POST "storageAccounts/{accountName}/restoreBlobRanges" ["storageAccounts/restoreBlobRanges/action"];
        POST "storageAccounts/{accountName}/revokeUserDelegationKeys" ["storageAccounts/revokeUserDelegationKeys/action"];
        GET "storageAccounts/{accountName}/localUsers" ["storageAccounts/localusers/read"];
        GET "storageAccounts/{accountName}/localUsers/{username}" ["storageAccounts/localusers/read"];
        PUT "storageAccounts/{accountName}/localUsers/{username}" ["storageAccounts/localusers/write"];
        DELETE "storageAccounts/{accountName}/localUsers/{username}" ["storageAccounts/localUsers/delete"];
        POST "storageAccounts/{accountName}/localUsers/{username}/listKeys" ["storageAccounts/localusers/listKeys/action"];
        POST "storageAccounts/{accountName}/localUsers/{username}/regeneratePassword" ["storageAccounts/localusers/regeneratePassword/action"];
        GET "storageAccounts/{accountName}/privateEndpointConnections" ["storageAccounts/privateEndpointConnections/read"];
        PUT "storageAccounts/{accountName}/privateEndpointConnections/{privateEndpointConnectionName}" ["storageAccounts/privateEndpointConnections/write"];
        GET "storageAccounts/{accountName}/encryptionScopes" ["storageAccounts/encryptionScopes/read"];
        PUT "storageAccounts/{accountName}/encryptionScopes/{encryptionScopeName}" ["storageAccounts/encryptionScopes/write"];
        GET "storageAccounts/{accountName}/objectReplicationPolicies" ["storageAccounts/objectReplicationPolicies/read"];
        PUT "storageAccounts/{accountName}/objectReplicationPolicies/{objectReplicationPolicyId}" ["storageAccounts/objectReplicationPolicies/write"];
        GET "storageAccounts/{accountName}/inventoryPolicies/{blobInventoryPolicyName}" ["storageAccounts/inventoryPolicies/read"];
        PUT "storageAccounts/{accountName}/inventoryPolicies/{blobInventoryPolicyName}" ["storageAccounts/inventoryPolicies/write"];
        DELETE "storageAccounts/{accountName}/inventoryPolicies/{blobInventoryPolicyName}" ["storageAccounts/inventoryPolicies/delete"];
        GET "storageAccounts/{accountName}/managementPolicies/{managementPolicyName}" ["storageAccounts/managementPolicies/read"].done(policy::get);
        PUT "storageAccounts/{accountName}/managementPolicies/{managementPolicyName}" ["storageAccounts/managementPolicies/write"].done(policy::put).body(policy::POLICY);
        DELETE "storageAccounts/{accountName}/managementPolicies/{managementPolicyName}" ["storageAccounts/managementPolicies/delete"].done(policy::delete);

        GET "storageAccounts/{accountName}/blobServices" ["storageAccounts/blobServices/read"].done(service::list);
        GET "storageAccounts/{accountName}/blobServices/default" ["storageAccounts/blobServices/read"].done(service::get);
        PUT "storageAccounts/{accountName}/blobServices/default" ["storageAccounts/blobServices/write"].done(service::put).body(service::BLOBS);
        GET "storageAccounts/{accountName}/blobServices/default/containers" ["storageAccounts/blobServices/containers/read"].done(container::list).query(&["$maxpagesize", "$filter", "$include"]);
        GET "storageAccounts/{accountName}/blobServices/default/containers/{containerName}" ["storageAccounts/blobServices/containers/read"].done(container::get);
        PUT "storageAccounts/{accountName}/blobServices/default/containers/{containerName}" ["storageAccounts/blobServices/containers/write"].done(container::put).body(container::CONTAINER);
        PATCH "storageAccounts/{accountName}/blobServices/default/containers/{containerName}" ["storageAccounts/blobServices/containers/write"].done(container::patch).body(container::CONTAINER);
        DELETE "storageAccounts/{accountName}/blobServices/default/containers/{containerName}" ["storageAccounts/blobServices/containers/delete"].done(container::delete);
        POST "storageAccounts/{accountName}/blobServices/default/containers/{containerName}/lease" ["storageAccounts/blobServices/containers/lease/action"];
        POST "storageAccounts/{accountName}/blobServices/default/containers/{containerName}/migrate" ["storageAccounts/blobServices/containers/migrate/action"];
        POST "storageAccounts/{accountName}/blobServices/default/containers/{containerName}/setLegalHold" ["storageAccounts/blobServices/containers/setLegalHold/action"].done(container::hold).body("tags!* allowProtectedAppendWritesAll");
        POST "storageAccounts/{accountName}/blobServices/default/containers/{containerName}/clearLegalHold" ["storageAccounts/blobServices/containers/clearLegalHold/action"].done(container::release).body("tags!* allowProtectedAppendWritesAll");
        GET "storageAccounts/{accountName}/blobServices/default/containers/{containerName}/immutabilityPolicies/default" ["storageAccounts/blobServices/containers/immutabilityPolicies/read"];
        PUT "storageAccounts/{accountName}/blobServices/default/containers/{containerName}/immutabilityPolicies/default" ["storageAccounts/blobServices/containers/immutabilityPolicies/write"];
        DELETE "storageAccounts/{accountName}/blobServices/default/containers/{containerName}/immutabilityPolicies/default" ["storageAccounts/blobServices/containers/immutabilityPolicies/delete"];

        GET "storageAccounts/{accountName}/tableServices" ["storageAccounts/tableServices/read"].done(service::list);
        GET "storageAccounts/{accountName}/tableServices/default" ["storageAccounts/tableServices/read"].done(service::get);
        PUT "storageAccounts/{accountName}/tableServices/default" ["storageAccounts/tableServices/write"].done(service::put).body(service::OTHERS);
        GET "storageAccounts/{accountName}/tableServices/default/tables" ["storageAccounts/tableServices/tables/read"].done(table::list);
        GET "storageAccounts/{accountName}/tableServices/default/tables/{tableName}" ["storageAccounts/tableServices/tables/read"].done(table::get);
        PUT "storageAccounts/{accountName}/tableServices/default/tables/{tableName}" ["storageAccounts/tableServices/tables/write"].done(table::put).body(table::TABLE);
        PATCH "storageAccounts/{accountName}/tableServices/default/tables/{tableName}" ["storageAccounts/tableServices/tables/write"].done(table::patch).body(table::TABLE);
        DELETE "storageAccounts/{accountName}/tableServices/default/tables/{tableName}" ["storageAccounts/tableServices/tables/delete"].done(table::delete);

        GET "storageAccounts/{accountName}/queueServices" ["storageAccounts/queueServices/read"].done(service::list);
        GET "storageAccounts/{accountName}/queueServices/default" ["storageAccounts/queueServices/read"].done(service::get);
        PUT "storageAccounts/{accountName}/queueServices/default" ["storageAccounts/queueServices/write"].done(service::put).body(service::OTHERS);
        GET "storageAccounts/{accountName}/queueServices/default/queues" ["storageAccounts/queueServices/queues/read"];
        GET "storageAccounts/{accountName}/queueServices/default/queues/{queueName}" ["storageAccounts/queueServices/queues/read"];
        PUT "storageAccounts/{accountName}/queueServices/default/queues/{queueName}" ["storageAccounts/queueServices/queues/write"];
        DELETE "storageAccounts/{accountName}/queueServices/default/queues/{queueName}" ["storageAccounts/queueServices/queues/delete"];
        GET "storageAccounts/{accountName}/fileServices" ["storageAccounts/fileServices/read"].done(service::list);
        GET "storageAccounts/{accountName}/fileServices/default" ["storageAccounts/fileServices/read"].done(service::get);
        GET "storageAccounts/{accountName}/fileServices/default/shares" ["storageAccounts/fileServices/shares/read"];
        PUT "storageAccounts/{accountName}/fileServices/default/shares/{shareName}" ["storageAccounts/fileServices/shares/write"];
        DELETE "storageAccounts/{accountName}/fileServices/default/shares/{shareName}" ["storageAccounts/fileServices/shares/delete"];
    }
};
