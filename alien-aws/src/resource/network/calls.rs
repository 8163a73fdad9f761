//! The calls for a network.
//!
//! A network that the set-up creates is a VPC, a public subnet in each of two zones, a route table with a route to an
//! internet gateway, and a security group that accepts traffic only from its own members. The subnets are public so
//! that containers, which get public addresses, pull their images without a NAT gateway and its hourly price. Nothing
//! outside can reach them, because the security group does not allow it. A function never has a public address: in a
//! network it reaches only what is in the network
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html>). Half of the address range stays
//! free.
//!
//! AWS chooses the ids, so every part is found by its tags. The request that creates a part also tags it, and nothing
//! is tagged later, because our documents do not allow tagging what exists. So the fingerprint is on the part that is
//! created last, the security group, and counts only if the group has its one rule, which can only be added afterwards.
//! For the same reason a fingerprint cannot be renewed. Nothing is lost by that: all that a stack says about a network
//! is its address range, which AWS cannot change either.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use alien_core::adapter::{
    DeploymentContext, Foreign, Marks, Observed, Operate, Operation, Reconcile, Removal, ResultExt, State, Subject,
    field_drift, last,
};
use alien_core::{Data, Error, ErrorKind, Existing, Health, Heartbeat, Network, Result};
use async_trait::async_trait;

use crate::Aws;
use crate::client::{Clients, Context, Element};
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;

type Params = Vec<(String, String)>;
type Rows<'r> = &'r [&'static Operation<Scope>];

/// Every IPv4 address.
const ANY: &str = "0.0.0.0/0";

/// The filters that find parts by their tags.
const DEPLOYMENT: &str = "tag:alien-deployment";
const RESOURCE: &str = "tag:alien-resource";

/// A call that lists things: its operation, the list in its answer, and the field with an item's id.
#[derive(Clone, Copy)]
pub(super) struct List(&'static Operation<Scope>, &'static str, &'static str);

const VPCS: List = List(op::DESCRIBE_VPCS, "vpcSet", "vpcId");
const ZONES: List = List(op::DESCRIBE_ZONES, "availabilityZoneInfo", "zoneId");
const SUBNETS: List = List(op::DESCRIBE_SUBNETS, "subnetSet", "subnetId");
const GATEWAYS: List = List(op::DESCRIBE_INTERNET_GATEWAYS, "internetGatewaySet", "internetGatewayId");
pub(super) const TABLES: List = List(op::DESCRIBE_ROUTE_TABLES, "routeTableSet", "routeTableId");
const GROUPS: List = List(op::DESCRIBE_SECURITY_GROUPS, "securityGroupInfo", "groupId");

#[async_trait]
impl Reconcile<Aws, Clients> for Network {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let deployment = cx.deployment();
        let arn = |vpc: &str| Arns(deployment.target()).regional("ec2", &["vpc/", vpc]);
        if let Some(existing) = self.existing() {
            let vpc = &existing.id;
            let found = ask(cx, &[op::DESCRIBE_VPCS], &params(&[("VpcId.1", vpc)])).await.optional()?;
            if found.is_some_and(|found| found.items("vpcSet").next().is_some()) {
                if !existing.subnets.is_empty() {
                    existing_subnets(cx, existing).await?;
                }
                return Ok(Observed::Adopted { id: arn(vpc) });
            }
            let help = "give the id of one that exists, or leave out `existing` to have one created";
            let what = format!("there is no VPC `{vpc}` in {}; {help}", deployment.target().region);
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        let name = cx.full_name(Scope::NetworkTag)?;
        let vpcs = list(cx, VPCS, filters(&[(RESOURCE, name)])).await?;
        let own = vpcs.iter().find(|(_, vpc)| is_own(deployment, vpc));
        let Some((id, vpc)) = own.or(vpcs.first()) else { return Ok(Observed::Absent) };
        let group = match own {
            Some((id, _)) => list(cx, GROUPS, marked(deployment, cx.subject, Some(id))?).await?,
            None => Vec::new(),
        };
        let finished = group.iter().find(|(id, group)| has_rule(id, group));
        let owner = vpc.tags().filter(|(key, _)| *key == Marks::DEPLOYMENT);
        let finished = finished.iter().flat_map(|(_, group)| group.tags());
        let finished = finished.filter(|(key, _)| *key == Marks::FINGERPRINT);
        Ok(match Observed::marked(arn(id), deployment.owner(), owner.chain(finished)) {
            // No permission covers it: a VPC is known by its tag alone, so whoever may tag one that has none may tag
            // anybody's.
            Observed::Foreign(whose) if whose.id().is_some() => {
                let tag = format!("{}={}", Marks::DEPLOYMENT, deployment.id);
                let whose = format!("{whose} (if it is this deployment's, tag it and its parts with `{tag}` again)");
                Observed::Foreign(Foreign::of(whose))
            }
            // Only the admin may read the parts.
            observed @ Observed::Own { state: State::Finished(_), .. } if !cx.is_vendors() => {
                observed.drifted(drift(cx, id, self.range()).await?)
            }
            observed => observed,
        })
    }

    /// Creates the VPC. EC2 creates another one each time, so the call is repeated only if it certainly had no effect.
    /// A VPC that was created nevertheless is found by the next `observe`.
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let deployment = cx.deployment();
        let range = self.range();
        let name = cx.full_name(Scope::NetworkTag)?;
        let own = marked(deployment, cx.subject, None)?;
        if !list(cx, VPCS, own.clone()).await?.is_empty() {
            return Err(Error::new(ErrorKind::AlreadyExists, "a VPC with the deployment's tags already exists"));
        }
        let tags = tags("vpc", name, marks.ownership(name));
        let vpc = make(cx, &[op::CREATE_VPC, op::TAG_NETWORK], &[("CidrBlock", range)], tags, "vpc/vpcId").await?;
        // Lists show a new VPC only after a while
        // (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).
        cx.call(&[op::DESCRIBE_VPCS], || async {
            let found = cx.clients.ec2().call("DescribeVpcs", &own).await?;
            let listed = items(&found, VPCS).iter().any(|(id, _)| *id == vpc);
            if listed { Ok(()) } else { Err(Error::new(ErrorKind::Propagating, "the VPC is not listed yet")) }
        })
        .await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let deployment = cx.deployment();
        let range = self.range();
        let name = cx.full_name(Scope::NetworkTag)?;
        let found = list(cx, VPCS, marked(deployment, cx.subject, None)?).await?;
        let Some((vpc, found)) = found.into_iter().next() else {
            return Err(Error::new(ErrorKind::NotFound, "the VPC does not exist; set up again"));
        };
        let has = found.text("cidrBlock").ok_or_else(|| Error::missing_field("range of the VPC"))?;
        if has != range {
            let help = "take the change back, or add a network with another id";
            let what =
                format!("a network's range cannot be changed: it is `{has}`, and the stack says `{range}`; {help}");
            return Err(Error::new(ErrorKind::Rejected, what));
        }
        let within = marked(deployment, cx.subject, Some(&vpc))?;
        // Private DNS names of AWS endpoints, which a customer may add later, need DNS host names
        // (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>).
        change(cx, &[op::MODIFY_VPC], &[("VpcId", &vpc), ("EnableDnsHostnames.Value", "true")]).await?;
        let plan = Making { cx, marks, name, vpc: &vpc, within: &within };
        let subnets = plan.subnets(range).await?;
        let gateway = plan.gateway().await?;
        // Where traffic goes is set by whoever may redirect it.
        if cx.holds(op::CREATE_ROUTE) {
            plan.routes(&subnets, &gateway).await?;
            plan.group().await?;
        }
        Ok(())
    }

    /// Deletes every part in reverse order, and the VPC last: while it exists, a later run finds the rest.
    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let all = marked(cx.deployment(), cx.subject, None)?;
        for (vpc, _) in list(cx, VPCS, all.clone()).await? {
            let within = marked(cx.deployment(), cx.subject, Some(&vpc))?;
            for (group, _) in list(cx, GROUPS, within.clone()).await? {
                remove(cx, op::DELETE_SECURITY_GROUP, &[("GroupId", &group)]).await?;
            }
            let tables = list(cx, TABLES, within.clone()).await?;
            // An association also ends with its subnet.
            let ends = |_: &String| cx.holds(op::DISASSOCIATE_ROUTE_TABLE);
            let associated = tables.iter().flat_map(|(_, table)| associations(table, "routeTableAssociationId"));
            for association in associated.filter(ends) {
                remove(cx, op::DISASSOCIATE_ROUTE_TABLE, &[("AssociationId", &association)]).await?;
            }
            for (subnet, _) in list(cx, SUBNETS, within).await? {
                remove(cx, op::DELETE_SUBNET, &[("SubnetId", &subnet)]).await?;
            }
            for (table, _) in &tables {
                remove(cx, op::DELETE_ROUTE_TABLE, &[("RouteTableId", table)]).await?;
            }
            for (gateway, found) in list(cx, GATEWAYS, all.clone()).await? {
                let attached = found.items("attachmentSet").filter_map(|attachment| attachment.text("vpcId"));
                for vpc in attached {
                    let params = [("InternetGatewayId", gateway.as_str()), ("VpcId", vpc)];
                    remove(cx, op::DETACH_INTERNET_GATEWAY, &params).await?;
                }
                remove(cx, op::DELETE_INTERNET_GATEWAY, &[("InternetGatewayId", &gateway)]).await?;
            }
            remove(cx, op::DELETE_VPC, &[("VpcId", &vpc)]).await?;
        }
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Aws, Clients> for Network {
    /// The id of the VPC. During set-up it is looked up, because the id is recorded only afterwards.
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        let deployment = cx.deployment();
        if self.existing().is_none() && !deployment.ids.contains_key(cx.resource()?.id()) {
            return Ok(placement(cx, cx.subject).await?.vpc);
        }
        Ok(last(deployment.id_of(cx.subject)).to_owned())
    }

    /// Calls DescribeVpcAttribute: the only EC2 call that can be limited to one VPC.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let vpc = last(cx.deployment().id_of(cx.subject));
        let asked = params(&[("VpcId", vpc), ("Attribute", "enableDnsSupport")]);
        ask(cx, &[op::DESCRIBE_VPC_ATTRIBUTE], &asked).await?;
        Ok(Heartbeat::new(Health::Healthy, "it is there"))
    }
}

fn is_own(deployment: &DeploymentContext<Aws>, element: &Element) -> bool {
    let owner = element.tags().find(|(key, _)| *key == Marks::DEPLOYMENT);
    owner.is_some_and(|(_, found)| found.parse() == Ok(deployment.id))
}

/// What of the parts of a network is not as it was made, but for its security group.
async fn drift(cx: Context<'_>, vpc: &str, range: &str) -> Result<Option<String>> {
    let mut fields = Vec::new();
    let asked = params(&[("VpcId", vpc), ("Attribute", "enableDnsHostnames")]);
    let names = ask(cx, &[op::DESCRIBE_VPC_ATTRIBUTE], &asked).await?;
    if names.text("enableDnsHostnames/value") != Some("true") {
        fields.push("vpc.EnableDnsHostnames");
    }
    let within = marked(cx.deployment(), cx.subject, Some(vpc))?;
    let subnets = list(cx, SUBNETS, within.clone()).await?;
    let due = quarters(range)?;
    let is_due = |subnet: &Element| due.iter().any(|part| subnet.text("cidrBlock") == Some(part));
    let subnets: Vec<String> = subnets.into_iter().filter(|(_, subnet)| is_due(subnet)).map(|(id, _)| id).collect();
    if subnets.len() != due.len() {
        fields.push("subnets");
    }
    let gateways = list(cx, GATEWAYS, marked(cx.deployment(), cx.subject, None)?).await?;
    let gateway = gateways.first().filter(|(_, gateway)| is_attached(gateway, vpc)).map(|(id, _)| id.as_str());
    if gateway.is_none() {
        fields.push("internetGateway.Attachment");
    }
    let tables = list(cx, TABLES, within).await?;
    let table = tables.first().map(|(_, table)| table);
    let leads = |table: &Element| gateway.is_none_or(|gateway| has_route(table, gateway));
    if !table.is_some_and(leads) {
        fields.push("routeTable.Route");
    }
    let associated = table.map(|table| associations(table, "subnetId")).unwrap_or_default();
    if !subnets.iter().all(|subnet| associated.contains(subnet)) {
        fields.push("routeTable.Association");
    }
    Ok(field_drift(&fields))
}

/// Whether a route table has a route to a gateway, for all that is not in the network.
fn has_route(table: &Element, gateway: &str) -> bool {
    table.items("routeSet").any(|route| route.text("gatewayId") == Some(gateway))
}

/// Whether a security group accepts traffic from its own members.
fn has_rule(id: &str, group: &Element) -> bool {
    let mut sources = group.items("ipPermissions").flat_map(|rule| rule.items("groups"));
    sources.any(|source| source.text("groupId") == Some(id))
}

/// Creates the parts of one network, unless they exist.
struct Making<'a> {
    cx: Context<'a>,
    marks: &'a Marks,
    name: &'a str,
    vpc: &'a str,
    /// The filters of the parts in the VPC.
    within: &'a Params,
}

impl Making<'_> {
    fn tags(&self, sort: &str) -> Params {
        tags(sort, self.name, self.marks.ownership(self.name))
    }

    /// A subnet in each of two zones: the first two by zone id. Zone ids are the same in every account, and Fargate and
    /// Lambda run in the first ones
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html>).
    async fn subnets(&self, range: &str) -> Result<Vec<String>> {
        let Self { cx, vpc, .. } = *self;
        let found = list(cx, SUBNETS, self.within.clone()).await?;
        let zones = list(cx, ZONES, filters(&[("state", "available"), ("zone-type", "availability-zone")])).await?;
        let mut taken: BTreeSet<&str> = found.iter().filter_map(|(_, part)| part.text("availabilityZone")).collect();
        let mut subnets = Vec::new();
        for part in quarters(range)? {
            if let Some((id, _)) = found.iter().find(|(_, subnet)| subnet.text("cidrBlock") == Some(&part)) {
                subnets.push(id.clone());
                continue;
            }
            let free = zones.iter().filter_map(|(_, zone)| zone.text("zoneName")).find(|zone| !taken.contains(zone));
            let zone = free.ok_or_else(|| {
                Error::new(ErrorKind::Rejected, "the region has fewer than two usable zones; choose another region")
            })?;
            taken.insert(zone);
            let rows = [op::CREATE_SUBNET, op::CREATE_SUBNET_IN_VPC, op::TAG_NETWORK];
            let params = [("VpcId", vpc), ("CidrBlock", part.as_str()), ("AvailabilityZone", zone)];
            subnets.push(make(cx, &rows, &params, self.tags("subnet"), "subnet/subnetId").await?);
        }
        Ok(subnets)
    }

    async fn gateway(&self) -> Result<String> {
        let Self { cx, vpc, .. } = *self;
        let found = list(cx, GATEWAYS, marked(cx.deployment(), cx.subject, None)?).await?.into_iter().next();
        let attached = found.as_ref().is_some_and(|(_, gateway)| is_attached(gateway, vpc));
        let gateway = match found {
            Some((id, _)) => id,
            None => {
                let rows = [op::CREATE_INTERNET_GATEWAY, op::TAG_NETWORK];
                let id = "internetGateway/internetGatewayId";
                make(cx, &rows, &[], self.tags("internet-gateway"), id).await?
            }
        };
        if !attached {
            let params = [("InternetGatewayId", gateway.as_str()), ("VpcId", vpc)];
            change(cx, &[op::ATTACH_INTERNET_GATEWAY], &params).await.unless_exists()?;
        }
        Ok(gateway)
    }

    async fn routes(&self, subnets: &[String], gateway: &str) -> Result<()> {
        let Self { cx, vpc, .. } = *self;
        let found = list(cx, TABLES, self.within.clone()).await?.into_iter().next();
        let has_route = found.as_ref().is_some_and(|(_, table)| has_route(table, gateway));
        let associated: BTreeSet<String> =
            found.iter().flat_map(|(_, table)| associations(table, "subnetId")).collect();
        let table = match found {
            Some((id, _)) => id,
            None => {
                let rows = [op::CREATE_ROUTE_TABLE, op::CREATE_ROUTE_TABLE_IN_VPC, op::TAG_NETWORK];
                make(cx, &rows, &[("VpcId", vpc)], self.tags("route-table"), "routeTable/routeTableId").await?
            }
        };
        if !has_route {
            let params = [("RouteTableId", table.as_str()), ("DestinationCidrBlock", ANY), ("GatewayId", gateway)];
            change(cx, &[op::CREATE_ROUTE], &params).await.unless_exists()?;
        }
        for subnet in subnets.iter().filter(|subnet| !associated.contains(*subnet)) {
            let params = [("RouteTableId", table.as_str()), ("SubnetId", subnet.as_str())];
            change(cx, &[op::ASSOCIATE_ROUTE_TABLE], &params).await.unless_exists()?;
        }
        Ok(())
    }

    /// The security group, the part that is created last and carries the fingerprint. A new group allows all outbound
    /// and no inbound traffic.
    async fn group(&self) -> Result<()> {
        let Self { cx, vpc, name, marks, .. } = *self;
        let found = list(cx, GROUPS, self.within.clone()).await?.into_iter().next();
        let has_rule = found.as_ref().is_some_and(|(id, group)| has_rule(id, group));
        let group = match found {
            Some((id, _)) => id,
            None => {
                let rows = [op::CREATE_SECURITY_GROUP, op::CREATE_SECURITY_GROUP_IN_VPC, op::TAG_NETWORK];
                // The name of a group may not begin with `sg-`, but a prefix may
                // (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>).
                let group = format!("alien-{name}");
                let params =
                    [("VpcId", vpc), ("GroupName", &group), ("GroupDescription", "Lets in its own members only")];
                let [_, finished] = marks.finished();
                let tags = tags("security-group", name, marks.ownership(name).into_iter().chain([finished]));
                make(cx, &rows, &params, tags, "groupId").await?
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
        change(cx, &[op::AUTHORIZE_INGRESS], &params).await.unless_exists().map(drop)
    }
}

/// The subnets and security groups in which code is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
}

/// Where to place code in a network. For a network of the customer's: the subnets that the customer gave, else all of its
/// subnets, and its default security group.
pub(crate) async fn placement(cx: Context<'_>, network: Subject) -> Result<Placement> {
    let deployment = cx.deployment();
    let (subnets, groups) = match deployment.resource(network)?.existing() {
        Some(existing) => {
            let default = filters(&[("vpc-id", &existing.id), ("group-name", "default")]);
            (existing_subnets(cx, existing).await?, default)
        }
        None => {
            let own = marked(deployment, network, None)?;
            (list(cx, SUBNETS, own.clone()).await?, own)
        }
    };
    let groups = list(cx, GROUPS, groups).await?;
    let vpc = subnets.first().and_then(|(_, subnet)| subnet.text("vpcId"));
    let (Some(vpc), false) = (vpc.map(str::to_owned), groups.is_empty()) else {
        let name = deployment.subject_name(network);
        let what =
            format!("the network `{name}` has no subnet or no security group; add what is missing, and set up again");
        return Err(Error::new(ErrorKind::NotFound, what));
    };
    let ids = |parts: Vec<(String, Element)>| parts.into_iter().map(|(id, _)| id).take(super::MOST).collect();
    Ok(Placement { vpc, subnets: ids(subnets), security_groups: ids(groups) })
}

/// The subnets of a VPC of the customer's that code is placed in: those that were given, else all of them.
pub(super) async fn existing_subnets(
    cx: Context<'_>,
    Existing { id: vpc, subnets: given }: &Existing,
) -> Result<Vec<(String, Element)>> {
    let mut found = list(cx, SUBNETS, filters(&[("vpc-id", vpc)])).await?;
    if let Some(missing) = given.iter().find(|given| found.iter().all(|(id, _)| id != *given)) {
        let help = "give one that it has, or none to use all of them";
        return Err(Error::new(ErrorKind::NotFound, format!("the VPC `{vpc}` has no subnet `{missing}`; {help}")));
    }
    found.retain(|(id, _)| given.is_empty() || given.contains(id));
    Ok(found)
}

/// How the subnets that code is in differ from those that the customer gave for its network, if any were given: they can be
/// other ones at each set-up.
pub(crate) fn misplaced(cx: Context<'_>, network: Option<&str>, found: &[String]) -> Option<String> {
    let network = network.and_then(|id| cx.deployment().stack().resource(id));
    let given = network.and_then(|network| network.existing()).map(|existing| &existing.subnets)?;
    let same = found.iter().collect::<BTreeSet<_>>() == given.iter().collect();
    (!given.is_empty() && !same).then(|| format!("it is in the subnets {}", found.join(", ")))
}

/// The first two quarters of an address range.
fn quarters(range: &str) -> Result<[String; 2]> {
    let split = || {
        let (address, bits) = range.split_once('/')?;
        let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let bits = bits.parse::<u32>().ok()?.checked_add(2)?;
        let size = 1_u32.checked_shl(32_u32.checked_sub(bits)?)?;
        let subnet = |address: u32| format!("{}/{bits}", Ipv4Addr::from(address));
        Some([subnet(first), subnet(first.checked_add(size)?)])
    };
    split()
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("`{range}` is not an address range that can be split")))
}

fn is_attached(gateway: &Element, vpc: &str) -> bool {
    gateway.items("attachmentSet").any(|attachment| attachment.text("vpcId") == Some(vpc))
}

/// A field of each of a route table's associations with subnets.
fn associations(table: &Element, name: &str) -> Vec<String> {
    let explicit = table.items("associationSet").filter(|association| association.text("subnetId").is_some());
    explicit.filter_map(|association| association.text(name)).map(str::to_owned).collect()
}

fn params(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn filters(pairs: &[(&str, &str)]) -> Params {
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
fn marked(deployment: &DeploymentContext<Aws>, network: Subject, vpc: Option<&str>) -> Result<Params> {
    let id = deployment.id.to_string();
    let tags = [(DEPLOYMENT, id.as_str()), (RESOURCE, deployment.name(network, Scope::NetworkTag)?)];
    let pairs: Vec<_> = tags.into_iter().chain(vpc.map(|vpc| ("vpc-id", vpc))).collect();
    Ok(filters(&pairs))
}

/// The tags of a new part, with a `Name` for people.
fn tags(sort: &str, name: &str, marks: impl IntoIterator<Item = (&'static str, String)>) -> Params {
    let named = [("Name", name.to_owned())].into_iter().chain(marks);
    let mut params = vec![("TagSpecification.1.ResourceType".to_owned(), sort.to_owned())];
    for (number, (key, value)) in named.enumerate() {
        let tag = format!("TagSpecification.1.Tag.{}", number + 1);
        params.extend([(format!("{tag}.Key"), key.to_owned()), (format!("{tag}.Value"), value)]);
    }
    params
}

/// The EC2 action of a row, without the service.
fn action(rows: Rows<'_>) -> &'static str {
    let call = rows.first().map_or("", |row| row.call);
    call.strip_prefix("ec2:").unwrap_or(call)
}

async fn ask(cx: Context<'_>, rows: Rows<'_>, params: &Params) -> Result<Element> {
    cx.call(rows, || cx.clients.ec2().call(action(rows), params)).await
}

/// Lists things, sorted by id.
pub(super) async fn list(cx: Context<'_>, what: List, filters: Params) -> Result<Vec<(String, Element)>> {
    Ok(items(&ask(cx, &[what.0], &filters).await?, what))
}

fn items(answer: &Element, List(_, list, id): List) -> Vec<(String, Element)> {
    let items = answer.items(list).filter_map(|item| Some((item.text(id)?.to_owned(), item.clone())));
    let mut items: Vec<_> = items.collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    items
}

/// Creates a part and returns its id, found at a path of the answer. Parts that were just created or found may not have
/// propagated yet (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).
async fn make(cx: Context<'_>, rows: Rows<'_>, about: &[(&str, &str)], tags: Params, id: &str) -> Result<String> {
    let params = [params(about), tags].concat();
    let attempt = || async { cx.clients.ec2().call(action(rows), &params).await.propagating() };
    let made = cx.call_once(rows, attempt).await?;
    made.text(id).map(str::to_owned).ok_or_else(|| Error::missing_field("id of what was made"))
}

/// Changes a part.
async fn change(cx: Context<'_>, rows: Rows<'_>, about: &[(&str, &str)]) -> Result<()> {
    let params = params(about);
    cx.call(rows, || async { cx.clients.ec2().call(action(rows), &params).await.propagating() }).await.map(drop)
}

/// Deletes a part, unless it is gone. A part in use counts as busy; most often network interfaces of functions use it
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>).
async fn remove(cx: Context<'_>, row: &'static Operation<Scope>, about: &[(&str, &str)]) -> Result<()> {
    let removed = ask(cx, &[row], &params(about)).await.optional();
    removed.map(drop).map_err(|error| match error.kind() {
        ErrorKind::Busy => error.because(
            "AWS deletes network interfaces up to 20 minutes after their functions: take down again after that",
        ),
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
