//! In-memory emulators of cloud control planes that enforce IAM.
//!
//! With the feature `gcp`, `gcp::Gcp` serves the REST APIs of Google Cloud that it models, and checks every request
//! with the emulated IAM. With the feature `azure`, `azure::Azure` serves those of Microsoft Azure, and checks every
//! request with the emulated Azure RBAC. Both features are on by default, and neither needs the other's dependencies.

#[cfg(any(feature = "azure", feature = "gcp"))]
mod audit;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod clock;
#[cfg(feature = "program")]
pub mod command_line;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod dated;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod faults;
#[cfg(feature = "gcp")]
pub mod gcp;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod jwt;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod schema;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod serve;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod uri;
