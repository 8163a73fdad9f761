//! Control planes of clouds, emulated in memory, that enforce IAM.
//!
//! With the feature `gcp`, `gcp::Gcp` answers the REST APIs of Google Cloud that it models, and asks the emulated IAM about
//! every request. With the feature `azure`, `azure::Azure` answers those of Microsoft Azure, and asks the emulated RBAC. Both are
//! on by default; neither needs what the other is made of.

#[cfg(any(feature = "azure", feature = "gcp"))]
mod audit;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod clock;
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
