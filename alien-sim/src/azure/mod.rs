//! An emulated Microsoft Azure: Azure Resource Manager with Azure RBAC enforced, Entra's token endpoint, and data
//! planes.
//!
//! Start an [`Azure`], use it to create principals, tokens and role assignments, and point any client that trusts
//! [`Azure::certificate`] at [`Azure::url`]. The emulator's role assignments decide every request, and
//! [`Azure::decisions`] lists each decision with its reason.

mod call;
mod data;
mod entra;
mod fail;
mod faults;
mod handle;
mod operation;
mod provider;
mod rbac;
mod route;
mod server;
mod state;
mod tls;

pub use crate::audit::{Decision, Request};
pub use entra::issuer::Issuer;
pub use faults::Faults;
pub use handle::{Application, Azure};
pub use rbac::linked::{Link, links};
pub use route::{Method, methods};
