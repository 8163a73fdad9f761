//! The calls of a network.
//!
//! A network that the set-up makes is a VPC, a public subnet in two zones, a route table with a route to an internet
//! gateway, and a security group that lets in only its own members. The subnets are public so that containers, which get
//! public addresses, fetch their images without a NAT gateway and its price by the hour; nobody outside reaches them,
//! because the security group does not let them in. A function never has a public address: in a network it reaches what
//! is in the network, and nothing else (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html>).
//! Half of the range is left free.
//!
//! Ids are AWS's to choose, so every part is found by its tags, which are given by the request that makes it and never
//! after: our documents allow no tagging of what is there. So the seal is on the part that is made last, the security
//! group, and it counts when the group has its one rule, which can only be added afterwards. For the same reason a seal
//! cannot be renewed. Nothing is lost: all that a stack says of a network is its range, which AWS cannot change either.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use alien_core::OrAbsent;
use alien_core::call::last;
use alien_core::cloud::Operation;
use alien_core::engine::mark::{ownership, seal};
use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Health, Heartbeat};
use alien_core::permission::Subject;
use alien_core::resource::Settings;
use alien_core::{Error, ErrorKind, Network, Result, Site};

use crate::Aws;
use crate::client::{At, Element, tag};
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Place;

type Params = Vec<(String, String)>;
type Rows<'r> = &'r [&'static Operation<Place>];

/// Everywhere.
const ANY: &str = "0.0.0.0/0";

/// The filters that tell things apart by their tags.
const DEPLOYMENT: &str = "tag:alien-deployment";
const RESOURCE: &str = "tag:alien-resource";

/// A call that lists things: its row, the list in its answer, and what an item of it calls its id.
#[derive(Clone, Copy)]
struct List(&'static Operation<Place>, &'static str, &'static str);

const VPCS: List = List(op::DESCRIBE_VPCS, "vpcSet", "vpcId");
const ZONES: List = List(op::DESCRIBE_ZONES, "availabilityZoneInfo", "zoneId");
const SUBNETS: List = List(op::DESCRIBE_SUBNETS, "subnetSet", "subnetId");
const GATEWAYS: List = List(op::DESCRIBE_INTERNET_GATEWAYS, "internetGatewaySet", "internetGatewayId");
const TABLES: List = List(op::DESCRIBE_ROUTE_TABLES, "routeTableSet", "routeTableId");
const GROUPS: List = List(op::DESCRIBE_SECURITY_GROUPS, "securityGroupInfo", "groupId");

fn settings(site: &Site<Aws>, subject: Subject) -> Result<&Network> {
    match site.resource(subject)?.settings() {
        Settings::Network(network) => Ok(network),
        _ => Err(Error::new(ErrorKind::Defect, "no network")),
    }
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let site = at.site();
    let arn = |vpc: &str| Arns(&site.target).regional("ec2", &["vpc/", vpc]);
    if let Some(vpc) = settings(site, at.subject)?.existing_name() {
        let found = ask(at, &[op::DESCRIBE_VPCS], &params(&[("VpcId.1", vpc)])).await.or_absent()?;
        if found.is_some_and(|found| found.items("vpcSet").next().is_some()) {
            return Ok(Observed::Adopted { id: arn(vpc) });
        }
        let help = "give the id of one that is there, or leave `existing` out to have one made";
        let what = format!("there is no VPC `{vpc}` in {}; {help}", site.target.region);
        return Err(Error::new(ErrorKind::Missing, what));
    }
    let name = at.full_name(Place::NetworkTag)?;
    let vpcs = list(at, VPCS, filters(&[(RESOURCE, name)])).await?;
    let own = vpcs.iter().find(|(_, vpc)| is_own(site, vpc));
    let Some((id, vpc)) = own.or(vpcs.first()) else { return Ok(Observed::Absent) };
    let group = match own {
        Some((id, _)) => list(at, GROUPS, marked(site, at.subject, Some(id))?).await?,
        None => Vec::new(),
    };
    let finished = group.iter().find(|(id, group)| has_rule(id, group));
    let seal = finished.and_then(|(_, group)| tagged(group, tag::SEAL));
    Ok(Observed::marked(arn(id), site.id, tagged(vpc, tag::DEPLOYMENT), seal))
}

fn tagged<'e>(element: &'e Element, key: &str) -> Option<&'e str> {
    element.tags().find(|(found, _)| *found == key).map(|(_, value)| value)
}

fn is_own(site: &Site<Aws>, element: &Element) -> bool {
    tagged(element, tag::DEPLOYMENT).is_some_and(|found| found.parse() == Ok(site.id))
}

/// Whether the members of a security group are let in to each other.
fn has_rule(id: &str, group: &Element) -> bool {
    let mut sources = group.items("ipPermissions").flat_map(|rule| rule.items("groups"));
    sources.any(|source| source.text("groupId") == Some(id))
}

/// Makes the VPC. EC2 makes another one each time it is asked, so the call is not made again unless it certainly did
/// nothing; what it made all the same, the next look finds.
pub(crate) async fn create(at: At<'_>, marks: &Marks) -> Result<()> {
    let site = at.site();
    let range = settings(site, at.subject)?.range();
    let name = at.full_name(Place::NetworkTag)?;
    let own = marked(site, at.subject, None)?;
    if !list(at, VPCS, own.clone()).await?.is_empty() {
        return Err(Error::new(ErrorKind::Exists, "there is a VPC with the deployment's tags"));
    }
    let tags = tags("vpc", name, ownership(marks, name));
    let vpc = make(at, &[op::CREATE_VPC, op::TAG_NETWORK], &[("CidrBlock", range)], tags, "vpc/vpcId").await?;
    // Lists show it a little later (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).
    at.call(&[op::DESCRIBE_VPCS], || async {
        let found = at.clients.ec2.call("DescribeVpcs", &own).await?;
        let listed = items(&found, VPCS).iter().any(|(id, _)| *id == vpc);
        if listed { Ok(()) } else { Err(Error::new(ErrorKind::Settling, "the VPC is not listed yet")) }
    })
    .await
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    let site = at.site();
    let range = settings(site, at.subject)?.range();
    let name = at.full_name(Place::NetworkTag)?;
    let found = list(at, VPCS, marked(site, at.subject, None)?).await?;
    let Some((vpc, found)) = found.into_iter().next() else {
        return Err(Error::new(ErrorKind::Missing, "the VPC is not there; set up again"));
    };
    let has = found.text("cidrBlock").ok_or_else(|| Error::lacking("range of the VPC"))?;
    if has != range {
        let help = "take the change back, or add a network with another id";
        let what = format!("a network's range cannot be changed: it is {has}, and the stack says {range}; {help}");
        return Err(Error::new(ErrorKind::Refused, what));
    }
    let within = marked(site, at.subject, Some(&vpc))?;
    // Endpoints of AWS's services that a customer adds later take their services' names only so
    // (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>).
    change(at, &[op::MODIFY_VPC], &[("VpcId", &vpc), ("EnableDnsHostnames.Value", "true")]).await?;
    let plan = Making { at, marks, name, vpc: &vpc, within: &within };
    let subnets = plan.subnets(range).await?;
    let gateway = plan.gateway().await?;
    plan.routes(&subnets, &gateway).await?;
    plan.group().await
}

/// The parts of one network that are being made: each is looked for first.
struct Making<'a> {
    at: At<'a>,
    marks: &'a Marks,
    name: &'a str,
    vpc: &'a str,
    /// The filters of the parts that stand in the VPC.
    within: &'a Params,
}

impl Making<'_> {
    fn tags(&self, sort: &str) -> Params {
        tags(sort, self.name, ownership(self.marks, self.name))
    }

    /// A subnet in each of two zones: the first two by their ids, which are the same in every account and begin with
    /// those where Fargate and Lambda run
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html>).
    async fn subnets(&self, range: &str) -> Result<Vec<String>> {
        let Self { at, vpc, .. } = *self;
        let found = list(at, SUBNETS, self.within.clone()).await?;
        let zones = list(at, ZONES, filters(&[("state", "available"), ("zone-type", "availability-zone")])).await?;
        let mut taken: BTreeSet<&str> = found.iter().filter_map(|(_, part)| part.text("availabilityZone")).collect();
        let mut subnets = Vec::new();
        for part in quarters(range)? {
            if let Some((id, _)) = found.iter().find(|(_, subnet)| subnet.text("cidrBlock") == Some(&part)) {
                subnets.push(id.clone());
                continue;
            }
            let free = zones.iter().filter_map(|(_, zone)| zone.text("zoneName")).find(|zone| !taken.contains(zone));
            let zone = free.ok_or_else(|| Error::new(ErrorKind::Refused, "the region has no two zones to use"))?;
            taken.insert(zone);
            let rows = [op::CREATE_SUBNET, op::CREATE_SUBNET_IN_VPC, op::TAG_NETWORK];
            let params = [("VpcId", vpc), ("CidrBlock", part.as_str()), ("AvailabilityZone", zone)];
            subnets.push(make(at, &rows, &params, self.tags("subnet"), "subnet/subnetId").await?);
        }
        Ok(subnets)
    }

    async fn gateway(&self) -> Result<String> {
        let Self { at, vpc, .. } = *self;
        let found = list(at, GATEWAYS, marked(at.site(), at.subject, None)?).await?.into_iter().next();
        let attached = found.as_ref().is_some_and(|(_, gateway)| is_attached(gateway, vpc));
        let gateway = match found {
            Some((id, _)) => id,
            None => {
                let rows = [op::CREATE_INTERNET_GATEWAY, op::TAG_NETWORK];
                let id = "internetGateway/internetGatewayId";
                make(at, &rows, &[], self.tags("internet-gateway"), id).await?
            }
        };
        if !attached {
            let params = [("InternetGatewayId", gateway.as_str()), ("VpcId", vpc)];
            there(change(at, &[op::ATTACH_INTERNET_GATEWAY], &params).await)?;
        }
        Ok(gateway)
    }

    async fn routes(&self, subnets: &[String], gateway: &str) -> Result<()> {
        let Self { at, vpc, .. } = *self;
        let found = list(at, TABLES, self.within.clone()).await?.into_iter().next();
        let has_route = found
            .as_ref()
            .is_some_and(|(_, table)| table.items("routeSet").any(|route| route.text("gatewayId") == Some(gateway)));
        let associated: BTreeSet<String> =
            found.iter().flat_map(|(_, table)| associations(table, "subnetId")).collect();
        let table = match found {
            Some((id, _)) => id,
            None => {
                let rows = [op::CREATE_ROUTE_TABLE, op::CREATE_ROUTE_TABLE_IN_VPC, op::TAG_NETWORK];
                make(at, &rows, &[("VpcId", vpc)], self.tags("route-table"), "routeTable/routeTableId").await?
            }
        };
        if !has_route {
            let params = [("RouteTableId", table.as_str()), ("DestinationCidrBlock", ANY), ("GatewayId", gateway)];
            there(change(at, &[op::CREATE_ROUTE], &params).await)?;
        }
        for subnet in subnets.iter().filter(|subnet| !associated.contains(*subnet)) {
            let params = [("RouteTableId", table.as_str()), ("SubnetId", subnet.as_str())];
            there(change(at, &[op::ASSOCIATE_ROUTE_TABLE], &params).await)?;
        }
        Ok(())
    }

    /// The part that is made last and carries the seal. A new group lets everything out and nothing in.
    async fn group(&self) -> Result<()> {
        let Self { at, vpc, name, marks, .. } = *self;
        let found = list(at, GROUPS, self.within.clone()).await?.into_iter().next();
        let has_rule = found.as_ref().is_some_and(|(id, group)| has_rule(id, group));
        let group = match found {
            Some((id, _)) => id,
            None => {
                let rows = [op::CREATE_SECURITY_GROUP, op::CREATE_SECURITY_GROUP_IN_VPC, op::TAG_NETWORK];
                // No name of a group may begin with `sg-`, and a prefix may
                // (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>).
                let group = format!("alien-{name}");
                let params =
                    [("VpcId", vpc), ("GroupName", &group), ("GroupDescription", "Lets in its own members only")];
                let [_, sealed] = seal(marks);
                let tags = tags("security-group", name, ownership(marks, name).into_iter().chain([sealed]));
                make(at, &rows, &params, tags, "groupId").await?
            }
        };
        if has_rule {
            return Ok(());
        }
        let params = [
            ("GroupId", group.as_str()),
            ("IpPermissions.1.IpProtocol", "-1"),
            ("IpPermissions.1.Groups.1.GroupId", group.as_str()),
        ];
        there(change(at, &[op::AUTHORIZE_INGRESS], &params).await)
    }
}

/// Removes every part, in the reverse order, and the VPC last: while it stands, a later run finds the rest.
pub(crate) async fn delete(at: At<'_>, _: Data) -> Result<Removal> {
    let all = marked(at.site(), at.subject, None)?;
    for (vpc, _) in list(at, VPCS, all.clone()).await? {
        let within = marked(at.site(), at.subject, Some(&vpc))?;
        for (group, _) in list(at, GROUPS, within.clone()).await? {
            remove(at, op::DELETE_SECURITY_GROUP, &[("GroupId", &group)]).await?;
        }
        let tables = list(at, TABLES, within.clone()).await?;
        for association in tables.iter().flat_map(|(_, table)| associations(table, "routeTableAssociationId")) {
            remove(at, op::DISASSOCIATE_ROUTE_TABLE, &[("AssociationId", &association)]).await?;
        }
        for (subnet, _) in list(at, SUBNETS, within).await? {
            remove(at, op::DELETE_SUBNET, &[("SubnetId", &subnet)]).await?;
        }
        for (table, _) in &tables {
            remove(at, op::DELETE_ROUTE_TABLE, &[("RouteTableId", table)]).await?;
        }
        for (gateway, found) in list(at, GATEWAYS, all.clone()).await? {
            let attached = found.items("attachmentSet").filter_map(|attachment| attachment.text("vpcId"));
            for vpc in attached {
                let params = [("InternetGatewayId", gateway.as_str()), ("VpcId", vpc)];
                remove(at, op::DETACH_INTERNET_GATEWAY, &params).await?;
            }
            remove(at, op::DELETE_INTERNET_GATEWAY, &[("InternetGatewayId", &gateway)]).await?;
        }
        remove(at, op::DELETE_VPC, &[("VpcId", &vpc)]).await?;
    }
    Ok(Removal::Gone)
}

/// Asks for one attribute of the VPC: the only call of EC2 that looks at a VPC and at no other.
pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    let vpc = last(at.site().id_of(at.subject));
    let asked = params(&[("VpcId", vpc), ("Attribute", "enableDnsSupport")]);
    ask(at, &[op::DESCRIBE_VPC_ATTRIBUTE], &asked).await?;
    Ok(Heartbeat::new(Health::Healthy, "it is there"))
}

/// Where in a network code is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
}

/// Lambda and ECS take so many subnets
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
const MOST: usize = 16;

/// Where code that `at` is about is placed in a network. One of the customer's gives all its subnets and its default
/// security group.
pub(crate) async fn placement(at: At<'_>, network: Subject) -> Result<Placement> {
    let site = at.site();
    let existing = settings(site, network)?.existing_name();
    let (subnets, groups) = match existing {
        Some(vpc) => (filters(&[("vpc-id", vpc)]), filters(&[("vpc-id", vpc), ("group-name", "default")])),
        None => {
            let own = marked(site, network, None)?;
            (own.clone(), own)
        }
    };
    let subnets = list(at, SUBNETS, subnets).await?;
    let groups = list(at, GROUPS, groups).await?;
    let vpc = subnets.first().and_then(|(_, subnet)| subnet.text("vpcId"));
    let (Some(vpc), false) = (vpc.map(str::to_owned), groups.is_empty()) else {
        let name = site.subject_name(network);
        let what = format!("the network `{name}` has no subnet or no security group; mend it, and set up again");
        return Err(Error::new(ErrorKind::Missing, what));
    };
    let ids = |parts: Vec<(String, Element)>| parts.into_iter().map(|(id, _)| id).take(MOST).collect();
    Ok(Placement { vpc, subnets: ids(subnets), security_groups: ids(groups) })
}

/// The first two quarters of a range.
fn quarters(range: &str) -> Result<[String; 2]> {
    let split = || {
        let (address, bits) = range.split_once('/')?;
        let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let bits = bits.parse::<u32>().ok()?.checked_add(2)?;
        let size = 1_u32.checked_shl(32_u32.checked_sub(bits)?)?;
        let subnet = |address: u32| format!("{}/{bits}", Ipv4Addr::from(address));
        Some([subnet(first), subnet(first.checked_add(size)?)])
    };
    split().ok_or_else(|| Error::new(ErrorKind::Defect, format!("`{range}` is no range")))
}

fn is_attached(gateway: &Element, vpc: &str) -> bool {
    gateway.items("attachmentSet").any(|attachment| attachment.text("vpcId") == Some(vpc))
}

/// What a route table's associations with subnets have under a name.
fn associations(table: &Element, name: &str) -> Vec<String> {
    let explicit = table.items("associationSet").filter(|association| association.text("subnetId").is_some());
    explicit.filter_map(|association| association.text(name)).map(str::to_owned).collect()
}

fn params(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn filters(pairs: &[(&str, &str)]) -> Params {
    let filter = |(number, (name, value)): (usize, &(&str, &str))| {
        let number = number + 1;
        [
            (format!("Filter.{number}.Name"), (*name).to_owned()),
            (format!("Filter.{number}.Value.1"), (*value).to_owned()),
        ]
    };
    pairs.iter().enumerate().flat_map(filter).collect()
}

/// The filters of a network's own parts: all of them, or those in a VPC.
fn marked(site: &Site<Aws>, network: Subject, vpc: Option<&str>) -> Result<Params> {
    let deployment = site.id.to_string();
    let tags = [(DEPLOYMENT, deployment.as_str()), (RESOURCE, site.name(network, Place::NetworkTag)?)];
    let pairs: Vec<_> = tags.into_iter().chain(vpc.map(|vpc| ("vpc-id", vpc))).collect();
    Ok(filters(&pairs))
}

/// The tags that a part is made with, and its name for people.
fn tags(sort: &str, name: &str, marks: impl IntoIterator<Item = (&'static str, String)>) -> Params {
    let named = [("Name", name.to_owned())].into_iter().chain(marks);
    let mut params = vec![("TagSpecification.1.ResourceType".to_owned(), sort.to_owned())];
    for (number, (key, value)) in named.enumerate() {
        let tag = format!("TagSpecification.1.Tag.{}", number + 1);
        params.extend([(format!("{tag}.Key"), key.to_owned()), (format!("{tag}.Value"), value)]);
    }
    params
}

/// The action that a row is of.
fn action(rows: Rows<'_>) -> &'static str {
    let call = rows.first().map_or("", |row| row.call);
    call.strip_prefix("ec2:").unwrap_or(call)
}

async fn ask(at: At<'_>, rows: Rows<'_>, params: &Params) -> Result<Element> {
    at.call(rows, || at.clients.ec2.call(action(rows), params)).await
}

/// Lists things, in order of their ids.
async fn list(at: At<'_>, what: List, filters: Params) -> Result<Vec<(String, Element)>> {
    Ok(items(&ask(at, &[what.0], &filters).await?, what))
}

fn items(answer: &Element, List(_, list, id): List) -> Vec<(String, Element)> {
    let items = answer.items(list).filter_map(|item| Some((item.text(id)?.to_owned(), item.clone())));
    let mut items: Vec<_> = items.collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    items
}

/// Makes a part. Gives its id, which stands at a path of the answer.
async fn make(at: At<'_>, rows: Rows<'_>, about: &[(&str, &str)], tags: Params, id: &str) -> Result<String> {
    let params = [params(about), tags].concat();
    let attempt = || async { at.clients.ec2.call(action(rows), &params).await.map_err(not_known_yet) };
    let made = at.call.call_once(at.subject, rows, attempt).await?;
    made.text(id).map(str::to_owned).ok_or_else(|| Error::lacking("id of what was made"))
}

/// Changes a part.
async fn change(at: At<'_>, rows: Rows<'_>, about: &[(&str, &str)]) -> Result<()> {
    let params = params(about);
    at.call(rows, || async { at.clients.ec2.call(action(rows), &params).await.map_err(not_known_yet) }).await.map(drop)
}

/// Parts that were just made or found are not known everywhere yet
/// (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).
fn not_known_yet(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Missing => error.with_kind(ErrorKind::Settling),
        _ => error,
    }
}

/// What is so already needs no change.
fn there(changed: Result<()>) -> Result<()> {
    match changed {
        Err(error) if error.kind() == ErrorKind::Exists => Ok(()),
        changed => changed,
    }
}

/// Removes a part, unless it is gone. While something is in it, it counts as busy: most often the network interfaces of
/// functions (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>).
async fn remove(at: At<'_>, row: &'static Operation<Place>, about: &[(&str, &str)]) -> Result<()> {
    let removed = ask(at, &[row], &params(about)).await.or_absent();
    removed.map(drop).map_err(|error| match error.kind() {
        ErrorKind::Busy => {
            error.because("network interfaces of functions go up to 20 minutes after them: take down again then")
        }
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_subnets_take_half_of_the_range() {
        assert_eq!(quarters("10.0.0.0/16").unwrap(), ["10.0.0.0/18", "10.0.64.0/18"]);
        assert_eq!(quarters("192.168.7.0/24").unwrap(), ["192.168.7.0/26", "192.168.7.64/26"]);
        assert!(quarters("10.0.0.0").is_err());
    }
}
