//! Azure RBAC: <https://learn.microsoft.com/azure/role-based-access-control/overview>.

pub(crate) mod assignment;
pub(crate) mod decide;
pub(crate) mod linked;
pub(crate) mod role;
