//! Somebody with the admin's credentials, who changes each setting of frozen things.

use std::time::Duration;

use alien_conformance::mistakes::{Mistakable, every_setting_is_set_back_or_the_customers, resource};
use alien_core::{Deployment, Kind};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::world::{ARM, LOCATION, Peer};

/// The part of a resource that a path begins with: its id, and the version of its API.
fn part(deployment: &Deployment, kind: Kind, path: &str) -> (String, &'static str) {
    let id = deployment.resources[resource(kind)].as_str();
    let account = || {
        let end = id.find("/blobServices").or_else(|| id.find("/tableServices")).unwrap();
        id[..end].to_owned()
    };
    match path.split('.').next().unwrap() {
        "account" => (account(), "2025-08-01"),
        "container" | "table" => (id.to_owned(), "2025-08-01"),
        "blobService" => (format!("{}/blobServices/default", account()), "2025-08-01"),
        "lifecycle" => (format!("{}/managementPolicies/default", account()), "2025-08-01"),
        "queue" => (id.to_owned(), "2024-01-01"),
        "namespace" => (id.split("/queues/").next().unwrap().to_owned(), "2024-01-01"),
        "network" => (id.to_owned(), "2025-07-01"),
        "subnet" => (format!("{id}/subnets/live"), "2025-07-01"),
        other => panic!("{other} is no part of a {kind}"),
    }
}

impl Peer {
    async fn send(&self, verb: &str, id: &str, version: &str, body: &Value) -> (u16, String) {
        loop {
            let url = format!("{}{id}?api-version={version}", self.sim.url());
            let request =
                self.plain().request(verb.parse().unwrap(), url).bearer_auth(self.sim.token(&self.admin, ARM));
            let request = request.header("content-type", "application/json");
            let request = if verb == "GET" { request } else { request.body(body.to_string()) };
            let answer = request.send().await.unwrap();
            let (status, said) = (answer.status().as_u16(), answer.text().await.unwrap());
            // One change of a network at a time.
            if !said.contains("AnotherOperationInProgress") {
                return (status, said);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn sent(&self, verb: &str, id: &str, version: &str, body: &Value) -> Result<(), String> {
        match self.send(verb, id, version, body).await {
            (200..300, _) => Ok(()),
            (status, said) => Err(format!("{verb} {id}: {status} {said}")),
        }
    }

    /// A thing as the cloud tells it; `null` if it is not there.
    async fn thing(&self, id: &str, version: &str) -> Value {
        match self.send("GET", id, version, &Value::Null).await {
            (200, said) => serde_json::from_str(&said).unwrap(),
            (404, _) => Value::Null,
            (status, said) => panic!("{id}: {status} {said}"),
        }
    }
}

#[async_trait]
impl Mistakable for Peer {
    fn mistaken(&self, _: Kind, path: &str) -> Option<Value> {
        Some(match path {
            "account.properties.allowSharedKeyAccess"
            | "account.properties.allowBlobPublicAccess"
            | "account.properties.allowCrossTenantReplication"
            | "queue.properties.deadLetteringOnMessageExpiration" => json!(true),
            "account.properties.supportsHttpsTrafficOnly" | "namespace.properties.disableLocalAuth" => json!(false),
            "account.properties.minimumTlsVersion" => json!("TLS1_0"),
            "account.properties.networkAcls" => json!({ "defaultAction": "Deny", "bypass": "AzureServices" }),
            "account.properties.publicNetworkAccess" | "namespace.properties.publicNetworkAccess" => json!("Disabled"),
            "account.properties.encryption" => {
                json!({ "keySource": "Microsoft.Storage", "requireInfrastructureEncryption": true })
            }
            "account.properties.accessTier" => json!("Cool"),
            "account.sku" => json!({ "name": "Standard_ZRS" }),
            "container.properties.publicAccess" => json!("Blob"),
            "container.properties.metadata" => json!({ "a": "b" }),
            "blobService.properties.isVersioningEnabled" => json!(false),
            "blobService.properties.deleteRetentionPolicy"
            | "blobService.properties.containerDeleteRetentionPolicy" => {
                json!({ "enabled": true, "days": 7 })
            }
            "blobService.properties.cors" => json!({ "corsRules": [{
                "allowedOrigins": ["*"], "allowedMethods": ["GET"], "maxAgeInSeconds": 1, "exposedHeaders": [],
                "allowedHeaders": [],
            }] }),
            "blobService.properties.changeFeed" => json!({ "enabled": true }),
            "lifecycle.properties.policy.rules" => json!([{ "name": "theirs", "enabled": true, "type": "Lifecycle",
                "definition": { "filters": { "blobTypes": ["blockBlob"] },
                    "actions": { "baseBlob": { "delete": { "daysAfterModificationGreaterThan": 1 } } } } }]),
            "table.properties.signedIdentifiers" => json!([{ "id": "theirs", "accessPolicy": { "permission": "r" } }]),
            "queue.properties.lockDuration" => json!("PT30S"),
            "queue.properties.defaultMessageTimeToLive" => json!("PT60S"),
            "queue.properties.maxDeliveryCount" => json!(99),
            "queue.properties.forwardTo" | "queue.properties.forwardDeadLetteredMessagesTo" => json!("theirs"),
            "queue.properties.autoDeleteOnIdle" => json!("PT10M"),
            "queue.properties.status" => json!("Disabled"),
            "queue.properties.maxSizeInMegabytes" => json!(2048),
            "queue.properties.userMetadata" => json!("theirs"),
            "namespace.properties.minimumTlsVersion" => json!("1.0"),
            "subnet" => Value::Null,
            "subnet.properties.delegations" => json!([]),
            "subnet.properties.networkSecurityGroup" => {
                json!({ "id": format!("{}/providers/Microsoft.Network/networkSecurityGroups/theirs", self.group()) })
            }
            "subnet.properties.serviceEndpoints" => json!([{ "service": "Microsoft.Storage" }]),
            "subnet.properties.privateEndpointNetworkPolicies" => json!("Enabled"),
            "subnet.properties.defaultOutboundAccess" => json!(false),
            "network.properties.dhcpOptions" => json!({ "dnsServers": ["10.0.0.4"] }),
            "network.properties.addressSpace" => json!({ "addressPrefixes": ["10.90.0.0/24", "10.91.0.0/24"] }),
            // Of these there are none in the emulator.
            "subnet.properties.routeTable"
            | "subnet.properties.natGateway"
            | "network.properties.virtualNetworkPeerings" => return None,
            other => panic!("{other} has no value"),
        })
    }

    async fn setting(&self, deployment: &Deployment, kind: Kind, path: &str) -> Value {
        let (id, version) = part(deployment, kind, path);
        let thing = self.thing(&id, version).await;
        let found = match path.split_once('.') {
            None => thing.pointer("/properties/addressPrefix"),
            Some((_, field)) => thing.pointer(&format!("/{}", field.replace('.', "/"))),
        };
        match (path, found) {
            // The rest of a delegation is written each time.
            ("subnet.properties.delegations", Some(Value::Array(all))) => {
                all.iter().map(|one| one["properties"]["serviceName"].clone()).collect()
            }
            (_, found) => found.cloned().unwrap_or_default(),
        }
    }

    async fn write(&self, deployment: &Deployment, kind: Kind, path: &str, value: &Value) -> Result<(), String> {
        let (id, version) = part(deployment, kind, path);
        let mut thing = self.thing(&id, version).await;
        let Some((part, field)) = path.split_once('.') else { return self.sent("DELETE", &id, version, value).await };
        match path {
            "queue.properties.forwardTo" | "queue.properties.forwardDeadLetteredMessagesTo" => {
                let (namespace, _) = id.split_once("/queues/").unwrap();
                self.sent("PUT", &format!("{namespace}/queues/theirs"), version, &json!({ "properties": {} })).await?;
            }
            // Without this a container cannot be opened.
            "container.properties.publicAccess" => {
                let account = id.split("/blobServices").next().unwrap();
                let open = json!({ "properties": { "allowBlobPublicAccess": true } });
                self.sent("PATCH", account, version, &open).await?;
            }
            "subnet.properties.networkSecurityGroup" if !value.is_null() => {
                let group = json!({ "location": LOCATION, "properties": {} });
                self.sent("PUT", value["id"].as_str().unwrap(), version, &group).await?;
            }
            _ => {}
        }
        let merges = ["account", "namespace"].contains(&part);
        if merges {
            thing = json!({});
        }
        if part == "lifecycle" && value.is_null() {
            return self.sent("DELETE", &id, version, value).await;
        }
        let mut here = &mut thing;
        for name in field.split('.') {
            if !here.is_object() {
                *here = json!({});
            }
            here = &mut here[name];
        }
        *here = value.clone();
        self.sent(if merges { "PATCH" } else { "PUT" }, &id, version, &thing).await
    }
}

pub(crate) async fn every_setting_is_told_or_the_customers(peer: &Peer) {
    insta::assert_snapshot!("settings_of_frozen_things", every_setting_is_set_back_or_the_customers(peer).await);
}
