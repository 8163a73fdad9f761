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
