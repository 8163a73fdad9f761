//! The command line.

use std::path::PathBuf;

use alien_core::permission::Layer;
use clap::{Parser, Subcommand, ValueEnum};

/// Derives, renders, audits and compares the permissions of a stack. Nothing here calls a cloud.
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
    #[arg(long, value_enum)]
    pub(crate) cloud: CloudName,
    /// The name of the deployment, which begins the name of everything it makes
    #[arg(long)]
    pub(crate) prefix: Option<String>,

    /// The customer's account, 12 digits
    #[arg(long, help_heading = "AWS")]
    pub(crate) account: Option<String>,
    /// The region
    #[arg(long, help_heading = "AWS")]
    pub(crate) region: Option<String>,
    /// What the vendor must present to assume the management role
    #[arg(long, value_name = "ID", help_heading = "AWS")]
    pub(crate) external_id: Option<String>,
    /// Whom the customer trusts: the ARN of one role (AWS) or the email of one service account (GCP)
    #[arg(long, value_name = "ARN|EMAIL", help_heading = "AWS and GCP")]
    pub(crate) vendor: Option<String>,

    /// The customer's project
    #[arg(long, value_name = "ID", help_heading = "GCP")]
    pub(crate) project: Option<String>,
    /// Its number
    #[arg(long, value_name = "NUMBER", help_heading = "GCP")]
    pub(crate) project_number: Option<String>,
    /// The region (GCP) or location (Azure)
    #[arg(long, help_heading = "GCP and Azure")]
    pub(crate) location: Option<String>,

    /// The customer's subscription
    #[arg(long, value_name = "GUID", help_heading = "Azure")]
    pub(crate) subscription: Option<String>,
    /// The resource group
    #[arg(long, value_name = "NAME", help_heading = "Azure")]
    pub(crate) resource_group: Option<String>,
    /// Whose tokens are trusted
    #[arg(long, value_name = "URL", help_heading = "Azure")]
    pub(crate) issuer: Option<String>,
    /// Which of them
    #[arg(long, help_heading = "Azure")]
    pub(crate) subject: Option<String>,
}

/// A cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CloudName {
    Aws,
    Gcp,
    Azure,
}

/// A layer of permissions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LayerName {
    Provisioning,
    Management,
    Runtime,
}

impl From<LayerName> for Layer {
    fn from(name: LayerName) -> Self {
        match name {
            LayerName::Provisioning => Self::Provisioning,
            LayerName::Management => Self::Management,
            LayerName::Runtime => Self::Runtime,
        }
    }
}

/// How to show a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading in a terminal
    Table,
    /// For reading in a document
    Markdown,
    /// For programs
    Json,
}
