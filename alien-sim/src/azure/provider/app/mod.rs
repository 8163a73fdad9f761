//! Microsoft.App: container app environments, apps, revisions and replicas.

pub(crate) mod code;
mod container;
mod environment;
mod revision;
mod template;

pub(crate) use code::work;
pub(crate) use revision::Revision;

use super::Provider;
use super::rows::rows;
use crate::azure::operation::{self, Lro};
use crate::azure::rbac::linked::Link;
use crate::azure::route::Method;

pub(super) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.App",
    versions: &["2026-07-01", "2025-07-01", "2025-01-01", "2024-03-01", "2023-05-01"],
    tables: &[TABLE],
    links: LINKS,
};

const APPS: &str = "Microsoft.App/containerApps";

/// Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>.
const LRO: Lro = Lro {
    path: "/subscriptions/{subscriptionId}/providers/Microsoft.App/locations/{location}/containerappOperationStatuses",
    header: "azure-asyncoperation",
    version: "2025-07-01",
    word: "InProgress",
};

const ENVIRONMENT_LRO: Lro = Lro {
    path: "/subscriptions/{subscriptionId}/providers/Microsoft.App/locations/{location}/managedEnvironmentOperationStatuses",
    header: "azure-asyncoperation",
    version: "2025-07-01",
    word: "Waiting",
};

const JOINS: &str = "https://learn.microsoft.com/azure/role-based-access-control/permissions/containers#microsoftapp";

const LINKS: &[Link] = &[
    Link {
        action: "Microsoft.App/containerApps/write",
        field: "properties.environmentId",
        needs: "Microsoft.App/managedEnvironments/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.App/containerApps/write",
        field: "properties.managedEnvironmentId",
        needs: "Microsoft.App/managedEnvironments/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.App/jobs/write",
        field: "properties.environmentId",
        needs: "Microsoft.App/managedEnvironments/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.App/managedEnvironments/write",
        field: "properties.vnetConfiguration.infrastructureSubnetId",
        needs: "Microsoft.Network/virtualNetworks/subnets/join/action",
        source: "https://learn.microsoft.com/azure/role-based-access-control/permissions/networking#microsoftnetwork",
    },
];

const TABLE: &[Method] = rows! {
    "https://learn.microsoft.com/azure/role-based-access-control/permissions/containers#microsoftapp"
    "Microsoft.App"
    "/subscriptions/{subscriptionId}" {
        POST "register" ["register/action"].done(super::resources::provider);
        GET "containerApps" ["containerApps/read"].done(container::list);
        GET "managedEnvironments" ["managedEnvironments/read"].done(super::resource::list);
        GET "jobs" ["jobs/read"];
        GET "connectedEnvironments" ["connectedEnvironments/read"];
        GET "sessionPools" ["sessionPools/read"];
        POST "getCustomDomainVerificationId" ["getCustomDomainVerificationId/action"];
        GET "locations/{location}/containerappOperationStatuses/{operationId}" ["locations/containerappOperationStatuses/read"].done(operation::status);
        GET "locations/{location}/containerappOperationResults/{operationId}" ["locations/containerappOperationResults/read"].done(operation::result);
        GET "locations/{location}/managedEnvironmentOperationStatuses/{operationId}" ["locations/managedEnvironmentOperationStatuses/read"].done(operation::status);
        GET "locations/{location}/managedEnvironmentOperationResults/{operationId}" ["locations/managedEnvironmentOperationResults/read"].done(operation::result);
        GET "locations/{location}/usages" ["locations/usages/read"];
        GET "locations/{location}/billingMeters" ["locations/billingMeters/read"];
        GET "locations/{location}/availableManagedEnvironmentsWorkloadProfileTypes" ["locations/availableManagedEnvironmentsWorkloadProfileTypes/read"];
    }
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}" {
        GET "containerApps" ["containerApps/read"].done(container::list);
        GET "containerApps/{containerAppName}" ["containerApps/read"].done(container::get);
        PUT "containerApps/{containerAppName}" ["containerApps/write"].done(container::put).body(container::PUT);
        PATCH "containerApps/{containerAppName}" ["containerApps/write"].done(container::patch).body(container::PATCH);
        DELETE "containerApps/{containerAppName}" ["containerApps/delete"].done(container::delete);
        POST "containerApps/{containerAppName}/listSecrets" ["containerApps/listSecrets/action"].done(container::secrets);
        POST "containerApps/{containerAppName}/getAuthtoken" ["containerApps/getAuthToken/action"];
        POST "containerApps/{containerAppName}/listCustomHostNameAnalysis" ["containerApps/listCustomHostNameAnalysis/action"];
        POST "containerApps/{containerAppName}/start" ["containerApps/start/action"];
        POST "containerApps/{containerAppName}/stop" ["containerApps/stop/action"];
        GET "containerApps/{containerAppName}/authConfigs" ["containerApps/authConfigs/read"];
        GET "containerApps/{containerAppName}/authConfigs/{authConfigName}" ["containerApps/authConfigs/read"];
        PUT "containerApps/{containerAppName}/authConfigs/{authConfigName}" ["containerApps/authConfigs/write"];
        DELETE "containerApps/{containerAppName}/authConfigs/{authConfigName}" ["containerApps/authConfigs/delete"];
        GET "containerApps/{containerAppName}/sourcecontrols" ["containerApps/sourceControls/read"];
        PUT "containerApps/{containerAppName}/sourcecontrols/{sourceControlName}" ["containerApps/sourceControls/write"];
        DELETE "containerApps/{containerAppName}/sourcecontrols/{sourceControlName}" ["containerApps/sourceControls/delete"];
        GET "containerApps/{containerAppName}/detectors" ["containerApps/detectors/read"];
        GET "containerApps/{containerAppName}/revisions" ["containerApps/revisions/read"].done(revision::list);
        GET "containerApps/{containerAppName}/revisions/{revisionName}" ["containerApps/revisions/read"].done(revision::get);
        POST "containerApps/{containerAppName}/revisions/{revisionName}/activate" ["containerApps/revisions/activate/action"].done(revision::activate);
        POST "containerApps/{containerAppName}/revisions/{revisionName}/deactivate" ["containerApps/revisions/deactivate/action"].done(revision::deactivate);
        POST "containerApps/{containerAppName}/revisions/{revisionName}/restart" ["containerApps/revisions/restart/action"].done(revision::restart);
        GET "containerApps/{containerAppName}/revisions/{revisionName}/replicas" ["containerApps/revisions/replicas/read"].done(revision::replicas);
        GET "containerApps/{containerAppName}/revisions/{revisionName}/replicas/{replicaName}" ["containerApps/revisions/replicas/read"].done(revision::replica);

        GET "jobs" ["jobs/read"];
        GET "jobs/{jobName}" ["jobs/read"];
        PUT "jobs/{jobName}" ["jobs/write"];
        PATCH "jobs/{jobName}" ["jobs/write"];
        DELETE "jobs/{jobName}" ["jobs/delete"];
        GET "jobs/{jobName}/executions" ["jobs/executions/read"];
        POST "jobs/{jobName}/start" ["jobs/start/action"];
        POST "jobs/{jobName}/stop" ["jobs/stop/action"];
        POST "jobs/{jobName}/listSecrets" ["jobs/listSecrets/action"];

        GET "managedEnvironments" ["managedEnvironments/read"].done(super::resource::list);
        GET "managedEnvironments/{environmentName}" ["managedEnvironments/read"].done(super::resource::show);
        PUT "managedEnvironments/{environmentName}" ["managedEnvironments/write"].done(environment::put).body(environment::PUT);
        PATCH "managedEnvironments/{environmentName}" ["managedEnvironments/write"].done(environment::patch).body(environment::PATCH);
        DELETE "managedEnvironments/{environmentName}" ["managedEnvironments/delete"].done(environment::delete);
        POST "managedEnvironments/{environmentName}/getAuthtoken" ["managedEnvironments/getAuthToken/action"];
        POST "managedEnvironments/{environmentName}/checkNameAvailability" ["managedEnvironments/checkNameAvailability/action"];
        GET "managedEnvironments/{environmentName}/workloadProfileStates" ["managedEnvironments/workloadProfileStates/read"];
        GET "managedEnvironments/{environmentName}/certificates" ["managedEnvironments/certificates/read"];
        GET "managedEnvironments/{environmentName}/certificates/{certificateName}" ["managedEnvironments/certificates/read"];
        PUT "managedEnvironments/{environmentName}/certificates/{certificateName}" ["managedEnvironments/certificates/write"];
        DELETE "managedEnvironments/{environmentName}/certificates/{certificateName}" ["managedEnvironments/certificates/delete"];
        GET "managedEnvironments/{environmentName}/daprComponents" ["managedEnvironments/daprComponents/read"];
        PUT "managedEnvironments/{environmentName}/daprComponents/{componentName}" ["managedEnvironments/daprComponents/write"];
        POST "managedEnvironments/{environmentName}/daprComponents/{componentName}/listSecrets" ["managedEnvironments/daprComponents/listSecrets/action"];
        GET "managedEnvironments/{environmentName}/storages" ["managedEnvironments/storages/read"];
        GET "managedEnvironments/{environmentName}/storages/{storageName}" ["managedEnvironments/storages/read"];
        PUT "managedEnvironments/{environmentName}/storages/{storageName}" ["managedEnvironments/storages/write"];
        DELETE "managedEnvironments/{environmentName}/storages/{storageName}" ["managedEnvironments/storages/delete"];
    }
};
