//! `alien-deploy`: what the customer's admin does with an invitation.

mod agent;
mod down;
mod plan;
mod review;
mod setup;
mod vendor;

pub(crate) use agent::agent;
pub(crate) use down::{down, revoke};
pub(crate) use plan::{plan, status, up};
pub(crate) use review::review;
