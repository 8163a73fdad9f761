//! What the adapter of a cloud implements and uses. A program that only uses the library needs nothing from here.
//!
//! * [`Cloud`] and [`On`]: the names and permission sets of the cloud and of each kind of resource. They make no calls.
//! * [`AccessControl`]: the cloud's own permission documents. A cloud without such documents implements [`Documented`]
//!   instead. They make no calls either.
//! * [`Provider`], [`ReconcileIdentity`] and, for each kind, [`Reconcile`]: the admin's calls. [`Engine`] does the rest.
//! * [`Assume`] and, for each kind, [`Operate`]: the vendor's calls. [`Impersonator`] does the rest.

pub use crate::call::{CallContext, Gate, last};
pub use crate::calling::Needed;
pub use crate::cloud::{
    AccessControl, Allowed, Answer, Beyond, Cloud, CloudTarget, Collected, Coverage, DenialChange, Documented, Effect,
    Escalation, Fate, Fields, Giver, Guard, Guardrail, IdentityChange, Keeper, Kinds, LayerDocuments, Layout,
    NamedResource, Names, On, Operation, Permission, PermissionChange, Placed, ReviewGrant, Right, RightChange, Rows,
    SessionChange, Settings, Table, TrustChange, Trusted, Whose, audit_layers, compare, field_drift,
    frozen_logs_are_shared, glob, render_beyond_limits,
};
pub use crate::connect::{Connect, flag};
pub use crate::context::DeploymentContext;
pub use crate::deployment::InFlight;
pub use crate::engine::Engine;
pub use crate::error::{ResultExt, causes, chain, or_undo};
pub use crate::exchange::{Answers, Exchange, Exchanges};
pub use crate::failed::Failed;
pub use crate::form_version::FormVersion;
pub use crate::handle::Mention;
pub use crate::impersonate::{Assume, AssumeRequest, Impersonator, Proof, Purpose};
pub use crate::key_file::{create_key, open_key};
pub use crate::manage::{Change, Command, Comparison, Created, LogPage, LogQuery, Manage, Runs};
pub use crate::marks::{Claim, Fingerprint, Marks, Owner};
pub use crate::name::sha256;
pub use crate::naming::{compact, digest, hyphenated, join};
#[cfg(feature = "network")]
pub use crate::network::{ATTEMPT, CONNECT, LARGEST_ANSWER, Peer, is_page, untrusted};
pub use crate::operate::{Operate, Operated, environment};
pub use crate::permission::{DataReach, ForManagement, ForProfiles, Holder, Sets, Subject, SubjectType, Through};
pub use crate::printable::{Printable, is_printable, printable};
pub use crate::progress::{Progress, Silent};
pub use crate::provision::{Options, Provision};
pub use crate::read_file::{LARGEST_BYTES, LARGEST_TEXT, Unreadable, read_bytes, read_text};
pub use crate::read_json::read_json;
pub use crate::reconcile::{Foreign, Observed, Provider, Reconcile, ReconcileIdentity, Removal, State};
pub use crate::resource::{CodeForms, Compute, ResourceSettings, Running, Updatable, Updated, ZipLimits};
pub use crate::session::AssumedSession;
#[cfg(feature = "signals")]
pub use crate::shutdown::shutdown;
pub use crate::unique::read_unique;
