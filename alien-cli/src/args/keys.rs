//! Arguments of `alien keys`.

use std::path::PathBuf;

use clap::Subcommand;

/// Keys of the vendor's.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make the key of the issuer that deployments on Azure trust, and the two files to publish; rotate it, retire the old one
    Issuer(IssuerArgs),
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
