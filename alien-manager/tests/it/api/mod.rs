//! The suite of a fleet's calls, over HTTPS.

#[path = "../../../../alien-fleet/tests/it/api/refused.rs"]
mod refused;
#[path = "../../../../alien-fleet/tests/it/api/same.rs"]
mod same;
mod served;
#[path = "../../../../alien-fleet/tests/it/api/suite.rs"]
mod suite;

use alien_fleet::Fleet;

use crate::world::World;

pub(crate) use served::{Served, answer, certify, error, failure, make, status};

/// How calls come.
const OVER: &str = "over HTTPS";

/// A fleet with so many deployments, and the machine's time from here on.
pub(crate) async fn world(deployments: usize) -> World {
    let world = World::new(deployments).await;
    tokio::time::resume();
    world
}

/// There is one manager.
const fn others() -> Vec<Fleet> {
    Vec::new()
}
