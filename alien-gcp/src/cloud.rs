//! The cloud as a type.

/// GCP, as [`alien_core::adapter`] knows clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gcp {}
