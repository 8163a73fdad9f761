//! Arguments of `alien keys`.

use std::path::PathBuf;

use clap::Subcommand;

/// Keys of the vendor's.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make the key of the issuer that deployments on Azure trust, and the two files to publish; rotate it, retire the old one
    Issuer(IssuerArgs),
    /// Make the key that signs invitations
    Vendor(VendorArgs),
    /// Make the keys of a repository of signed releases, and its root file, which says which keys sign what
    Init(InitArgs),
    /// Put another key in the place of one, in the next root file
    Rotate(RotateArgs),
    /// Take a key out, in the next root file
    Revoke(RevokeArgs),
    /// Make the next root file with the same keys, so that it is valid for three more years
    Renew(RenewArgs),
    /// Sign a root file that not enough root keys have signed yet
    Sign(SignRootArgs),
    /// Print the fingerprint and the public key of a file with a private or public key
    Show(ShowArgs),
}

/// Where the passphrase of a private key is.
#[derive(Debug, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// The file with the passphrase of the private key [env: ALIEN_PASSPHRASE, the passphrase itself]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// The key that signs an invitation.
#[derive(Debug, clap::Args)]
pub(crate) struct SignArgs {
    /// Sign the invitation with this private key of the vendor's, which `alien keys vendor` makes
    #[arg(long, value_name = "FILE")]
    pub(crate) sign: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// `alien keys vendor`.
#[derive(Debug, clap::Args)]
pub(crate) struct VendorArgs {
    /// The folder for the private key, `vendor.pem`, and for the public one, in `public` below it
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// `alien keys init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The folder for the private keys, and for the root file, in `public` below it
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// How many root keys there are
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) root_keys: usize,
    /// How many of them sign a root file together
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) threshold: usize,
    /// The public key of a release key that is elsewhere, as in an HSM; none is made then
    #[arg(long, value_name = "FILE")]
    pub(crate) release_public: Option<PathBuf>,
    /// The public key of an online key that is elsewhere; none is made then
    #[arg(long, value_name = "FILE")]
    pub(crate) online_public: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// The root file that is changed, and who signs the next.
#[derive(Debug, clap::Args)]
pub(crate) struct RootArgs {
    /// The latest root file
    #[arg(long, value_name = "FILE")]
    pub(crate) root: PathBuf,
    /// A private root key to sign with; repeat the flag for each that is at hand
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// The root file that is changed, who signs the next, and where that is written.
#[derive(Debug, clap::Args)]
pub(crate) struct NextRootArgs {
    #[command(flatten)]
    pub(crate) before: RootArgs,
    /// The file of the next root file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// `alien keys rotate`.
#[derive(Debug, clap::Args)]
pub(crate) struct RotateArgs {
    /// The key to replace: its fingerprint, `sha256:…`, or a file with the public key
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The public key that takes its place
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    #[command(flatten)]
    pub(crate) next: NextRootArgs,
}

/// `alien keys revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// The key to take out: its fingerprint, `sha256:…`, or a file with the public key
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) next: NextRootArgs,
}

/// `alien keys renew`.
#[derive(Debug, clap::Args)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    pub(crate) next: NextRootArgs,
}

/// `alien keys sign`.
#[derive(Debug, clap::Args)]
pub(crate) struct SignRootArgs {
    /// The root file to sign, which is written again
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The root file before it; none before the first
    #[arg(long, value_name = "FILE")]
    pub(crate) root: Option<PathBuf>,
    /// A private root key to sign with; repeat the flag for each that is at hand
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) root_key: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// The private keys that sign what is in a repository.
#[derive(Debug, clap::Args)]
pub(crate) struct RepositoryKeys {
    /// The file of the release key [env: ALIEN_RELEASE_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) release_key: Option<PathBuf>,
    /// The file of the online key [env: ALIEN_ONLINE_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) online_key: Option<PathBuf>,
}

/// `alien keys show`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The file, in PEM
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// `alien keys issuer`.
#[derive(Debug, clap::Args)]
pub(crate) struct IssuerArgs {
    /// The `https://` URL below which the two files will be: what `alien invite --issuer` is given
    #[arg(
        long,
        value_name = "URL",
        required_unless_present_any = ["rotate", "retire"],
        conflicts_with_all = ["rotate", "retire"]
    )]
    pub(crate) issuer: Option<String>,
    /// The folder for private keys, and for what is published, in `public` below it
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Publish this public key (PEM) of a key management service or HSM, and make no private key
    #[arg(long, value_name = "FILE", conflicts_with = "retire")]
    pub(crate) public_key: Option<PathBuf>,
    /// Add a second key to the published one
    #[arg(long)]
    pub(crate) rotate: bool,
    /// Publish only the newer one of two keys
    #[arg(long, conflicts_with = "rotate")]
    pub(crate) retire: bool,
}
