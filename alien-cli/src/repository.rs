//! `alien repository`: signed releases in a folder of files.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::rollout::Sequence;
use alien_core::{Artifacts, ErrorKind, PublishedRelease};
use alien_fleet::{ArtifactFolder, ArtifactStore as _};
use alien_release::{KeyRole, Publication, Repository, SigningKey, Verifier};
use uuid::Uuid;

use crate::args::keys::{PassphraseArgs, RepositoryKeys};
use crate::args::repository::{
    self as args, InitArgs, PublishArgs, RefreshArgs, RootArgs, ServeArgs, Signed, VerifyArgs,
};
use crate::fleet::open as store;
use crate::keys;
use crate::output::{self, Failure};
use crate::serve;
use crate::trust;

pub(crate) async fn repository(command: &args::Repository) -> Result<(), Failure> {
    match command {
        args::Repository::Init(args) => init(args),
        args::Repository::Publish(args) => publish(args).await,
        args::Repository::Refresh(args) => refresh(args).await,
        args::Repository::Root(args) => root(args).await,
        args::Repository::Verify(args) => verify(args).await,
        args::Repository::Serve(args) => served(args).await,
    }
}

fn init(args: &InitArgs) -> Result<(), Failure> {
    let root = keys::root(&args.root)?;
    let repository = Repository::create(&args.folder, &root)?;
    output::line(format_args!(
        "made a repository in `{}`; those who take releases from it trust the root {}",
        repository.folder().display(),
        root.digest()
    ))
}

/// Opens a repository with the keys that are given. A key that signs nothing in it is told before anything is written.
fn opened(folder: &Path, keys: &RepositoryKeys, passphrase: &PassphraseArgs) -> Result<Repository, Failure> {
    let (release, online) = output::both(key(&RELEASE, keys, passphrase), key(&ONLINE, keys, passphrase))?;
    let mut repository = Repository::open(folder)?;
    if let Some(key) = release {
        repository = repository.with_release_key(Arc::new(key));
    }
    if let Some(key) = online {
        repository = repository.with_online_key(Arc::new(key));
    }
    Ok(repository)
}

/// Opens a repository to sign a release in it. What is wrong with the keys is told before anything is written.
pub(crate) fn to_publish(
    folder: &Path,
    keys: &RepositoryKeys,
    passphrase: &PassphraseArgs,
) -> Result<Repository, Failure> {
    let repository = opened(folder, keys, passphrase)?;
    let signs = repository.root()?.keys()?;
    let check = |what: &Key| match key(what, keys, passphrase)? {
        None => {
            Err(Failure::form(what.flag, "missing", &format!("name the file of the key, or set `{}`", what.variable)))
        }
        Some(found) if signs.role(found.public()) == Some(what.role) => Ok(()),
        Some(found) => {
            let told = format!("the key {} is no {} of this repository", found.public().fingerprint(), what.role);
            Err(Failure::form(what.flag, told, "name the file of another key"))
        }
    };
    output::both(check(&RELEASE), check(&ONLINE))?;
    Ok(repository)
}

/// A key that signs in a repository, as programs are given it.
struct Key {
    role: KeyRole,
    flag: &'static str,
    variable: &'static str,
}

const RELEASE: Key = Key { role: KeyRole::Release, flag: "--release-key", variable: "ALIEN_RELEASE_KEY" };
const ONLINE: Key = Key { role: KeyRole::Online, flag: "--online-key", variable: "ALIEN_ONLINE_KEY" };

/// The key that is given by a flag, or in the environment.
fn key(what: &Key, keys: &RepositoryKeys, passphrase: &PassphraseArgs) -> Result<Option<SigningKey>, Failure> {
    let flag = if what.role == KeyRole::Release { &keys.release_key } else { &keys.online_key };
    let variable = || env::var_os(what.variable).filter(|text| !text.is_empty()).map(PathBuf::from);
    flag.clone().or_else(variable).map(|path| keys::open(&path, passphrase)).transpose()
}

fn of(signed: &Signed) -> Result<Repository, Failure> {
    opened(&signed.folder, &signed.keys, &signed.passphrase)
}

async fn publish(args: &PublishArgs) -> Result<(), Failure> {
    let Signed { folder, keys, passphrase } = &args.signed;
    let repository = to_publish(folder, keys, passphrase)?;
    let reached = store::open(&args.store, store::Absent::Refuse).await?;
    let product = reached.product(args.product.as_ref()).await?;
    let release = match args.release {
        Some(number) => reached.client.published(&product, number.into()).await?,
        None => {
            let nothing = || Failure::stopped(format!("no release of `{product}` is published yet"));
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
    told(done, &release, twin.as_ref())
}

/// Says what was signed.
fn told(done: Publication, release: &PublishedRelease, twin: Option<&PublishedRelease>) -> Result<(), Failure> {
    let sequence = release.sequence();
    let with = twin.map_or_else(|| "without a twin".to_owned(), |twin| format!("and its twin {}", twin.sequence()));
    match done {
        Publication::Published => output::line(format_args!("signed release {sequence} {with}")),
        Publication::Unchanged => output::line(format_args!("release {sequence} was signed before, {with}")),
    }
}

async fn refresh(args: &RefreshArgs) -> Result<(), Failure> {
    let repository = of(&args.signed)?;
    let renews = key(&RELEASE, &args.signed.keys, &args.signed.passphrase)?.is_some();
    if renews { repository.renew().await } else { repository.refresh().await }?;
    let what = if renews { "the list of releases for a year, and how fresh it is" } else { "how fresh it is" };
    output::line(format_args!("signed {what} for 7 days"))
}

async fn root(args: &RootArgs) -> Result<(), Failure> {
    let next = keys::root(&args.root)?;
    let repository = of(&args.signed)?;
    repository.add_root(&next).await?;
    output::line(format_args!("root file {} is in `{}`", next.version(), repository.folder().display()))
}

async fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let forgotten = env::temp_dir().join(format!("alien-trusted-{}", Uuid::new_v4().simple()));
    let folder = args.trusted.as_deref().unwrap_or(&forgotten);
    let verified = verified(args, folder).await;
    let _ = std::fs::remove_dir_all(&forgotten);
    verified
}

async fn verified(args: &VerifyArgs, folder: &Path) -> Result<(), Failure> {
    let verifier = trust::verifier(&args.from, trust::root(&args.root)?, folder)?;
    let releases = verifier.releases().await.map_err(alien_core::Error::from)?;
    for (sequence, digest) in &releases {
        output::line(format_args!("release {sequence}: {digest}"))?;
    }
    let sequence = match args.release {
        Some(number) => number.into(),
        None => *releases.keys().next_back().ok_or_else(|| Failure::stopped("the repository has no release yet"))?,
    };
    let zips = zips(&verifier, sequence).await.map_err(alien_core::Error::from)?;
    output::line(format_args!("release {sequence} is signed, with all of its {zips} zips"))
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

async fn served(args: &ServeArgs) -> Result<(), Failure> {
    // A folder without a repository is told here, and not by every answer.
    Repository::open(&args.folder)?;
    serve::files(&args.folder, args.listen).await
}
