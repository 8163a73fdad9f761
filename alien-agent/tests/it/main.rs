//! The agent on the reference cloud.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod authority;
mod hostile;
mod killed;
mod leaves;
mod logged;
mod odd;
mod policy;
mod polls;
#[cfg(feature = "program")]
mod program;
mod requests;
mod scripted;
mod state;
mod updates;
mod world;
