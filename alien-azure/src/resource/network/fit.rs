//! Checks that the customer's subnets let environments reach the registry.

use alien_core::adapter::{Operation, Subject};
use alien_core::{ErrorKind, Network, Problem, Result, Rule};
use serde_json::Value;

use super::calls::{look, needed};
use crate::client::Context;
use crate::operations as op;
use crate::operations::Scope;

/// Warns where an environment in a network of the customer's cannot pull its images, because the subnet's route table drops what leaves,
/// or its security group denies it. Container Apps reaches registries through the subnet
/// (<https://learn.microsoft.com/azure/container-apps/firewall-integration>).
///
/// Skips a route table or a security group that the admin may not read: both are the customer's own, may be in any resource group, and
/// are in no provisioning document.
pub(crate) async fn warned(cx: Context<'_>) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for (position, resource) in cx.deployment().stack().resources().iter().enumerate() {
        if resource.settings_of::<Network>().and_then(Network::existing).is_none() {
            continue;
        }
        let of = cx.about(Subject::Resource(position));
        let Some(found) = unless_unread(look(of).await)? else { continue };
        for name in needed(of)? {
            let Some(subnet) = found.subnet(name) else { continue };
            let table = read(cx, subnet, "/properties/routeTable/id", op::GET_ROUTE_TABLE).await?;
            let group = read(cx, subnet, "/properties/networkSecurityGroup/id", op::GET_SECURITY_GROUP).await?;
            let why = [
                table
                    .as_ref()
                    .filter(|table| leads_nowhere(table))
                    .map(|_| "route table drops what leaves it: 0.0.0.0/0 goes to `None`"),
                group
                    .as_ref()
                    .filter(|group| lets_nothing_out(group))
                    .map(|_| "security group lets nothing out by TCP 443"),
            ];
            problems.extend(why.into_iter().flatten().map(|why| {
                let what = format!("its subnet `{name}` may have no way to the registry: its {why}");
                let help = "let TCP 443 out to the registry of the images, and to the service tags `MicrosoftContainerRegistry`, \
                            `AzureFrontDoor.FirstParty`, `AzureActiveDirectory` and `AzureMonitor`";
                Problem::warning(Rule::Cloud, what, help.to_owned()).on(resource.id())
            }));
        }
    }
    Ok(problems)
}

fn unless_unread<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Rejected) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the route table or the security group that a subnet names. Returns `None` if it names none, or if it cannot be read.
async fn read(cx: Context<'_>, subnet: &Value, at: &str, row: &'static Operation<Scope>) -> Result<Option<Value>> {
    let Some(id) = subnet.pointer(at).and_then(Value::as_str) else { return Ok(None) };
    unless_unread(cx.call(&[row], || async { cx.clients.get::<Value>(id).await }).await)
}

fn text<'v>(value: &'v Value, at: &str) -> &'v str {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

/// Returns whether the route for everything drops it: its next hop is `None`.
/// <https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview#next-hop-types-across-azure-tools>
fn leads_nowhere(table: &Value) -> bool {
    let routes = table.pointer("/properties/routes").and_then(Value::as_array).into_iter().flatten();
    let mut whole = routes.filter(|route| text(route, "/properties/addressPrefix") == "0.0.0.0/0");
    whole.any(|route| text(route, "/properties/nextHopType") == "None")
}

/// Returns whether the first outbound rule for TCP 443 denies it. If an earlier rule allows some of it, that is taken to be the
/// registry. <https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#security-rules>
fn lets_nothing_out(group: &Value) -> bool {
    let rules = group.pointer("/properties/securityRules").and_then(Value::as_array).into_iter().flatten();
    let mut rules: Vec<&Value> = rules
        .filter(|rule| text(rule, "/properties/direction") == "Outbound")
        .filter(|rule| matches!(text(rule, "/properties/protocol"), "*" | "Tcp" | "TCP" | "tcp"))
        .filter(|rule| has(rule, "destinationPortRange", is_of_https))
        .filter(|rule| has(rule, "destinationAddressPrefix", |prefix| prefix != "VirtualNetwork"))
        .collect();
    rules.sort_by_key(|rule| rule.pointer("/properties/priority").and_then(Value::as_u64));
    rules.first().is_some_and(|rule| {
        text(rule, "/properties/access") == "Deny"
            && has(rule, "destinationAddressPrefix", |prefix| matches!(prefix, "*" | "Internet" | "0.0.0.0/0"))
    })
}

/// Returns whether a rule's field, or an entry of its plural field, matches.
fn has(rule: &Value, field: &str, is: impl Fn(&str) -> bool) -> bool {
    let plural = if field.ends_with('x') { "es" } else { "s" };
    let one = rule.pointer(&["/properties/", field].concat()).into_iter();
    let more = rule.pointer(&["/properties/", field, plural].concat()).and_then(Value::as_array).into_iter().flatten();
    one.chain(more).filter_map(Value::as_str).any(is)
}

fn is_of_https(ports: &str) -> bool {
    match ports.split_once('-') {
        Some((first, last)) => {
            matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&443))
        }
        None => matches!(ports, "*" | "443"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_that_denies_what_leaves_is_told_from_one_that_allows_some_of_it_first() {
        let rule = |access: &str, priority: u32, to: &str, ports: &str| {
            json!({ "properties": {
                "direction": "Outbound", "access": access, "priority": priority, "protocol": "*",
                "destinationAddressPrefix": to, "destinationPortRange": ports,
            } })
        };
        let lets = |rules: Value| lets_nothing_out(&json!({ "properties": { "securityRules": rules } }));
        assert!(lets(json!([rule("Deny", 4096, "*", "*")])));
        assert!(lets(json!([rule("Deny", 200, "Internet", "400-500"), rule("Allow", 300, "*", "443")])));
        assert!(lets(json!([rule("Allow", 100, "VirtualNetwork", "*"), rule("Deny", 200, "0.0.0.0/0", "443")])));
        assert!(!lets(json!([rule("Allow", 100, "AzureContainerRegistry", "443"), rule("Deny", 200, "*", "*")])));
        assert!(!lets(json!([rule("Deny", 200, "*", "25")])));
        assert!(!lets(json!([])));
        let plural = json!({ "properties": {
            "direction": "Outbound", "access": "Deny", "priority": 100, "protocol": "Tcp",
            "destinationAddressPrefixes": ["Internet"], "destinationPortRanges": ["80", "443"],
        } });
        assert!(lets(json!([plural])));
    }

    #[test]
    fn a_route_table_without_a_way_out_is_told_from_one_with() {
        let table = |prefix: &str, hop: &str| {
            let route = json!({ "properties": { "addressPrefix": prefix, "nextHopType": hop } });
            leads_nowhere(&json!({ "properties": { "routes": [route] } }))
        };
        assert!(table("0.0.0.0/0", "None"));
        assert!(!table("0.0.0.0/0", "VirtualAppliance"));
        assert!(!table("10.0.0.0/8", "None"));
    }
}
