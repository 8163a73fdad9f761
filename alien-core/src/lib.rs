//! Describe a product once, as a [`Stack`] of cloud-neutral resources, each **frozen** or **live**; derive from it
//! three separate layers of permissions; and prove what they cannot do.
//!
//! * [`Stack`]: the description, in Rust or JSON, checked as a whole: every problem at once.
//! * [`Permissions`](permission::Permissions): provisioning (the customer's admin, once), management (the vendor, day
//!   to day) and runtime (the deployed code), each grant with the reason it exists.
//! * [`cloud`]: what a cloud crate must tell, and what is then done for every cloud alike: [`render`](cloud::render)
//!   typed documents, [`audit`](cloud::audit) them, and [`review`](cloud::review()) them in words.
//!
//! This crate names no cloud, opens no connection, reads no clock and starts no thread.

pub mod cloud;
mod handle;
mod lifecycle;
mod name;
pub mod naming;
pub mod permission;
mod problem;
pub mod resource;
pub mod stack;

pub use handle::Ref;
pub use lifecycle::{Frozen, Lifecycle, Live, State};
pub use name::{NameError, Prefix, ProfileName, ResourceId, StackName, TextError};
pub use problem::{Problem, Problems, Rule, Severity};
pub use resource::{Code, Container, Function, Kind, Kv, Network, Queue, Replicas, Storage};
pub use stack::{Profile, Stack};
