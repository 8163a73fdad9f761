//! Where the deployments of tests go that pull their releases.

use alien_core::Prefix;
use alien_gcp::{Agent, Target, Trust};

use crate::target;

/// Where a deployment goes that pulls its releases.
pub(crate) fn agents_target(prefix: Prefix) -> Target {
    Target { trust: Trust::Agent(Agent::ServiceAccount("alien-agent".parse().unwrap())), ..target(prefix) }
}
