//! Whether code of the deployment fits into a network of the customer's: free addresses, zones, and a way to the registry.

use alien_core::adapter::Subject;
use alien_core::{ErrorKind, Existing, Network, Problem, Resource, Result, Rule, Settings};

use super::MOST;
use super::calls::{TABLES, existing_subnets, filters, list};
use crate::client::{Context, Element};

/// Zones in which Fargate runs nothing
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html>).
const WITHOUT_FARGATE: &[&str] = &["use1-az3", "usw1-az2", "cac1-az3", "apne1-az3", "cnn1-az3"];

/// What is placed in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Needs {
    functions: usize,
    tasks: usize,
}

/// Checks the networks that the customer gave. A read that fails is no problem here: the set-up fails where it needs the answer.
pub(crate) async fn look(cx: Context<'_>) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let resources = cx.deployment().stack().resources();
    for (position, resource) in resources.iter().enumerate() {
        let Some(existing) = resource.settings_of::<Network>().and_then(Network::existing) else { continue };
        let cx = cx.about(Subject::Resource(position));
        match look_at(cx, resource, existing).await {
            Ok(found) => problems.extend(found.into_iter().map(|problem| problem.on(resource.id()))),
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Rejected) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(problems)
}

async fn look_at(cx: Context<'_>, network: &Resource, existing: &Existing) -> Result<Vec<Problem>> {
    let placed = |resource: &&Resource| {
        resource.settings().compute().is_some_and(|code| code.network == Some(network.id().as_str()))
    };
    let mut needs = Needs { functions: 0, tasks: 0 };
    for code in cx.deployment().stack().resources().iter().filter(placed) {
        match code.settings() {
            Settings::Container(container) => {
                needs.tasks += usize::try_from(container.replicas().min).unwrap_or(usize::MAX)
            }
            _ => needs.functions += 1,
        }
    }
    let subnets = existing_subnets(cx, existing).await?;
    let tables = list(cx, TABLES, filters(&[("vpc-id", &existing.id)])).await?;
    Ok(unfit(needs, &subnets, &tables))
}

fn unfit(needs: Needs, subnets: &[(String, Element)], tables: &[(String, Element)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut warn = |what: String, help: &str| problems.push(Problem::warning(Rule::Cloud, what, help.to_owned()));
    // Given ones are never more: see `Network::check`.
    if subnets.len() > MOST {
        let what = format!(
            "it has {} subnets, and Lambda and ECS take {MOST} at most: the code is placed in some",
            subnets.len()
        );
        warn(what, "name the subnets that it is to be placed in");
    }
    let subnets = subnets.get(..MOST).unwrap_or(subnets);
    let free = |subnet: &Element| subnet.text("availableIpAddressCount")?.parse::<usize>().ok();
    let free: Option<Vec<usize>> = subnets.iter().map(|(_, subnet)| free(subnet)).collect();
    // A task has an address of its own, and twice as many run during an update
    // (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html>); functions share interfaces
    // (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>).
    let wanted = needs.tasks.saturating_mul(2).saturating_add(needs.functions);
    if let Some(free) = free.map(|free| free.into_iter().fold(0, usize::saturating_add)).filter(|free| *free < wanted) {
        let what =
            format!("its subnets have {free} free addresses, and the code that is placed there takes up to {wanted}");
        warn(what, "give larger subnets, or more of them");
    }
    if needs.tasks == 0 {
        return problems;
    }
    let none = |(_, subnet): &&(String, Element)| {
        subnet.text("availabilityZoneId").is_some_and(|zone| WITHOUT_FARGATE.contains(&zone))
    };
    let names = |subnets: Vec<&(String, Element)>| {
        subnets.into_iter().map(|(id, _)| format!("`{id}`")).collect::<Vec<_>>().join(", ")
    };
    let without = names(subnets.iter().filter(none).collect());
    if !without.is_empty() {
        warn(format!("Fargate runs nothing in the zone of {without}"), "give subnets of other zones");
    }
    let inward = names(subnets.iter().filter(|(id, _)| !leads_out(id, tables)).collect());
    if !inward.is_empty() {
        // <https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html>
        let what =
            format!("{inward} have no route out of the VPC, by which tasks pull their images and write their logs");
        warn(
            what,
            "give subnets with a route to a gateway, or have endpoints there for `ecr.api`, `ecr.dkr`, `logs` and S3",
        );
    }
    problems
}

/// Whether the route table of a subnet, else the main one, leads out of the VPC
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html>).
fn leads_out(subnet: &str, tables: &[(String, Element)]) -> bool {
    let of = |matches: &dyn Fn(&Element) -> bool| {
        tables.iter().find(|(_, table)| table.items("associationSet").any(matches)).map(|(_, table)| table)
    };
    let own = of(&|association| association.text("subnetId") == Some(subnet));
    let Some(table) = own.or_else(|| of(&|association| association.text("main") == Some("true"))) else { return true };
    table.items("routeSet").any(|route| {
        route.text("destinationCidrBlock") == Some("0.0.0.0/0") && route.text("state") != Some("blackhole")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(xml: &str, list: &str, id: &str) -> Vec<(String, Element)> {
        let answer = Element::parse(xml).unwrap();
        answer.items(list).map(|item| (item.text(id).unwrap().to_owned(), item.clone())).collect()
    }

    #[test]
    fn a_network_in_which_code_does_not_fit_is_told() {
        let subnets = items(
            "<A><subnetSet>
               <item><subnetId>subnet-a</subnetId><availabilityZoneId>use1-az1</availabilityZoneId>
                 <availableIpAddressCount>3</availableIpAddressCount></item>
               <item><subnetId>subnet-b</subnetId><availabilityZoneId>use1-az3</availabilityZoneId>
                 <availableIpAddressCount>2</availableIpAddressCount></item>
             </subnetSet></A>",
            "subnetSet",
            "subnetId",
        );
        let tables = items(
            "<A><routeTableSet>
               <item><routeTableId>rtb-1</routeTableId>
                 <routeSet><item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><state>active</state></item></routeSet>
                 <associationSet><item><main>true</main></item></associationSet></item>
               <item><routeTableId>rtb-2</routeTableId>
                 <routeSet><item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><natGatewayId>nat-1</natGatewayId>
                   <state>active</state></item></routeSet>
                 <associationSet><item><subnetId>subnet-b</subnetId><main>false</main></item></associationSet></item>
             </routeTableSet></A>",
            "routeTableSet",
            "routeTableId",
        );
        let told = |functions, tasks| {
            let problems = unfit(Needs { functions, tasks }, &subnets, &tables);
            problems.into_iter().map(|problem| problem.what).collect::<Vec<_>>()
        };
        assert_eq!(
            told(0, 3),
            [
                "its subnets have 5 free addresses, and the code that is placed there takes up to 6",
                "Fargate runs nothing in the zone of `subnet-b`",
                "`subnet-a` have no route out of the VPC, by which tasks pull their images and write their logs",
            ]
        );
        let many: Vec<(String, Element)> = subnets.iter().cycle().take(17).cloned().collect();
        let told_of_many = |count: usize| unfit(Needs { functions: 1, tasks: 0 }, &many[..count], &tables);
        assert_eq!(told_of_many(16), []);
        let what = "it has 17 subnets, and Lambda and ECS take 16 at most: the code is placed in some";
        assert_eq!(told_of_many(17).first().map(|problem| problem.what.as_str()), Some(what));
        assert_eq!(told(5, 0), Vec::<String>::new());
        assert_eq!(told(6, 0).len(), 1);
    }
}
