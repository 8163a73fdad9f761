//! The type that names AWS.

/// AWS, as an implementation of [`alien_core::adapter::Cloud`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aws {}
