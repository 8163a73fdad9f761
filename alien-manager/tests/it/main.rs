//! What a manager promises, over TLS on the loopback interface, for fleets in this process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod api;
mod document;
#[expect(dead_code, reason = "it also has what only the tests of the fleet use")]
#[path = "../../../alien-fleet/tests/it/folder.rs"]
mod folder;
mod limits;
mod polled;
mod process;
mod products;
mod program;
mod roles;
mod server;
mod tokens;
#[expect(dead_code, unexpected_cfgs, reason = "it also has what only the tests of the fleet use")]
#[path = "../../../alien-fleet/tests/it/world.rs"]
mod world;

/// Where the tests of the fleet find the log.
mod rollouts {
    pub(crate) use crate::world::log;
}
