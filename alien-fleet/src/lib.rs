#![doc = include_str!("../README.md")]

mod ledger;
mod log;
mod rollouts;
pub mod store;

pub use log::{Entry, What, Who};
pub use rollouts::RolloutId;
