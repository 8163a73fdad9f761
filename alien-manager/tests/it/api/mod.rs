//! The suite of a fleet's calls, over HTTPS.

#[path = "../../../../alien-fleet/tests/it/api/refused.rs"]
mod refused;
#[path = "../../../../alien-fleet/tests/it/api/same.rs"]
mod same;
mod served;

pub(crate) use served::{Served, answer, certify, error, failure, make, status, world};

/// How calls come.
const OVER: &str = "over HTTPS";
