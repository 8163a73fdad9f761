//! The forms of files, shared by those that make and those that verify.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use alien_core::rollout::Sequence;
use alien_core::{Error, ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tough::TargetName;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::{Ed25519Key, Ed25519Scheme, Key};
use tough::schema::{Hashes, Metafile, Role, Signature, Signed, Target, Targets};

use crate::keys::{PublicKey, Signer, signed};

/// The version of the specification that the files follow.
pub(super) const SPEC: &str = "1.0.31";

/// The most bytes of a root file.
pub(crate) const MOST_ROOT: u64 = 64 * 1024;
/// The most bytes of a file that the online keys sign.
pub(crate) const MOST_ONLINE: u64 = 16 * 1024;
/// The most bytes of the list of all releases.
pub(crate) const MOST_TARGETS: u64 = 512 * 1024;
/// The most bytes of a release's file.
pub(crate) const MOST_RELEASE: u64 = 512 * 1024;

const DAY: i64 = 24;
/// How long what the online keys sign is valid.
pub(super) const ONLINE: SignedDuration = SignedDuration::from_hours(7 * DAY);
/// How long what the release key signs is valid.
pub(super) const TARGETS: SignedDuration = SignedDuration::from_hours(365 * DAY);
/// How long a root file is valid.
pub(super) const ROOT: SignedDuration = SignedDuration::from_hours(3 * 365 * DAY);

/// The name of a release's target.
pub(crate) fn release_name(sequence: Sequence) -> String {
    format!("release-{sequence}.json")
}

/// The name of a zip's file, by its digest, `sha256:…`. A zip is no target of its own: the release that names it is signed with its
/// digest and length, so the list that each customer reads grows with the releases alone.
pub(crate) fn zip_name(digest: &str) -> String {
    format!("{}.zip", digest.strip_prefix("sha256:").unwrap_or(digest))
}

/// The digest of a target, `sha256:…`.
pub(crate) fn digest_of(target: &Target) -> String {
    format!("sha256:{}", hex(&target.hashes.sha256))
}

/// The releases of a list, and the digest of each.
pub(crate) fn releases(targets: &Targets) -> BTreeMap<Sequence, String> {
    let sequence = |name: &TargetName| -> Option<Sequence> {
        let number: u64 = name.raw().strip_prefix("release-")?.strip_suffix(".json")?.parse().ok()?;
        Some(number.into()).filter(|sequence| release_name(*sequence) == name.raw())
    };
    let all = targets.targets.iter();
    all.filter_map(|(name, target)| Some((sequence(name)?, digest_of(target)))).collect()
}

/// Until when something is valid, in whole seconds, as the files have them.
pub(super) fn until(now: Timestamp, valid: SignedDuration) -> Timestamp {
    let end = now.checked_add(valid).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

pub(super) fn hashes(bytes: &[u8]) -> Hashes {
    Hashes { sha256: Sha256::digest(bytes).to_vec().into(), _extra: HashMap::new() }
}

/// The length of something in memory, which has at most 64 bits.
pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

pub(super) fn metafile(bytes: &[u8], version: NonZeroU64) -> Metafile {
    Metafile { length: Some(length(bytes)), hashes: Some(hashes(bytes)), version, _extra: HashMap::new() }
}

pub(super) fn target(bytes: &[u8]) -> Target {
    Target { length: length(bytes), hashes: hashes(bytes), custom: HashMap::new(), _extra: HashMap::new() }
}

pub(super) fn tuf_key(key: &PublicKey) -> Key {
    Key::Ed25519 {
        keyval: Ed25519Key { public: key.as_bytes().to_vec().into(), _extra: HashMap::new() },
        scheme: Ed25519Scheme::Ed25519,
        _extra: HashMap::new(),
    }
}

pub(super) fn key_id(key: &PublicKey) -> Result<Decoded<Hex>> {
    tuf_key(key).key_id().map_err(|error| internal(&error))
}

/// The next version.
pub(super) fn next(version: NonZeroU64) -> NonZeroU64 {
    version.saturating_add(1)
}

/// Has a file signed.
pub(super) async fn sign<T: Role>(role: &T, signer: &dyn Signer) -> Result<Signature> {
    let message = role.canonical_form().map_err(|error| internal(&error))?;
    let signature = signed(signer, &message).await?;
    Ok(Signature { keyid: key_id(&signer.public())?, sig: signature.to_vec().into() })
}

/// The bytes of a file: the same for the same content.
pub(super) fn written<T: Serialize>(file: &Signed<T>) -> Result<Vec<u8>> {
    serde_json_canonicalizer::to_vec(file).map_err(|error| internal(&error))
}

pub(super) fn internal(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Internal, "a file of the repository cannot be written").caused_by(error)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
