//! Images are resolved by what registries answer, against a small registry on this machine. Keys sign, and
//! are kept; repositories are made, attacked and verified.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod codes;
mod forged;
mod invitation;
mod keys;
mod peer;
mod protocol;
mod published;
mod refused;
mod resolved;
mod roots;
mod served;
mod tokens;
mod vendor;
mod verified;
