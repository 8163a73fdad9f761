//! Identity and access: tokens, roles, policies, conditions, decisions.

pub(crate) mod condition;
pub(crate) mod decide;
pub(crate) mod policy;
pub(crate) mod role;
pub(crate) mod token;
