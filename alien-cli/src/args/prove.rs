//! Arguments of `alien-prove`.

use std::path::PathBuf;

use alien_core::Code;
use clap::{Parser, Subcommand};

use super::flags::{AsEither, Flags, Place, Trust};
use super::{CompletionsArgs, ManArgs, Shown};
use crate::clouds::{self, Cloud};

/// Show on a real account, project or subscription what no documentation and no emulated cloud shows: live the whole life of a
/// scratch deployment, with your own credentials on both sides, and take it down again
#[derive(Debug, Parser)]
#[command(name = "alien-prove", version, max_term_width = 80, after_help = super::exits())]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) shown: Shown,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set up, try everything, take down, and say which facts hold; exit with 7 if one does not, or something is left
    Run(RunArgs),
    /// Replay a recorded proof of AWS or Azure without network and credentials, and report what this version does differently; exit
    /// with 7 if it does
    Replay(ReplayArgs),
    /// List what is relied on and not proved
    Facts(FactsArgs),
    /// Print what completes this command line in a shell
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
}

/// `alien-prove run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The cloud
    #[arg(long, value_parser = clouds::parser())]
    pub(crate) cloud: Cloud,
    /// The image that containers run, and functions where the cloud runs no zips: `REPOSITORY@sha256:…`. It listens on the port in
    /// `PORT`, or on 8080
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Code,
    /// The image answers each command with the command itself and prints it, as the cloud's page asks: then commands and logs are
    /// tried too. A function that runs a zip is always tried so
    #[arg(long)]
    pub(crate) commands: bool,
    #[command(flatten)]
    pub(crate) place: Flags<Place>,
    #[command(flatten)]
    pub(crate) trust: Flags<Trust>,
    #[command(flatten)]
    pub(crate) connection: Flags<AsEither>,
    /// The vendor's credentials, where they are not the admin's: the name of a profile on AWS, a file on Google Cloud
    #[arg(long, value_name = "PROFILE|FILE")]
    pub(crate) vendor_credentials: Option<String>,
    /// Print every call, and the right that it needs; call nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the findings, the record, and what was called into this folder, which is made
    #[arg(long, value_name = "FOLDER", required_unless_present = "dry_run")]
    pub(crate) out: Option<PathBuf>,
    /// Do not ask first
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `alien-prove replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The folder that `alien-prove run --out` wrote
    pub(crate) folder: PathBuf,
}

/// `alien-prove facts`.
#[derive(Debug, clap::Args)]
pub(crate) struct FactsArgs {
    /// Only of this cloud
    #[arg(long, value_parser = clouds::parser())]
    pub(crate) cloud: Option<Cloud>,
}
