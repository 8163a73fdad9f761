//! The ECS cluster that the containers of a deployment share.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::Rows;
use alien_core::{Kind, Stack};

use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a cluster, in characters
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html>).
const MAX: usize = 255;

/// The cluster of a deployment, one for all its containers.
#[cfg(feature = "client")]
pub(crate) struct Cluster;

pub(crate) fn set() -> Rows<Aws> {
    &[op::CREATE_CLUSTER, op::DELETE_CLUSTER, op::DESCRIBE_CLUSTERS, op::TAG_CLUSTER, op::CREATE_ECS_LINKED_ROLE]
}

/// Adds the names of the cluster and of the service-linked role if the stack has containers.
pub(crate) fn names(arns: Arns<'_>, stack: &Stack, things: &mut Vec<(Scope, String)>) {
    if stack.resources().iter().all(|resource| resource.kind() != Kind::Container) {
        return;
    }
    things.push((Scope::Cluster, arns.regional("ecs", &["cluster/", &name(arns)])));
    let linked = ["role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"];
    things.push((Scope::EcsLinkedRole, arns.iam(&linked)));
}

pub(crate) fn name(arns: Arns<'_>) -> String {
    arns.physical("cluster", MAX)
}
