//! Arguments of `alien`, the vendor's program.

use std::path::PathBuf;

use alien_core::ManagerUrl;
use clap::{Parser, Subcommand};

use super::flags::{AsVendor, Flags, Target, Trust};
use super::fleet::{DeploymentsCommand, FleetCommand, ManagerCommand, ReleaseArgs, RolloutCommand};
use super::keys::{Keys, SignArgs};
use super::repository::Repository;
use super::{CompletionsArgs, Format, LayerName, ManArgs, Shown};
use crate::clouds::{self, Cloud};
use crate::since::Since;

/// Review and audit the permissions of a stack, and manage its deployments
#[derive(Debug, Parser)]
#[command(name = "alien", version, max_term_width = 80, after_help = super::exits())]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) shown: Shown,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the vendor can and cannot do, or print the cloud's policy documents
    Permissions(PermissionsArgs),
    /// Audit the policy documents, and exit with 4 if a promise is broken
    Audit(AuditArgs),
    /// Compare a stack with the previous one, and exit with 4 if the customer's admin must approve
    Check(CheckArgs),
    /// Compare permission documents, and exit with 4 if somebody may do more, with 7 if they differ otherwise
    Diff(DiffArgs),
    /// Print the JSON Schema of a stack
    Schema,
    /// Create an invitation for the customer's admin to review and set up with `alien-deploy`
    Invite(InviteArgs),
    /// Check a record that a customer sent back, and that the deployment lets in only the vendor
    Register(RegisterArgs),
    /// Update every live function and container that differs, and write the new record
    Update(UpdateArgs),
    /// Start new instances of what runs now of a live function or container, and wait until they work
    Redeploy(RedeployArgs),
    /// Show the health of every resource, and exit with 7 if any is not healthy
    Heartbeat(HeartbeatArgs),
    /// Print the log of a function or container
    Logs(LogsArgs),
    /// Send a command to a function, and print its answer
    Dispatch(DispatchArgs),
    /// Make and show the keys with which the vendor proves who it is
    #[command(subcommand)]
    Keys(Keys),
    /// Keep signed releases in a folder of files that any web server can serve
    #[command(subcommand)]
    Repository(Repository),
    /// Publish a release, and roll it out to every deployment of a fleet
    #[command(after_help = ENDINGS)]
    Release(Box<ReleaseArgs>),
    /// Look at rollouts, and tell them what to do
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Look at the deployments of a fleet, and say what holds for each
    #[command(subcommand)]
    Deployments(DeploymentsCommand),
    /// Work for a fleet, watch it, and take what it knows elsewhere
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// Say who may call a manager over HTTPS
    #[command(subcommand)]
    Manager(ManagerCommand),
    /// Print what completes this command line in a shell
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
}

/// What `alien release` exits with.
const ENDINGS: &str = "\
Exit codes, beside those of every command:
  0   the rollout is done, and no deployment is bad or unknown
  10  it is done, and a deployment is bad, or it is not known how it is
  11  it was halted
  12  it was reverted
  13  a newer release took its place, or an operator cancelled it";

/// `alien permissions`.
#[derive(Debug, clap::Args)]
pub(crate) struct PermissionsArgs {
    #[command(flatten)]
    pub(crate) deployment: Deployment,
    /// Show only this layer
    #[arg(long, value_enum)]
    pub(crate) layer: Option<LayerName>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `alien audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) deployment: Deployment,
    /// Audit these documents instead of freshly rendered ones: the JSON of `alien permissions`, or what `aws`, `gcloud` or `az`
    /// print about roles and policies; a file, or a folder of them; repeat the flag for each
    #[arg(long, value_name = "FILE|FOLDER")]
    pub(crate) documents: Vec<PathBuf>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `alien check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The stack to release
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// The stack that customers have
    #[arg(long, value_name = "FILE")]
    pub(crate) previous: PathBuf,
    /// Compare the permission documents of both stacks too, as this cloud has them at the target that the flags say
    #[arg(long, value_parser = clouds::parser())]
    pub(crate) cloud: Option<Cloud>,
    #[command(flatten)]
    pub(crate) target: Flags<Target>,
    /// Accept changes to frozen resources; the customer's admin must apply them
    #[arg(long)]
    pub(crate) allow_frozen_changes: bool,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `alien diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// What was: permission documents (the JSON of `alien permissions`, or of `alien-deploy review`), a stack, or an
    /// invitation
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// What is: the same
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// The cloud for which stacks are rendered, at the target that the flags say
    #[arg(long, value_parser = clouds::parser())]
    pub(crate) cloud: Option<Cloud>,
    #[command(flatten)]
    pub(crate) target: Flags<Target>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// A stack and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Deployment {
    /// The stack, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// The cloud to deploy to
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
    /// The cloud to deploy to
    #[arg(long, value_parser = clouds::parser(), required_unless_present = "record")]
    pub(crate) cloud: Option<Cloud>,
    #[command(flatten)]
    pub(crate) trust: Flags<Trust>,
    /// Invite to a deployment that pulls its releases: an agent in the customer's network asks `--manager` for them, and the
    /// vendor has no identity there
    #[arg(long, requires_all = ["manager", "root"])]
    pub(crate) pull: bool,
    /// The URL of the manager that releases are pulled from
    #[arg(long, value_name = "URL", requires = "pull")]
    pub(crate) manager: Option<ManagerUrl>,
    /// The root file that lists the keys of releases, or its digest, `sha256:…`
    #[arg(long, value_name = "FILE|DIGEST", requires = "pull")]
    pub(crate) root: Option<String>,
    /// Create the invitation for an existing deployment, from its record, to set up what an update may not change; with
    /// `--pull` to make it pull its releases, or with the flags that name the vendor to push them again
    #[arg(long, value_name = "FILE", conflicts_with = "cloud")]
    pub(crate) record: Option<PathBuf>,
    /// Which invitation to this deployment it is [default: 0, and one more than in the record with `--record`]
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<u64>,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
    /// Write the invitation to this file, which must not exist
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
    /// A zip that the stack names by its digest; repeat the flag for each zip
    #[arg(long, value_name = "FILE")]
    pub(crate) zip: Vec<PathBuf>,
    /// A zip that runs now, to roll back to if the new code does not work; repeat the flag for each zip
    #[arg(long, value_name = "FILE")]
    pub(crate) previous_zip: Vec<PathBuf>,
    /// Delete this resource although it may hold data, if the stack no longer has it and the customer lets the vendor
    /// delete it; repeat the flag for each
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) delete_data: Vec<String>,
    /// Show what would change and who may apply it, without changing anything; exit with 4 if it is not the vendor
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take over from a release that was interrupted instead of waiting for its lease to end
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// `alien redeploy`.
#[derive(Debug, clap::Args)]
pub(crate) struct RedeployArgs {
    #[command(flatten)]
    pub(crate) record: Record,
    /// The live function or container
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// Take over from a release that was interrupted instead of waiting for its lease to end
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// `alien heartbeat`.
#[derive(Debug, clap::Args)]
pub(crate) struct HeartbeatArgs {
    #[command(flatten)]
    pub(crate) record: Record,
}

/// `alien logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) record: Record,
    /// The function or container to read
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// Show lines since this long ago (`10m`, `2h`, `1d`) or this time (`2026-01-31T12:00:00Z`)
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) since: Since,
    /// Keep printing new lines as they are written
    #[arg(long)]
    pub(crate) follow: bool,
}

/// `alien dispatch`.
#[derive(Debug, clap::Args)]
pub(crate) struct DispatchArgs {
    #[command(flatten)]
    pub(crate) record: Record,
    /// The function to send it to
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// The command: text, `@FILE` for a file, or `-` for standard input
    #[arg(value_name = "PAYLOAD")]
    pub(crate) payload: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_lines_contradict_nothing() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_release_is_of_a_stack_or_was_published_before() {
        let parses = |line: &str| Args::try_parse_from(line.split_whitespace()).is_ok();
        assert!(parses("alien release stack.json --store s --canary 1 --waves 10,100 --on-halt revert-all"));
        assert!(parses("alien release --published 3 --product shop"));
        assert!(parses("alien release stack.json --publish-only --revert-to 1"));
        assert!(!parses("alien release"));
        assert!(!parses("alien release stack.json --published 3"));
        assert!(!parses("alien release --published 3 --zip a.zip"));
        assert!(!parses("alien release stack.json --revert-to 1 --no-revert"));
        assert!(!parses("alien release stack.json --publish-only --canary 1"));
        assert!(!parses("alien release stack.json --product shop"));
    }

    #[test]
    fn a_rollout_is_named_by_itself_or_by_its_product() {
        let parses = |line: &str| Args::try_parse_from(line.split_whitespace()).is_ok();
        assert!(parses("alien rollout pause shop/3 --why reason") && parses("alien rollout status shop"));
        assert!(parses("alien rollout resume") && parses("alien rollout approve --after 0"));
        assert!(!parses("alien rollout pause shop/x") && !parses("alien rollout pause Shop/03"));
    }
}
