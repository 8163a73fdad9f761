//! Microsoft Azure, emulated: Azure Resource Manager enforced by Azure RBAC, Entra's token endpoint, and data planes.
//!
//! Start an [`Azure`], make principals, tokens and assignments by its handle, and let any client that trusts
//! [`Azure::certificate`] talk to [`Azure::url`]. Every request is decided by the assignments that the emulator holds, and
//! [`Azure::decisions`] tells each decision and why.

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
