//! The cloud as a type.

/// AWS, as [`alien_core::adapter`] knows clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aws {}
