//! The type that names Azure.

/// Azure, as an implementation of [`alien_core::adapter::Cloud`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Azure {}
