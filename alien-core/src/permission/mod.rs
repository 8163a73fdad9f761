//! Permissions: sets, grants, their derivation from a stack, and what code can reach with them.

mod derive;
mod grant;
mod reach;
mod set;

pub use derive::derive;
pub use grant::{Grant, GrantReason, Grants, Holder, Layer, Permissions, Position, Subject, SubjectType};
pub use reach::{Access, DataReach, Reach, Through, reach};
pub use set::{ForManagement, ForProfiles, Set, SetName, SetOf, Sets};
