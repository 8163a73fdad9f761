//! Publishing: what is signed, and the order in which it is written.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::rollout::Sequence;
use alien_core::{Artifacts, Clock, Error, ErrorKind, Problem, PublishedRelease, Result, Rule, SystemClock};
use tough::TargetName;
use tough::schema::{Metafile, Role, RoleType, Signed, Snapshot, Target, Targets, Timestamp};

use super::load::Current;
use super::root::Root;
use super::schema::{
    MOST_RELEASE, MOST_TARGETS, ONLINE, SPEC, TARGETS, digest_of, hashes, internal, key_id, length, metafile, next,
    release_name, releases, sign, target, until, written, zip_name,
};
use crate::files;
use crate::keys::Signer;

/// What came of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The release is in the repository.
    Published,
    /// It was there before, the same. Nothing was changed.
    Unchanged,
}

/// A repository of signed releases of one product: a folder of files, which any web server can serve.
///
/// ```text
/// 1.root.json …             which keys sign what; signed by root keys; valid for three years
/// timestamp.json            which snapshot is the latest; signed by the online key; valid for 7 days
/// 5.snapshot.json …         which list is the latest; signed by the online key; valid for 7 days
/// 3.targets.json …          all releases, by digest and length; signed by the release key; valid for a year
/// <sha256>.release-7.json   a release, which names its zips by digest and length
/// <sha256>.zip              a zip
/// ```
///
/// Only `timestamp.json` is ever written over, and last of all: whoever reads while something is published sees it before or after.
/// The others may be cached for ever. Files that nobody needs any more are left.
///
/// ```
/// use std::sync::Arc;
///
/// use alien_core::{Code, Function, Images, Profile, PublishedRelease, Release, Stack};
/// use alien_release::{Publication, Repository, RootDraft, RootKeys, SigningKey};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alien_core::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("alien-repository-doc-{}", std::process::id()));
/// # let [a, b, release_key, online_key] = std::array::from_fn(|_| SigningKey::generate().unwrap());
/// # let keys = RootKeys::new(2, [*a.public(), *b.public()], *release_key.public(), *online_key.public())?;
/// # let mut draft = RootDraft::first(&keys, jiff::Timestamp::now())?;
/// # draft.sign(&a).await?;
/// # draft.sign(&b).await?;
/// # let root = draft.finish()?;
/// # let code = Code::zip(b"the bytes of a zip");
/// # let artifacts = [std::sync::Arc::from(&b"the bytes of a zip"[..])].into_iter().collect();
/// # let mut stack = Stack::builder("acme");
/// # stack.profile("code", Profile::new());
/// # stack.live("api", Function::new(code, "code"));
/// # let stack = stack.build().unwrap();
/// let repository = Repository::create(&folder, &root)?
///     .with_release_key(Arc::new(release_key))
///     .with_online_key(Arc::new(online_key));
/// let release = Release::new(stack, artifacts)?;
/// let published = PublishedRelease::new(1.into(), &release, Images::default())?;
/// assert_eq!(repository.publish(&published, None, release.artifacts()).await?, Publication::Published);
/// // Every few days, with the online key alone:
/// repository.refresh().await?;
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Repository {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    release_key: Option<Arc<dyn Signer>>,
    online_key: Option<Arc<dyn Signer>>,
}

impl Repository {
    /// Creates an empty repository in a folder, which is created if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`] if there is a repository; [`ErrorKind::Input`] if this is not a first root file;
    /// [`ErrorKind::Unavailable`] if the folder cannot be written.
    pub fn create(folder: impl Into<PathBuf>, root: &Root) -> Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).map_err(|error| files::failed(&folder, &error))?;
        let _lock = files::lock(&folder)?;
        if !Current::of(&folder)?.roots.is_empty() {
            let what = format!("there is a repository in `{}`", folder.display());
            return Err(Error::new(ErrorKind::AlreadyExists, what));
        }
        if root.version() != 1 {
            let what = format!("a repository begins with root file 1, and this is root file {}", root.version());
            return Err(wrong(what, "give `1.root.json`, and add the others to it"));
        }
        files::write(&folder, &root.file_name(), root.to_json())?;
        Ok(Self::at(folder))
    }

    /// Opens a repository.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none in this folder; [`ErrorKind::Rejected`] if something in it is not signed by its keys.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        if !folder.is_dir() || Current::of(&folder)?.roots.is_empty() {
            let what = format!("there is no repository in `{}`", folder.display());
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        Ok(Self::at(folder))
    }

    fn at(folder: PathBuf) -> Self {
        Self { folder, clock: Arc::new(SystemClock), release_key: None, online_key: None }
    }

    /// Sets the release key, which publishing needs.
    #[must_use]
    pub fn with_release_key(mut self, key: Arc<dyn Signer>) -> Self {
        self.release_key = Some(key);
        self
    }

    /// Sets the online key, which every change needs.
    #[must_use]
    pub fn with_online_key(mut self, key: Arc<dyn Signer>) -> Self {
        self.online_key = Some(key);
        self
    }

    /// Takes the time from another clock than the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The latest root file.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn root(&self) -> Result<Root> {
        Current::of(&self.folder)?.root().cloned()
    }

    /// The releases that are in it, twins too, and the digest of each.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn releases(&self) -> Result<BTreeMap<Sequence, String>> {
        let content = Current::of(&self.folder)?.content;
        Ok(content.map(|content| releases(&content.targets.signed)).unwrap_or_default())
    }

    /// Publishes a release and its twin: writes them and the zips, and signs them together.
    ///
    /// Zips that are in the repository need not be among the artifacts. To publish the same again changes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if another release has this number, or a higher one is published; [`ErrorKind::Input`] if the twin is
    /// not this release's, if it is of another product, or if a zip is missing; [`ErrorKind::TooLarge`] if the release is too large, or the
    /// repository full; [`ErrorKind::Credentials`] if a key is missing, or not one that signs in this repository;
    /// [`ErrorKind::Locked`] if another program publishes; [`ErrorKind::Unavailable`] if the folder cannot be written; those of the signers.
    pub async fn publish(
        &self,
        release: &PublishedRelease,
        twin: Option<&PublishedRelease>,
        artifacts: &Artifacts,
    ) -> Result<Publication> {
        let _lock = files::lock(&self.folder)?;
        let current = Current::of(&self.folder)?;
        let mut targets = match &current.content {
            Some(content) => content.targets.signed.clone(),
            None => self.empty(),
        };
        let both: Vec<&PublishedRelease> = [Some(release), twin].into_iter().flatten().collect();
        if let Some(twin) = twin
            && (twin.sequence() != release.sequence().twin() || twin.product() != release.product())
        {
            let what = format!("{} is not the twin of {}", twin.file_name(), release.file_name());
            return Err(wrong(what, "make the twin of this release"));
        }
        let known = releases(&targets);
        let is_new = |release: &&PublishedRelease| known.get(&release.sequence()) != Some(&release.digest());
        let new: Vec<&PublishedRelease> = both.into_iter().filter(is_new).collect();
        let Some(first) = new.first().map(|release| release.sequence()) else { return Ok(Publication::Unchanged) };
        if let Some((last, _)) = known.last_key_value().filter(|(last, _)| **last >= first) {
            let what = match known.get(&first) {
                Some(digest) => format!("another release {first} is published, {digest}"),
                None => format!("release {last} is published, and {first} would come before it"),
            };
            return Err(Error::new(ErrorKind::Conflict, format!("{what}; publish it as a later one")));
        }
        self.is_of_product(&targets, &known, release)?;
        let signers = Signers { release: self.release_key(&current)?, online: self.online_key(&current)? };
        for release in &new {
            let bytes = length(release.to_json().as_bytes());
            if bytes > MOST_RELEASE {
                let what = format!("{} has {bytes} bytes, and at most {MOST_RELEASE} are taken", release.file_name());
                return Err(Error::new(ErrorKind::TooLarge, what));
            }
        }
        self.write_zips(&new, artifacts)?;
        for release in new {
            let text = release.to_json();
            let entry = target(text.as_bytes());
            let name = release_name(release.sequence());
            files::write(&self.folder, &file_name(&name, &entry), text.as_bytes())?;
            targets.targets.insert(parsed(&name)?, entry);
        }
        self.write_targets(&current, targets, &signers).await?;
        Ok(Publication::Published)
    }

    /// Signs anew how fresh the repository is, with the online key: for another 7 days.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if nothing is published yet; [`ErrorKind::Expired`] if the list of what is in it has expired, or its release key
    /// was changed: [`renew`](Self::renew) it; otherwise as [`publish`](Self::publish).
    pub async fn refresh(&self) -> Result<()> {
        let _lock = files::lock(&self.folder)?;
        let current = Current::of(&self.folder)?;
        let online = self.online_key(&current)?;
        let content = current.content.as_ref().ok_or_else(nothing)?;
        if current.root()?.schema().verify_role(&content.targets).is_err() {
            let what = "the release key was changed since the last release; renew the repository with the new one";
            return Err(Error::new(ErrorKind::Expired, what));
        }
        if content.targets.signed.expires <= self.clock.now() {
            let what = format!(
                "the list of releases expired on {}; renew it with the release key",
                content.targets.signed.expires
            );
            return Err(Error::new(ErrorKind::Expired, what));
        }
        self.write_online(&current, content.listed()?, None, online).await
    }

    /// Signs all anew, with the release key and the online key: the list of releases for another year.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if nothing is published yet; otherwise as [`publish`](Self::publish).
    pub async fn renew(&self) -> Result<()> {
        let _lock = files::lock(&self.folder)?;
        let current = Current::of(&self.folder)?;
        let signers = Signers { release: self.release_key(&current)?, online: self.online_key(&current)? };
        let targets = current.content.as_ref().ok_or_else(nothing)?.targets.signed.clone();
        self.write_targets(&current, targets, &signers).await
    }

    /// Takes the next root file: keys were changed. Signs anew what the keys that were taken out had signed.
    ///
    /// The keys given to this repository are those of the new file; the release key is needed only if it was changed. To add the same again
    /// finishes what was interrupted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] if it does not come after the latest one, by version and signatures; otherwise as
    /// [`publish`](Self::publish).
    pub async fn add_root(&self, root: &Root) -> Result<()> {
        let _lock = files::lock(&self.folder)?;
        let mut current = Current::of(&self.folder)?;
        if current.root()? != root {
            current.root()?.precedes(root)?;
            current.roots.push(root.clone());
        }
        let Some(content) = &current.content else {
            return files::write(&self.folder, &root.file_name(), root.to_json());
        };
        let online = self.online_key(&current)?;
        if root.schema().verify_role(&content.targets).is_ok() {
            return self.write_online(&current, content.listed()?, Some(root), online).await;
        }
        let signers = Signers { release: self.release_key(&current)?, online };
        let targets = content.targets.signed.clone();
        let listed = self.signed_targets(&current, targets, &signers).await?;
        self.write_online(&current, listed, Some(root), online).await
    }

    /// Takes out the releases before one. Whoever has begun one of them can finish it only with what they have. The files are left: what
    /// no release names any more may be deleted.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub async fn retire(&self, before: Sequence) -> Result<()> {
        let _lock = files::lock(&self.folder)?;
        let current = Current::of(&self.folder)?;
        let signers = Signers { release: self.release_key(&current)?, online: self.online_key(&current)? };
        let mut targets = current.content.as_ref().ok_or_else(nothing)?.targets.signed.clone();
        let mut kept = HashSet::new();
        for sequence in releases(&targets).into_keys().filter(|sequence| *sequence >= before) {
            kept.insert(parsed(&release_name(sequence))?);
        }
        targets.targets.retain(|name, _| kept.contains(name));
        self.write_targets(&current, targets, &signers).await
    }

    fn empty(&self) -> Targets {
        let mut targets = Targets::new(SPEC.to_owned(), NonZeroU64::MIN, self.clock.now());
        targets.delegations = None;
        targets
    }

    fn release_key(&self, current: &Current) -> Result<&dyn Signer> {
        signer(self.release_key.as_deref(), "release key", RoleType::Targets, current.root()?)
    }

    fn online_key(&self, current: &Current) -> Result<&dyn Signer> {
        signer(self.online_key.as_deref(), "online key", RoleType::Timestamp, current.root()?)
    }

    fn read_release(&self, targets: &Targets, sequence: Sequence) -> Result<PublishedRelease> {
        let name = release_name(sequence);
        let unread =
            |what: &str| Error::new(ErrorKind::Rejected, format!("the repository is damaged: `{name}` {what}"));
        let entry = targets.targets.get(&parsed(&name)?).ok_or_else(|| unread("is not in it"))?;
        let text = files::read(&self.folder, &file_name(&name, entry))?.ok_or_else(|| unread("is missing"))?;
        if hashes(&text) != entry.hashes {
            return Err(unread("was changed since it was written"));
        }
        let text = String::from_utf8(text).map_err(|_| unread("is not text"))?;
        PublishedRelease::from_json(&text).map_err(|problems| problems.as_slice().to_vec().into())
    }

    /// Refuses a release of another product than those that are published.
    fn is_of_product(
        &self,
        targets: &Targets,
        known: &BTreeMap<Sequence, String>,
        release: &PublishedRelease,
    ) -> Result<()> {
        let Some((last, _)) = known.last_key_value() else { return Ok(()) };
        let last = self.read_release(targets, *last)?;
        if last.product() == release.product() {
            return Ok(());
        }
        let what =
            format!("this is a repository of `{}`, and the release is of `{}`", last.product(), release.product());
        Err(wrong(what, "publish it in a repository of its own"))
    }

    fn write_zips(&self, releases: &[&PublishedRelease], artifacts: &Artifacts) -> Result<()> {
        let mut problems = Vec::new();
        for digest in releases.iter().flat_map(|release| release.zips().keys()) {
            let name = zip_name(digest);
            let found = artifacts.iter().find(|(known, _)| known == digest);
            if let Some((_, zip)) = found {
                files::write(&self.folder, &name, zip)?;
                continue;
            }
            let is_there = files::read(&self.folder, &name)?.is_some_and(|zip| digest_of(&target(&zip)) == *digest);
            if !is_there {
                let help = "give its bytes with the release".to_owned();
                problems.push(Problem::error(Rule::Code, format!("the zip {digest} is missing"), help));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
    }

    async fn write_targets(&self, current: &Current, targets: Targets, signers: &Signers<'_>) -> Result<()> {
        let listed = self.signed_targets(current, targets, signers).await?;
        self.write_online(current, listed, None, signers.online).await
    }

    /// Signs a list and writes it, as the next version.
    async fn signed_targets(&self, current: &Current, mut targets: Targets, signers: &Signers<'_>) -> Result<Metafile> {
        let before = current.content.as_ref().map(|content| content.targets.signed.version);
        targets.version = before.map_or(NonZeroU64::MIN, next);
        targets.expires = until(self.clock.now(), TARGETS);
        let signatures = vec![sign(&targets, signers.release).await?];
        let signed = Signed { signed: targets, signatures };
        let text = written(&signed)?;
        if length(&text) > MOST_TARGETS {
            let what = format!("the list of releases has {} bytes, and at most {MOST_TARGETS} are taken", text.len());
            return Err(Error::new(ErrorKind::TooLarge, format!("{what}; retire the earliest releases first")));
        }
        files::write(&self.folder, &signed.signed.filename(true), &text)?;
        Ok(metafile(&text, signed.signed.version))
    }

    /// Signs which list is the latest. With the last file that is written, all of it holds.
    async fn write_online(
        &self,
        current: &Current,
        listed: Metafile,
        root: Option<&Root>,
        signer: &dyn Signer,
    ) -> Result<()> {
        let (snapshot, timestamp) = match &current.content {
            Some(content) => (next(content.snapshot.signed.version), next(content.timestamp.signed.version)),
            None => (NonZeroU64::MIN, NonZeroU64::MIN),
        };
        let expires = until(self.clock.now(), ONLINE);
        let mut snapshot = Snapshot::new(SPEC.to_owned(), snapshot, expires);
        snapshot.meta.insert("targets.json".to_owned(), listed);
        let signatures = vec![sign(&snapshot, signer).await?];
        let snapshot = Signed { signed: snapshot, signatures };
        let mut timestamp = Timestamp::new(SPEC.to_owned(), timestamp, expires);
        let text = written(&snapshot)?;
        timestamp.meta.insert("snapshot.json".to_owned(), metafile(&text, snapshot.signed.version));
        let signatures = vec![sign(&timestamp, signer).await?];
        let timestamp = written(&Signed { signed: timestamp, signatures })?;
        files::write(&self.folder, &snapshot.signed.filename(true), &text)?;
        if let Some(root) = root {
            files::write(&self.folder, &root.file_name(), root.to_json())?;
        }
        files::write(&self.folder, "timestamp.json", &timestamp)
    }
}

struct Signers<'r> {
    release: &'r dyn Signer,
    online: &'r dyn Signer,
}

/// The key for a role, if the latest root file has it.
fn signer<'s>(key: Option<&'s dyn Signer>, what: &str, role: RoleType, root: &Root) -> Result<&'s dyn Signer> {
    let refused = |what: String| Error::new(ErrorKind::Credentials, what);
    let key = key.ok_or_else(|| refused(format!("the {what} is missing; give it")))?;
    let id = key_id(&key.public())?;
    if root.schema().roles.get(&role).is_some_and(|keys| keys.keyids.contains(&id)) {
        return Ok(key);
    }
    let fingerprint = key.public().fingerprint();
    Err(refused(format!("the key {fingerprint} is no {what} of root file {}; give one that is", root.version())))
}

/// The name of a target's file: its digest is before its name.
fn file_name(name: &str, target: &Target) -> String {
    let digest = digest_of(target);
    format!("{}.{name}", digest.trim_start_matches("sha256:"))
}

fn parsed(name: &str) -> Result<TargetName> {
    TargetName::new(name).map_err(|error| internal(&error))
}

fn nothing() -> Error {
    Error::new(ErrorKind::NotFound, "nothing is published in this repository yet")
}

fn wrong(what: String, help: &str) -> Error {
    vec![Problem::error(Rule::Form, what, help.to_owned())].into()
}
