//! A vendor who writes every field of a live app.

use std::time::Duration;

use alien_conformance::adversary::{Writable, every_field_is_kept_set_back_or_disclosed};
use alien_core::Deployment;
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::world::{ARM, Peer};

#[async_trait]
impl Writable for Peer {
    const MERGES: bool = true;

    fn told(&self, id: &str) -> Value {
        self.sim.body(id).unwrap()
    }

    async fn patch(&self, vendor_of: Option<&Deployment>, id: &str, _: &str, body: &Value) -> (u16, String) {
        let token = match vendor_of {
            Some(deployment) => self.session(deployment, &format!("{ARM}.default")).await,
            None => self.sim.token(&self.admin, ARM),
        };
        loop {
            let url = format!("{}{id}?api-version=2025-07-01", self.sim.url());
            let request = self.plain().patch(url).bearer_auth(&token).header("content-type", "application/json");
            let answer = request.body(body.to_string()).send().await.unwrap();
            let (status, said) = (answer.status().as_u16(), answer.text().await.unwrap());
            // One change of an app at a time.
            if !said.contains("OperationInProgress") {
                return (status, said);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn item(&self, list: &str) -> Value {
        match list.rsplit('.').next().unwrap() {
            "identitySettings[]" => json!({ "identity": "system" }),
            "additionalPortMappings[]" => json!({ "external": true, "targetPort": 9000 }),
            "customDomains[]" => json!({ "name": "theirs.example.com" }),
            "ipSecurityRestrictions[]" => {
                json!({ "name": "theirs", "ipAddressRange": "10.0.0.0/8", "action": "Allow" })
            }
            "registries[]" => json!({ "server": "registry.example.com" }),
            "secrets[]" => json!({ "name": "theirs", "value": "secret" }),
            "rules[]" => json!({ "name": "theirs" }),
            "initContainers[]" => json!({ "name": "theirs", "image": "registry.example.com/theirs" }),
            "volumes[]" => json!({ "name": "theirs" }),
            _ => Value::Null,
        }
    }

    fn value(&self, field: &str) -> Option<Value> {
        Some(match field {
            "identity.type" => json!("SystemAssigned,UserAssigned"),
            "properties.configuration.activeRevisionsMode" => json!("Multiple"),
            _ => return None,
        })
    }
}

pub(crate) async fn every_field_has_its_fate(peer: &Peer) {
    insta::assert_snapshot!("fields_of_an_app", every_field_is_kept_set_back_or_disclosed(peer).await);
}
