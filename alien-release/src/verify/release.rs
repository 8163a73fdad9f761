//! A release that is verified, and its zips.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use alien_core::rollout::Sequence;
use alien_core::{Artifacts, Problems, PublishedRelease, Release};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tough::TargetName;

use super::bounded::Bounded;
use super::reason;
use super::refusal::{Refusal, RefusalKind};
use super::transport::ByteStream;
use crate::repository::{MOST_RELEASE, digest_of, hex, length, release_name, zip_name};

/// The most bytes that are set aside for a zip before any of it has come.
const ROOM: usize = 64 << 20;

/// A release that the vendor's release key signed. There is no other way to make one than a
/// [`Verifier`](super::Verifier).
///
/// ```compile_fail
/// fn forged(release: alien_core::PublishedRelease) -> alien_release::VerifiedRelease {
///     alien_release::VerifiedRelease { release }
/// }
/// ```
#[derive(Clone)]
pub struct VerifiedRelease {
    files: Bounded,
    release: PublishedRelease,
    digest: String,
}

impl fmt::Debug for VerifiedRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedRelease")
            .field("sequence", &self.release.sequence())
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl VerifiedRelease {
    /// Reads a release that the list names.
    pub(super) async fn of(
        repository: &tough::Repository,
        files: Bounded,
        sequence: Sequence,
    ) -> Result<Self, Refusal> {
        let name = release_name(sequence);
        let missing = || Refusal::new(RefusalKind::Missing, format!("the repository has no release {sequence}"));
        let target = TargetName::new(&name).map_err(|_| missing())?;
        let listed = repository.targets().signed.targets.get(&target).ok_or_else(missing)?;
        if listed.length > MOST_RELEASE {
            let what = format!("`{name}` has {} bytes, and at most {MOST_RELEASE} are taken", listed.length);
            return Err(Refusal::new(RefusalKind::Endless, what));
        }
        let digest = digest_of(listed);
        let mut text = Vec::with_capacity(usize::try_from(listed.length).unwrap_or_default());
        let refused = |error| reason::of_target(&name, &error);
        let mut pieces = pin!(repository.read_target(&target).await.map_err(refused)?.ok_or_else(missing)?);
        while let Some(piece) = pieces.next().await {
            text.extend_from_slice(&piece.map_err(refused)?);
        }
        let malformed = |what: String| Refusal::new(RefusalKind::Malformed, format!("`{name}` is signed, but {what}"));
        let text = std::str::from_utf8(&text).map_err(|error| malformed(error.to_string()))?;
        let release = PublishedRelease::from_json(text).map_err(|problems| malformed(problems.to_string()))?;
        if release.sequence() != sequence {
            return Err(malformed(format!("it is release {}", release.sequence())));
        }
        Ok(Self { files, release, digest })
    }

    /// The release.
    #[must_use]
    pub const fn release(&self) -> &PublishedRelease {
        &self.release
    }

    /// Its number.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.release.sequence()
    }

    /// The digest of its file, `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Opens a zip of the release by its digest, `sha256:…`.
    ///
    /// # Errors
    ///
    /// [`RefusalKind::Missing`] if the release has no such zip, or the repository has lost it; [`RefusalKind::Unreachable`].
    pub async fn zip(&self, digest: &str) -> Result<VerifiedZip, Refusal> {
        let Some(length) = self.release.zips().get(digest) else {
            let what = format!("release {} has no zip {digest}", self.sequence());
            return Err(Refusal::new(RefusalKind::Missing, what));
        };
        let name = zip_name(digest);
        let unread = |error| reason::of_pieces(&error);
        let pieces = self.files.open(&name).await.map_err(unread)?.ok_or_else(|| reason::lost(&name))?;
        Ok(VerifiedZip {
            name,
            digest: digest.to_owned(),
            length: *length,
            read: 0,
            hash: Sha256::new(),
            pieces: Some(pieces),
        })
    }

    /// Writes a zip to a file. If it is refused, there is no such file.
    ///
    /// # Errors
    ///
    /// As [`zip`](Self::zip) and [`VerifiedZip`]; [`RefusalKind::Storage`] if the file cannot be written.
    pub async fn save_zip(&self, digest: &str, path: impl AsRef<Path>) -> Result<(), Refusal> {
        let path = path.as_ref();
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let failed = |error: std::io::Error| {
            Refusal::new(RefusalKind::Storage, format!("`{}` cannot be written: {error}", path.display()))
        };
        let mut pieces = self.zip(digest).await?;
        let mut file = File::create(&new).await.map_err(failed)?;
        let written = async {
            while let Some(piece) = pieces.next().await {
                file.write_all(&piece?).await.map_err(failed)?;
            }
            file.sync_all().await.map_err(failed)?;
            tokio::fs::rename(&new, path).await.map_err(failed)
        };
        let result = written.await;
        if result.is_err() {
            let _ = tokio::fs::remove_file(&new).await;
        }
        result
    }

    /// The release with the bytes of its zips, all in memory: as a session takes it.
    ///
    /// # Errors
    ///
    /// As [`zip`](Self::zip) and [`VerifiedZip`].
    pub async fn with_zips(&self) -> Result<Release, Refusal> {
        self.with_zips_of(|_| true).await
    }

    /// The release with the bytes of those of its zips, by their digests, that are wanted: of the code that a cloud runs as zips. All in
    /// memory.
    ///
    /// # Errors
    ///
    /// As [`with_zips`](Self::with_zips).
    pub async fn with_zips_of(&self, wanted: impl Fn(&str) -> bool + Send) -> Result<Release, Refusal> {
        let mut zips: BTreeMap<&str, Arc<[u8]>> = BTreeMap::new();
        for (digest, length) in self.release.zips().iter().filter(|(digest, _)| wanted(digest)) {
            // A buffer that grows would take twice as much.
            let mut all = Vec::with_capacity(usize::try_from(*length).unwrap_or(ROOM).min(ROOM));
            let mut pieces = self.zip(digest).await?;
            while let Some(piece) = pieces.next().await {
                all.extend_from_slice(&piece?);
            }
            zips.insert(digest, all.into());
        }
        let is_whole = zips.len() == self.release.zips().len();
        let (stack, artifacts) = (self.release.stack().clone(), zips.into_values().collect::<Artifacts>());
        if is_whole {
            let malformed = |error: Problems| Refusal::new(RefusalKind::Malformed, error.to_string());
            return Release::new(stack, artifacts).map_err(malformed);
        }
        Ok(Release::partial(stack, artifacts))
    }
}

/// The bytes of a zip, piece by piece, as they come.
///
/// Use them only once the stream has ended without an error: length and digest are known at the end alone. The errors are
/// [`RefusalKind::Altered`], [`RefusalKind::Endless`] and [`RefusalKind::Unreachable`], and nothing comes after one.
pub struct VerifiedZip {
    name: String,
    /// What the release says of it.
    digest: String,
    length: u64,
    /// What was read of it.
    read: u64,
    hash: Sha256,
    /// `None` at the end.
    pieces: Option<ByteStream>,
}

impl fmt::Debug for VerifiedZip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedZip").field("name", &self.name).finish_non_exhaustive()
    }
}

impl VerifiedZip {
    /// Counts a piece, or says why it is refused; without one, whether the whole is what was signed.
    fn verified(&mut self, piece: Option<alien_core::Result<Bytes>>) -> Option<Result<Bytes, Refusal>> {
        let Some(piece) = piece else {
            let digest = format!("sha256:{}", hex(&self.hash.finalize_reset()));
            let is_signed = self.read == self.length && digest == self.digest;
            return (!is_signed).then(|| Err(reason::altered(&self.name)));
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Some(Err(reason::of_pieces(&error))),
        };
        self.read = self.read.saturating_add(length(&piece));
        if self.read > self.length {
            return Some(Err(reason::endless(&self.name, self.length)));
        }
        self.hash.update(&piece);
        Some(Ok(piece))
    }
}

impl Stream for VerifiedZip {
    type Item = Result<Bytes, Refusal>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let piece = ready!(pieces.as_mut().poll_next(context));
        let verified = self.verified(piece);
        if !matches!(verified, Some(Ok(_))) {
            self.pieces = None;
        }
        Poll::Ready(verified)
    }
}
