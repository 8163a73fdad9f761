//! A cloud in this process: the reference of how a cloud behaves, for tests of hosts and of this library.
//!
//! It keeps what the adapters of real clouds rely on. An [`Account`] enforces the documents that were written to it, and
//! nothing but them; sessions end; what was just made is not known everywhere at once; calls can be throttled, fail, or
//! be the last that a killed program makes. Code does not run in it: a command is answered with itself.

mod account;
mod adapter;
mod cloud;

pub use account::{Account, Asked, Fault, Saved};
pub use adapter::{Clients, Vendor, impersonator, provisioner};
pub use cloud::{Memory, Principal, Right, Scope, Target};
