//! What a fleet promises, on stores and clouds in this process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite of tests says what is wrong by panicking"
)]

#[cfg(feature = "agents")]
mod agents;
#[cfg(all(unix, feature = "api"))]
mod api;
mod artifacts;
mod audit;
mod contact;
#[cfg(feature = "redb")]
mod embedded;
mod faults;
mod faulty;
mod folder;
mod kills;
#[cfg(feature = "agents")]
mod late;
mod records;
mod rollouts;
mod shared;
#[cfg(feature = "signed")]
mod signed;
mod stores;
mod updates;
mod watching;
mod world;
