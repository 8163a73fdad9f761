//! Google Cloud, emulated: its REST APIs, enforced by its IAM.
//!
//! Start a [`Gcp`], make projects and tokens by its handle, and let any client talk to [`Gcp::url`]. Every request is
//! decided by the policies that the emulator holds, and [`Gcp::decisions`] tells each decision and why.

mod call;
mod fail;
mod faults;
mod grpc;
mod handle;
mod iam;
mod mask;
mod methods;
mod operation;
mod server;
mod service;
mod state;
mod table;

pub use crate::audit::{Decision, Request};
pub use faults::Faults;
pub use handle::Gcp;
pub use methods::{Method, methods};
