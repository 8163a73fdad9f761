//! AWS behind the interface that all adapters implement.

use std::sync::Arc;

use alien_core::adapter::Connect;
use alien_core::{
    Admin, AgentPod, ConnectOption, Connection, Deployment, DeploymentId, Error, ErrorKind, Impersonate, Result, Side,
};
use async_trait::async_trait;

use crate::client::PROFILE;
use crate::target::{Agent, Target, Trust};
use crate::{Aws, Config, admin, agent, vendor};

/// Connects to AWS with the credentials of the environment. For programs that serve several clouds.
#[derive(Debug, Clone, Copy)]
pub struct Adapter;

const BOUNDARY: ConnectOption = ConnectOption {
    name: "permissionsBoundary",
    help: "the ARN of the permissions boundary that your organisation puts on every role",
    side: Side::Admin,
};

#[async_trait]
impl Connect for Adapter {
    type Cloud = Aws;

    const OPTIONS: &'static [ConnectOption] = &[BOUNDARY, PROFILE, ConnectOption::ENDPOINT_URL];

    async fn admin(&self, id: DeploymentId, target: Target, connection: &Connection) -> Result<Admin> {
        let wrong = |what: String| Error::new(ErrorKind::Input, what).at(BOUNDARY.name);
        let boundary = connection.get(BOUNDARY.name).map(str::parse).transpose();
        let boundary = boundary.map_err(|error: alien_core::TextError| wrong(error.to_string()))?;
        let config = Config::connected(connection).await?;
        let config = boundary.into_iter().fold(config, Config::with_boundary);
        Ok(admin(&config, id, target))
    }

    async fn vendor(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(vendor(&Config::connected(connection).await?.with_operator(&connection.operator)))
    }

    async fn agent(&self, _: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(agent(&Config::connected(connection).await?.with_operator(&connection.operator)))
    }

    /// EKS gives a pod a token, and the role that it is for, where its service account names a role.
    /// <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>
    fn agent_pod(&self, target: &Target, record: &Deployment) -> AgentPod {
        const ROLE: &str = "eks.amazonaws.com/role-arn";
        const HELP: &str = "https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html";
        match &target.trust {
            Trust::Agent(Agent::Cluster { account, .. }) => AgentPod::new(Some(account.clone()))
                .annotated(ROLE, &record.identity)
                .noted(
                    "EKS gives the pod a token of its service account, by which the agent enters the annotated role:",
                )
                .noted(HELP),
            Trust::Agent(Agent::Role(role)) => AgentPod::new(None)
                .annotated(ROLE, target.role(role))
                .noted("The annotated role must trust `system:serviceaccount:{namespace}:{account}` of the cluster:")
                .noted(HELP)
                .noted("With an EKS Pod Identity association leave the annotation out."),
            Trust::Vendor { .. } => AgentPod::new(None),
        }
    }
}
