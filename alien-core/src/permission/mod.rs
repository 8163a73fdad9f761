//! Permissions: sets, grants, their derivation from a stack, and what code can reach with them.

mod derive;
mod explain;
mod grant;
mod reach;
mod set;

pub use grant::{Grant, GrantReason, Grants, Holder, Layer, Permissions, Subject, SubjectType};
pub use reach::{Access, DataReach, Reach, Through};
pub use set::{ForManagement, ForProfiles, Set, SetName, SetOf, Sets};
