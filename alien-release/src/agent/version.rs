//! The version of the protocol.

use alien_core::adapter::FormVersion;

/// The version of every form of this protocol.
pub(super) type Version = FormVersion<1, 1>;
