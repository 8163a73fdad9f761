//! Virtual networks and their subnets.

use std::time::Duration;

use serde_json::{Value, json};

use crate::planes::{ENVIRONMENT, resource};
use crate::world::{World, refusal};

fn network() -> String {
    resource("Microsoft.Network/virtualNetworks", "net")
}

fn body(subnets: Value) -> Value {
    json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets}})
}

fn subnet(prefix: &str, service: &str) -> Value {
    json!({"properties": {"addressPrefix": prefix,
        "delegations": [{"name": "apps", "properties": {"serviceName": service}}]}})
}

#[tokio::test]
async fn a_network_that_is_written_without_its_subnets_loses_them() {
    let world = World::new().await;
    let named = |name: &str, prefix: &str| json!({"name": name, "properties": {"addressPrefix": prefix}});
    let two = json!([named("a", "10.0.0.0/24"), named("b", "10.0.1.0/24")]);
    let made = world.call(&world.admin, "PUT", &network(), body(two)).await;
    assert_eq!((made.0, made.1["properties"]["subnets"].as_array().unwrap().len()), (201, 2));
    let read = world.does("GET", &network(), Value::Null).await;
    assert_eq!(world.call(&world.admin, "PUT", &network(), read.clone()).await.0, 200, "what was read is written back");
    let mut without = read;
    without["properties"].as_object_mut().unwrap().remove("subnets");
    assert_eq!(world.does("PUT", &network(), without).await["properties"]["subnets"], json!([]));
    let gone = format!("{}/subnets/a", network());
    assert_eq!(world.refused("GET", &gone, Value::Null).await, refusal(404, "ResourceNotFound"));
}

#[tokio::test]
async fn a_subnet_lies_in_its_network_and_beside_the_others() {
    let world = World::new().await;
    world.does("PUT", &network(), body(json!([]))).await;
    let at = |name: &str| format!("{}/subnets/{name}", network());
    let plain = |prefix: &str| json!({"properties": {"addressPrefix": prefix}});
    assert_eq!(world.call(&world.admin, "PUT", &at("a"), plain("10.0.0.0/24")).await.0, 201);
    assert_eq!(world.call(&world.admin, "PUT", &at("a"), plain("10.0.0.0/24")).await.0, 200);
    for (prefix, code) in [
        ("10.0.0.128/25", "NetcfgSubnetRangesOverlap"),
        ("10.1.0.0/24", "NetcfgSubnetRangeOutsideVnet"),
        ("10.0.1.1/24", "InvalidCIDRNotation"),
        ("ten", "InvalidAddressPrefixFormat"),
    ] {
        assert_eq!(world.refused("PUT", &at("b"), plain(prefix)).await, refusal(400, code), "{prefix}");
    }
    let unknown = json!({"properties": {"addressPrefix": "10.0.1.0/24", "colour": "red"}});
    assert_eq!(world.refused("PUT", &at("b"), unknown).await, refusal(400, "InvalidRequestContent"));
}

#[tokio::test]
async fn a_subnet_of_an_environment_stays_as_it_is() {
    let world = World::new().await;
    world.does("PUT", &network(), body(json!([]))).await;
    let at = format!("{}/subnets/apps", network());
    let environment = |subnet: &str| {
        json!({"location": "westeurope", "properties": {
            "vnetConfiguration": {"infrastructureSubnetId": subnet},
            "workloadProfiles": [{"name": "Consumption", "workloadProfileType": "Consumption"}]}})
    };
    let invalid = refusal(400, "ManagedEnvironmentInvalidNetworkConfiguration");
    assert_eq!(world.refused("PUT", ENVIRONMENT, environment(&at)).await, invalid, "it is not there");
    world.does("PUT", &at, subnet("10.0.0.0/28", "Microsoft.App/environments")).await;
    assert_eq!(world.refused("PUT", ENVIRONMENT, environment(&at)).await, invalid, "it is too small");
    world.does("PUT", &at, json!({"properties": {"addressPrefix": "10.0.0.0/27"}})).await;
    let undelegated = refusal(400, "ManagedEnvironmentSubnetDelegationError");
    assert_eq!(world.refused("PUT", ENVIRONMENT, environment(&at)).await, undelegated);
    world.does("PUT", &at, subnet("10.0.0.0/27", "Microsoft.App/environments")).await;
    let token = world.holder(crate::world::GROUP, &["Microsoft.App/managedEnvironments/write"]);
    let linked = world.asks(&token, "PUT", ENVIRONMENT, environment(&at)).await;
    assert_eq!(linked, refusal(403, "LinkedAuthorizationFailed"));
    world.does("PUT", ENVIRONMENT, environment(&at)).await;
    let used = refusal(400, "InUseSubnetCannotBeDeleted");
    assert_eq!(world.refused("DELETE", &at, Value::Null).await, used);
    assert_eq!(world.refused("DELETE", &network(), Value::Null).await, used);
    assert_eq!(world.refused("PUT", &network(), body(json!([]))).await, used);
    let moved = world.refused("PUT", &at, subnet("10.0.1.0/27", "Microsoft.App/environments")).await;
    assert_eq!(moved, refusal(400, "InUsePrefixCannotBeDeleted"));
    world.does("DELETE", ENVIRONMENT, Value::Null).await;
    world.does("DELETE", &at, Value::Null).await;
}

#[tokio::test]
async fn subnets_are_written_one_after_another() {
    let world = World::new().await;
    world.does("PUT", &network(), body(json!([]))).await;
    world.azure.faults().operations_take(Duration::from_secs(60));
    let at = |name: &str| format!("{}/subnets/{name}", network());
    let plain = |prefix: &str| json!({"properties": {"addressPrefix": prefix}});
    let (code, headers, answer) = world.call_in_full(&world.admin, "PUT", &at("a"), plain("10.0.0.0/24")).await;
    assert_eq!((code, &answer["properties"]["provisioningState"]), (201, &json!("Updating")));
    assert_eq!(world.refused("PUT", &at("b"), plain("10.0.1.0/24")).await, refusal(429, "AnotherOperationInProgress"));
    world.azure.faults().advance(Duration::from_secs(61));
    let url = headers["azure-asyncoperation"].to_str().unwrap();
    let path = url.strip_prefix(world.azure.url()).unwrap();
    assert_eq!(world.does("GET", path, Value::Null).await["status"], "Succeeded");
    world.does("PUT", &at("b"), plain("10.0.1.0/24")).await;
}

#[tokio::test]
async fn a_security_group_needs_a_join_and_stays_while_it_is_used() {
    let world = World::new().await;
    let group = resource("Microsoft.Network/networkSecurityGroups", "closed");
    let rule = |priority: u32| {
        json!({"name": format!("r{priority}"), "properties": {"protocol": "*", "access": "Deny", "direction": "Inbound",
            "priority": priority, "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*",
            "destinationPortRange": "*"}})
    };
    let rules = |rules: Vec<Value>| json!({"location": "westeurope", "properties": {"securityRules": rules}});
    assert_eq!(world.refused("PUT", &group, rules(vec![rule(7)])).await, refusal(400, "SecurityRuleInvalidPriority"));
    let twice = rules(vec![rule(100), rule(100)]);
    assert_eq!(world.refused("PUT", &group, twice).await, refusal(400, "SecurityRuleConflict"));
    world.does("PUT", &group, rules(vec![rule(100)])).await;
    world.does("PUT", &network(), body(json!([]))).await;
    let at = format!("{}/subnets/a", network());
    let closed = json!({"properties": {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": group}}});
    let token = world.holder(&network(), &["Microsoft.Network/virtualNetworks/subnets/write"]);
    assert_eq!(world.asks(&token, "PUT", &at, closed.clone()).await, refusal(403, "LinkedAuthorizationFailed"));
    world.does("PUT", &at, closed).await;
    let used = refusal(400, "InUseNetworkSecurityGroupCannotBeDeleted");
    assert_eq!(world.refused("DELETE", &group, Value::Null).await, used);
    world.does("DELETE", &network(), Value::Null).await;
    world.does("DELETE", &group, Value::Null).await;
}
