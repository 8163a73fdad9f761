//! `network`: a VPC network with one subnetwork in the region; or a network of the customer's.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows};
use alien_core::{Network, Problem, Rule, Set};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a network, in characters (<https://docs.cloud.google.com/compute/docs/naming-resources>).
const MAX: usize = 63;

impl On<Gcp> for Network {
    /// Management gets no more than heartbeat: routes, firewall rules and address ranges can redirect traffic.
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Heartbeat => &[op::GET_NETWORK, op::GET_SUBNETWORK],
            Set::Provision => &[
                op::CREATE_NETWORK,
                op::CREATE_SUBNETWORK,
                op::DELETE_NETWORK,
                op::DELETE_SUBNETWORK,
                op::GET_GLOBAL_OPERATION,
                op::GET_REGION_OPERATION,
            ],
            Set::Reconfigure => &[op::CREATE_SUBNETWORK_IN_NETWORK],
            Set::Setup => &[
                op::CREATE_FIREWALL,
                op::GET_FIREWALL,
                op::PATCH_FIREWALL,
                op::DELETE_FIREWALL,
                op::GET_SUBNETWORK_POLICY,
                op::SET_SUBNETWORK_POLICY,
            ],
            Set::Management | Set::Logs | Set::Dispatch | Set::DataRead | Set::DataWrite | Set::Invoke | Set::Run => {
                &[]
            }
        }
    }

    /// Adds the names of the network. Networks have no policy of their own: conditions name them, by their relative
    /// names.
    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        let (paths, id) = (Paths(placed.target), placed.id());
        let own = paths.physical(id, MAX);
        let name = self.existing_name().unwrap_or(&own);
        things.push((Scope::Id, paths.full("compute", &["global/networks/", name])));
        things.push((Scope::Network, paths.in_project(&["global/networks/", name])));
        if self.existing_name().is_none() {
            let region = paths.0.location.as_str();
            things.push((Scope::Subnetwork, paths.full("compute", &["regions/", region, "/subnetworks/", name])));
        }
    }

    fn check(&self, _: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        let Some(name) = self.existing_name() else { return };
        let plain = name.len() <= MAX
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && !name.ends_with('-')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !plain {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("`{name}` is not the name of a network in the project"),
                "write only its name, 1 to 63 lower-case letters, digits and hyphens".to_owned(),
            ));
        }
    }
}
