//! Control planes of clouds, emulated in memory, that enforce IAM.
//!
//! [`gcp::Gcp`] answers the REST APIs of Google Cloud that it models, and asks the emulated IAM about every request.
//! [`azure::Azure`] answers those of Microsoft Azure, and asks the emulated RBAC.

mod audit;
pub mod azure;
mod dated;
mod faults;
pub mod gcp;
mod jwt;
mod schema;
mod serve;
mod uri;
