//! Data planes, asked as any client asks them; and resources that several themes need.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{GROUP, World};

pub(crate) const STORAGE: &str = "https://storage.azure.com";
pub(crate) const BUS: &str = "https://servicebus.azure.net";
pub(crate) const LOGS: &str = "https://api.loganalytics.io";

pub(crate) fn resource(kind: &str, name: &str) -> String {
    format!("{GROUP}/providers/{kind}/{name}")
}

pub(crate) fn queue(name: &str) -> String {
    resource("Microsoft.ServiceBus/namespaces", &format!("acme-bus/queues/{name}"))
}

pub(crate) const ENVIRONMENT: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/acme/providers/Microsoft.App/managedEnvironments/env";

impl World {
    /// A request of a data plane: the status code, the headers and the answer.
    pub(crate) async fn plane(
        &self,
        token: &str,
        verb: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, HeaderMap, String) {
        let mut request = Request::builder().method(verb).uri(format!("{}/{target}", self.azure.url()));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (code, headers, bytes) = self.send(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await;
        (code, headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// The token for a data plane of a new user who holds these actions and data actions at a scope.
    pub(crate) fn data_holder(&self, scope: &str, actions: &[&str], data: &[&str], audience: &str) -> String {
        self.azure.token(&self.user_at(scope, actions, data), audience)
    }

    /// A namespace with queues, made by the owner.
    pub(crate) async fn bus(&self, queues: &[&str]) {
        let namespace = resource("Microsoft.ServiceBus/namespaces", "acme-bus");
        let body =
            json!({"location": "westeurope", "sku": {"name": "Standard"}, "properties": {"disableLocalAuth": true}});
        self.does("PUT", &namespace, body).await;
        for name in queues {
            self.does("PUT", &queue(name), json!({"properties": {"maxDeliveryCount": 2}})).await;
        }
    }

    /// A workspace and an environment that logs there, made by the owner; the workspace's customer id.
    pub(crate) async fn environment(&self) -> String {
        let workspace = resource("Microsoft.OperationalInsights/workspaces", "acme-logs");
        let made = self.does("PUT", &workspace, json!({"location": "westeurope"})).await;
        let customer = made["properties"]["customerId"].as_str().unwrap().to_owned();
        let keys = self.does("POST", &format!("{workspace}/sharedKeys"), Value::Null).await;
        let logs = json!({"destination": "log-analytics",
            "logAnalyticsConfiguration": {"customerId": customer, "sharedKey": keys["primarySharedKey"]}});
        let body = json!({"location": "westeurope", "properties": {"appLogsConfiguration": logs}});
        self.does("PUT", ENVIRONMENT, body).await;
        customer
    }

    /// What a query of logs finds, as the owner of the data: rows.
    pub(crate) async fn query(&self, customer: &str, query: &str) -> Vec<Vec<Value>> {
        let actions = ["Microsoft.OperationalInsights/workspaces/query/read"];
        let data = ["Microsoft.OperationalInsights/workspaces/tables/data/read"];
        let token = self.data_holder(GROUP, &actions, &data, LOGS);
        let target = format!("v1/workspaces/{customer}/query");
        let (code, _, answer) = self.plane(&token, "POST", &target, &[], &json!({"query": query}).to_string()).await;
        assert_eq!(code, 200, "{query}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        serde_json::from_value(answer["tables"][0]["rows"].clone()).unwrap()
    }
}
