//! The emulated Google Cloud, from the outside.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what is wrong by panicking")]

mod access;
mod audit;
mod logs;
mod policies;
mod queues;
mod roles;
mod services;
mod stores;
mod tokens;
mod world;
