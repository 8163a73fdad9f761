//! Kinds of failures, as version 1 of the protocol has them. One that was added since is sent as the nearest, because a manager of before
//! refuses what it does not know.

use alien_core::ErrorKind;
use serde::{Serialize, Serializer};

const fn nearest(kind: ErrorKind) -> ErrorKind {
    match kind {
        ErrorKind::Unreachable => ErrorKind::Unavailable,
        known => known,
    }
}

/// Writes a kind.
pub(super) fn sent<S: Serializer>(kind: &ErrorKind, to: S) -> Result<S::Ok, S::Error> {
    nearest(*kind).serialize(to)
}

/// Writes a kind that may be none.
pub(super) fn sent_if_any<S: Serializer>(kind: &Option<ErrorKind>, to: S) -> Result<S::Ok, S::Error> {
    kind.map(nearest).serialize(to)
}
