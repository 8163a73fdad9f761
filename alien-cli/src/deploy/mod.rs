//! `alien-deploy`: what the customer's admin does with an invitation.

mod agent;
mod down;
mod plan;
mod review;
mod setup;
mod vendor;

#[cfg(test)]
pub(crate) use agent::Runs;
pub(crate) use agent::agent;
#[cfg(test)]
pub(crate) use down::Revoked;
pub(crate) use down::{down, revoke};
#[cfg(test)]
pub(crate) use plan::{Done, Stands};
pub(crate) use plan::{plan, status, up};
pub(crate) use review::review;
