//! Images are resolved by what registries answer, against a small registry on this machine. Keys sign, and are kept.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod keys;
mod peer;
mod refused;
mod resolved;
mod tokens;
