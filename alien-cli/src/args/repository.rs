//! Arguments of `alien repository`.

use std::net::SocketAddr;
use std::path::PathBuf;

use alien_core::StackName;
use clap::Subcommand;

use super::fleet::Store;
use super::keys::{PassphraseArgs, RepositoryKeys};
use crate::interrupt::NOTHING;

/// A repository of signed releases.
#[derive(Debug, Subcommand)]
pub(crate) enum Repository {
    /// Make an empty repository in a folder
    Init(InitArgs),
    /// Sign a release of a fleet and its twin, and put them and their zips into the repository
    Publish(PublishArgs),
    /// Sign anew how fresh the repository is, for 7 days, by the online key; with a release key, the list of releases too, for a year
    Refresh(RefreshArgs),
    /// Put the next root file into the repository, and sign anew what the keys that were taken out had signed
    Root(RootArgs),
    /// Verify a repository as those who take releases from it do
    Verify(VerifyArgs),
    /// Serve the files of a repository over HTTP, to try it; any web server or CDN does the same
    Serve(ServeArgs),
}

impl Repository {
    /// Returns what to say if Ctrl-C ends the command; `None` if the command says it itself, or makes no call.
    pub(crate) const fn left(&self) -> Option<&'static str> {
        match self {
            Self::Verify(_) => Some(NOTHING),
            _ => None,
        }
    }
}

/// `alien repository init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The folder
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// The first root file, `1.root.json`, which `alien keys init` makes
    #[arg(long, value_name = "FILE")]
    pub(crate) root: PathBuf,
}

/// The folder of a repository, and the keys that sign in it.
#[derive(Debug, clap::Args)]
pub(crate) struct Signed {
    /// The folder of the repository
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) keys: RepositoryKeys,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// `alien repository publish`.
#[derive(Debug, clap::Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) store: Store,
    /// The product, if there are several
    #[arg(long)]
    pub(crate) product: Option<StackName>,
    /// The release [default: the one that was published last]
    #[arg(long, value_name = "N")]
    pub(crate) release: Option<u64>,
}

/// `alien repository refresh`.
#[derive(Debug, clap::Args)]
pub(crate) struct RefreshArgs {
    #[command(flatten)]
    pub(crate) signed: Signed,
}

/// `alien repository root`.
#[derive(Debug, clap::Args)]
pub(crate) struct RootArgs {
    #[command(flatten)]
    pub(crate) signed: Signed,
    /// The next root file
    #[arg(value_name = "FILE")]
    pub(crate) root: PathBuf,
}

/// `alien repository verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The repository: a URL, a folder, or a file in the format of tar
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The root file that is trusted, or its digest, `sha256:…`
    #[arg(long, value_name = "FILE|DIGEST")]
    pub(crate) root: String,
    /// The folder in which what is trusted is kept from one time to the next, so that nothing older is taken [default: one that is
    /// forgotten]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) trusted: Option<PathBuf>,
    /// The release whose zips are verified as well [default: the latest]
    #[arg(long, value_name = "N")]
    pub(crate) release: Option<u64>,
}

/// `alien repository serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The folder of the repository
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
}
