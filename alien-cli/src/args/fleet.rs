//! Arguments of the commands for a whole fleet: `alien release`, `rollout`, `deployments` and `fleet`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use alien_core::{DeploymentId, ResourceId, StackName};
use alien_fleet::{Role, RolloutId, TokenId};
use clap::{Subcommand, ValueEnum};

use super::flags::{AsVendor, Flags};
use super::keys::{PassphraseArgs, RepositoryKeys, SignArgs};
use super::plan::{PlanArgs, time};
use crate::interrupt::{NOTHING, SENT};
use crate::since::Since;

/// The store of a fleet.
#[derive(Debug, clap::Args)]
pub(crate) struct Store {
    /// The store: a file, or `postgres://…` [env: ALIEN_STORE]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// The folder of the zips [env: ALIEN_ARTIFACTS] [default: beside the file of the store, with `.artifacts` added]
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
    /// Roll out only what is signed: a file in JSON that names the root and the repository of each product,
    /// `{"shop": {"root": "sha256:…", "repository": "https://…"}}` [env: ALIEN_TRUST]
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// A manager that answers for the store.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Remote {
    /// Ask the manager at this address, as `https://manager.example.com`, instead of opening a store [env: ALIEN_MANAGER]
    #[arg(long, value_name = "URL", conflicts_with_all = ["store", "artifacts", "trust"])]
    pub(crate) manager: Option<String>,
    /// The file with the token for the manager, which `alien manager token create` writes [env: ALIEN_MANAGER_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) manager_token_file: Option<PathBuf>,
    /// The certificates of who may vouch for the manager, in PEM [env: ALIEN_CA_FILE] [default: whom this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// The store of a fleet, and how the vendor connects to its deployments.
#[derive(Debug, clap::Args)]
pub(crate) struct Fleet {
    #[command(flatten)]
    pub(crate) store: Store,
    #[command(flatten)]
    pub(crate) connection: Flags<AsVendor>,
}

/// `alien release`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    /// The stack to release, as JSON
    #[arg(value_name = "STACK", required_unless_present = "published")]
    pub(crate) stack: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
    /// A zip that the stack names by its digest; repeat the flag for each zip
    #[arg(long, value_name = "FILE")]
    pub(crate) zip: Vec<PathBuf>,
    /// What the images are on each platform, as JSON, instead of asking the registries as `docker login` has logged in:
    /// `{"registry/name@sha256:…": {"linux/amd64": {"manifest": …, "config": …}}}`
    #[arg(long, value_name = "FILE")]
    pub(crate) images: Option<PathBuf>,
    /// Roll out this release, which was published before, instead of publishing one
    #[arg(long, value_name = "N", conflicts_with_all = ["stack", "zip", "images", "publish_only", "revert_to", "no_revert"])]
    pub(crate) published: Option<u64>,
    /// The product of `--published`, if there are several
    #[arg(long, conflicts_with = "stack")]
    pub(crate) product: Option<StackName>,
    /// Show the waves, who is in which, who waits and why, and write nothing
    #[arg(long, conflicts_with = "publish_only")]
    pub(crate) plan: bool,
    /// Sign the release and its twin, and put them and their zips into the repository in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["plan", "published"])]
    pub(crate) sign: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: RepositoryKeys,
    /// Publish the release, and do not roll it out
    #[arg(long, conflicts_with = "PlanArgs")]
    pub(crate) publish_only: bool,
    /// Begin the rollout, and leave it to the programs that run `alien fleet run`
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Release although a frozen resource changes, or something else that only the customer's admin can apply: deployments
    /// wait until their customer's admin has set up again
    #[arg(long)]
    pub(crate) allow_frozen_changes: bool,
    /// Write the new invitation of each deployment that waits for its customer's admin to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) invitations: Option<PathBuf>,
    /// Sign these invitations with this private key of the vendor's, which `alien keys vendor` makes
    #[arg(long, value_name = "FILE", requires = "invitations")]
    pub(crate) sign_invitations: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    /// The release that this one is reverted to [default: the one before]
    #[arg(long, value_name = "N", conflicts_with = "no_revert")]
    pub(crate) revert_to: Option<u64>,
    /// Publish it without a release to revert to
    #[arg(long)]
    pub(crate) no_revert: bool,
    #[command(flatten)]
    pub(crate) how: PlanArgs,
}

/// `alien rollout`.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// List the rollouts
    List(OfProduct),
    /// Show the waves of a rollout, and every deployment that is not good, with the reason
    Status(StatusArgs),
    /// Claim no further deployment for now. What is watched stays watched for the time that is left
    Pause(WithReason),
    /// Go on after a pause
    Resume(Rollout),
    /// Update no further deployment. What was updated stays as it is
    Halt(WithReason),
    /// Bring what was updated to the release before, or the one that was named
    Revert(RevertArgs),
    /// Approve what comes after a wave
    Approve(ApproveArgs),
    /// End a rollout. What was updated stays as it is
    Cancel(Rollout),
}

impl RolloutCommand {
    /// Returns what to say if Ctrl-C ends the command.
    pub(crate) const fn left(&self) -> Option<&'static str> {
        Some(match self {
            Self::List(_) | Self::Status(_) => NOTHING,
            _ => "interrupted: the rollout may have been told that, or not; `alien rollout status` says how it stands",
        })
    }
}

/// A rollout, or the latest one of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    This(RolloutId),
    Latest(StackName),
}

impl FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let this = text.parse().map(Self::This).ok();
        let latest = || text.parse().map(Self::Latest).ok();
        this.or_else(latest).ok_or("write a rollout, as `shop/3`, or a product for its latest")
    }
}

/// A rollout of a store.
#[derive(Debug, clap::Args)]
pub(crate) struct Rollout {
    /// The rollout, as `shop/3`; or a product, for its latest [default: the latest of the only product]
    #[arg(value_name = "ROLLOUT")]
    pub(crate) rollout: Option<Which>,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// The deployments or rollouts of a product.
#[derive(Debug, clap::Args)]
pub(crate) struct OfProduct {
    /// Only those of this product
    #[arg(long)]
    pub(crate) product: Option<StackName>,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// `alien rollout status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) rollout: Rollout,
    /// Show every deployment
    #[arg(long)]
    pub(crate) all: bool,
}

/// `alien rollout pause` and `alien rollout halt`.
#[derive(Debug, clap::Args)]
pub(crate) struct WithReason {
    #[command(flatten)]
    pub(crate) rollout: Rollout,
    /// The reason, for the log and for whoever asks for the status
    #[arg(long, value_name = "TEXT", default_value = "an operator asked")]
    pub(crate) why: String,
}

/// `alien rollout revert`.
#[derive(Debug, clap::Args)]
pub(crate) struct RevertArgs {
    #[command(flatten)]
    pub(crate) rollout: Rollout,
    /// Revert only the present wave
    #[arg(long)]
    pub(crate) wave: bool,
}

/// `alien rollout approve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    pub(crate) rollout: Rollout,
    /// The wave [default: the present one]
    #[arg(long, value_name = "WAVE")]
    pub(crate) after: Option<u32>,
}

/// `alien deployments`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeploymentsCommand {
    /// List the deployments: where each is, what was said of it, what it runs, and its health
    List(OfProduct),
    /// Show all that is known of a deployment
    Show(ShowArgs),
    /// Roll no other release out to a deployment than this one
    Pin(PinArgs),
    /// Remove the pin
    Unpin(One),
    /// Set labels, or remove them
    Label(LabelArgs),
    /// Say when a deployment may be updated
    Window(WindowArgs),
    /// Roll nothing out to a deployment for now
    Hold(HoldArgs),
    /// End the hold
    Unhold(One),
    /// Check a record that a customer sent back, and add the deployment to the fleet
    Register(RegisterArgs),
    /// Remove a deployment from the fleet. Nothing is called: the customer's admin takes it down
    Remove(RemoveArgs),
    /// Create the new invitation for a deployment whose customer's admin must set up again for a release
    Invite(InviteArgs),
    /// Print the newest lines of a log, where the customer lets the vendor
    Logs(DeploymentLogsArgs),
    /// Send a command to a function, and print its answer, where the customer lets the vendor
    Dispatch(DeploymentDispatchArgs),
}

impl DeploymentsCommand {
    /// Returns what to say if Ctrl-C ends the command.
    pub(crate) const fn left(&self) -> Option<&'static str> {
        Some(match self {
            Self::List(_) | Self::Show(_) | Self::Logs(_) => NOTHING,
            Self::Dispatch(_) => SENT,
            _ => "interrupted: the fleet may have taken it, or not; `alien deployments list` says how it stands",
        })
    }
}

/// `alien deployments logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct DeploymentLogsArgs {
    #[command(flatten)]
    pub(crate) of: OneCalled,
    /// The function or container to read
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: ResourceId,
    /// Show lines since this long ago (`10m`, `2h`, `1d`) or this time (`2026-01-31T12:00:00Z`)
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) since: Since,
    /// The most lines
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// `alien deployments dispatch`.
#[derive(Debug, clap::Args)]
pub(crate) struct DeploymentDispatchArgs {
    #[command(flatten)]
    pub(crate) of: OneCalled,
    /// The function to send it to
    #[arg(value_name = "RESOURCE")]
    pub(crate) resource: ResourceId,
    /// The command: text, `@FILE` for a file, or `-` for standard input
    #[arg(value_name = "PAYLOAD")]
    pub(crate) payload: String,
}

/// A deployment of a store that is called: itself, or its agent.
#[derive(Debug, clap::Args)]
pub(crate) struct OneCalled {
    /// The deployment
    #[arg(value_name = "ID")]
    pub(crate) id: DeploymentId,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// A deployment of a store.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The deployment
    #[arg(value_name = "ID")]
    pub(crate) id: DeploymentId,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// `alien deployments show`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) one: One,
}

/// `alien deployments pin`.
#[derive(Debug, clap::Args)]
pub(crate) struct PinArgs {
    #[command(flatten)]
    pub(crate) one: One,
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: u64,
}

/// `alien deployments label`.
#[derive(Debug, clap::Args)]
pub(crate) struct LabelArgs {
    #[command(flatten)]
    pub(crate) one: One,
    /// Labels to set
    #[arg(value_name = "NAME=VALUE", value_parser = label, required_unless_present = "remove")]
    pub(crate) set: Vec<(String, String)>,
    /// Remove this label; repeat the flag for each
    #[arg(long, value_name = "NAME")]
    pub(crate) remove: Vec<String>,
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let label = text.split_once('=').filter(|(name, _)| !name.is_empty());
    label.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("write a label as `NAME=VALUE`")
}

/// `alien deployments window`.
#[derive(Debug, clap::Args)]
pub(crate) struct WindowArgs {
    #[command(flatten)]
    pub(crate) one: One,
    /// Days, hours and a time zone: `'Mon-Fri 22:00-04:00 Europe/Berlin'`
    #[arg(value_name = "WINDOW", required_unless_present = "any_time")]
    pub(crate) window: Option<String>,
    /// Let it be updated at any time
    #[arg(long, conflicts_with = "window")]
    pub(crate) any_time: bool,
}

/// `alien deployments hold`.
#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    pub(crate) one: One,
    /// The reason
    #[arg(long, value_name = "TEXT", default_value = "an operator asked")]
    pub(crate) why: String,
}

/// `alien deployments register`.
#[derive(Debug, clap::Args)]
pub(crate) struct RegisterArgs {
    /// The invitation that the customer was given
    #[arg(value_name = "INVITATION")]
    pub(crate) invitation: PathBuf,
    /// The record that the customer sent back
    #[arg(long, value_name = "FILE")]
    pub(crate) record: PathBuf,
    /// The public key of the deployment's agent, in PEM, where it pulls its releases; by default, the one in the record. Another key
    /// takes the place of the one before, which is refused from then on
    #[arg(long, value_name = "FILE")]
    pub(crate) agent_key: Option<PathBuf>,
    /// Labels to set
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub(crate) label: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// `alien deployments remove`.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) one: One,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `alien deployments invite`.
#[derive(Debug, clap::Args)]
pub(crate) struct InviteArgs {
    #[command(flatten)]
    pub(crate) one: One,
    /// The release [default: the one that was published last]
    #[arg(long, value_name = "N")]
    pub(crate) release: Option<u64>,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
    /// Write the invitation to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `alien fleet`.
#[derive(Debug, Subcommand)]
pub(crate) enum FleetCommand {
    /// Show the health of every deployment, and exit with 7 if any is not healthy
    Heartbeat(HeartbeatArgs),
    /// Print the log: what happened, and who did it
    Events(EventsArgs),
    /// Write every record to a file that `alien update --record` takes, and the log as JSON Lines, with a check of its chain
    Export(ExportArgs),
    /// Add deployments that were registered elsewhere, by their records
    Import(ImportArgs),
    /// Work until Ctrl-C: carry out rollouts, watch the health of all, and answer `alien` in other terminals
    Run(RunArgs),
}

impl FleetCommand {
    /// Returns what to say if Ctrl-C ends the command; `None` if the command says it itself.
    pub(crate) const fn left(&self) -> Option<&'static str> {
        match self {
            Self::Heartbeat(_) | Self::Export(_) => Some(NOTHING),
            Self::Import(_) => Some("interrupted: what was added stays; `alien deployments list` says what that is"),
            Self::Events(_) | Self::Run(_) => None,
        }
    }
}

/// `alien fleet heartbeat`.
#[derive(Debug, clap::Args)]
pub(crate) struct HeartbeatArgs {
    /// Only those of this product
    #[arg(long)]
    pub(crate) product: Option<StackName>,
    /// Show what `alien fleet run` saw last, and call no cloud
    #[arg(long)]
    pub(crate) last: bool,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// `alien fleet events`.
#[derive(Debug, clap::Args)]
pub(crate) struct EventsArgs {
    /// Print what came after the entry of this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) since: u64,
    /// Keep printing entries as they are written
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// `alien fleet export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The folder for `log.jsonl` and `records/`, which is made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// `alien fleet import`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Records
    #[arg(value_name = "RECORD", required = true)]
    pub(crate) records: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// `alien fleet run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Look at the health of every deployment this often
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5m")]
    pub(crate) watch_every: Duration,
    /// Have so many deployments at once, at most
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) width: usize,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// `alien manager`.
#[derive(Debug, Subcommand)]
pub(crate) enum ManagerCommand {
    /// Make, list and revoke the tokens with which operators call a manager
    #[command(subcommand)]
    Token(TokenCommand),
}

/// `alien manager token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and show it this once
    Create(CreateTokenArgs),
    /// List the tokens: who has each, what it gives, and until when
    List(ListTokensArgs),
    /// Revoke a token: from now on, every manager refuses it
    Revoke(RevokeTokenArgs),
}

impl ManagerCommand {
    /// Returns what to say if Ctrl-C ends the command.
    pub(crate) const fn left(&self) -> Option<&'static str> {
        let Self::Token(command) = self;
        Some(match command {
            TokenCommand::List(_) => NOTHING,
            _ => {
                "interrupted: the token may have been made or revoked, or not; `alien manager token list` says which there are"
            }
        })
    }
}

/// `alien manager token create`.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateTokenArgs {
    /// Who will have it, a person or a program: the log says it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it lets do
    #[arg(long, value_enum)]
    pub(crate) role: RoleName,
    /// Let it see this product; repeat the flag for each
    #[arg(long, required_unless_present = "all_products")]
    pub(crate) product: Vec<StackName>,
    /// Let it see every product, those too that come later
    #[arg(long, conflicts_with = "product")]
    pub(crate) all_products: bool,
    /// For how long it is valid: 366 days at most
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2160h")]
    pub(crate) valid: Duration,
    /// Write it to this new file, which only its owner can read, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// `alien manager token list`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListTokensArgs {
    #[command(flatten)]
    pub(crate) store: Store,
}

/// `alien manager token revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeTokenArgs {
    /// The token's id, as `alien manager token list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: TokenId,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Read what the fleet knows, and change nothing
    Read,
    /// Publish, roll out, set what holds for deployments, read logs, send commands
    Operate,
    /// Add and remove deployments without a look at them, make and revoke tokens
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Read => Self::Read,
            RoleName::Operate => Self::Operate,
            RoleName::Admin => Self::Admin,
        }
    }
}
