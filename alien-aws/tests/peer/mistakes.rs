//! Somebody with the admin's credentials, who changes each setting of frozen things, with AWS's own SDK.

use alien_conformance::mistakes::{Mistakable, every_setting_is_set_back_or_the_customers, resource};
use alien_core::{Deployment, Kind};
use async_trait::async_trait;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, OwnershipControls, PublicAccessBlockConfiguration,
    VersioningConfiguration,
};
use serde_json::{Value, json};

use crate::buckets::s3;
use crate::forbidden::last;
use crate::world::Peer;

/// What went wrong, as the SDK says it.
fn said(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn sqs(peer: &Peer) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&peer.customer())
}

fn dynamodb(peer: &Peer) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&peer.customer())
}

/// The name of the resource of a kind, as its own API takes it.
fn name(deployment: &Deployment, kind: Kind) -> String {
    let id = &deployment.resources[resource(kind)];
    let last = last(id);
    last.rsplit(':').next().unwrap().to_owned()
}

async fn queue(peer: &Peer, deployment: &Deployment, path: &str) -> (String, String) {
    let own = name(deployment, Kind::Queue);
    let (own, field) = match path.strip_prefix("deadLetters.") {
        Some(field) => {
            let redrive = attribute(peer, &url(peer, &own).await, "RedrivePolicy").await;
            let redrive: Value = serde_json::from_str(&redrive).unwrap();
            let arn = redrive["deadLetterTargetArn"].as_str().unwrap().to_owned();
            (arn.rsplit(':').next().unwrap().to_owned(), field)
        }
        None => (own, path),
    };
    (url(peer, &own).await, field.to_owned())
}

async fn url(peer: &Peer, name: &str) -> String {
    sqs(peer).get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap()
}

async fn attribute(peer: &Peer, url: &str, name: &str) -> String {
    let found = sqs(peer).get_queue_attributes().queue_url(url).attribute_names("All".into()).send().await.unwrap();
    found.attributes.unwrap_or_default().get(&name.into()).cloned().unwrap_or_default()
}

async fn bucket_setting(peer: &Peer, bucket: &str, path: &str) -> Value {
    let s3 = s3(peer);
    match path.split('.').next().unwrap() {
        "PublicAccessBlock" => {
            let Ok(found) = s3.get_public_access_block().bucket(bucket).send().await else { return Value::Null };
            let found = found.public_access_block_configuration.unwrap();
            json!(match path {
                "PublicAccessBlock.BlockPublicAcls" => found.block_public_acls,
                "PublicAccessBlock.BlockPublicPolicy" => found.block_public_policy,
                "PublicAccessBlock.IgnorePublicAcls" => found.ignore_public_acls,
                _ => found.restrict_public_buckets,
            })
        }
        "OwnershipControls" => {
            let Ok(found) = s3.get_bucket_ownership_controls().bucket(bucket).send().await else { return Value::Null };
            let rules = found.ownership_controls.unwrap().rules;
            rules.iter().map(|rule| rule.object_ownership.as_str()).collect()
        }
        "Policy" => {
            let Ok(found) = s3.get_bucket_policy().bucket(bucket).send().await else { return Value::Null };
            serde_json::from_str(&found.policy.unwrap()).unwrap()
        }
        "Versioning" => {
            let found = s3.get_bucket_versioning().bucket(bucket).send().await.unwrap().status;
            json!(found.map(|status| status.as_str().to_owned()))
        }
        "Lifecycle" => {
            let found = s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await;
            json!(found.map(|found| said(found.rules)).ok())
        }
        "RequestPayment" => {
            let found = s3.get_bucket_request_payment().bucket(bucket).send().await.unwrap().payer;
            json!(found.map(|payer| payer.as_str().to_owned()))
        }
        other => panic!("{other} cannot be read"),
    }
}

async fn write_bucket(peer: &Peer, bucket: &str, path: &str, value: &Value) -> Result<(), String> {
    let s3 = s3(peer);
    match path.split('.').next().unwrap() {
        "PublicAccessBlock" if value.is_null() => {
            s3.delete_public_access_block().bucket(bucket).send().await.map(drop).map_err(said)
        }
        "OwnershipControls" if value.is_null() => {
            s3.delete_bucket_ownership_controls().bucket(bucket).send().await.map(drop).map_err(said)
        }
        "PublicAccessBlock" => {
            let is = |field: &str| path.ends_with(field);
            let blocks = |field: &str| !is(field) || value.as_bool().unwrap();
            let blocked = PublicAccessBlockConfiguration::builder()
                .block_public_acls(blocks(".BlockPublicAcls"))
                .block_public_policy(blocks(".BlockPublicPolicy"))
                .ignore_public_acls(blocks(".IgnorePublicAcls"))
                .restrict_public_buckets(blocks(".RestrictPublicBuckets"))
                .build();
            let call = s3.put_public_access_block().bucket(bucket).public_access_block_configuration(blocked);
            call.send().await.map(drop).map_err(said)
        }
        "OwnershipControls" => {
            let rule = aws_sdk_s3::types::OwnershipControlsRule::builder()
                .object_ownership(value[0].as_str().unwrap().into())
                .build();
            let controls = OwnershipControls::builder().rules(rule.unwrap()).build().unwrap();
            let call = s3.put_bucket_ownership_controls().bucket(bucket).ownership_controls(controls);
            call.send().await.map(drop).map_err(said)
        }
        "Policy" if value.is_null() => s3.delete_bucket_policy().bucket(bucket).send().await.map(drop).map_err(said),
        "Policy" => {
            let mut policy = bucket_setting(peer, bucket, "Policy").await;
            match value {
                Value::Object(whole) if whole.contains_key("Version") => policy = value.clone(),
                more => policy["Statement"].as_array_mut().unwrap().push(more.clone()),
            }
            s3.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send().await.map(drop).map_err(said)
        }
        "Versioning" => {
            let status = BucketVersioningStatus::from(value.as_str().unwrap());
            let wanted = VersioningConfiguration::builder().status(status).build();
            let call = s3.put_bucket_versioning().bucket(bucket).versioning_configuration(wanted);
            call.send().await.map(drop).map_err(said)
        }
        "Lifecycle" if value.is_null() => {
            s3.delete_bucket_lifecycle().bucket(bucket).send().await.map(drop).map_err(said)
        }
        "Lifecycle" => {
            let rule = aws_sdk_s3::types::LifecycleRule::builder()
                .id("theirs")
                .status("Enabled".into())
                .filter(aws_sdk_s3::types::LifecycleRuleFilter::builder().prefix("").build())
                .expiration(aws_sdk_s3::types::LifecycleExpiration::builder().days(1).build())
                .build();
            let rules = BucketLifecycleConfiguration::builder().rules(rule.unwrap()).build().unwrap();
            let call = s3.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(rules);
            call.send().await.map(drop).map_err(said)
        }
        other => panic!("{other} cannot be written"),
    }
}

/// The parts of the network: of a list of EC2, by the customer's own eyes.
async fn parts(peer: &Peer, action: &str, vpc: &str) -> String {
    let filter = if action == "DescribeInternetGateways" { "attachment.vpc-id" } else { "vpc-id" };
    peer.ec2(action, &[("Filter.1.Name", filter), ("Filter.1.Value.1", vpc)]).await.unwrap()
}

/// The subnets of the network.
async fn subnets(peer: &Peer, vpc: &str) -> Vec<String> {
    let found = parts(peer, "DescribeSubnets", vpc).await;
    found.split("<subnetId>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// What stands between two marks of a text, the first time.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

#[async_trait]
impl Mistakable for Peer {
    fn mistaken(&self, kind: Kind, path: &str) -> Option<Value> {
        Some(match (kind, path) {
            // With one of the four, all of them go, and in their place there is nothing.
            (_, "PublicAccessBlock.BlockPublicAcls" | "OwnershipControls") => Value::Null,
            (Kind::Storage, path) if path.starts_with("PublicAccessBlock.") => json!(false),
            (Kind::Storage, "Policy" | "Lifecycle") => match path {
                "Policy" => Value::Null,
                _ => json!("theirs"),
            },
            (Kind::Storage, "Policy.Statement") => json!({
                "Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*",
            }),
            (_, "Versioning") => json!("Suspended"),
            (_, "VisibilityTimeout") => json!("7"),
            (_, "MessageRetentionPeriod" | "deadLetters.MessageRetentionPeriod") => json!("60"),
            (_, "SqsManagedSseEnabled" | "deadLetters.SqsManagedSseEnabled") => json!("false"),
            (_, "RedrivePolicy") => json!(""),
            (_, "DelaySeconds" | "ReceiveMessageWaitTimeSeconds") => json!("7"),
            (_, "MaximumMessageSize") => json!("2048"),
            (Kind::Queue, "Policy") => json!(r#"{"Version":"2012-10-17","Statement":[]}"#),
            (_, "PointInTimeRecovery") => json!(false),
            (_, "TimeToLive") => Value::Null,
            (_, "DeletionProtectionEnabled") => json!(true),
            (_, "vpc.EnableDnsHostnames") => json!(false),
            (_, "securityGroup.IpPermissions") => json!("revoked"),
            (_, "routeTable.Route") => json!("deleted"),
            (_, "internetGateway.Attachment") => json!("detached"),
            (_, "routeTable.Association") => json!("disassociated"),
            (_, "securityGroup" | "subnets") => json!("deleted"),
            // Of the rest the peer keeps nothing, or it takes more than one call.
            _ => return None,
        })
    }

    async fn setting(&self, deployment: &Deployment, kind: Kind, path: &str) -> Value {
        let name = name(deployment, kind);
        match kind {
            Kind::Storage => bucket_setting(self, &name, path).await,
            Kind::Queue => {
                let (url, field) = queue(self, deployment, path).await;
                let found = attribute(self, &url, &field).await;
                if field == "RedrivePolicy" { json!(found.contains("deadLetterTargetArn")) } else { json!(found) }
            }
            Kind::Kv => {
                let (client, table) = (dynamodb(self), name.as_str());
                match path {
                    "PointInTimeRecovery" => {
                        let found = client.describe_continuous_backups().table_name(table).send().await.unwrap();
                        json!(
                            said(found.continuous_backups_description).contains("PointInTimeRecoveryStatus: Enabled")
                                || said(client.describe_continuous_backups().table_name(table).send().await)
                                    .contains("point_in_time_recovery_status: Some(Enabled)")
                        )
                    }
                    "TimeToLive" => {
                        let found = client.describe_time_to_live().table_name(table).send().await.unwrap();
                        let found = found.time_to_live_description.unwrap();
                        let is_on = found.time_to_live_status.is_some_and(|status| status.as_str() == "ENABLED");
                        json!(found.attribute_name.filter(|_| is_on))
                    }
                    _ => {
                        let found = client.describe_table().table_name(table).send().await.unwrap().table.unwrap();
                        json!(found.deletion_protection_enabled)
                    }
                }
            }
            _ => match path {
                "vpc.EnableDnsHostnames" => {
                    let asked = [("VpcId", name.as_str()), ("Attribute", "enableDnsHostnames")];
                    json!(self.ec2("DescribeVpcAttribute", &asked).await.unwrap().contains("<value>true</value>"))
                }
                "securityGroup.IpPermissions" => {
                    json!(group(self, &name).await.1)
                }
                "routeTable.Route" => {
                    json!(parts(self, "DescribeRouteTables", &name).await.contains("<destinationCidrBlock>0.0.0.0/0<"))
                }
                "routeTable.Association" => {
                    let tables = parts(self, "DescribeRouteTables", &name).await;
                    json!(subnets(self, &name).await.iter().filter(|subnet| tables.contains(*subnet)).count())
                }
                "subnets" => json!(parts(self, "DescribeSubnets", &name).await.matches("<subnetId>").count()),
                "securityGroup" => {
                    json!(parts(self, "DescribeSecurityGroups", &name).await.contains("<groupName>alien-"))
                }
                _ => json!(parts(self, "DescribeInternetGateways", &name).await.contains("<internetGatewayId>")),
            },
        }
    }

    async fn write(&self, deployment: &Deployment, kind: Kind, path: &str, value: &Value) -> Result<(), String> {
        let own = name(deployment, kind);
        match kind {
            Kind::Storage => write_bucket(self, &own, path, value).await,
            Kind::Queue => {
                let (url, field) = queue(self, deployment, path).await;
                let value = value.as_str().unwrap_or_default();
                let call = sqs(self).set_queue_attributes().queue_url(url).attributes(field.as_str().into(), value);
                call.send().await.map(drop).map_err(said)
            }
            Kind::Kv => match path {
                "PointInTimeRecovery" => {
                    let wanted = aws_sdk_dynamodb::types::PointInTimeRecoverySpecification::builder()
                        .point_in_time_recovery_enabled(value.as_bool().unwrap())
                        .build();
                    let call = dynamodb(self).update_continuous_backups().table_name(own);
                    call.point_in_time_recovery_specification(wanted.unwrap()).send().await.map(drop).map_err(said)
                }
                "TimeToLive" => {
                    let wanted = aws_sdk_dynamodb::types::TimeToLiveSpecification::builder()
                        .attribute_name("expires")
                        .enabled(!value.is_null())
                        .build();
                    let call = dynamodb(self).update_time_to_live().table_name(own);
                    call.time_to_live_specification(wanted.unwrap()).send().await.map(drop).map_err(said)
                }
                _ => {
                    let call = dynamodb(self).update_table().table_name(own);
                    let call = call.deletion_protection_enabled(value.as_bool().unwrap_or_default());
                    call.send().await.map(drop).map_err(said)
                }
            },
            _ => {
                let vpc = own.as_str();
                let asked = match path {
                    "vpc.EnableDnsHostnames" => {
                        let on = if value.as_bool().unwrap() { "true" } else { "false" };
                        return self
                            .ec2("ModifyVpcAttribute", &[("VpcId", vpc), ("EnableDnsHostnames.Value", on)])
                            .await
                            .map(drop);
                    }
                    "securityGroup.IpPermissions" => {
                        let (group, _) = group(self, vpc).await;
                        let params = [
                            ("GroupId", group.as_str()),
                            ("IpPermissions.1.IpProtocol", "-1"),
                            ("IpPermissions.1.Groups.1.GroupId", group.as_str()),
                        ];
                        return self.ec2("RevokeSecurityGroupIngress", &params).await.map(drop);
                    }
                    "securityGroup" => {
                        let (group, _) = group(self, vpc).await;
                        return self.ec2("DeleteSecurityGroup", &[("GroupId", &group)]).await.map(drop);
                    }
                    "subnets" => {
                        let found = parts(self, "DescribeSubnets", vpc).await;
                        let subnet = between(&found, "<subnetId>", "<").unwrap();
                        return self.ec2("DeleteSubnet", &[("SubnetId", subnet)]).await.map(drop);
                    }
                    "routeTable.Route" | "routeTable.Association" => "DescribeRouteTables",
                    _ => "DescribeInternetGateways",
                };
                let found = parts(self, asked, vpc).await;
                if asked == "DescribeInternetGateways" {
                    let gateway = between(&found, "<internetGatewayId>", "<").unwrap();
                    let params = [("InternetGatewayId", gateway), ("VpcId", vpc)];
                    return self.ec2("DetachInternetGateway", &params).await.map(drop);
                }
                if path == "routeTable.Association" {
                    let all: Vec<&str> = found.split("<routeTableAssociationId>").skip(1).collect();
                    // The peer keeps the association of a subnet that is gone.
                    let subnets = subnets(self, vpc).await;
                    let is_subnets = |one: &&&str| {
                        let one = one.split("</item>").next().unwrap();
                        subnets.iter().any(|subnet| one.contains(subnet))
                    };
                    let one = all.iter().find(is_subnets).unwrap().split('<').next().unwrap();
                    return self.ec2("DisassociateRouteTable", &[("AssociationId", one)]).await.map(drop);
                }
                let tables: Vec<&str> = found.split("<routeTableId>").skip(1).collect();
                let table = tables.iter().find(|table| table.contains(">0.0.0.0/0<")).unwrap();
                let id = table.split('<').next().unwrap();
                let params = [("RouteTableId", id), ("DestinationCidrBlock", "0.0.0.0/0")];
                self.ec2("DeleteRoute", &params).await.map(drop)
            }
        }
    }
}

/// The security group of the deployment, and whether it accepts traffic of its members.
async fn group(peer: &Peer, vpc: &str) -> (String, bool) {
    let found = parts(peer, "DescribeSecurityGroups", vpc).await;
    let own = found.split("<ownerId>").find(|group| group.contains("<groupName>alien-")).unwrap();
    let id = between(own, "<groupId>", "<").unwrap().to_owned();
    let inbound = between(own, "<ipPermissions>", "</ipPermissions>").unwrap_or_default();
    (id.clone(), inbound.contains(&id))
}

pub(crate) async fn every_setting_is_told_or_the_customers(peer: &Peer) {
    insta::assert_snapshot!("settings_of_frozen_things", every_setting_is_set_back_or_the_customers(peer).await);
}
