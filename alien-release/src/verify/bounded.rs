//! A transport as `tough` reads from it: each file is bounded by what it is, whatever is signed of its length.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::Error;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tough::schema::{RoleType, Signature};
use tough::{TransportError, TransportErrorKind, TransportStream};
use url::Url;

use super::transport::{ByteStream, Transport};
use crate::repository::{MOST_ONLINE, MOST_ROOT, MOST_TARGETS};

/// A file has more bytes than it may have.
#[derive(Debug)]
pub(super) struct Oversized {
    pub(super) name: String,
    pub(super) most: u64,
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has more than {} bytes", self.name, self.most)
    }
}

impl std::error::Error for Oversized {}

/// A transport as `tough` reads from it.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    transport: Arc<dyn Transport>,
    /// The ids of the keys that signed the last file of each role: to say which, if they are not the right ones.
    signed_by: Arc<Mutex<HashMap<RoleType, Vec<Vec<u8>>>>>,
}

/// What is read of a file to see who signed it.
#[derive(serde::Deserialize)]
struct Signatures {
    signatures: Vec<Signature>,
}

impl Bounded {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, signed_by: Arc::default() }
    }

    /// The ids of the keys that signed the last file of a role.
    pub(super) fn signed_by(&self, role: RoleType) -> Vec<Vec<u8>> {
        let signed_by = self.signed_by.lock().unwrap_or_else(PoisonError::into_inner);
        signed_by.get(&role).cloned().unwrap_or_default()
    }

    /// Opens a file whose length is known from what was signed.
    pub(super) async fn open(&self, name: &str) -> alien_core::Result<Option<ByteStream>> {
        self.transport.fetch(name).await
    }

    /// Reads a whole file, if there is one.
    pub(super) async fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, TransportError> {
        let url = name.to_owned();
        let failed = |error: Error| TransportError::new_with_cause(TransportErrorKind::Other, &url, error);
        let Some(mut pieces) = self.open(name).await.map_err(failed)? else { return Ok(None) };
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().await {
            all.extend_from_slice(&piece.map_err(failed)?);
            if is_above(all.len(), most) {
                let oversized = Oversized { name: name.to_owned(), most };
                return Err(TransportError::new_with_cause(TransportErrorKind::Other, &url, oversized));
            }
        }
        Ok(Some(all))
    }

    fn note(&self, role: RoleType, text: &[u8]) {
        let Ok(read) = serde_json::from_slice::<Signatures>(text) else { return };
        let ids = read.signatures.into_iter().map(|signature| signature.keyid.into_vec()).collect();
        self.signed_by.lock().unwrap_or_else(PoisonError::into_inner).insert(role, ids);
    }
}

#[async_trait]
impl tough::Transport for Bounded {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let name = url.path_segments().and_then(|mut path| path.next_back()).unwrap_or_default().to_owned();
        let missing = || TransportError::new(TransportErrorKind::FileNotFound, &name);
        let Some((role, most)) = metadata(&name) else {
            // What the list names: its length is signed there, and counted by `tough`.
            let failed = |error: Error| TransportError::new_with_cause(TransportErrorKind::Other, &name, error);
            let pieces = self.open(&name).await.map_err(failed)?.ok_or_else(missing)?;
            let name = name.clone();
            return Ok(Box::pin(pieces.map(move |piece| {
                piece.map_err(|error| TransportError::new_with_cause(TransportErrorKind::Other, &name, error))
            })));
        };
        // An error is given where the file is read, not where it is opened: `tough` takes the latter as the end of all root files.
        let text = match self.read(&name, most).await {
            Ok(Some(text)) => Ok(Bytes::from(text)),
            Ok(None) => return Err(missing()),
            Err(error) => Err(error),
        };
        if let Ok(text) = &text {
            self.note(role, text);
        }
        Ok(Box::pin(stream::iter([text])))
    }
}

/// The role that signs a file, and the most bytes that it may have; `None` if it is a target.
fn metadata(name: &str) -> Option<(RoleType, u64)> {
    let (version, role) = name.split_once('.')?;
    if name == "timestamp.json" {
        return Some((RoleType::Timestamp, MOST_ONLINE));
    }
    match role {
        "root.json" => Some((RoleType::Root, MOST_ROOT)),
        "snapshot.json" => Some((RoleType::Snapshot, MOST_ONLINE)),
        "targets.json" => Some((RoleType::Targets, MOST_TARGETS)),
        // Lists of other roles, to which the release key delegates: they are read, and not used.
        other if other.ends_with(".json") && version.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((RoleType::DelegatedTargets, MOST_TARGETS))
        }
        // A repository without versions in its names.
        "json" => match version {
            "snapshot" => Some((RoleType::Snapshot, MOST_ONLINE)),
            _ => Some((RoleType::Targets, MOST_TARGETS)),
        },
        _ => None,
    }
}

fn is_above(length: usize, most: u64) -> bool {
    u64::try_from(length).is_ok_and(|length| length > most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_read_whole_is_bounded() {
        let digest = "0a".repeat(32);
        for (name, wanted) in [
            ("1.root.json", Some((RoleType::Root, MOST_ROOT))),
            ("timestamp.json", Some((RoleType::Timestamp, MOST_ONLINE))),
            ("12.snapshot.json", Some((RoleType::Snapshot, MOST_ONLINE))),
            ("12.targets.json", Some((RoleType::Targets, MOST_TARGETS))),
            ("3.another.json", Some((RoleType::DelegatedTargets, MOST_TARGETS))),
            // A repository without versions in its names.
            ("snapshot.json", Some((RoleType::Snapshot, MOST_ONLINE))),
            ("targets.json", Some((RoleType::Targets, MOST_TARGETS))),
            (&format!("{digest}.release-3.json"), None),
            (&format!("{digest}.zip"), None),
            ("3.zip", None),
            ("none", None),
        ] {
            assert_eq!(metadata(name), wanted, "{name}");
        }
    }
}
