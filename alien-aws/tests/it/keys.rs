//! The keys of requests, by their fields, as AWS documents them.

use serde_json::Value;

/// The keys that ECS has for a request, by its fields
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html>).
pub(crate) fn of_ecs(body: &Value) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    let mut add = |key, value: &Value| match value {
        Value::Null => {}
        Value::String(text) => keys.push((key, text.clone())),
        other => keys.push((key, other.to_string())),
    };
    let network = &body["networkConfiguration"]["awsvpcConfiguration"];
    network["subnets"].as_array().into_iter().flatten().for_each(|subnet| add("ecs:subnet", subnet));
    add("ecs:auto-assign-public-ip", &network["assignPublicIp"]);
    add("ecs:enable-execute-command", &body["enableExecuteCommand"]);
    add("ecs:task-definition", &body["taskDefinition"]);
    add("ecs:enable-service-connect", &body["serviceConnectConfiguration"]["enabled"]);
    add("ecs:namespace", &body["serviceConnectConfiguration"]["namespace"]);
    let providers = body["capacityProviderStrategy"].as_array().into_iter().flatten();
    providers.for_each(|provider| add("ecs:capacity-provider", &provider["capacityProvider"]));
    for (field, key) in
        [("volumeConfigurations", "ecs:enable-ebs-volumes"), ("vpcLatticeConfigurations", "ecs:enable-vpc-lattice")]
    {
        if body[field].as_array().is_some_and(|list| !list.is_empty()) {
            add(key, &true.into());
        }
    }
    let containers = body["containerDefinitions"].as_array().into_iter().flatten();
    containers.for_each(|container| add("ecs:privileged", &container["privileged"]));
    add("ecs:task-cpu", &body["cpu"]);
    add("ecs:task-memory", &body["memory"]);
    keys
}
