//! How a deployment's agent gets its identity in a Kubernetes cluster.

use crate::name::ClusterAccount;

/// What the agent's pod in a managed Kubernetes cluster has, so that the cluster gives it the identity that a deployment trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentPod {
    /// The service account that it runs as, where the deployment trusts one.
    pub account: Option<ClusterAccount>,
    /// What the service account is annotated with: names and values.
    pub annotations: Vec<(&'static str, String)>,
    /// What the pod is labelled with.
    pub labels: Vec<(&'static str, String)>,
    /// What else the admin has to know or to do, in lines. `{namespace}` and `{account}` in them stand for those of the pod.
    pub notes: Vec<String>,
}

impl AgentPod {
    /// A pod that runs as this service account, or as any. Nothing else is needed.
    #[must_use]
    pub const fn new(account: Option<ClusterAccount>) -> Self {
        Self { account, annotations: Vec::new(), labels: Vec::new(), notes: Vec::new() }
    }

    /// Annotates its service account.
    #[must_use]
    pub fn annotated(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.annotations.push((name, value.into()));
        self
    }

    /// Labels it.
    #[must_use]
    pub fn labelled(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }

    /// Adds a line for the admin.
    #[must_use]
    pub fn noted(mut self, line: impl Into<String>) -> Self {
        self.notes.push(line.into());
        self
    }
}
