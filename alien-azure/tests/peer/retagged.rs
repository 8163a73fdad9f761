//! A program of the customer's that replaces tags: what it leaves is told, and marked again.

use alien_conformance::marked::Tagger;
use alien_core::adapter::Marks;
use alien_core::{Deployment, DeploymentId};
use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use crate::world::{ARM, Peer};

/// A role of the customer's, and what it allows.
const ROLE: &str = "22222222-3333-4444-8555-666666666666";
const DATA: [&str; 2] = [
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
];

/// The account that the storage is in.
fn account(deployment: &Deployment) -> &str {
    deployment.resources["data"].split("/blobServices").next().unwrap()
}

impl Peer {
    /// Asks for the blob `kept` as the customer's admin, and returns the status.
    async fn blob(&self, verb: Method, deployment: &Deployment) -> u16 {
        let (account, container) = (account(deployment), deployment.resources["data"].rsplit('/').next().unwrap());
        let account = account.rsplit('/').next().unwrap();
        let url = format!("{}/{account}.blob.core.windows.net/{container}/kept", self.sim.url());
        let token = self.sim.token(&self.admin, "https://storage.azure.com");
        let request = self.plain().request(verb, url).bearer_auth(token);
        let request = request.header("x-ms-version", "2024-11-04").header("x-ms-blob-type", "BlockBlob");
        request.header("content-length", "0").send().await.unwrap().status().as_u16()
    }
}

#[async_trait]
impl Tagger for Peer {
    async fn replace_marks(&self, _: &Deployment, by: Option<DeploymentId>) {
        let mut tags = json!({ "team": "theirs" });
        if let Some(other) = by {
            tags[Marks::DEPLOYMENT] = other.to_string().into();
        }
        let body = json!({ "operation": "Replace", "properties": { "tags": tags } }).to_string();
        let mut tagged = 0;
        for id in self.sim.things() {
            let Some(found) = self.sim.body(&id) else { continue };
            // What was marked, or what this has tagged before.
            if found["tags"].get(Marks::DEPLOYMENT).is_none() && found["tags"].get("team").is_none() {
                continue;
            }
            let url =
                format!("{}{id}/providers/Microsoft.Resources/tags/default?api-version=2025-04-01", self.sim.url());
            let request = self.plain().patch(url).bearer_auth(self.sim.token(&self.admin, ARM));
            let answer = request.header("content-type", "application/json").body(body.clone()).send().await.unwrap();
            assert!(answer.status().is_success(), "{id}: {}", answer.text().await.unwrap());
            tagged += 1;
        }
        // Accounts, identities, apps, environments, workspaces, a network and a namespace.
        assert!(tagged >= 14, "{tagged}");
    }

    async fn store(&self, deployment: &Deployment) {
        // The admin of a subscription has no right to data of its own.
        let id = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{ROLE}", self.group());
        let permissions = json!([{ "actions": [], "dataActions": DATA }]);
        let properties = json!({ "roleName": "blobs", "type": "CustomRole", "permissions": permissions, "assignableScopes": [self.group()] });
        let url = format!("{}{id}?api-version=2022-04-01", self.sim.url());
        let request = self.plain().put(url).bearer_auth(self.sim.token(&self.admin, ARM));
        let request = request.header("content-type", "application/json");
        let answer = request.body(json!({ "properties": properties }).to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        self.sim.assign(account(deployment), ROLE, &self.admin);
        assert_eq!(self.blob(Method::PUT, deployment).await, 201);
    }

    async fn is_stored(&self, deployment: &Deployment) -> bool {
        self.blob(Method::GET, deployment).await == 200
    }
}
