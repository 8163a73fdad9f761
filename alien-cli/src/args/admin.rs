//! What `alien-deploy` takes: the program of the customer's admin.
//!
//! Whom to trust, the stack and the cloud are the invitation's to say: there are no flags for them.

use std::path::PathBuf;

use alien_core::Existing;
use clap::{Parser, Subcommand};

use super::Shown;
use super::flags::{AsAdmin, Flags, Place};

/// Reviews, sets up and takes down what a vendor's invitation asks for, with your own credentials.
#[derive(Debug, Parser)]
#[command(name = "alien-deploy", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the vendor would be able to do, and the cloud's own documents; calls nothing
    Review(ReviewArgs),
    /// Show what `up` will do, and exit with 1 where something must be mended first; changes nothing
    Plan(PlanArgs),
    /// Set up what is missing or differs, and write the record for the vendor
    Up(UpArgs),
    /// Show how everything stands against the invitation, and exit with 1 where `up` has something to do
    Status(StatusArgs),
    /// Take the deployment down, the vendor's access first
    Down(DownArgs),
    /// Take the vendor's access back, at once, and leave everything running
    Revoke(RevokeArgs),
}

/// What the vendor sent, and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Invited {
    /// What the vendor sent
    #[arg(long, value_name = "FILE")]
    pub(crate) invitation: PathBuf,
    #[command(flatten)]
    pub(crate) place: Flags<Place>,
    /// Use a network of your own in the place of one of the stack's, and perhaps only these of its subnets; repeat it for
    /// every network. It is never changed, and `--record` remembers it
    #[arg(long, value_name = "NETWORK=ID[,SUBNET…]", value_parser = existing)]
    pub(crate) existing: Vec<(String, Existing)>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

fn existing(text: &str) -> Result<(String, Existing), String> {
    let wrong = || "write the network's id in the stack, `=`, and the name of yours: `net=vpc-0a1b2c3d`".to_owned();
    let (id, own) = text.split_once('=').ok_or_else(wrong)?;
    let mut parts = own.split(',').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty() && !id.is_empty()).ok_or_else(wrong)?;
    let subnets: Vec<&str> = parts.collect();
    if subnets.contains(&"") { Err(wrong()) } else { Ok((id.to_owned(), Existing::new(name).with_subnets(subnets))) }
}

/// `alien-deploy review`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReviewArgs {
    #[command(flatten)]
    pub(crate) invited: Invited,
    /// Print the documents too
    #[arg(long)]
    pub(crate) documents: bool,
}

/// An invitation that is compared with what stands in the cloud.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    pub(crate) invited: Invited,
    #[command(flatten)]
    pub(crate) connection: Flags<AsAdmin>,
    /// A zip that the stack names by its digest; repeat it for every one
    #[arg(long, value_name = "FILE")]
    pub(crate) zip: Vec<PathBuf>,
}

/// `alien-deploy plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The record that `up` wrote last; it also says where the deployment is
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Change frozen resources as well
    #[arg(long)]
    pub(crate) allow_frozen_changes: bool,
}

/// `alien-deploy up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Where the record is written; if it is there already, it is what `up` wrote last
    #[arg(long, value_name = "FILE")]
    pub(crate) record: PathBuf,
    /// Change frozen resources as well
    #[arg(long)]
    pub(crate) allow_frozen_changes: bool,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// `alien-deploy status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The record that `up` wrote last; it also says where the deployment is
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// A deployment that is there.
#[derive(Debug, clap::Args)]
pub(crate) struct Standing {
    #[command(flatten)]
    pub(crate) invited: Invited,
    #[command(flatten)]
    pub(crate) connection: Flags<AsAdmin>,
    /// The record that `up` wrote last, if it wrote one; it also says where the deployment is
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// `alien-deploy down`.
#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) standing: Standing,
    /// Keep every resource that can hold data, also where it is empty
    #[arg(long, conflicts_with = "delete_data")]
    pub(crate) keep_data: bool,
    /// Delete all data
    #[arg(long)]
    pub(crate) delete_data: bool,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// `alien-deploy revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) standing: Standing,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// How a run is begun.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Do not wait for the claim of a run that was interrupted
    #[arg(long)]
    pub(crate) take_over: bool,
}
