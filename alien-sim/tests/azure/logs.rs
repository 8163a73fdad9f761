//! Log Analytics: workspaces and queries.

use serde_json::{Value, json};

use crate::planes::{ENVIRONMENT, LOGS, resource};
use crate::world::{ARM, World, refusal};

const QUERY: &str = "Microsoft.OperationalInsights/workspaces/query/read";
const READ: &str = "Microsoft.OperationalInsights/workspaces/tables/data/read";

fn workspace() -> String {
    resource("Microsoft.OperationalInsights/workspaces", "acme-logs")
}

async fn ask(world: &World, token: &str, customer: &str, query: &str) -> (u16, Value) {
    let target = format!("v1/workspaces/{customer}/query");
    let (code, _, answer) = world.plane(token, "POST", &target, &[], &json!({"query": query}).to_string()).await;
    (code, serde_json::from_str(&answer).unwrap())
}

#[tokio::test]
async fn a_query_needs_an_action_and_a_data_action_on_the_workspace() {
    let world = World::new().await;
    let customer = world.environment().await;
    for (actions, data) in [(vec![], vec![READ]), (vec![QUERY], vec![])] {
        let token = world.data_holder(&workspace(), &actions, &data, LOGS);
        let (code, answer) = ask(&world, &token, &customer, "ContainerAppConsoleLogs_CL").await;
        assert_eq!((code, &answer["error"]["code"]), (403, &json!("InsufficientAccessError")));
    }
    let user = world.user_at(&workspace(), &[QUERY], &[READ]);
    let (code, answer) = ask(&world, &world.azure.token(&user, ARM), &customer, "T").await;
    assert_eq!((code, &answer["error"]["innererror"]["code"]), (401, &json!("InvalidAudience")));
    let token = world.azure.token(&user, LOGS);
    let (code, answer) = ask(&world, &token, &customer, "ContainerAppConsoleLogs_CL | take 1").await;
    assert_eq!((code, &answer["error"]["innererror"]["code"]), (400, &json!("SemanticError")), "it was never written");
    let named = [QUERY, "Microsoft.OperationalInsights/workspaces/query/ContainerAppConsoleLogs_CL/read"];
    let token = world.data_holder(&workspace(), &named, &[], LOGS);
    assert_eq!(
        ask(&world, &token, &customer, "ContainerAppConsoleLogs_CL").await.0,
        400,
        "the table's own action will do"
    );
    assert_eq!(ask(&world, &token, &customer, "ContainerAppSystemLogs_CL").await.0, 403);
}

#[tokio::test]
async fn a_workspace_that_was_deleted_comes_back_with_its_keys_unless_by_force() {
    let world = World::new().await;
    let customer = world.environment().await;
    let keys = format!("{}/sharedKeys", workspace());
    let before = world.does("POST", &keys, Value::Null).await;
    world.does("DELETE", &workspace(), Value::Null).await;
    let again = world.does("PUT", &workspace(), json!({"location": "westeurope"})).await;
    assert_eq!(again["properties"]["customerId"], customer);
    assert_eq!(world.does("POST", &keys, Value::Null).await, before);
    let reader = world.holder(&workspace(), &["Microsoft.OperationalInsights/workspaces/read"]);
    assert_eq!(world.asks(&reader, "POST", &keys, Value::Null).await, refusal(403, "AuthorizationFailed"));
    world.does("DELETE", &format!("{}?force=true", workspace()), Value::Null).await;
    let new = world.does("PUT", &workspace(), json!({"location": "westeurope"})).await;
    assert_ne!(new["properties"]["customerId"], customer);
}

#[tokio::test]
async fn an_environment_logs_with_a_key_of_the_workspace_which_is_never_told() {
    let world = World::new().await;
    let customer = world.environment().await;
    let shown = world.does("GET", ENVIRONMENT, Value::Null).await;
    let logs = &shown["properties"]["appLogsConfiguration"]["logAnalyticsConfiguration"];
    assert_eq!((&logs["customerId"], &logs["sharedKey"]), (&json!(customer), &Value::Null));
    let with = |key: Value| {
        json!({"location": "westeurope", "properties": {"appLogsConfiguration": {"destination": "log-analytics",
            "logAnalyticsConfiguration": {"customerId": customer, "sharedKey": key}}}})
    };
    let refused = refusal(400, "InvalidRequestParameterWithDetails");
    assert_eq!(world.refused("PUT", ENVIRONMENT, with(json!("d3Jvbmc="))).await, refused);
    assert_eq!(world.refused("PUT", ENVIRONMENT, with(Value::Null)).await, refused);
    world.does("PATCH", ENVIRONMENT, json!({"tags": {"a": "b"}})).await;
    let text = format!("{:?}", world.azure.requests());
    let keys = world.does("POST", &format!("{}/sharedKeys", workspace()), Value::Null).await;
    assert!(!text.contains(keys["primarySharedKey"].as_str().unwrap()), "the key is in no record");
}
