//! A program of the customer's that replaces labels and descriptions: what it leaves is told, and marked again.

use alien_conformance::marked::Tagger;
use alien_core::adapter::Marks;
use alien_core::{Deployment, DeploymentId};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::world::Peer;

/// The object that is put into the bucket.
fn object(deployment: &Deployment) -> String {
    format!("{}/objects/kept", deployment.resources["data"])
}

/// Everything but networks and subnetworks, whose descriptions nobody can change
/// (<https://docs.cloud.google.com/compute/docs/reference/rest/v1/networks/patch>).
#[async_trait]
impl Tagger for Peer {
    async fn replace_marks(&self, _: &Deployment, by: Option<DeploymentId>) {
        let other = by.map(|other| other.to_string());
        let fixed = |name: &str| name.contains("/networks/") || name.contains("/subnetworks/");
        let (mut labelled, mut described) = (0, 0);
        for name in self.sim.things().iter().filter(|name| !fixed(name)) {
            let Some(body) = self.sim.body(name) else { continue };
            // What was marked, or what this has unmarked before.
            if body["labels"].get(Marks::DEPLOYMENT).is_some() || body["labels"].get("team").is_some() {
                let labels = match &other {
                    None => json!({ "team": "theirs" }),
                    Some(other) => json!({ "team": "theirs", Marks::DEPLOYMENT: other }),
                };
                self.sim.write(name, "labels", &labels);
                labelled += 1;
            }
            let words = body["description"].as_str().unwrap_or_default();
            if words.contains(Marks::DEPLOYMENT) || words.starts_with("theirs") {
                let words = other.as_ref().map_or_else(String::new, |other| format!(" {}={other}", Marks::DEPLOYMENT));
                self.sim.write(name, "description", &Value::from(format!("theirs{words}")));
                described += 1;
            }
        }
        // A bucket, topics, subscriptions and services; accounts, a log bucket, a sink and a rule.
        assert!(labelled >= 9 && described >= 6, "{labelled} {described}");
    }

    async fn store(&self, deployment: &Deployment) {
        self.sim.put_object(deployment.resources["data"].rsplit('/').next().unwrap(), "kept");
    }

    async fn is_stored(&self, deployment: &Deployment) -> bool {
        self.sim.things().contains(&object(deployment))
    }
}
