//! Arguments of `alien-deploy`, the program of the customer's admin.
//!
//! The invitation sets the stack, the cloud and the vendor to trust, so no flags exist for them.

use std::path::PathBuf;

use alien_core::Existing;
use clap::{Parser, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::flags::{AsAdmin, Flags, Place};
use super::{CompletionsArgs, ManArgs, Shown};

/// Review, set up and take down the deployment that a vendor's invitation describes, with your own credentials
#[derive(Debug, Parser)]
#[command(name = "alien-deploy", version, max_term_width = 80, after_help = super::exits())]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) shown: Shown,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the vendor could do, without calling the cloud
    Review(ReviewArgs),
    /// Show what `up` would change, without changing anything; exit with 4 if something must be fixed first
    Plan(PlanArgs),
    /// Create what is missing, update what differs, and write the record for the vendor
    Up(UpArgs),
    /// Compare the deployment with the invitation; exit with 7 if `up` has something to do
    Status(StatusArgs),
    /// Take the deployment down, starting with the vendor's access
    Down(DownArgs),
    /// Revoke the vendor's access at once, and leave everything running
    Revoke(RevokeArgs),
    /// Print how to run the agent of a deployment that pulls its releases: a unit of systemd, a container or a manifest
    Agent(AgentArgs),
    /// Print what completes this command line in a shell
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
}

/// An invitation, and where to set it up.
#[derive(Debug, clap::Args)]
pub(crate) struct Invited {
    /// The invitation that the vendor sent
    #[arg(long, value_name = "FILE")]
    pub(crate) invitation: PathBuf,
    /// Refuse the invitation unless this key of the vendor's signed it: a file with the public key, or its fingerprint,
    /// `sha256:…` [env: ALIEN_VENDOR_KEY] [default: the key that `--record` remembers]
    #[arg(long, value_name = "FILE|FINGERPRINT")]
    pub(crate) vendor_key: Option<String>,
    #[command(flatten)]
    pub(crate) place: Flags<Place>,
    /// Use a network of your own in the place of one of the stack's, and perhaps only these of its subnets; repeat it for
    /// every network. It is never changed, and `--record` remembers it
    #[arg(long, value_name = "NETWORK=ID[,SUBNET…]", value_parser = existing)]
    pub(crate) existing: Vec<(String, Existing)>,
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
    /// Also print rules of the cloud's own that you can set above the deployment, ready to apply
    #[arg(long)]
    pub(crate) guardrails: bool,
    /// Also print the cloud's policy documents, as JSON
    #[arg(long)]
    pub(crate) documents: bool,
}

/// An invitation to compare with what the cloud has.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    pub(crate) invited: Invited,
    #[command(flatten)]
    pub(crate) connection: Flags<AsAdmin>,
    /// A zip that the stack names by its digest; repeat the flag for each zip
    #[arg(long, value_name = "FILE")]
    pub(crate) zip: Vec<PathBuf>,
}

/// What may be changed beyond what a set-up changes by itself.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Changes {
    /// Also change frozen resources
    #[arg(long)]
    pub(crate) allow_frozen_changes: bool,
    /// Also set live code and its sizes to what the invitation says, undoing what the vendor has released since
    #[arg(long)]
    pub(crate) reset_live: bool,
    /// Also mark again what the record knows and somebody took the marks of this deployment away from, such as a program
    /// that replaces tags; what carries another deployment's mark is never taken over
    #[arg(long)]
    pub(crate) mark_again: bool,
}

/// `alien-deploy plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The record that the last `up` wrote; it also says where the deployment is
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) changes: Changes,
}

/// `alien-deploy up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Write the record to this file; an existing file must be the record that the last `up` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) record: PathBuf,
    /// The public key of the agent that manages the deployment, as `alien-agent init` printed it, where releases are pulled; `--record`
    /// remembers it
    #[arg(long, value_name = "FILE")]
    pub(crate) agent_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) changes: Changes,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// `alien-deploy status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The record that the last `up` wrote; it also says where the deployment is
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// An existing deployment.
#[derive(Debug, clap::Args)]
pub(crate) struct Standing {
    #[command(flatten)]
    pub(crate) invited: Invited,
    #[command(flatten)]
    pub(crate) connection: Flags<AsAdmin>,
    /// The record that the last `up` wrote, if any; it also says where the deployment is
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// `alien-deploy down`.
#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) standing: Standing,
    /// Keep every resource that can hold data, even if it is empty
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
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Options of a run that changes something.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
    /// Take over the claim of an interrupted run instead of waiting for it to end
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// `alien-deploy agent`.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    /// The record that the last `up` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) record: PathBuf,
    /// What runs the agent
    #[arg(long = "for", value_name = "WHAT")]
    pub(crate) form: Form,
    /// The image of the agent, for a container or Kubernetes
    #[arg(long, value_name = "IMAGE", default_value = concat!("alien-agent:", env!("CARGO_PKG_VERSION")))]
    pub(crate) image: String,
}

/// What runs an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// A unit of systemd
    Systemd,
    /// A container
    Container,
    /// A manifest for Kubernetes
    Kubernetes,
}
