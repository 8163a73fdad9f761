//! What `alien` takes: the vendor's program.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::flags::{AsVendor, Flags, Target, Trust};
use super::{Format, LayerName, Shown};
use crate::clouds::{self, Cloud};
use crate::since::Since;

/// Derives, renders, audits and compares the permissions of a stack, and looks after its deployments.
#[derive(Debug, Parser)]
#[command(name = "alien", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the vendor can and cannot do, or the cloud's own documents
    Permissions(PermissionsArgs),
    /// Audit the documents, and exit with 1 where a promise is broken
    Audit(AuditArgs),
    /// Compare a stack with the one before it, and exit with 1 where the customer's admin must approve
    Check(CheckArgs),
    /// Print the JSON Schema of a stack
    Schema,
    /// Make an invitation: what the customer's admin reviews and sets up with `alien-deploy`
    Invite(InviteArgs),
    /// Check a record that came back from a customer, and that it lets in the vendor and nobody else
    Register(RegisterArgs),
    /// Update every live function and container that differs, and write the record back
    Update(UpdateArgs),
    /// Show how every resource is, and exit with 1 where one is not healthy
    Heartbeat(HeartbeatArgs),
    /// Print the log of a function or container
    Logs(LogsArgs),
    /// Send a command to a function, and print its answer
    Dispatch(DispatchArgs),
}

/// `alien permissions`.
#[derive(Debug, clap::Args)]
pub(crate) struct PermissionsArgs {
    #[command(flatten)]
    pub(crate) deployment: Deployment,
    /// Only this layer
    #[arg(long, value_enum)]
    pub(crate) layer: Option<LayerName>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `alien audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) deployment: Deployment,
    /// Audit these documents (the JSON of `alien permissions`) instead of freshly rendered ones
    #[arg(long, value_name = "FILE")]
    pub(crate) documents: Option<PathBuf>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `alien check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The stack to be released
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// The stack that customers have
    #[arg(long, value_name = "FILE")]
    pub(crate) previous: PathBuf,
    /// Accept that frozen resources changed: the customer's admin applies it
    #[arg(long)]
    pub(crate) allow_frozen_changes: bool,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// A stack and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Deployment {
    /// The stack, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// The cloud it goes to
    #[arg(long, value_parser = clouds::parser())]
    pub(crate) cloud: Cloud,
    #[command(flatten)]
    pub(crate) target: Flags<Target>,
}

/// `alien invite`.
#[derive(Debug, clap::Args)]
pub(crate) struct InviteArgs {
    /// The stack, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// The cloud it goes to
    #[arg(long, value_parser = clouds::parser(), required_unless_present = "record")]
    pub(crate) cloud: Option<Cloud>,
    #[command(flatten)]
    pub(crate) trust: Flags<Trust>,
    /// Invite a customer again who has a deployment, by its record: to set up what an update may not change
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cloud", "trust"])]
    pub(crate) record: Option<PathBuf>,
    /// Write it to this file, which is not there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `alien register`.
#[derive(Debug, clap::Args)]
pub(crate) struct RegisterArgs {
    /// The invitation that the customer was given
    #[arg(long, value_name = "FILE")]
    pub(crate) invitation: PathBuf,
    #[command(flatten)]
    pub(crate) record: Record,
}

/// The record of a deployment.
#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// The record of the deployment
    #[arg(long, value_name = "FILE")]
    pub(crate) record: PathBuf,
    #[command(flatten)]
    pub(crate) connection: Flags<AsVendor>,
}

/// `alien update`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    pub(crate) record: Record,
    /// The stack to roll out, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// A zip that the stack names by its digest; repeat it for every one
    #[arg(long, value_name = "FILE")]
    pub(crate) zip: Vec<PathBuf>,
    /// A zip that runs now: put back where the new code does not work
    #[arg(long, value_name = "FILE")]
    pub(crate) previous_zip: Vec<PathBuf>,
    /// Only show what changes and who may apply it, and exit with 1 where it is not the vendor
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// `alien heartbeat`.
#[derive(Debug, clap::Args)]
pub(crate) struct HeartbeatArgs {
    #[command(flatten)]
    pub(crate) record: Record,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// `alien logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) record: Record,
    /// The function or container
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// From this time on: so long ago (`10m`, `2h`), or a time (`2026-01-31T12:00:00Z`)
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) since: Since,
    /// Go on with what is written from now on
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print one JSON object a line, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// `alien dispatch`.
#[derive(Debug, clap::Args)]
pub(crate) struct DispatchArgs {
    #[command(flatten)]
    pub(crate) record: Record,
    /// The function
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// The command: itself, `@FILE`, or `-` for standard input
    #[arg(value_name = "PAYLOAD")]
    pub(crate) payload: String,
}
