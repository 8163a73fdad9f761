//! An emulated Google Cloud: its REST APIs, with IAM enforced.
//!
//! Start a [`Gcp`], use it to create projects and tokens, and point any client at [`Gcp::url`]. The emulator's policies
//! decide every request, and [`Gcp::decisions`] lists each decision with its reason.

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
