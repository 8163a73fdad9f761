//! The calls for the ECS cluster that the containers of a deployment share.

use alien_core::adapter::{Marks, Observed, Reconcile, Removal, ResultExt};
use alien_core::{Data, Error, ErrorKind, Result};
use async_trait::async_trait;
use aws_sdk_ecs::types::{ClusterField, Tag};

use super::Cluster;
use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::operations as op;
use crate::operations::Scope;

#[async_trait]
impl Reconcile<Aws, Clients> for Cluster {
    /// Looks up the cluster. A stack without containers needs none. ECS lists a deleted cluster as `INACTIVE` for a
    /// while.
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        if cx.deployment().names().at(Scope::Cluster, cx.subject).next().is_none() {
            return Ok(Observed::Unneeded);
        }
        let name = cx.name(Scope::Cluster)?;
        let answer = cx
            .call(&[op::DESCRIBE_CLUSTERS], || async {
                let request = cx.clients.ecs().describe_clusters().clusters(name).include(ClusterField::Tags);
                request.send().await.map_err(failure)
            })
            .await
            .optional()?;
        // ECS reports a cluster that does not exist as a failure, with the reason `MISSING`.
        let clusters = answer.and_then(|answer| answer.clusters).unwrap_or_default();
        let cluster = clusters.iter().find(|cluster| cluster.status() != Some("INACTIVE"));
        Ok(cluster.map_or(Observed::Absent, |cluster| {
            let tags = cluster.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
            Observed::marked(cluster.cluster_arn().unwrap_or_default(), cx.deployment().owner(), tags)
        }))
    }

    /// Creates the cluster, and the service-linked role with which ECS makes network interfaces unless the account has
    /// it.
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let made = cx
            .call(&[op::CREATE_ECS_LINKED_ROLE], || async {
                let request = cx.clients.iam().create_service_linked_role().aws_service_name("ecs.amazonaws.com");
                request.send().await.map_err(failure)
            })
            .await;
        match made {
            // If the role exists, AWS answers `InvalidInput`, as for any other mistake
            // (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html>).
            Err(error) if error.kind() == ErrorKind::AlreadyExists || error.message().contains("has been taken") => {}
            made => drop(made?),
        }
        let name = cx.name(Scope::Cluster)?;
        let request = cx.clients.ecs().create_cluster().cluster_name(name).set_tags(Some(tags(marks.ownership(name))));
        cx.call(&[op::CREATE_CLUSTER, op::TAG_CLUSTER], || async { request.clone().send().await.map_err(failure) })
            .await?;
        // If a cluster of this name exists, CreateCluster returns it as if it were new. Its tags tell whose it is.
        match self.observe(cx).await? {
            Observed::Foreign(whose) => {
                Err(Error::new(ErrorKind::AlreadyExists, format!("a cluster `{name}` already exists: {whose}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes the tags: a cluster has no settings.
    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let marks = tags(marks.all(cx.name(Scope::Cluster)?));
        let request = cx.clients.ecs().tag_resource().resource_arn(cx.full_name(Scope::Cluster)?).set_tags(Some(marks));
        cx.call(&[op::TAG_CLUSTER], || async { request.clone().send().await.map_err(failure) }).await.map(drop)
    }

    /// Deletes the cluster. It is busy until its services and tasks have stopped. The service-linked role belongs to
    /// the account and stays.
    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let name = cx.name(Scope::Cluster)?;
        cx.call(&[op::DELETE_CLUSTER], || async {
            cx.clients.ecs().delete_cluster().cluster(name).send().await.map_err(failure)
        })
        .await
        .optional()?;
        Ok(Removal::Gone)
    }
}

/// Tags in the form that ECS takes.
pub(crate) fn tags(tags: impl IntoIterator<Item = (&'static str, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
