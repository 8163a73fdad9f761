//! The operation table of Azure.
//!
//! Actions are taken from the permission reference, provider by provider. Rows that are in no permission set are never
//! granted: the audit uses them to say what a wrong document would allow.

use alien_core::adapter::Escalation;

/// What an action is checked on, and so the scope at which its role is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A container app.
    App,
    /// The environment of an app: one for frozen apps, one for live ones.
    Environment,
    /// The workspace with an environment's logs: the vendor reads only the live one.
    Workspace,
    /// The Service Bus queue through which a function receives commands. It holds no customer data.
    CommandQueue,
    /// The Service Bus queue through which a function answers commands. It holds no customer data.
    AnswerQueue,
    /// A Service Bus queue that triggers a function.
    TriggerQueue,
    /// A storage account.
    Account,
    /// The blob service of a storage account.
    BlobService,
    /// The lifecycle rules of a storage account.
    LifecycleRules,
    /// A blob container.
    Container,
    /// A table.
    Table,
    /// The Service Bus namespace of a deployment.
    Namespace,
    /// A Service Bus queue.
    Queue,
    /// A virtual network and its subnets.
    VirtualNetwork,
    /// A managed identity that code runs as.
    RuntimeIdentity,
    /// Any managed identity of the deployment.
    Identity,
    /// The resource group.
    Group,
    /// The subscription. No document gives anything on it: who may not do there what a plan asks is told so.
    Subscription,
}

/// Whether an action belongs to the data plane: role definitions list those separately.
pub(crate) fn is_data(action: &str) -> bool {
    ["/blobs/", "/entities/", "/messages/"].iter().any(|segment| action.contains(segment))
        || [
            "/tables/data/read",
            "containerApps/exec/action",
            "containerApps/debug/action",
            "containerApps/logstream/action",
        ]
        .iter()
        .any(|end| action.ends_with(end))
}

alien_core::operations! {
    on Scope;

    // PUT and PATCH of an app are the same action. An update cannot create an app because the vendor may neither join
    // an environment nor assign an identity.
    source "https://learn.microsoft.com/azure/role-based-access-control/permissions/containers#microsoftapp" {
        GET_APP = "GET containerApps" needs "Microsoft.App/containerApps/read" on App, Observe, reveals "environment variables that are no secrets";
        LIST_REVISIONS = "GET containerApps/revisions" needs "Microsoft.App/containerApps/revisions/read" on App, Observe;
        LIST_REPLICAS = "GET containerApps/revisions/replicas" needs "Microsoft.App/containerApps/revisions/replicas/read" on App, Observe;
        PATCH_APP = "PATCH containerApps" needs "Microsoft.App/containerApps/write" on App, Update;
        DELETE_APP = "DELETE containerApps" needs "Microsoft.App/containerApps/delete" on App, Delete;
        GET_ENVIRONMENT = "GET managedEnvironments" needs "Microsoft.App/managedEnvironments/read" on Environment, Observe;
        JOIN_ENVIRONMENT = "PUT containerApps" needs "Microsoft.App/managedEnvironments/join/action" on Environment, Attach;
        LIST_APPS = "GET containerApps of the group" needs "Microsoft.App/containerApps/read" on Group, Observe, reveals "environment variables that are no secrets";
        READ_ENVIRONMENT = "GET managedEnvironments of the group" needs "Microsoft.App/managedEnvironments/read" on Group, Observe;
        PUT_ENVIRONMENT = "PUT managedEnvironments" needs "Microsoft.App/managedEnvironments/write" on Group, Create;
        PATCH_ENVIRONMENT = "PATCH managedEnvironments" needs "Microsoft.App/managedEnvironments/write" on Group, Redirect;
        DELETE_ENVIRONMENT = "DELETE managedEnvironments" needs "Microsoft.App/managedEnvironments/delete" on Group, Delete;
        LIST_APP_SECRETS = "POST containerApps/listSecrets" needs "Microsoft.App/containerApps/listSecrets/action" on App, Credential;
        GET_APP_TOKEN = "POST containerApps/getAuthToken" needs "Microsoft.App/containerApps/getAuthToken/action" on App, Credential;
        GET_ENVIRONMENT_TOKEN = "POST managedEnvironments/getAuthToken" needs "Microsoft.App/managedEnvironments/getAuthToken/action" on Environment, Credential;
        EXEC_IN_APP = "a shell in a replica" needs "Microsoft.App/containerApps/exec/action" on App, Credential;
        DEBUG_APP = "a debug console in a replica" needs "Microsoft.App/containerApps/debug/action" on App, Credential;
        STREAM_APP_LOGS = "the log stream of an app" needs "Microsoft.App/containerApps/logstream/action" on App, ReadLogs;
        START_APP = "POST containerApps/start" needs "Microsoft.App/containerApps/start/action" on App, Update;
        STOP_APP = "POST containerApps/stop" needs "Microsoft.App/containerApps/stop/action" on App, Update;
        RESTART_REVISION = "POST containerApps/revisions/restart" needs "Microsoft.App/containerApps/revisions/restart/action" on App, Update;
        PUT_APP_AUTH = "PUT containerApps/authConfigs" needs "Microsoft.App/containerApps/authConfigs/write" on App, Control;
        PUT_APP_SOURCE = "PUT containerApps/sourcecontrols" needs "Microsoft.App/containerApps/sourcecontrols/write" on App, Update;
        PUT_JOB = "PUT jobs" needs "Microsoft.App/jobs/write" on Group, Create;
        START_JOB = "POST jobs/start" needs "Microsoft.App/jobs/start/action" on Group, Invoke;
    }

    // With granular access, the first permission lets a query run, and the second lets it read tables.
    source "https://learn.microsoft.com/azure/azure-monitor/logs/manage-table-access" {
        QUERY_LOGS = "POST workspaces/query" needs "Microsoft.OperationalInsights/workspaces/query/read" on Workspace, ReadLogs;
        READ_LOG_TABLES = "POST workspaces/query of tables" needs "Microsoft.OperationalInsights/workspaces/tables/data/read" on Workspace, ReadLogs;
        LOOK_UP_WORKSPACE = "GET workspaces of live apps" needs "Microsoft.OperationalInsights/workspaces/read" on Workspace, Observe;
        GET_WORKSPACE = "GET workspaces" needs "Microsoft.OperationalInsights/workspaces/read" on Group, Observe;
        PUT_WORKSPACE = "PUT workspaces" needs "Microsoft.OperationalInsights/workspaces/write" on Group, Create;
        DELETE_WORKSPACE = "DELETE workspaces" needs "Microsoft.OperationalInsights/workspaces/delete" on Group, Delete;
        GET_WORKSPACE_KEYS = "POST workspaces/sharedKeys" needs "Microsoft.OperationalInsights/workspaces/sharedKeys/action" on Group, Credential;
        READ_WORKSPACE_KEYS = "GET workspaces/sharedKeys" needs "Microsoft.OperationalInsights/workspaces/sharedKeys/read" on Workspace, Credential;
        SEARCH_LOGS = "POST workspaces/search" needs "Microsoft.OperationalInsights/workspaces/search/action" on Workspace, ReadLogs;
        PUT_LOG_EXPORT = "PUT workspaces/dataExports" needs "Microsoft.OperationalInsights/workspaces/dataExports/write" on Workspace, Redirect;
        PUT_DIAGNOSTICS = "PUT diagnosticSettings" needs "Microsoft.Insights/diagnosticSettings/write" on Group, Redirect;
    }

    // The account's write can undo what keeps it private, and the write of a blob container can set public access.
    source "https://learn.microsoft.com/azure/role-based-access-control/permissions/storage#microsoftstorage" {
        GET_ACCOUNT = "GET storageAccounts" needs "Microsoft.Storage/storageAccounts/read" on Account, Observe;
        GET_CONTAINER = "GET blobServices/containers" needs "Microsoft.Storage/storageAccounts/blobServices/containers/read" on Container, Observe;
        LIST_CONTAINERS = "GET blobServices/containers of an account" needs "Microsoft.Storage/storageAccounts/blobServices/containers/read" on Account, Observe;
        PUT_CONTAINER = "PUT blobServices/containers" needs "Microsoft.Storage/storageAccounts/blobServices/containers/write" on Container, Redirect;
        DELETE_CONTAINER = "DELETE blobServices/containers" needs "Microsoft.Storage/storageAccounts/blobServices/containers/delete" on Container, Delete;
        GET_BLOB_SERVICE = "GET blobServices" needs "Microsoft.Storage/storageAccounts/blobServices/read" on BlobService, Observe;
        PUT_BLOB_SERVICE = "PUT blobServices" needs "Microsoft.Storage/storageAccounts/blobServices/write" on BlobService, Redirect;
        GET_LIFECYCLE = "GET managementPolicies" needs "Microsoft.Storage/storageAccounts/managementPolicies/read" on LifecycleRules, Observe;
        PUT_LIFECYCLE = "PUT managementPolicies" needs "Microsoft.Storage/storageAccounts/managementPolicies/write" on LifecycleRules, Redirect;
        DELETE_LIFECYCLE = "DELETE managementPolicies" needs "Microsoft.Storage/storageAccounts/managementPolicies/delete" on LifecycleRules, Redirect;
        PUT_ACCOUNT = "PUT storageAccounts" needs "Microsoft.Storage/storageAccounts/write" on Account, Control;
        CLOSE_ACCOUNT = "PATCH storageAccounts" needs "Microsoft.Storage/storageAccounts/write" on Account, Control;
        DELETE_ACCOUNT = "DELETE storageAccounts" needs "Microsoft.Storage/storageAccounts/delete" on Account, Delete;
        CHECK_ACCOUNT_NAME = "POST checkNameAvailability" needs "Microsoft.Storage/checkNameAvailability/read" on Group, Observe;
        READ_BLOB = "GET a blob" needs "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read" on Container, ReadData;
        WRITE_BLOB = "PUT a blob" needs "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write" on Container, WriteData;
        ADD_BLOB = "PUT a new blob" needs "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action" on Container, WriteData;
        DELETE_BLOB = "DELETE a blob" needs "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete" on Container, WriteData;
        READ_BLOB_TAGS = "GET the tags of a blob" needs "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/read" on Container, ReadData;
        MOVE_BLOB = "rename a blob" needs "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action" on Container, WriteData;
        OWN_BLOB = "change the owner of a blob" needs "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/runAsSuperUser/action" on Container, Control;
        RESTORE_BLOBS = "POST restoreBlobRanges" needs "Microsoft.Storage/storageAccounts/restoreBlobRanges/action" on Account, WriteData;
        REPLICATE_BLOBS = "PUT objectReplicationPolicies" needs "Microsoft.Storage/storageAccounts/objectReplicationPolicies/write" on Account, Redirect;
        PUT_BLOB_INVENTORY = "PUT inventoryPolicies" needs "Microsoft.Storage/storageAccounts/inventoryPolicies/write" on Account, Redirect;
        LIST_ACCOUNT_KEYS = "POST listKeys" needs "Microsoft.Storage/storageAccounts/listKeys/action" on Account, Credential;
        REGENERATE_ACCOUNT_KEY = "POST regenerateKey" needs "Microsoft.Storage/storageAccounts/regenerateKey/action" on Account, Credential;
        LIST_ACCOUNT_SAS = "POST listAccountSas" needs "Microsoft.Storage/storageAccounts/listAccountSas/action" on Account, Credential;
        LIST_SERVICE_SAS = "POST listServiceSas" needs "Microsoft.Storage/storageAccounts/listServiceSas/action" on Account, Credential;
        DELEGATION_KEY = "a user delegation key" needs "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action" on Account, Credential;
        GET_TABLE = "GET tableServices/tables" needs "Microsoft.Storage/storageAccounts/tableServices/tables/read" on Table, Observe;
        LIST_TABLES = "GET tableServices/tables of an account" needs "Microsoft.Storage/storageAccounts/tableServices/tables/read" on Account, Observe;
        PUT_TABLE = "PUT tableServices/tables" needs "Microsoft.Storage/storageAccounts/tableServices/tables/write" on Table, Create;
        DELETE_TABLE = "DELETE tableServices/tables" needs "Microsoft.Storage/storageAccounts/tableServices/tables/delete" on Table, Delete;
        READ_ENTITY = "GET an entity" needs "Microsoft.Storage/storageAccounts/tableServices/tables/entities/read" on Table, ReadData;
        WRITE_ENTITY = "PUT an entity" needs "Microsoft.Storage/storageAccounts/tableServices/tables/entities/write" on Table, WriteData;
        ADD_ENTITY = "POST an entity" needs "Microsoft.Storage/storageAccounts/tableServices/tables/entities/add/action" on Table, WriteData;
        UPDATE_ENTITY = "PATCH an entity" needs "Microsoft.Storage/storageAccounts/tableServices/tables/entities/update/action" on Table, WriteData;
        DELETE_ENTITY = "DELETE an entity" needs "Microsoft.Storage/storageAccounts/tableServices/tables/entities/delete" on Table, WriteData;
    }

    // A queue has only PUT: its write creates, updates and, through `forwardTo`, redirects messages.
    source "https://learn.microsoft.com/azure/role-based-access-control/permissions/integration#microsoftservicebus" {
        GET_NAMESPACE = "GET namespaces" needs "Microsoft.ServiceBus/namespaces/read" on Namespace, Observe;
        GET_QUEUE = "GET namespaces/queues" needs "Microsoft.ServiceBus/namespaces/queues/read" on Queue, Observe;
        PUT_QUEUE = "PUT namespaces/queues" needs "Microsoft.ServiceBus/namespaces/queues/write" on Queue, Redirect;
        DELETE_QUEUE = "DELETE namespaces/queues" needs "Microsoft.ServiceBus/namespaces/queues/delete" on Queue, Delete;
        GET_COMMAND_QUEUE = "GET namespaces/queues for commands" needs "Microsoft.ServiceBus/namespaces/queues/read" on CommandQueue, Observe;
        PUT_COMMAND_QUEUE = "PUT namespaces/queues for commands" needs "Microsoft.ServiceBus/namespaces/queues/write" on CommandQueue, Redirect;
        DELETE_COMMAND_QUEUE = "DELETE namespaces/queues for commands" needs "Microsoft.ServiceBus/namespaces/queues/delete" on CommandQueue, Delete;
        GET_ANSWER_QUEUE = "GET namespaces/queues for answers" needs "Microsoft.ServiceBus/namespaces/queues/read" on AnswerQueue, Observe;
        PUT_ANSWER_QUEUE = "PUT namespaces/queues for answers" needs "Microsoft.ServiceBus/namespaces/queues/write" on AnswerQueue, Redirect;
        DELETE_ANSWER_QUEUE = "DELETE namespaces/queues for answers" needs "Microsoft.ServiceBus/namespaces/queues/delete" on AnswerQueue, Delete;
        COUNT_COMMANDS = "the scaler's look at a command queue" needs "Microsoft.ServiceBus/namespaces/queues/read" on CommandQueue, Observe;
        COUNT_MESSAGES = "the scaler's look at a queue" needs "Microsoft.ServiceBus/namespaces/queues/read" on TriggerQueue, Observe;
        CLOSE_NAMESPACE = "PATCH namespaces" needs "Microsoft.ServiceBus/namespaces/write" on Group, Control;
        READ_NAMESPACE = "GET namespaces of the group" needs "Microsoft.ServiceBus/namespaces/read" on Group, Observe;
        LIST_QUEUES = "GET namespaces/queues of the group" needs "Microsoft.ServiceBus/namespaces/queues/read" on Group, Observe;
        PUT_NAMESPACE = "PUT namespaces" needs "Microsoft.ServiceBus/namespaces/write" on Group, Control;
        DELETE_NAMESPACE = "DELETE namespaces" needs "Microsoft.ServiceBus/namespaces/delete" on Group, Delete;
        CHECK_NAMESPACE_NAME = "POST checkNameAvailability of namespaces" needs "Microsoft.ServiceBus/checkNameAvailability/action" on Group, Observe;
        LIST_NAMESPACE_KEYS = "POST namespaces/authorizationRules/listKeys" needs "Microsoft.ServiceBus/namespaces/authorizationRules/listKeys/action" on Namespace, Credential;
        LIST_QUEUE_KEYS = "POST namespaces/queues/authorizationRules/listKeys" needs "Microsoft.ServiceBus/namespaces/queues/authorizationRules/listKeys/action" on Queue, Credential;
        LIST_COMMAND_KEYS = "POST namespaces/queues/authorizationRules/listKeys for commands" needs "Microsoft.ServiceBus/namespaces/queues/authorizationRules/listKeys/action" on CommandQueue, Credential;
        PUT_QUEUE_RULE = "PUT namespaces/queues/authorizationRules" needs "Microsoft.ServiceBus/namespaces/queues/authorizationRules/write" on Queue, Credential;
        PUT_NAMESPACE_RULE = "PUT namespaces/authorizationRules" needs "Microsoft.ServiceBus/namespaces/authorizationRules/write" on Namespace, Credential;
    }

    source "https://learn.microsoft.com/azure/service-bus-messaging/service-bus-managed-service-identity" {
        RECEIVE_MESSAGE = "receive a message" needs "Microsoft.ServiceBus/namespaces/messages/receive/action" on Queue, ReadData;
        SEND_MESSAGE = "send a message" needs "Microsoft.ServiceBus/namespaces/messages/send/action" on Queue, WriteData;
        SEND_COMMAND = "send a command" needs "Microsoft.ServiceBus/namespaces/messages/send/action" on CommandQueue, Invoke;
        RECEIVE_COMMAND = "receive a command" needs "Microsoft.ServiceBus/namespaces/messages/receive/action" on CommandQueue, ReadData;
        SEND_ANSWER = "send an answer" needs "Microsoft.ServiceBus/namespaces/messages/send/action" on AnswerQueue, Invoke;
        RECEIVE_ANSWER = "receive an answer" needs "Microsoft.ServiceBus/namespaces/messages/receive/action" on AnswerQueue, Invoke;
    }

    source "https://learn.microsoft.com/azure/role-based-access-control/permissions/networking#microsoftnetwork" {
        GET_NETWORK = "GET virtualNetworks" needs "Microsoft.Network/virtualNetworks/read" on VirtualNetwork, Observe;
        GET_SUBNET = "GET virtualNetworks/subnets" needs "Microsoft.Network/virtualNetworks/subnets/read" on VirtualNetwork, Observe;
        PUT_NETWORK = "PUT virtualNetworks" needs "Microsoft.Network/virtualNetworks/write" on VirtualNetwork, Redirect;
        PUT_SUBNET = "PUT virtualNetworks/subnets" needs "Microsoft.Network/virtualNetworks/subnets/write" on VirtualNetwork, Redirect;
        DELETE_NETWORK = "DELETE virtualNetworks" needs "Microsoft.Network/virtualNetworks/delete" on VirtualNetwork, Delete;
        DELETE_SUBNET = "DELETE virtualNetworks/subnets" needs "Microsoft.Network/virtualNetworks/subnets/delete" on VirtualNetwork, Delete;
        JOIN_SUBNET = "PUT managedEnvironments in a subnet" needs "Microsoft.Network/virtualNetworks/subnets/join/action" on VirtualNetwork, Attach;
        GET_ROUTE_TABLE = "GET routeTables" needs "Microsoft.Network/routeTables/read" on Subscription, Observe;
        GET_SECURITY_GROUP = "GET networkSecurityGroups" needs "Microsoft.Network/networkSecurityGroups/read" on Subscription, Observe;
        PEER_NETWORK = "PUT virtualNetworkPeerings" needs "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write" on VirtualNetwork, Redirect;
    }

    source "https://learn.microsoft.com/azure/role-based-access-control/permissions/identity#microsoftmanagedidentity" {
        GET_IDENTITY = "GET userAssignedIdentities" needs "Microsoft.ManagedIdentity/userAssignedIdentities/read" on Identity, Observe;
        GET_RUNTIME_IDENTITY = "PUT containerApps" needs "Microsoft.ManagedIdentity/userAssignedIdentities/read" on RuntimeIdentity, Observe;
        ASSIGN_IDENTITY = "PUT containerApps" needs "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action" on RuntimeIdentity, Bind;
        PUT_IDENTITY = "PUT userAssignedIdentities" needs "Microsoft.ManagedIdentity/userAssignedIdentities/write" on Identity, Control;
        DELETE_IDENTITY = "DELETE userAssignedIdentities" needs "Microsoft.ManagedIdentity/userAssignedIdentities/delete" on Identity, Control;
        GET_FEDERATION = "GET federatedIdentityCredentials" needs "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read" on Identity, Observe;
        PUT_FEDERATION = "PUT federatedIdentityCredentials" needs "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write" on Identity, Control;
        DELETE_FEDERATION = "DELETE federatedIdentityCredentials" needs "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete" on Identity, Control;
        REVOKE_TOKENS = "POST revokeTokens" needs "Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens/action" on Identity, Control;
    }

    source "https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance#microsoftauthorization" {
        GET_ROLE = "GET roleDefinitions" needs "Microsoft.Authorization/roleDefinitions/read" on Group, Observe;
        PUT_ROLE = "PUT roleDefinitions" needs "Microsoft.Authorization/roleDefinitions/write" on Group, Control;
        DELETE_ROLE = "DELETE roleDefinitions" needs "Microsoft.Authorization/roleDefinitions/delete" on Group, Control;
        GET_ASSIGNMENT = "GET roleAssignments" needs "Microsoft.Authorization/roleAssignments/read" on Group, Observe;
        PUT_ASSIGNMENT = "PUT roleAssignments" needs "Microsoft.Authorization/roleAssignments/write" on Group, Control;
        DELETE_ASSIGNMENT = "DELETE roleAssignments" needs "Microsoft.Authorization/roleAssignments/delete" on Group, Control;
        GET_PERMISSIONS = "GET permissions" needs "Microsoft.Authorization/permissions/read" on Group, Observe;
        PUT_TAGS = "PATCH tags" needs "Microsoft.Resources/tags/write" on Group, Update;
        GET_GROUP = "GET resourceGroups" needs "Microsoft.Resources/subscriptions/resourceGroups/read" on Group, Observe;
        DELETE_LOCK = "DELETE locks" needs "Microsoft.Authorization/locks/delete" on Group, Control;
        PUT_DENIAL = "PUT denyAssignments" needs "Microsoft.Authorization/denyAssignments/write" on Group, Control;
        PUT_POLICY = "PUT policyAssignments" needs "Microsoft.Authorization/policyAssignments/write" on Group, Control;
        ELEVATE = "POST elevateAccess" needs "Microsoft.Authorization/elevateAccess/action" on Group, Control;
        PUT_DEPLOYMENT = "PUT deployments" needs "Microsoft.Resources/deployments/write" on Group, Control;
        PUT_SCRIPT = "PUT deploymentScripts" needs "Microsoft.Resources/deploymentScripts/write" on Group, Control;
        MOVE_RESOURCES = "POST moveResources" needs "Microsoft.Resources/subscriptions/resourceGroups/moveResources/action" on Group, Control;
        PUT_VAULT_POLICY = "PUT vaults/accessPolicies" needs "Microsoft.KeyVault/vaults/accessPolicies/write" on Group, Control;
    }

    // The answer to who may not read them names the action
    // (<https://github.com/hashicorp/terraform-provider-azurerm/issues/2678>).
    source "https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance#microsoftresources" {
        GET_PROVIDER = "GET providers" needs "Microsoft.Resources/subscriptions/providers/read" on Subscription, Observe;
    }
}

/// The known ways to escalate one's privileges on Azure; each takes a single permission.
///
/// Source: the reference of what actions do,
/// <https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations>.
pub static ESCALATIONS: &[Escalation] = &[
    Escalation { name: "assign a role to oneself", required: &["Microsoft.Authorization/roleAssignments/write"] },
    Escalation { name: "widen a role that one has", required: &["Microsoft.Authorization/roleDefinitions/write"] },
    Escalation {
        name: "become administrator of the tenant's resources",
        required: &["Microsoft.Authorization/elevateAccess/action"],
    },
    Escalation { name: "change a denial", required: &["Microsoft.Authorization/denyAssignments/write"] },
    Escalation { name: "remove a denial", required: &["Microsoft.Authorization/denyAssignments/delete"] },
    Escalation { name: "replace a lock", required: &["Microsoft.Authorization/locks/write"] },
    Escalation { name: "remove a lock", required: &["Microsoft.Authorization/locks/delete"] },
    Escalation { name: "assign a policy that deploys", required: &["Microsoft.Authorization/policyAssignments/write"] },
    Escalation { name: "exempt from a policy", required: &["Microsoft.Authorization/policyExemptions/write"] },
    Escalation {
        name: "activate an eligible role",
        required: &["Microsoft.Authorization/roleAssignmentScheduleRequests/write"],
    },
    Escalation {
        name: "trust another token for an identity",
        required: &["Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write"],
    },
    Escalation {
        name: "give an identity to one's own code",
        required: &["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"],
    },
    Escalation { name: "deploy a template", required: &["Microsoft.Resources/deployments/write"] },
    Escalation { name: "deploy a stack of templates", required: &["Microsoft.Resources/deploymentStacks/write"] },
    Escalation { name: "run a script under an identity", required: &["Microsoft.Resources/deploymentScripts/write"] },
    Escalation {
        name: "move a resource away from its guards",
        required: &["Microsoft.Resources/subscriptions/resourceGroups/moveResources/action"],
    },
    Escalation { name: "open a vault", required: &["Microsoft.KeyVault/vaults/accessPolicies/write"] },
    Escalation { name: "reopen a vault to policies", required: &["Microsoft.KeyVault/vaults/write"] },
    Escalation {
        name: "turn keys of a storage account on again",
        required: &["Microsoft.Storage/storageAccounts/write"],
    },
    Escalation {
        name: "read the keys of a storage account",
        required: &["Microsoft.Storage/storageAccounts/listKeys/action"],
    },
    Escalation { name: "turn keys of a namespace on again", required: &["Microsoft.ServiceBus/namespaces/write"] },
    Escalation {
        name: "read the keys of a namespace",
        required: &["Microsoft.ServiceBus/namespaces/authorizationRules/listKeys/action"],
    },
    Escalation { name: "a shell in a replica", required: &["Microsoft.App/containerApps/exec/action"] },
    Escalation { name: "read the secrets of an app", required: &["Microsoft.App/containerApps/listSecrets/action"] },
    Escalation { name: "replace the code of an app", required: &["Microsoft.App/containerApps/write"] },
    Escalation { name: "run a job", required: &["Microsoft.App/jobs/write"] },
    Escalation { name: "start a job with other code", required: &["Microsoft.App/jobs/start/action"] },
    Escalation {
        name: "run a command in a machine",
        required: &["Microsoft.Compute/virtualMachines/runCommand/action"],
    },
    Escalation { name: "extend a machine", required: &["Microsoft.Compute/virtualMachines/extensions/write"] },
    Escalation { name: "replace a site", required: &["Microsoft.Web/sites/write"] },
    Escalation { name: "run a runbook", required: &["Microsoft.Automation/automationAccounts/jobs/write"] },
    Escalation { name: "run a workflow", required: &["Microsoft.Logic/workflows/write"] },
];
