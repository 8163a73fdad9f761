//! Microsoft.Network: virtual networks, subnets, network security groups and route tables.

mod prefix;
mod route_table;
mod security;
mod subnet;
mod vnet;

pub(super) use subnet::check_environment;

use super::Provider;
use super::rows::rows;
use crate::azure::operation::{self, Lro};
use crate::azure::rbac::linked::Link;
use crate::azure::route::Method;

pub(super) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.Network",
    versions: &[
        "2026-03-01",
        "2025-07-01",
        "2025-05-01",
        "2025-03-01",
        "2025-01-01",
        "2024-10-01",
        "2024-07-01",
        "2024-05-01",
        "2024-03-01",
        "2024-01-01",
        "2023-11-01",
        "2023-09-01",
    ],
    tables: &[TABLE],
    links: LINKS,
};

/// Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>.
const LRO: Lro = Lro {
    path: "/subscriptions/{subscriptionId}/providers/Microsoft.Network/locations/{location}/operations",
    header: "azure-asyncoperation",
    version: "2025-07-01",
    word: "Updating",
};

const JOINS: &str = "https://learn.microsoft.com/azure/virtual-network/manage-network-security-group#permissions";

const LINKS: &[Link] = &[
    Link {
        action: "Microsoft.Network/virtualNetworks/subnets/write",
        field: "properties.networkSecurityGroup.id",
        needs: "Microsoft.Network/networkSecurityGroups/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.Network/virtualNetworks/subnets/write",
        field: "properties.natGateway.id",
        needs: "Microsoft.Network/natGateways/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.Network/virtualNetworks/subnets/write",
        field: "properties.routeTable.id",
        needs: "Microsoft.Network/routeTables/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.Network/virtualNetworks/write",
        field: "properties.subnets[].properties.networkSecurityGroup.id",
        needs: "Microsoft.Network/networkSecurityGroups/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.Network/virtualNetworks/write",
        field: "properties.subnets[].properties.natGateway.id",
        needs: "Microsoft.Network/natGateways/join/action",
        source: JOINS,
    },
    Link {
        action: "Microsoft.Network/virtualNetworks/write",
        field: "properties.subnets[].properties.routeTable.id",
        needs: "Microsoft.Network/routeTables/join/action",
        source: JOINS,
    },
];

const TABLE: &[Method] = rows! {
    "https://learn.microsoft.com/azure/role-based-access-control/permissions/networking#microsoftnetwork"
    "Microsoft.Network"
    "/subscriptions/{subscriptionId}" {
        POST "register" ["register/action"].done(super::resources::provider);
        GET "networkSecurityGroups" ["networkSecurityGroups/read"].done(super::resource::list);
        GET "virtualNetworks" ["virtualNetworks/read"].done(vnet::list);
        GET "locations/{location}/operations/{operationId}" ["locations/operations/read"].done(operation::status);
        GET "locations/{location}/operationResults/{operationId}" ["locations/operationResults/read"].done(operation::result);
        GET "locations/{location}/availableDelegations" ["locations/availableDelegations/read"];
        GET "locations/{location}/serviceTags" ["locations/serviceTags/read"];
        GET "locations/{location}/usages" ["locations/usages/read"];
    }
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}" {
        GET "networkSecurityGroups" ["networkSecurityGroups/read"].done(super::resource::list);
        GET "networkSecurityGroups/{networkSecurityGroupName}" ["networkSecurityGroups/read"].done(super::resource::show);
        PUT "networkSecurityGroups/{networkSecurityGroupName}" ["networkSecurityGroups/write"].done(security::put).body(security::GROUP);
        PATCH "networkSecurityGroups/{networkSecurityGroupName}" ["networkSecurityGroups/write"].done(vnet::tag).body("tags*");
        DELETE "networkSecurityGroups/{networkSecurityGroupName}" ["networkSecurityGroups/delete"].done(security::delete);
        GET "networkSecurityGroups/{networkSecurityGroupName}/securityRules" ["networkSecurityGroups/securityRules/read"];
        GET "networkSecurityGroups/{networkSecurityGroupName}/securityRules/{securityRuleName}" ["networkSecurityGroups/securityRules/read"];
        PUT "networkSecurityGroups/{networkSecurityGroupName}/securityRules/{securityRuleName}" ["networkSecurityGroups/securityRules/write"];
        DELETE "networkSecurityGroups/{networkSecurityGroupName}/securityRules/{securityRuleName}" ["networkSecurityGroups/securityRules/delete"];

        GET "routeTables/{routeTableName}" ["routeTables/read"].done(super::resource::show);
        PUT "routeTables/{routeTableName}" ["routeTables/write"].done(route_table::put).body(route_table::TABLE);

        GET "virtualNetworks" ["virtualNetworks/read"].done(vnet::list);
        GET "virtualNetworks/{virtualNetworkName}" ["virtualNetworks/read"].done(vnet::get).query(&["$expand"]);
        PUT "virtualNetworks/{virtualNetworkName}" ["virtualNetworks/write"].done(vnet::put).body(vnet::NETWORK);
        PATCH "virtualNetworks/{virtualNetworkName}" ["virtualNetworks/write"].done(vnet::tag).body("tags*");
        DELETE "virtualNetworks/{virtualNetworkName}" ["virtualNetworks/delete"].done(vnet::delete);
        GET "virtualNetworks/{virtualNetworkName}/CheckIPAddressAvailability" ["virtualNetworks/checkIpAddressAvailability/read"];
        POST "virtualNetworks/{virtualNetworkName}/ddosProtectionStatus" ["virtualNetworks/ddosProtectionStatus/action"];
        GET "virtualNetworks/{virtualNetworkName}/usages" ["virtualNetworks/usages/read"];
        GET "virtualNetworks/{virtualNetworkName}/virtualNetworkPeerings" ["virtualNetworks/virtualNetworkPeerings/read"];
        GET "virtualNetworks/{virtualNetworkName}/virtualNetworkPeerings/{virtualNetworkPeeringName}" ["virtualNetworks/virtualNetworkPeerings/read"];
        PUT "virtualNetworks/{virtualNetworkName}/virtualNetworkPeerings/{virtualNetworkPeeringName}" ["virtualNetworks/virtualNetworkPeerings/write"];
        DELETE "virtualNetworks/{virtualNetworkName}/virtualNetworkPeerings/{virtualNetworkPeeringName}" ["virtualNetworks/virtualNetworkPeerings/delete"];

        GET "virtualNetworks/{virtualNetworkName}/subnets" ["virtualNetworks/subnets/read"].done(super::resource::list);
        GET "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}" ["virtualNetworks/subnets/read"].done(super::resource::show).query(&["$expand"]);
        PUT "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}" ["virtualNetworks/subnets/write"].done(subnet::put).body(subnet::SUBNET);
        DELETE "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}" ["virtualNetworks/subnets/delete"].done(subnet::delete);
        POST "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}/PrepareNetworkPolicies" ["virtualNetworks/subnets/prepareNetworkPolicies/action"];
        POST "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}/UnprepareNetworkPolicies" ["virtualNetworks/subnets/unprepareNetworkPolicies/action"];
        GET "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}/ResourceNavigationLinks" ["virtualNetworks/subnets/resourceNavigationLinks/read"];
        GET "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}/ServiceAssociationLinks" ["virtualNetworks/subnets/serviceAssociationLinks/read"];
    }
};
