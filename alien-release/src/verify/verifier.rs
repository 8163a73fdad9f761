//! Who verifies: trust that begins with a root file, and goes on with what its keys sign.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::rollout::Sequence;
use alien_core::{Clock, RootDigest, SystemClock};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tough::schema::{Role, RoleType, Signed};
use tough::{ExpirationEnforcement, RepositoryLoader};
use url::Url;

use super::bounded::Bounded;
use super::reason;
use super::refusal::{Refusal, RefusalKind};
use super::release::VerifiedRelease;
use super::transport::Transport;
use super::trusted::Trusted;
use crate::files;
use crate::repository::{MOST_ROOT, Root, releases};

/// The most root files that are looked at for a digest: as many as `tough` reads at once.
const MOST_ROOTS: u64 = 1024;
/// By how much a version may be above the one before: more than a refresh every minute for ten years.
const LARGEST_STEP: u64 = 10_000_000;
/// How long a timestamp is valid at most: 7 days, and one for clocks that differ.
const LONGEST_TIMESTAMP: SignedDuration = SignedDuration::from_hours(8 * 24);

/// With what trust begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedRoot {
    /// A root file.
    File(Box<Root>),
    /// The digest of a root file, which the repository has.
    Digest(RootDigest),
}

impl From<Root> for TrustedRoot {
    fn from(root: Root) -> Self {
        Self::File(Box::new(root))
    }
}

impl From<RootDigest> for TrustedRoot {
    fn from(digest: RootDigest) -> Self {
        Self::Digest(digest)
    }
}

/// A release that somebody has begun: keep it, to [finish](Verifier::finish) the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// Its number.
    pub sequence: Sequence,
    /// The digest of its file, `sha256:…`.
    pub digest: String,
}

impl From<&VerifiedRelease> for Begun {
    fn from(release: &VerifiedRelease) -> Self {
        Self { sequence: release.sequence(), digest: release.digest().to_owned() }
    }
}

/// Takes releases from a repository, if the vendor's keys signed them.
///
/// It keeps what it trusts in a folder of its own: the latest keys, and the versions that it has seen, so that nothing older is
/// taken. A refusal leaves that as it was; only later keys that enough of the earlier ones signed are kept.
///
/// ```no_run
/// use alien_core::RootDigest;
/// use alien_release::{HttpTransport, Verifier};
///
/// # async fn take(root: RootDigest) -> Result<(), Box<dyn std::error::Error>> {
/// let transport = HttpTransport::new("https://releases.vendor.example")?;
/// let verifier = Verifier::new(root, "/var/lib/agent/trust", transport);
/// let release = verifier.decide(7.into()).await?;
/// for digest in release.release().zips().keys() {
///     release.save_zip(digest, format!("/var/lib/agent/{digest}")).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Verifier {
    root: TrustedRoot,
    folder: PathBuf,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    longest_timestamp: SignedDuration,
    /// One at a time, before the lock of the folder, which keeps other programs out.
    turn: Arc<Mutex<()>>,
}

/// Whether what has expired is taken.
#[derive(Clone, Copy)]
enum Expired {
    Refused,
    Taken,
}

impl Verifier {
    /// Trusts a root file or its digest, keeps what is trusted in a folder, and reads a repository.
    pub fn new(root: impl Into<TrustedRoot>, folder: impl Into<PathBuf>, transport: impl Transport + 'static) -> Self {
        Self {
            root: root.into(),
            folder: folder.into(),
            transport: Arc::new(transport),
            clock: Arc::new(SystemClock),
            longest_timestamp: LONGEST_TIMESTAMP,
            turn: Arc::default(),
        }
    }

    /// Takes the time from another clock than the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes timestamps that are valid for up to this long. By default 8 days, which is one more than [`Repository`](crate::Repository) gives
    /// them. A timestamp that is valid for longer is refused, because then the machine's clock is wrong.
    #[must_use]
    pub const fn with_longest_timestamp(mut self, longest: SignedDuration) -> Self {
        self.longest_timestamp = longest;
        self
    }

    /// Takes a release for a new decision: everything must be valid at this time.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of each kind.
    pub async fn decide(&self, sequence: Sequence) -> Result<VerifiedRelease, Refusal> {
        self.verified(Expired::Refused, sequence).await
    }

    /// Takes a release again that was begun. What expired meanwhile does not keep it from being finished; signatures, versions and digests
    /// are verified as always.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of each kind but [`Expired`](RefusalKind::Expired) and [`WrongClock`](RefusalKind::WrongClock);
    /// [`Altered`](RefusalKind::Altered) if the release has another digest than that which was begun.
    pub async fn finish(&self, begun: &Begun) -> Result<VerifiedRelease, Refusal> {
        let release = self.verified(Expired::Taken, begun.sequence).await?;
        if release.digest() == begun.digest {
            return Ok(release);
        }
        let what = format!("release {} is {}, and {} was begun", begun.sequence, release.digest(), begun.digest);
        Err(Refusal::new(RefusalKind::Altered, what))
    }

    /// The releases that are in the repository now, twins too, and the digest of each: for a new decision.
    ///
    /// # Errors
    ///
    /// As [`decide`](Self::decide).
    pub async fn releases(&self) -> Result<BTreeMap<Sequence, String>, Refusal> {
        Ok(releases(&self.updated(&self.files(), Expired::Refused).await?.targets().signed))
    }

    /// The files of the repository, each bounded.
    fn files(&self) -> Bounded {
        Bounded::new(Arc::clone(&self.transport))
    }

    async fn verified(&self, expired: Expired, sequence: Sequence) -> Result<VerifiedRelease, Refusal> {
        let files = self.files();
        let repository = self.updated(&files, expired).await?;
        VerifiedRelease::of(&repository, files, sequence).await
    }

    /// Reads the repository, and trusts what its keys sign from then on.
    async fn updated(&self, bounded: &Bounded, expired: Expired) -> Result<tough::Repository, Refusal> {
        let _turn = self.turn.lock().await;
        let folder = self.folder.clone();
        let opened = blocking(move || {
            std::fs::create_dir_all(&folder).map_err(|error| Refusal::storage(&files::failed(&folder, &error)))?;
            let lock = files::wait(&folder).map_err(|error| Refusal::storage(&error))?;
            Ok((lock, Trusted::read(&folder)?))
        });
        let (_lock, stored) = opened.await?;
        let trusted = match stored {
            Some(trusted) => self.same(trusted)?,
            None => self.first(bounded).await?,
        };
        let (result, found) = self.loaded(&trusted, bounded, expired).await?;
        if found != trusted {
            let folder = self.folder.clone();
            blocking(move || found.write(&folder)).await?;
        }
        result
    }

    /// Reads the repository in a folder apart, and gives what is trusted after it, whatever became of it.
    async fn loaded(
        &self,
        trusted: &Trusted,
        bounded: &Bounded,
        expired: Expired,
    ) -> Result<(Result<tough::Repository, Refusal>, Trusted), Refusal> {
        let storage = |what: String| Refusal::new(RefusalKind::Storage, what);
        let staging = self.folder.join(".staging");
        let at = staging.clone();
        blocking(move || emptied(&at)).await?;
        let root = serde_json::to_vec(&trusted.root).map_err(|error| storage(error.to_string()))?;
        let base = Url::parse("repository://files/").map_err(|error| storage(error.to_string()))?;
        // `tough` knows no clock but the machine's, and refuses for ever what was read while it was ahead. So time is compared here. So
        // are versions: it would read what was seen before from files that it then writes over, for which a disk takes longer than
        // all the rest does.
        let loaded = RepositoryLoader::new(&root, base.clone(), base)
            .transport(bounded.clone())
            .datastore(&staging)
            .expiration_enforcement(ExpirationEnforcement::Unsafe)
            .load()
            .await;
        let mut found = trusted.clone();
        // `tough` writes a root file once its signatures are verified.
        let is_refused = loaded.is_err();
        let later = blocking(move || {
            let root = if is_refused { files::read(&staging, "root.json") } else { Ok(None) };
            let _ = std::fs::remove_dir_all(&staging);
            root.map_err(|error| Refusal::storage(&error))
        });
        let later = later.await?.map(|text| serde_json::from_slice(&text)).transpose();
        let later = later.map_err(|error| storage(error.to_string()))?;
        if let Some(root) = loaded.as_ref().ok().map(|repository| repository.root().clone()).or(later) {
            found.take_root(root);
        }
        let result = match loaded {
            Ok(repository) => self.in_time(&repository, &found, expired).map(|()| repository),
            Err(error) => Err(reason::of_repository(&error, bounded, &found)),
        };
        if let Ok(repository) = &result {
            found.timestamp = Some(repository.timestamp().clone());
            found.snapshot = Some(repository.snapshot().clone());
        }
        Ok((result, found))
    }

    /// Compares versions and times with what was seen before, and with the clock.
    fn in_time(&self, repository: &tough::Repository, before: &Trusted, expired: Expired) -> Result<(), Refusal> {
        let version = |found: Option<u64>| found.unwrap_or_default();
        let listed = |snapshot: &Signed<tough::schema::Snapshot>| {
            snapshot.signed.meta.get("targets.json").map(|listed| listed.version.get())
        };
        for (role, new, old) in [
            (
                RoleType::Timestamp,
                repository.timestamp().signed.version.get(),
                version(before.timestamp.as_ref().map(|file| file.signed.version.get())),
            ),
            (
                RoleType::Snapshot,
                repository.snapshot().signed.version.get(),
                version(before.snapshot.as_ref().map(|file| file.signed.version.get())),
            ),
            (
                RoleType::Targets,
                repository.targets().signed.version.get(),
                version(before.snapshot.as_ref().and_then(listed)),
            ),
        ] {
            if new < old {
                let what = format!("{} {new} is older than {old}, which was seen before", reason::file(role));
                return Err(Refusal::new(RefusalKind::Replay, what));
            }
            if new.saturating_sub(old) > LARGEST_STEP {
                let what = format!(
                    "the version of {} went from {old} to {new} at once, so that no later one could follow",
                    reason::file(role)
                );
                return Err(Refusal::new(RefusalKind::FastForward, what));
            }
        }
        match expired {
            Expired::Taken => Ok(()),
            Expired::Refused => self.valid(repository),
        }
    }

    fn valid(&self, repository: &tough::Repository) -> Result<(), Refusal> {
        let now = self.clock.now();
        let timestamp = repository.timestamp().signed.expires;
        for (role, expires) in [
            (RoleType::Timestamp, timestamp),
            (RoleType::Snapshot, repository.snapshot().signed.expires()),
            (RoleType::Targets, repository.targets().signed.expires()),
            (RoleType::Root, repository.root().signed.expires()),
        ] {
            if expires <= now {
                let what = format!(
                    "{} expired at {expires}, and this machine's clock says {}",
                    reason::file(role),
                    second(now)
                );
                let why = "either the repository was not signed anew since then, or somebody holds back what is newer, or this machine's clock is wrong";
                return Err(Refusal::new(RefusalKind::Expired, format!("{what}: {why}")));
            }
        }
        if timestamp.duration_since(now) > self.longest_timestamp {
            let what =
                format!("the timestamp is valid until {timestamp}, and this machine's clock says {}", second(now));
            let days = self.longest_timestamp.as_hours() / 24;
            let why = format!("it is valid for {days} days at most, so this machine's clock is wrong");
            return Err(Refusal::new(RefusalKind::WrongClock, format!("{what}: {why}")));
        }
        Ok(())
    }

    const fn digest(&self) -> &RootDigest {
        match &self.root {
            TrustedRoot::File(root) => root.digest(),
            TrustedRoot::Digest(digest) => digest,
        }
    }

    /// What is trusted in the folder, if it began with the same root file.
    fn same(&self, trusted: Trusted) -> Result<Trusted, Refusal> {
        if trusted.first == *self.digest() {
            return Ok(trusted);
        }
        let at: &Path = &self.folder;
        let what = format!(
            "what is trusted in `{}` began with root file {}, not {}",
            at.display(),
            trusted.first,
            self.digest()
        );
        Err(Refusal::new(RefusalKind::WrongRoot, format!("{what}; give that one, or another folder")))
    }

    /// The root file with which trust begins.
    async fn first(&self, bounded: &Bounded) -> Result<Trusted, Refusal> {
        let root = match &self.root {
            TrustedRoot::File(root) => (**root).clone(),
            TrustedRoot::Digest(digest) => Self::fetched(bounded, digest).await?,
        };
        let signed = serde_json::from_slice(root.to_json())
            .map_err(|error| Refusal::new(RefusalKind::Malformed, format!("the root file cannot be read: {error}")))?;
        Ok(Trusted::first(root.digest().clone(), signed))
    }

    /// Finds the root file of a digest in the repository.
    async fn fetched(bounded: &Bounded, digest: &RootDigest) -> Result<Root, Refusal> {
        let mut count = 0;
        for version in 1..=MOST_ROOTS {
            let name = format!("{version}.root.json");
            let text = bounded.read(&name, MOST_ROOT).await.map_err(|error| {
                let lost = || Refusal::new(RefusalKind::Unreachable, error.to_string());
                reason::of_transport(&name, &error).unwrap_or_else(lost)
            })?;
            let Some(text) = text else { break };
            count = version;
            // What is not a root file has no digest that anybody trusts.
            if let Some(root) = Root::with_digest(&text, digest) {
                return Ok(root);
            }
        }
        let what = format!("none of the {count} root files of the repository has the digest {digest}");
        Err(Refusal::new(RefusalKind::WrongRoot, what))
    }
}

/// Makes a folder without anything in it, whatever a program left there that was killed.
fn emptied(folder: &Path) -> Result<(), Refusal> {
    let made = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir(folder),
    };
    made.map_err(|error| Refusal::storage(&files::failed(folder, &error)))
}

/// A time without fractions of a second, as the files have them.
fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal::new(RefusalKind::Storage, error.to_string())))
}
