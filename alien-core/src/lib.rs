//! Describe a product once, as a [`Stack`] of cloud-neutral resources, each **frozen** or **live**; derive from it
//! three separate layers of permissions; and prove what they cannot do.
//!
//! * [`Stack`]: the description, in Rust or JSON, checked as a whole: every problem at once.
//! * [`Permissions`](permission::Permissions): provisioning (the customer's admin, once), management (the vendor, day
//!   to day) and runtime (the deployed code), each grant with the reason it exists.
//! * [`cloud`]: what a cloud crate must tell, and what is then done for every cloud alike: [`render`](cloud::render)
//!   typed documents, [`audit`](cloud::audit) them, and [`review`](cloud::review()) them in words.
//!
//! * [`Provision`], [`Impersonate`] and [`Manage`]: what the customer's admin, the vendor and a session do, on three
//!   values. [`engine`] does for every cloud alike what an adapter's [`Driver`](engine::Driver) does by single calls.
//! * [`Manager`]: a deployment's typed face, for the vendor's programs.
//!
//! This crate names no cloud, opens no connection, starts no thread, and reads no clock but the one it is given.

pub mod call;
mod clock;
pub mod cloud;
mod deployment;
pub mod engine;
mod error;
mod handle;
pub mod impersonate;
mod lifecycle;
pub mod manage;
mod manager;
pub mod memory;
mod name;
pub mod naming;
pub mod permission;
mod problem;
mod progress;
pub mod provision;
mod release;
pub mod resource;
mod session;
mod site;
pub mod stack;

pub use clock::Clock;
#[cfg(feature = "tokio")]
pub use clock::SystemClock;
pub use deployment::{Deployment, DeploymentId, Invitation, trust};
pub use engine::Engine;
pub use error::{Error, ErrorKind, OptionalExt, Result, chain};
pub use handle::{AnyHandle, Handle, Ref};
pub use impersonate::{Impersonate, Impersonator};
pub use lifecycle::{Frozen, Lifecycle, Live, State};
pub use manage::Manage;
pub use manager::{Manager, PendingRelease};
pub use name::{NameError, Prefix, ProfileName, ResourceId, StackName, TextError};
pub use problem::{Problem, Problems, Rule, Severity};
pub use progress::{Event, Progress, Silent, Stage};
pub use provision::Provision;
pub use release::{Artifacts, Release};
pub use resource::{
    Code, Container, ContainerUpdate, Function, FunctionUpdate, Kind, Kv, Network, Queue, Replicas, Storage,
};
pub use session::Operate;
pub use site::DeploymentContext;
pub use stack::{Profile, Stack};
