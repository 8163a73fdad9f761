//! What `tough` refuses, in plain words.

use std::error::Error as StdError;

use alien_core::Error;
use tough::error::Error as Tough;
use tough::schema::{Error as SchemaError, RoleType};

use super::bounded::{Bounded, Oversized};
use super::refusal::{Refusal, RefusalKind};
use super::trusted::Trusted;

/// Why a repository is refused.
pub(super) fn of_repository(error: &Tough, bounded: &Bounded, trusted: &Trusted) -> Refusal {
    let new = |kind, what: String| Refusal::new(kind, what);
    match error {
        Tough::OlderMetadata { role, current_version, new_version, .. } => new(
            RefusalKind::Replay,
            format!("{} {new_version} is older than {current_version}, which was seen before", file(*role)),
        ),
        Tough::VersionMismatch { role, fetched, expected, .. } => new(
            RefusalKind::Mixed,
            format!("{} is version {fetched}, and the repository names version {expected}", file(*role)),
        ),
        Tough::VerifyMetadata { role, source, .. } => unsigned(*role, source, bounded, trusted),
        Tough::VerifyRoleMetadata { source, .. } => unsigned(RoleType::DelegatedTargets, source, bounded, trusted),
        Tough::ParseMetadata { role, source, .. } => {
            new(RefusalKind::Malformed, format!("{} cannot be read: {source}", file(*role)))
        }
        Tough::MaxUpdatesExceeded { max_root_updates, .. } => {
            new(RefusalKind::Endless, format!("there are more than {max_root_updates} new root files"))
        }
        Tough::Transport { url, source, .. } => {
            let name = url.path_segments().and_then(|mut path| path.next_back()).unwrap_or_default().to_owned();
            of_transport(&name, source).unwrap_or_else(|| lost(&name))
        }
        other => match other.source().and_then(|source| of_transport("a file", source)) {
            Some(refusal) => refusal,
            None => new(RefusalKind::Malformed, format!("the repository is not as it should be: {other}")),
        },
    }
}

/// Why the bytes of something that the list names are refused.
pub(super) fn of_target(name: &str, error: &Tough) -> Refusal {
    let found = match error {
        Tough::Transport { source, .. } => of_transport(name, source),
        other => of_transport(name, other),
    };
    match found {
        Some(refusal) if refusal.kind() == RefusalKind::Mixed => altered(name),
        Some(refusal) => refusal,
        None => lost(name),
    }
}

/// Why the bytes of a file could not be read.
pub(super) fn of_pieces(error: &Error) -> Refusal {
    Refusal::new(RefusalKind::Unreachable, format!("the repository cannot be read: {error}"))
}

/// A file has other bytes than those that were signed.
pub(super) fn altered(name: &str) -> Refusal {
    let what = format!("`{name}` is not the file that was signed: its bytes have another digest");
    Refusal::new(RefusalKind::Altered, what)
}

/// A file has more bytes than were signed.
pub(super) fn endless(name: &str, signed: u64) -> Refusal {
    let what = format!("`{name}` has more than {signed} bytes, the length that was signed");
    Refusal::new(RefusalKind::Endless, what)
}

/// A file that is named is not there.
pub(super) fn lost(name: &str) -> Refusal {
    Refusal::new(RefusalKind::Missing, format!("the repository names `{name}`, and does not have it"))
}

/// Why a file could not be read; `None` if it is not there.
pub(super) fn of_transport(name: &str, error: &(dyn StdError + 'static)) -> Option<Refusal> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(oversized) = error.downcast_ref::<Oversized>() {
            return Some(Refusal::new(RefusalKind::Endless, oversized.to_string()));
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(of_pieces(error));
        }
        match error.downcast_ref::<Tough>() {
            Some(Tough::HashMismatch { .. }) => {
                let what = format!("`{name}` is not the one that the repository names: its bytes have another digest");
                return Some(Refusal::new(RefusalKind::Mixed, what));
            }
            Some(Tough::MaxSizeExceeded { max_size, .. }) => return Some(endless(name, *max_size)),
            _ => {}
        }
        next = error.source();
    }
    None
}

fn unsigned(role: RoleType, error: &SchemaError, bounded: &Bounded, trusted: &Trusted) -> Refusal {
    let name = file(role);
    let signed_by = bounded.signed_by(role);
    if role != RoleType::Root && trusted.retired.iter().any(|id| signed_by.iter().any(|signer| *signer == **id)) {
        let what = format!("{name} is signed by a key that was taken out of the repository's keys");
        return Refusal::new(RefusalKind::RotatedKey, what);
    }
    let what = match error {
        SchemaError::SignatureThreshold { threshold, valid, .. } => {
            format!("{name} needs {threshold} signatures by its keys, and has {valid}")
        }
        other => format!("{name} is not signed as it should be: {other}"),
    };
    Refusal::new(RefusalKind::Unsigned, what)
}

/// What a role signs.
pub(super) const fn file(role: RoleType) -> &'static str {
    match role {
        RoleType::Root => "the root file",
        RoleType::Snapshot => "the snapshot",
        RoleType::Targets => "the list of releases",
        RoleType::Timestamp => "the timestamp",
        RoleType::DelegatedTargets => "a list of another role",
    }
}
