//! The stack: a vendor's product, described once, for every cloud.

mod builder;
mod checked;
pub(crate) mod decode;
mod diff;
mod draft;
mod edit;
mod graph;
mod preflight;
mod schema;

pub use builder::{Builder, Profile};
pub use checked::{ProfileScope, Scopes, Stack};
pub use diff::{ChangeKind, Delta, Diff, GrantChange, ResourceChange, Who};
pub use schema::schema;
