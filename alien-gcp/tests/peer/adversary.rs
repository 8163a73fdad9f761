//! A vendor who writes every field of a live service.

use alien_conformance::adversary::{Of, Writable, every_field_of};
use alien_core::Deployment;
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::world::{ADMIN, PROJECT, Peer};

#[async_trait]
impl Writable for Peer {
    const MERGES: bool = false;

    fn told(&self, id: &str) -> Value {
        self.sim.body(id).unwrap()
    }

    async fn patch(&self, vendor_of: Option<&Deployment>, id: &str, field: &str, body: &Value) -> (u16, String) {
        let token = match vendor_of {
            Some(deployment) => self.session(deployment).await,
            None => self.sim.token(ADMIN),
        };
        let name = id.strip_prefix("//run.googleapis.com/").unwrap();
        let url = format!("{}/v2/{name}?updateMask={field}", self.sim.url());
        let request = self.plain().patch(url).bearer_auth(token).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn value(&self, field: &str) -> Option<Value> {
        Some(match field {
            "ingress" => json!("INGRESS_TRAFFIC_INTERNAL_ONLY"),
            "launchStage" => json!("BETA"),
            "scaling.scalingMode" => json!("MANUAL"),
            "template.executionEnvironment" => json!("EXECUTION_ENVIRONMENT_GEN1"),
            "template.timeout" | "template.encryptionKeyShutdownDuration" => json!("30s"),
            "template.vpcAccess.egress" => json!("ALL_TRAFFIC"),
            "template.serviceAccount" => json!(format!("alien-agent@{PROJECT}.iam.gserviceaccount.com")),
            "traffic[].percent" => json!(50),
            "traffic[].type" => json!("TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"),
            _ => return None,
        })
    }

    /// A container is internal already.
    fn other_value(&self, field: &str) -> Option<Value> {
        (field == "ingress").then(|| json!("INGRESS_TRAFFIC_ALL"))
    }
}

pub(crate) async fn every_field_has_its_fate(peer: &Peer) {
    insta::assert_snapshot!("fields_of_a_service", every_field_of(peer, Of::Function).await);
}

pub(crate) async fn every_field_of_a_container_has_its_fate(peer: &Peer) {
    insta::assert_snapshot!("fields_of_a_container", every_field_of(peer, Of::Container).await);
}
