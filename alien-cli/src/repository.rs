//! `alien repository`: signed releases in a folder of files.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::rollout::Sequence;
use alien_core::{Artifacts, ErrorKind, Exit, PublishedRelease};
use alien_fleet::{ArtifactFolder, ArtifactStore as _};
use alien_release::{KeyRole, Publication, Repository, SigningKey, TrustedRoot, Verifier};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::args::Shown;
use crate::args::keys::{PassphraseArgs, RepositoryKeys};
use crate::args::repository::{
    self as args, InitArgs, PublishArgs, RefreshArgs, RootArgs, ServeArgs, Signed, VerifyArgs,
};
use crate::fleet::open as store;
use crate::keys;
use crate::output::{self, Failure};
use crate::serve;

pub(crate) async fn repository(command: &args::Repository, shown: Shown) -> Result<(), Failure> {
    match command {
        args::Repository::Init(args) => init(args, shown),
        args::Repository::Publish(args) => publish(args, shown).await,
        args::Repository::Refresh(args) => refresh(args, shown).await,
        args::Repository::Root(args) => root(args, shown).await,
        args::Repository::Verify(args) => verify(args, shown).await,
        args::Repository::Serve(args) => served(args, shown).await,
    }
}

/// The result of `alien repository init`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RepositoryMade")]
pub(crate) struct Made {
    /// The folder of the repository.
    folder: PathBuf,
    /// The digest of the root file, `sha256:…`, which those who take releases trust.
    root: String,
}

fn init(args: &InitArgs, shown: Shown) -> Result<(), Failure> {
    let root = keys::root(&args.root)?;
    let repository = Repository::create(&args.folder, &root)?;
    let made = Made { folder: repository.folder().to_owned(), root: root.digest().to_string() };
    shown.result(&made, |Made { folder, root }| {
        format!("made a repository in `{}`; those who take releases from it trust the root {root}", folder.display())
    })
}

/// The keys that sign in a repository, as far as they are given.
struct Keys {
    release: Option<SigningKey>,
    online: Option<SigningKey>,
}

const RELEASE: (&str, &str) = ("--release-key", "ALIEN_RELEASE_KEY");
const ONLINE: (&str, &str) = ("--online-key", "ALIEN_ONLINE_KEY");

impl Keys {
    /// Reads those that are named by a flag, or in the environment.
    fn read(given: &RepositoryKeys, passphrase: &PassphraseArgs) -> Result<Self, Failure> {
        let key = |flag: &Option<PathBuf>, (_, variable): (&str, &str)| {
            let named = || env::var_os(variable).filter(|text| !text.is_empty()).map(PathBuf::from);
            flag.clone().or_else(named).map(|path| keys::open(&path, passphrase)).transpose()
        };
        let (release, online) = output::both(key(&given.release_key, RELEASE), key(&given.online_key, ONLINE))?;
        Ok(Self { release, online })
    }

    /// Checks that all are there which publishing takes, so that nothing is written without.
    fn check(&self, repository: &Repository) -> Result<(), Failure> {
        let signs = repository.root()?.keys()?;
        let check = |key: &Option<SigningKey>, role: KeyRole, (flag, variable): (&str, &str)| match key {
            None => Err(Failure::form(flag, "missing", &format!("name the file of the key, or set `{variable}`"))),
            Some(key) if signs.role(key.public()) == Some(role) => Ok(()),
            Some(key) => {
                let told = format!("the key {} is no {role} of this repository", key.public().fingerprint());
                Err(Failure::form(flag, told, "name the file of another key"))
            }
        };
        let release = check(&self.release, KeyRole::Release, RELEASE);
        output::both(release, check(&self.online, KeyRole::Online, ONLINE)).map(drop)
    }

    /// Signs with them in a repository.
    fn sign(self, mut repository: Repository) -> Repository {
        if let Some(key) = self.release {
            repository = repository.with_release_key(Arc::new(key));
        }
        if let Some(key) = self.online {
            repository = repository.with_online_key(Arc::new(key));
        }
        repository
    }
}

/// Opens a repository to sign a release in it. What is wrong with the keys is told before anything is written.
pub(crate) fn to_publish(
    folder: &Path,
    given: &RepositoryKeys,
    passphrase: &PassphraseArgs,
) -> Result<Repository, Failure> {
    let opened = Repository::open(folder).map_err(Failure::from);
    let (keys, repository) = output::both(Keys::read(given, passphrase), opened)?;
    keys.check(&repository)?;
    Ok(keys.sign(repository))
}

async fn publish(args: &PublishArgs, shown: Shown) -> Result<(), Failure> {
    let Signed { folder, keys, passphrase } = &args.signed;
    let repository = to_publish(folder, keys, passphrase)?;
    let reached = store::open(&args.store, store::Absent::Refuse).await?;
    let product = reached.product(args.product.as_ref()).await?;
    let release = match args.release {
        Some(number) => reached.client.published(&product, number.into()).await?,
        None => {
            let nothing = || Failure::stopped(Exit::Drift, format!("no release of `{product}` is published yet"));
            reached.client.last_release(&product).await?.ok_or_else(nothing)?
        }
    };
    let twin = match reached.client.published(&product, release.sequence().twin()).await {
        Ok(twin) if twin.content() != twin.sequence() => Some(twin),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let folder = ArtifactFolder::new(store::artifacts_of(&args.store)?);
    let mut artifacts = Artifacts::default();
    for digest in release.zips().keys().chain(twin.iter().flat_map(|twin| twin.zips().keys())) {
        // One that is in the repository need not be here.
        if let Some(bytes) = folder.get(digest).await? {
            artifacts.insert(bytes);
        }
    }
    let done = repository.publish(&release, twin.as_ref(), &artifacts).await?;
    reached.end().await;
    let twin = twin.as_ref().map(PublishedRelease::sequence);
    let published = Published { release: release.sequence(), twin, is_new: done == Publication::Published };
    shown.result(&published, Published::text)
}

/// The result of `alien repository publish`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReleasePublished")]
pub(crate) struct Published {
    /// The release.
    release: Sequence,
    /// Its twin, which takes it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<Sequence>,
    /// Whether it was signed now; if not, the repository had it.
    is_new: bool,
}

impl Published {
    fn text(&self) -> String {
        let Self { release, twin, is_new } = self;
        let with = twin.map_or_else(|| "without a twin".to_owned(), |twin| format!("and its twin {twin}"));
        if *is_new {
            format!("signed release {release} {with}")
        } else {
            format!("release {release} was signed before, {with}")
        }
    }
}

/// The result of `alien repository refresh`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RepositoryRefreshed")]
pub(crate) struct Refreshed {
    /// Whether the list of releases was signed for a year, beside how fresh the repository is, for 7 days.
    renewed: bool,
}

async fn refresh(args: &RefreshArgs, shown: Shown) -> Result<(), Failure> {
    let Signed { folder, keys, passphrase } = &args.signed;
    let keys = Keys::read(keys, passphrase)?;
    let renews = keys.release.is_some();
    let repository = keys.sign(Repository::open(folder)?);
    if renews { repository.renew().await } else { repository.refresh().await }?;
    shown.result(&Refreshed { renewed: renews }, |Refreshed { renewed }| {
        let what = if *renewed { "the list of releases for a year, and how fresh it is" } else { "how fresh it is" };
        format!("signed {what} for 7 days")
    })
}

/// The result of `alien repository root`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RootAdded")]
pub(crate) struct Added {
    /// The version of the root file.
    version: u64,
    /// The folder of the repository.
    folder: PathBuf,
}

async fn root(args: &RootArgs, shown: Shown) -> Result<(), Failure> {
    let Signed { folder, keys, passphrase } = &args.signed;
    let (next, keys) = output::both(keys::root(&args.root), Keys::read(keys, passphrase))?;
    let repository = keys.sign(Repository::open(folder)?);
    repository.add_root(&next).await?;
    let added = Added { version: next.version(), folder: repository.folder().to_owned() };
    shown.result(&added, |Added { version, folder }| format!("root file {version} is in `{}`", folder.display()))
}

async fn verify(args: &VerifyArgs, shown: Shown) -> Result<(), Failure> {
    let forgotten = env::temp_dir().join(format!("alien-trusted-{}", Uuid::new_v4().simple()));
    let folder = args.trusted.as_deref().unwrap_or(&forgotten);
    let verified = verified(args, folder).await;
    let _ = std::fs::remove_dir_all(&forgotten);
    shown.result(&verified?, Verified::text)
}

/// The result of `alien repository verify`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RepositoryVerified")]
pub(crate) struct Verified {
    /// Every release, and the digest of its document.
    releases: BTreeMap<Sequence, String>,
    /// The release whose zips were verified.
    release: Sequence,
    /// How many zips it has.
    zips: usize,
}

impl Verified {
    fn text(&self) -> String {
        let Self { releases, release, zips } = self;
        let releases = releases.iter().map(|(sequence, digest)| format!("release {sequence}: {digest}"));
        let signed = format!("release {release} is signed, with all of its {zips} zips");
        releases.chain([signed]).collect::<Vec<_>>().join("\n")
    }
}

async fn verified(args: &VerifyArgs, folder: &Path) -> Result<Verified, Failure> {
    let verifier = Verifier::reading(&args.from, TrustedRoot::read(&args.root)?, folder)?;
    let releases = verifier.releases().await.map_err(alien_core::Error::from)?;
    let sequence = match args.release {
        Some(number) => number.into(),
        None => {
            let nothing = || Failure::stopped(Exit::Drift, "the repository has no release yet");
            *releases.keys().next_back().ok_or_else(nothing)?
        }
    };
    let zips = zips(&verifier, sequence).await.map_err(alien_core::Error::from)?;
    Ok(Verified { releases, release: sequence, zips })
}

/// Reads the zips of a release to their ends, and counts them.
async fn zips(verifier: &Verifier, sequence: Sequence) -> Result<usize, alien_release::Refusal> {
    use futures_util::StreamExt as _;
    let release = verifier.decide(sequence).await?;
    for digest in release.release().zips().keys() {
        let mut pieces = release.zip(digest).await?;
        while let Some(piece) = pieces.next().await {
            piece?;
        }
    }
    Ok(release.release().zips().len())
}

async fn served(args: &ServeArgs, shown: Shown) -> Result<(), Failure> {
    // A folder without a repository is told here, and not by every answer.
    Repository::open(&args.folder)?;
    serve::files(&args.folder, args.listen, shown).await
}
