//! GCP behind the interface that all adapters implement.

use std::sync::Arc;

use alien_core::adapter::Connect;
use alien_core::{Admin, AgentPod, ConnectOption, Connection, Deployment, DeploymentId, Impersonate, Result};
use async_trait::async_trait;

use crate::client::CREDENTIALS;
use crate::target::{Agent, Target, Trust};
use crate::{Config, Gcp, admin, agent, vendor};

/// Connects to GCP with the credentials of the environment. For programs that serve several clouds.
#[derive(Debug, Clone, Copy)]
pub struct Adapter;

#[async_trait]
impl Connect for Adapter {
    type Cloud = Gcp;

    const OPTIONS: &'static [ConnectOption] = &[CREDENTIALS, ConnectOption::ENDPOINT_URL];

    async fn admin(&self, id: DeploymentId, target: Target, connection: &Connection) -> Result<Admin> {
        Ok(admin(&Config::connected(connection).await?, id, target))
    }

    async fn vendor(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(vendor(&Config::connected(connection).await?))
    }

    async fn agent(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(agent(&Config::connected(connection).await?))
    }

    /// GKE gives a pod the identity of its service account, or of the account that this one is annotated with.
    /// <https://docs.cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>
    fn agent_pod(&self, target: &Target, _: &Deployment) -> AgentPod {
        const HELP: &str = "https://docs.cloud.google.com/kubernetes-engine/docs/how-to/workload-identity";
        match &target.trust {
            Trust::Agent(Agent::Cluster(account)) => AgentPod::new(Some(account.clone()))
                .noted("GKE gives the pod the identity of its service account where the cluster has a workload identity pool:")
                .noted(HELP),
            Trust::Agent(Agent::ServiceAccount(_)) => {
                let email = target.agent().unwrap_or_default();
                AgentPod::new(None)
                    .annotated("iam.gke.io/gcp-service-account", &email)
                    .noted("The annotated account must let the service account act as it; PROJECT is the cluster's:")
                    .noted(format!("  gcloud iam service-accounts add-iam-policy-binding {email} \\"))
                    .noted("    --role roles/iam.workloadIdentityUser --member \"serviceAccount:PROJECT.svc.id.goog[{namespace}/{account}]\"")
                    .noted(HELP)
            }
            Trust::Vendor(_) => AgentPod::new(None),
        }
    }
}
