//! An emulated Azure, asked as any client asks it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests")]

mod access;
mod apps;
mod assignments;
mod audit;
mod faults;
mod federation;
mod identities;
mod logs;
mod networks;
mod planes;
// The program is of both clouds.
#[cfg(feature = "gcp")]
#[cfg(feature = "program")]
mod program;
mod queues;
mod resources;
mod roles;
mod routes;
mod stores;
mod world;
