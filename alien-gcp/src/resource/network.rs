//! `network`: a VPC network with one subnetwork in the region; or a network of the customer's.
//!
//! A subnet of the customer's network is a subnetwork in the target's region, by its name. Cloud Run places a service in one:
//! in that which the customer gives, else in that which has the network's own name
//! (<https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc>).

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Existing, Network, Problem, Rule, Set};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a network or subnetwork, in characters (<https://docs.cloud.google.com/compute/docs/naming-resources>).
const MAX: usize = 63;

/// <https://docs.cloud.google.com/compute/docs/reference/rest/v1/subnetworks>,
/// <https://docs.cloud.google.com/compute/docs/reference/rest/v1/firewalls>,
/// <https://docs.cloud.google.com/compute/docs/reference/rest/v1/networks>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&[
        "subnetwork.privateIpGoogleAccess",
        "firewall.sourceRanges",
        "firewall.allowed",
        "firewall.disabled",
        "firewall.priority",
    ]),
    Settings::customers(
        "to which members of the network its rule is further limited",
        &["firewall.destinationRanges", "firewall.targetTags"],
    ),
    Settings::customers("what is logged of its traffic", &["firewall.logConfig", "subnetwork.logConfig"]),
    Settings::customers("more ranges of its subnetwork", &["subnetwork.secondaryIpRanges"]),
    Settings::customers(
        "how it reaches the customer's other networks, as with rules, routes and gateways beside",
        &["network.routingConfig.routingMode", "network.mtu"],
    ),
];

impl On<Gcp> for Network {
    /// Management gets no more than heartbeat: routes, firewall rules and address ranges can redirect traffic.
    ///
    /// Networks have no policy, and are not among the types whose names conditions know
    /// (<https://docs.cloud.google.com/iam/docs/conditions-resource-attributes>), so what is checked on a network can be
    /// permitted on all of the project alone. The vendor gets none of that: it watches the subnetwork, which has a policy.
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Heartbeat => &[op::GET_SUBNETWORK],
            // A network comes and goes with its firewall rule, and whoever may delete that may delete any rule of the project.
            Set::Setup => &[
                op::GET_NETWORK,
                op::CREATE_SUBNETWORK_IN_NETWORK,
                op::CREATE_NETWORK,
                op::CREATE_SUBNETWORK,
                op::DELETE_NETWORK,
                op::DELETE_SUBNETWORK,
                op::GET_GLOBAL_OPERATION,
                op::GET_REGION_OPERATION,
                op::CREATE_FIREWALL,
                op::GET_FIREWALL,
                op::PATCH_FIREWALL,
                op::DELETE_FIREWALL,
                op::GET_SUBNETWORK_POLICY,
                op::SET_SUBNETWORK_POLICY,
                op::PATCH_SUBNETWORK,
            ],
            Set::Provision
            | Set::Reconfigure
            | Set::Management
            | Set::Logs
            | Set::Dispatch
            | Set::DataRead
            | Set::DataWrite
            | Set::Invoke
            | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    /// Adds the names of the network. A subnetwork of the customer's has no name here, as nothing is permitted on it: the network tells whether it is
    /// there.
    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        let (paths, id) = (Paths(placed.target), placed.id());
        let own = paths.physical(id, MAX);
        let name = self.existing().map_or(&own, |existing| &existing.id);
        things.push((Scope::Id, paths.full("compute", &["global/networks/", name])));
        things.push((Scope::Network, paths.in_project(&["global/networks/", name])));
        if self.existing().is_none() {
            let region = paths.0.location.as_str();
            things.push((Scope::Subnetwork, paths.full("compute", &["regions/", region, "/subnetworks/", name])));
        }
    }

    /// Checks what the customer gives: names, and that it is one subnetwork at most.
    fn check(&self, _: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        let Some(Existing { id, subnets }) = self.existing() else { return };
        let help = || "write only its name, 1 to 63 lower-case letters, digits and hyphens".to_owned();
        if !is_name(id) {
            let what = format!("`{id}` is not the name of a network in the project");
            problems.push(Problem::error(Rule::Cloud, what, help()));
        }
        for subnet in subnets.iter().filter(|subnet| !is_name(subnet)) {
            let what = format!("`{subnet}` is not the name of a subnetwork in the region");
            problems.push(Problem::error(Rule::Cloud, what, help()));
        }
        if subnets.len() > 1 {
            let named: Vec<String> = subnets.iter().map(|subnet| format!("`{subnet}`")).collect();
            let what = format!("Cloud Run places code in one subnetwork, and {} are given", named.join(" and "));
            problems.push(Problem::error(Rule::Cloud, what, "give one of them".to_owned()));
        }
    }
}

/// <https://docs.cloud.google.com/compute/docs/naming-resources>
fn is_name(text: &str) -> bool {
    text.len() <= MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
