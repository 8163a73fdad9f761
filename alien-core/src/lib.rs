//! Describe a product once, as a [`Stack`] of cloud-neutral resources, each **frozen** or **live**; derive from it
//! three separate layers of permissions; and audit what they allow.
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
//! let rendered = render(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//!
//! // The customer's admin sets up, with the admin's own credentials. Here the cloud is in this process.
//! let config = memory::Config::new(memory::Account::default());
//! let admin = memory::admin(&config, DeploymentId::new(), target);
//! let release = Release::new(stack, [Arc::from(*b"first")].into_iter().collect())?;
//! let plan = admin.plan(&release).await?;
//! let deployment = admin.apply(&plan).await?;
//!
//! // The vendor watches everything, and updates what is live.
//! let manager = Manager::new(memory::vendor(&config), deployment);
//! assert_eq!(manager.heartbeat(&manager.handle(&orders)?).await?.health, Health::Healthy);
//! manager.update(&manager.handle(&api)?, FunctionUpdate::new().with_zip(*b"second")).await?;
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
//! * [`render`], [`audit`] and [`review`]: a cloud's own permission documents, the check that they keep the promises,
//!   and a review in words.
//! * [`Invitation`] and [`Deployment`]: the two files that vendor and customer exchange. No secret is in either.
//! * [`Admin`] plans, sets up, takes down and revokes: only the customer's admin has one.
//! * [`Manager`] watches and updates one deployment, through sessions that an [`Impersonate`] opens: the vendor's side.
//! * [`Release`]: a stack and the bytes of its code. [`Outcome`] is the result of a release for one resource.
//! * [`PublishedRelease`]: a release with its number, as the file that is published of it.
//! * [`rollout`]: a release on its way to many deployments, as a pure state machine.
//! * [`Adapter`]: one interface to every cloud, for programs that serve several.
//! * [`adapter`]: what the adapter of a cloud implements. [`memory`] is the smallest adapter: a cloud in this process,
//!   for tests.
//!
//! This crate names no cloud, opens no connection, starts no thread, and reads no clock but the one it is given.

pub mod adapter;
mod admin;
mod call;
mod calling;
mod canonical;
mod clock;
mod cloud;
mod connect;
mod context;
mod delivery;
mod deployment;
mod engine;
mod error;
mod exchange;
mod exit;
mod failed;
mod file_kind;
mod form;
mod form_version;
mod handle;
mod images;
mod impersonate;
mod invited;
mod key_file;
mod kind;
mod lifecycle;
mod logs;
mod manage;
mod managed;
mod manager;
mod markdown;
mod marks;
pub mod memory;
mod name;
mod naming;
#[cfg(feature = "network")]
mod network;
mod operate;
mod outcome;
mod permission;
mod pod;
mod printable;
mod problem;
mod progress;
mod provision;
mod provisioned;
mod provisioning;
mod published;
mod read_file;
mod read_json;
mod reconcile;
mod records;
mod redeploying;
mod release;
mod releasing;
mod resource;
pub mod rollout;
mod session;
#[cfg(feature = "signals")]
mod shutdown;
mod stack;
mod target;
#[cfg(test)]
mod toy;
mod unique;

pub use admin::{Admin, ApplyRequest, DestroyRequest, PlanRequest, RevokeRequest};
pub use calling::{Call, CallConfig, Recorder, Retries, Retry};
pub use clock::Clock;
#[cfg(feature = "tokio")]
pub use clock::SystemClock;
pub use cloud::{
    Breach, Comparison, Disclosure, DisclosureKind, Documents, Field, Layers, Physical, Promise, Pulled, PulledFrom,
    RegistryGrant, RenderError, Rendered, Report, Review, ReviewRow, Reviewed, Size, audit, render, review,
};
pub use connect::{Adapter, ConnectOption, Connection, Side};
pub use delivery::{Delivery, ManagerUrl, Model, RootDigest};
pub use deployment::{Deployment, DeploymentId, Invitation};
pub use error::{Error, ErrorKind, Result};
pub use exit::Exit;
pub use handle::{AnyHandle, Handle, Ref};
pub use images::{ImageDigests, Images};
pub use impersonate::Impersonate;
pub use invited::{InvitationSignature, Invited, KeyFingerprint};
pub use kind::{Kind, ResourceKind};
pub use lifecycle::{Frozen, Lifecycle, Live, State};
pub use logs::Logs;
pub use manage::{CommandId, Health, Heartbeat, LogLine, Ran};
pub use manager::{DispatchRequest, Manager};
pub use name::{ClusterAccount, NameError, Prefix, ProfileName, ResourceId, RunId, StackName, TextError};
pub use outcome::{Outcome, Released};
pub use permission::{Access, Grant, GrantReason, Grants, Layer, Permissions, Reach, Set, SetName, SetOf};
pub use pod::AgentPod;
pub use problem::{Problem, Problems, Remedy, Rule, Severity};
pub use progress::{Event, Stage};
pub use provision::{Action, Data, DestroyReport, Plan, Remaining, Step};
pub use published::{AgentVersion, PublishedRelease};
#[cfg(feature = "files")]
pub use records::{RecordFile, RecordFolder};
pub use records::{RecordStore, RecordsInMemory};
pub use redeploying::RedeployRequest;
pub use release::{Artifacts, Release};
pub use releasing::ReleaseRequest;
pub use resource::{
    Bounds, Code, CodeForm, Container, ContainerUpdate, Existing, Function, FunctionUpdate, Kv, Network, Platform,
    Queue, Replicas, Resource, Settings, Storage, Trigger,
};
pub use stack::{
    Builder, ChangeKind, Delta, Diff, GrantChange, Profile, ProfileScope, ResourceChange, Scopes, Stack, Who, schema,
};
pub use target::AnyTarget;
