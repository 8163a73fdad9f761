//! The cloud as a type.

/// Azure, as [`alien_core::adapter`] knows clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Azure {}
