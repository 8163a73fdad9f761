//! Microsoft.ServiceBus: namespaces and queues, <https://learn.microsoft.com/rest/api/servicebus/>.

mod namespace;
mod queue;

use super::Provider;
use super::resource;
use super::rows::rows;
use crate::azure::rbac::linked::Link;
use crate::azure::route::Method;

pub(super) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.ServiceBus",
    versions: &["2026-01-01", "2024-01-01", "2022-10-01-preview", "2021-11-01"],
    tables: &[TABLE],
    links: &[Link {
        action: "Microsoft.ServiceBus/namespaces/networkruleset/write",
        field: "properties.virtualNetworkRules[].subnet.id",
        needs: "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
        source: "https://learn.microsoft.com/azure/service-bus-messaging/service-bus-service-endpoints",
    }],
};

const TABLE: &[Method] = rows! {
    "https://learn.microsoft.com/azure/role-based-access-control/permissions/integration#microsoftservicebus"
    "Microsoft.ServiceBus"
    "/subscriptions/{subscriptionId}" {
        POST "register" ["register/action"].done(super::resources::provider);
        POST "CheckNameAvailability" ["checkNameAvailability/action"].done(namespace::check_name).body("name!");
        POST "CheckNameSpaceAvailability" ["checkNamespaceAvailability/action"];
        GET "namespaces" ["namespaces/read"].done(resource::list);
        GET "sku/{sku}/regions" ["sku/regions/read"];
    }
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}" {
        GET "namespaces" ["namespaces/read"].done(resource::list);
        GET "namespaces/{namespaceName}" ["namespaces/read"].done(resource::show);
        PUT "namespaces/{namespaceName}" ["namespaces/write"].done(namespace::put).body(namespace::PUT);
        PATCH "namespaces/{namespaceName}" ["namespaces/write"].done(namespace::patch).body(namespace::PATCH);
        DELETE "namespaces/{namespaceName}" ["namespaces/Delete"].done(namespace::delete);
        GET "namespaces/{namespaceName}/operationresults/{operationResultName}" ["namespaces/operationresults/read"].done(namespace::result).rootless();
        POST "namespaces/{namespaceName}/failover" ["namespaces/failover/action"];
        POST "namespaces/{namespaceName}/migrate" ["namespaces/migrate/action"];
        GET "namespaces/{namespaceName}/AuthorizationRules" ["namespaces/authorizationRules/read"];
        GET "namespaces/{namespaceName}/AuthorizationRules/{authorizationRuleName}" ["namespaces/authorizationRules/read"];
        PUT "namespaces/{namespaceName}/AuthorizationRules/{authorizationRuleName}" ["namespaces/authorizationRules/write"];
        DELETE "namespaces/{namespaceName}/AuthorizationRules/{authorizationRuleName}" ["namespaces/authorizationRules/delete"];
        POST "namespaces/{namespaceName}/AuthorizationRules/{authorizationRuleName}/listKeys" ["namespaces/authorizationRules/listkeys/action"];
        POST "namespaces/{namespaceName}/AuthorizationRules/{authorizationRuleName}/regenerateKeys" ["namespaces/authorizationRules/regenerateKeys/action"];
        GET "namespaces/{namespaceName}/networkRuleSets" ["namespaces/networkrulesets/read"];
        GET "namespaces/{namespaceName}/networkRuleSets/default" ["namespaces/networkruleset/read"];
        PUT "namespaces/{namespaceName}/networkRuleSets/default" ["namespaces/networkruleset/write"];
        GET "namespaces/{namespaceName}/privateEndpointConnections" ["namespaces/privateEndpointConnections/read"];
        PUT "namespaces/{namespaceName}/privateEndpointConnections/{privateEndpointConnectionName}" ["namespaces/privateEndpointConnections/write"];
        GET "namespaces/{namespaceName}/disasterRecoveryConfigs" ["namespaces/disasterRecoveryConfigs/read"];
        PUT "namespaces/{namespaceName}/disasterRecoveryConfigs/{alias}" ["namespaces/disasterRecoveryConfigs/write"];
        POST "namespaces/{namespaceName}/disasterRecoveryConfigs/{alias}/AuthorizationRules/{authorizationRuleName}/listKeys" ["namespaces/disasterRecoveryConfigs/authorizationRules/listkeys/action"];

        GET "namespaces/{namespaceName}/queues" ["namespaces/queues/read"].done(queue::list).query(&["$skip", "$top"]);
        GET "namespaces/{namespaceName}/queues/{queueName}" ["namespaces/queues/read"].done(queue::get);
        PUT "namespaces/{namespaceName}/queues/{queueName}" ["namespaces/queues/write"].done(queue::put).body(queue::QUEUE);
        DELETE "namespaces/{namespaceName}/queues/{queueName}" ["namespaces/queues/Delete"].done(queue::delete);
        GET "namespaces/{namespaceName}/queues/{queueName}/authorizationRules" ["namespaces/queues/authorizationRules/read"];
        GET "namespaces/{namespaceName}/queues/{queueName}/authorizationRules/{authorizationRuleName}" ["namespaces/queues/authorizationRules/read"];
        PUT "namespaces/{namespaceName}/queues/{queueName}/authorizationRules/{authorizationRuleName}" ["namespaces/queues/authorizationRules/write"];
        DELETE "namespaces/{namespaceName}/queues/{queueName}/authorizationRules/{authorizationRuleName}" ["namespaces/queues/authorizationRules/delete"];
        POST "namespaces/{namespaceName}/queues/{queueName}/authorizationRules/{authorizationRuleName}/ListKeys" ["namespaces/queues/authorizationRules/listkeys/action"];
        POST "namespaces/{namespaceName}/queues/{queueName}/authorizationRules/{authorizationRuleName}/regenerateKeys" ["namespaces/queues/authorizationRules/regenerateKeys/action"];
        GET "namespaces/{namespaceName}/topics" ["namespaces/topics/read"];
        GET "namespaces/{namespaceName}/topics/{topicName}" ["namespaces/topics/read"];
        PUT "namespaces/{namespaceName}/topics/{topicName}" ["namespaces/topics/write"];
        DELETE "namespaces/{namespaceName}/topics/{topicName}" ["namespaces/topics/Delete"];
        POST "namespaces/{namespaceName}/topics/{topicName}/authorizationRules/{authorizationRuleName}/ListKeys" ["namespaces/topics/authorizationRules/listkeys/action"];
        GET "namespaces/{namespaceName}/topics/{topicName}/subscriptions" ["namespaces/topics/subscriptions/read"];
        PUT "namespaces/{namespaceName}/topics/{topicName}/subscriptions/{subscriptionName}" ["namespaces/topics/subscriptions/write"];
        DELETE "namespaces/{namespaceName}/topics/{topicName}/subscriptions/{subscriptionName}" ["namespaces/topics/subscriptions/Delete"];
    }
};
