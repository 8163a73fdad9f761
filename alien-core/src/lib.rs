//! Describe a product once, as a [`Stack`] of cloud-neutral resources, each **frozen** or **live**; derive from it
//! three separate layers of permissions; and prove what they cannot do.
//!
//! ```
//! use std::sync::Arc;
//! use alien_core::{memory, *};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
//! # runtime.block_on(async {
//! // The vendor describes its product.
//! let mut stack = Stack::builder("shop");
//! let orders = stack.frozen("orders", Kv::new());
//! let api = stack.live("api", Function::new(Code::zip(b"first"), "api"));
//! stack.link(&api, &orders);
//! stack.profile("api", Profile::new().on(&orders, [Kv::DATA_READ]));
//! let stack = stack.build()?;
//!
//! // What may the vendor do? The customer reads it before anything is set up.
//! let target = memory::Target::new("acme")?;
//! let rendered = render::<memory::Memory>(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//!
//! // The customer's admin sets up, with the admin's own credentials. Here the cloud is in this process.
//! let account = memory::Account::new(Arc::new(SystemClock));
//! let admin = memory::provisioner(&account, DeploymentId::new(), target, CallConfig::default());
//! let release = Release::new(stack, [Arc::from(*b"first")].into_iter().collect())?;
//! let plan = admin.plan(&release, None, &Options::default()).await?;
//! let deployment = admin.apply(&plan, &Options::default(), &Silent).await?;
//!
//! // The vendor watches everything, and updates what is live.
//! let vendor = memory::impersonator(&account, "vendor", "proof", CallConfig::default());
//! let manager = Manager::new(Arc::new(vendor), deployment);
//! assert_eq!(manager.heartbeat(&manager.handle(&orders)?).await?.health, Health::Healthy);
//! manager.update(&manager.handle(&api)?, FunctionUpdate::new().zip(*b"second")).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The main types
//!
//! * [`Stack`]: the description, in Rust or JSON, checked as a whole: every problem at once. [`Profile`] is what its code may do.
//! * [`Permissions`]: provisioning (the customer's admin, once), management (the vendor, day to day) and runtime (the deployed
//!   code), each grant with the reason it exists.
//! * [`render`], [`audit`] and [`review`]: a cloud's own documents, proved against the promises, and said in words.
//! * [`Invitation`] and [`Deployment`]: the two files that vendor and customer exchange. No secret is in either.
//! * [`Provision`] plans, sets up, takes down and revokes: the customer's admin alone has a value of it.
//! * [`Impersonate`] opens sessions in deployments: the vendor has a value of it. [`Manager`] does with them what a vendor does.
//! * [`Release`]: a stack and the bytes of its code.
//! * [`Adapter`]: one face for every cloud, for programs that serve several.
//! * [`adapter`]: what the adapter of a cloud implements. [`memory`] is the smallest one, in this process.
//!
//! This crate names no cloud, opens no connection, starts no thread, and reads no clock but the one it is given.

pub mod adapter;
mod call;
mod clock;
mod cloud;
mod connect;
mod context;
mod deployment;
mod engine;
mod error;
mod form;
mod handle;
mod impersonate;
mod kind;
mod lifecycle;
mod manage;
mod manager;
mod marks;
pub mod memory;
mod name;
mod naming;
mod operate;
mod permission;
mod problem;
mod progress;
mod provision;
mod reconcile;
mod release;
mod resource;
mod session;
mod stack;
mod target;
#[cfg(test)]
mod toy;
mod unique;

pub use call::{Call, CallConfig, Needed, Recorder, Retry};
pub use clock::Clock;
#[cfg(feature = "tokio")]
pub use clock::SystemClock;
pub use cloud::{
    Breach, Disclosure, DisclosureKind, Documents, Field, Giver, LayerDocuments, Layers, Physical, Promise,
    RenderError, Rendered, Report, Review, ReviewRow, Reviewed, Size, audit, render, render_beyond_limits, review,
};
pub use connect::{Adapter, ConnectOption, Connection, Side};
pub use deployment::{Deployment, DeploymentId, Invitation};
pub use error::{Error, ErrorKind, Result};
pub use handle::{AnyHandle, Handle, Mention, Ref};
pub use impersonate::{Impersonate, Purpose};
pub use kind::{Kind, ResourceKind};
pub use lifecycle::{Frozen, Lifecycle, Live, State};
pub use manage::{Health, Heartbeat, LogLine, LogPage, LogQuery, Manage};
pub use manager::{Manager, PendingRelease};
pub use name::{NameError, Prefix, ProfileName, ResourceId, StackName, TextError};
pub use permission::{
    Access, DataReach, ForManagement, ForProfiles, Grant, GrantReason, Grants, Holder, Layer, Permissions, Reach, Set,
    SetName, SetOf, Sets, Subject, SubjectType, Through,
};
pub use problem::{Problem, Problems, Remedy, Rule, Severity};
pub use progress::{Event, Progress, Silent, Stage};
pub use provision::{Action, Data, DestroyReport, Options, Plan, Provision, Remaining, Step};
pub use release::{Artifacts, Release};
pub use resource::{
    Code, Compute, Container, ContainerUpdate, Function, FunctionUpdate, Kv, Network, Queue, Replicas, Resource,
    Settings, Storage, Trigger, Updatable,
};
pub use stack::{
    Builder, ChangeKind, Delta, Diff, GrantChange, Profile, ProfileScope, ResourceChange, Scopes, Stack, Who, schema,
};
pub use target::AnyTarget;
