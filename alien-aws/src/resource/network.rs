//! `network`: a VPC with a public subnet in each of two zones, a route table, an internet gateway and a security group;
//! or a VPC of the customer's.
//!
//! A subnet of the customer's is given by its id, `subnet-…`, and must be in that VPC. Code is placed in the subnets that are
//! given, else in all that the VPC has, with the VPC's default security group in either case.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod fit;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Existing, Network, Problem, Rule, Set};

use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of an EC2 resource. It is the value of a tag, which has at most 256 characters
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>).
const MAX: usize = 255;

/// The most subnets that Lambda and ECS take
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
const MOST: usize = 16;

/// The kinds of parts of a network.
const PARTS: [&str; 5] = ["vpc/*", "subnet/*", "security-group/*", "route-table/*", "internet-gateway/*"];

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Operations_Amazon_Elastic_Compute_Cloud.html>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&[
        "vpc.EnableDnsHostnames",
        "subnets",
        "internetGateway.Attachment",
        "routeTable.Route",
        "routeTable.Association",
        "securityGroup",
        "securityGroup.IpPermissions",
    ]),
    Settings::customers(
        "who else reaches it and whom it reaches, by more rules, routes, peerings, endpoints and access control lists",
        &["securityGroup.IpPermissions[]", "securityGroup.IpPermissionsEgress", "routeTable.Route[]", "networkAcl"],
    ),
    Settings::customers("which addresses what starts in it has", &["subnet.MapPublicIpOnLaunch"]),
    Settings::customers("what is logged of its traffic", &["flowLogs"]),
];

impl On<Aws> for Network {
    /// Management gets no more than heartbeat: routes and security group rules can redirect traffic.
    fn set(set: Set) -> Rows<Aws> {
        match set {
            Set::Heartbeat => &[op::DESCRIBE_VPC_ATTRIBUTE],
            Set::Provision => &[
                op::CREATE_VPC,
                op::CREATE_SUBNET,
                op::CREATE_SUBNET_IN_VPC,
                op::CREATE_SECURITY_GROUP,
                op::CREATE_SECURITY_GROUP_IN_VPC,
                op::CREATE_ROUTE_TABLE,
                op::CREATE_ROUTE_TABLE_IN_VPC,
                op::CREATE_INTERNET_GATEWAY,
                op::TAG_NETWORK,
                op::MODIFY_VPC,
                op::ATTACH_INTERNET_GATEWAY,
                op::DETACH_INTERNET_GATEWAY,
                op::DELETE_VPC,
                op::DELETE_SUBNET,
                op::DELETE_SECURITY_GROUP,
                op::DELETE_ROUTE_TABLE,
                op::DELETE_INTERNET_GATEWAY,
                op::DESCRIBE_VPCS,
                op::DESCRIBE_ZONES,
                op::DESCRIBE_SUBNETS,
                op::DESCRIBE_SECURITY_GROUPS,
                op::DESCRIBE_ROUTE_TABLES,
                op::DESCRIBE_INTERNET_GATEWAYS,
            ],
            Set::Reconfigure => {
                &[op::CREATE_ROUTE, op::ASSOCIATE_ROUTE_TABLE, op::DISASSOCIATE_ROUTE_TABLE, op::AUTHORIZE_INGRESS]
            }
            // A network of the customer's is looked at as well.
            Set::Setup => &[
                op::DESCRIBE_VPCS,
                op::DESCRIBE_ZONES,
                op::DESCRIBE_SUBNETS,
                op::DESCRIBE_SECURITY_GROUPS,
                op::DESCRIBE_ROUTE_TABLES,
                op::DESCRIBE_INTERNET_GATEWAYS,
            ],
            Set::Management | Set::Logs | Set::Dispatch | Set::DataRead | Set::DataWrite | Set::Invoke | Set::Run => {
                &[]
            }
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
        let (arns, id) = (Arns(placed.target), placed.id());
        if let Some(vpc) = self.existing().map(|existing| existing.id.as_str()) {
            things.push((Scope::Vpc, arns.regional("ec2", &["vpc/", vpc])));
            return;
        }
        // AWS chooses the id of a new VPC. Until then, people see its name in place of the id, and documents identify
        // it by its tag.
        let name = arns.physical(id, MAX);
        things.push((Scope::NetworkId, arns.regional("ec2", &["vpc/", &name])));
        things.push((Scope::Vpc, arns.regional("ec2", &["vpc/*"])));
        for part in PARTS {
            let arn = arns.regional("ec2", &[part]);
            things.extend([Scope::NetworkNew, Scope::NetworkTagging].map(|scope| (scope, arn.clone())));
            things.push((Scope::NetworkOwn, arn));
        }
        things.push((Scope::NetworkTag, name));
    }

    /// Checks the ids that the customer gives, and how many subnets there are.
    fn check(&self, _: &Placed<'_, Aws>, problems: &mut Vec<Problem>) {
        let Some(Existing { id: vpc, subnets }) = self.existing() else { return };
        let is_id = |text: &str, begin: &str| {
            text.strip_prefix(begin).is_some_and(|hex| {
                matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            })
        };
        if !is_id(vpc, "vpc-") {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("`{vpc}` is not the id of a VPC"),
                "write `vpc-` and its 8 or 17 hexadecimal digits".to_owned(),
            ));
        }
        for subnet in subnets.iter().filter(|subnet| !is_id(subnet, "subnet-")) {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("`{subnet}` is not the id of a subnet"),
                "write `subnet-` and its 8 or 17 hexadecimal digits".to_owned(),
            ));
        }
        if subnets.len() > MOST {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("{} subnets are given, and Lambda and ECS take {MOST} at most", subnets.len()),
                "leave some of them out".to_owned(),
            ));
        }
    }
}
