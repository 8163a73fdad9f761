//! The type that names GCP.

/// GCP, as an implementation of [`alien_core::adapter::Cloud`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gcp {}
