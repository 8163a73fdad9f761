//! A program of the customer's that replaces tags: what it leaves is told, and marked again.

use alien_conformance::marked::Tagger;
use alien_core::adapter::Marks;
use alien_core::{Deployment, DeploymentId};
use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;

use crate::buckets::s3;
use crate::forbidden::last;
use crate::world::Peer;

/// The marks that are taken away.
const MARKS: [&str; 5] = [Marks::DEPLOYMENT, Marks::PLACE, Marks::RESOURCE, Marks::RELEASE, Marks::FINGERPRINT];

/// What a thing is tagged with instead.
struct Instead(Option<String>);

impl Peer {
    async fn tag_roles(&self, prefix: &str, instead: &Instead) {
        let iam = self.iam();
        let keys = || Some(MARKS.map(str::to_owned).to_vec());
        let tag = |value: &str| aws_sdk_iam::types::Tag::builder().key(Marks::DEPLOYMENT).value(value).build().unwrap();
        let roles = iam.list_roles().send().await.unwrap().roles;
        for role in roles.iter().map(|role| role.role_name()).filter(|name| name.starts_with(prefix)) {
            iam.untag_role().role_name(role).set_tag_keys(keys()).send().await.unwrap();
            if let Some(value) = &instead.0 {
                iam.tag_role().role_name(role).tags(tag(value)).send().await.unwrap();
            }
        }
        let policies = iam.list_policies().send().await.unwrap().policies.unwrap_or_default();
        for arn in policies.iter().filter_map(|policy| policy.arn()).filter(|arn| last(arn).starts_with(prefix)) {
            iam.untag_policy().policy_arn(arn).set_tag_keys(keys()).send().await.unwrap();
            if let Some(value) = &instead.0 {
                iam.tag_policy().policy_arn(arn).tags(tag(value)).send().await.unwrap();
            }
        }
    }

    async fn tag_bucket(&self, bucket: &str, instead: &Instead) {
        let s3 = s3(self);
        let tags = instead
            .0
            .iter()
            .map(|value| aws_sdk_s3::types::Tag::builder().key(Marks::DEPLOYMENT).value(value).build().unwrap());
        let stray = aws_sdk_s3::types::Tag::builder().key("team").value("theirs").build().unwrap();
        let tags = aws_sdk_s3::types::Tagging::builder().set_tag_set(Some(tags.chain([stray]).collect()));
        s3.put_bucket_tagging().bucket(bucket).tagging(tags.build().unwrap()).send().await.unwrap();
    }

    async fn tag_table(&self, arn: &str, instead: &Instead) {
        let tables = aws_sdk_dynamodb::Client::new(&self.customer());
        tables
            .untag_resource()
            .resource_arn(arn)
            .set_tag_keys(Some(MARKS.map(str::to_owned).to_vec()))
            .send()
            .await
            .unwrap();
        if let Some(value) = &instead.0 {
            let tag = aws_sdk_dynamodb::types::Tag::builder().key(Marks::DEPLOYMENT).value(value).build().unwrap();
            tables.tag_resource().resource_arn(arn).tags(tag).send().await.unwrap();
        }
    }

    async fn tag_queues(&self, prefix: &str, instead: &Instead) {
        let queues = aws_sdk_sqs::Client::new(&self.customer());
        let urls = queues.list_queues().queue_name_prefix(prefix).send().await.unwrap().queue_urls.unwrap_or_default();
        assert_eq!(urls.len(), 2, "a queue and its dead letters: {urls:?}");
        for url in &urls {
            queues
                .untag_queue()
                .queue_url(url)
                .set_tag_keys(Some(MARKS.map(str::to_owned).to_vec()))
                .send()
                .await
                .unwrap();
            if let Some(value) = &instead.0 {
                queues.tag_queue().queue_url(url).tags(Marks::DEPLOYMENT, value).send().await.unwrap();
            }
        }
    }

    async fn tag_functions(&self, deployment: &Deployment, instead: &Instead) {
        let functions = aws_sdk_lambda::Client::new(&self.customer());
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.customer());
        for id in ["api", "ledger"] {
            let arn = &deployment.resources[id];
            functions
                .untag_resource()
                .resource(arn)
                .set_tag_keys(Some(MARKS.map(str::to_owned).to_vec()))
                .send()
                .await
                .unwrap();
            let group = format!("{}/aws/lambda/{}", log_group(arn), last_part(arn));
            logs.untag_resource()
                .resource_arn(&group)
                .set_tag_keys(Some(MARKS.map(str::to_owned).to_vec()))
                .send()
                .await
                .unwrap();
            if let Some(value) = &instead.0 {
                functions.tag_resource().resource(arn).tags(Marks::DEPLOYMENT, value).send().await.unwrap();
                logs.tag_resource().resource_arn(&group).tags(Marks::DEPLOYMENT, value).send().await.unwrap();
            }
        }
    }

    async fn tag_services(&self, deployment: &Deployment, instead: &Instead) {
        let services = aws_sdk_ecs::Client::new(&self.customer());
        let worker = &deployment.resources["worker"];
        let clusters = services.list_clusters().send().await.unwrap().cluster_arns.unwrap_or_default();
        let cluster = last(worker.rsplit_once('/').unwrap().0);
        let cluster = clusters.into_iter().find(|arn| last(arn) == cluster).unwrap();
        for arn in [worker, &deployment.resources["mailer"], &cluster] {
            services
                .untag_resource()
                .resource_arn(arn)
                .set_tag_keys(Some(MARKS.map(str::to_owned).to_vec()))
                .send()
                .await
                .unwrap();
            if let Some(value) = &instead.0 {
                let tag = aws_sdk_ecs::types::Tag::builder().key(Marks::DEPLOYMENT).value(value).build();
                services.tag_resource().resource_arn(arn).tags(tag).send().await.unwrap();
            }
        }
    }
}

/// The beginning of the ARNs of log groups, where this is.
fn log_group(arn: &str) -> String {
    let parts: Vec<&str> = arn.split(':').collect();
    format!("arn:aws:logs:{}:{}:log-group:", parts[3], parts[4])
}

fn last_part(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap()
}

/// Everything but the network: a permission to tag a VPC that carries no tag of ours would be one to tag anybody's, so the
/// customer tags it again.
#[async_trait]
impl Tagger for Peer {
    async fn replace_marks(&self, deployment: &Deployment, by: Option<DeploymentId>) {
        let instead = Instead(by.map(|other| other.to_string()));
        let prefix = format!("{}-", deployment.target.field("prefix").unwrap());
        self.tag_roles(&prefix, &instead).await;
        self.tag_bucket(last(&deployment.resources["data"]), &instead).await;
        self.tag_table(&deployment.resources["cache"], &instead).await;
        self.tag_queues(last_part(&deployment.resources["jobs"]), &instead).await;
        self.tag_functions(deployment, &instead).await;
        self.tag_services(deployment, &instead).await;
    }

    async fn store(&self, deployment: &Deployment) {
        let bucket = last(&deployment.resources["data"]);
        s3(self).put_object().bucket(bucket).key("kept").body(ByteStream::from_static(b"x")).send().await.unwrap();
    }

    async fn is_stored(&self, deployment: &Deployment) -> bool {
        let bucket = last(&deployment.resources["data"]);
        s3(self).head_object().bucket(bucket).key("kept").send().await.is_ok()
    }
}
