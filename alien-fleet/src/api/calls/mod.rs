//! The calls: each reads what it was given, asks the fleet, and answers.

pub(super) mod deployments;
pub(super) mod events;
pub(super) mod releases;
pub(super) mod rollouts;
pub(super) mod tokens;
