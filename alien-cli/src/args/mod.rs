//! The command lines. What both programs take is here.

pub(crate) mod admin;
pub(crate) mod vendor;

use std::path::PathBuf;

use alien_core::permission::Layer;
use clap::ValueEnum;

/// Where a deployment goes: the customer's side of a target.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Location {
    /// The name of the deployment, which begins the name of everything it makes
    #[arg(long)]
    pub(crate) prefix: Option<String>,

    /// The customer's account, 12 digits
    #[arg(long, help_heading = "AWS")]
    pub(crate) account: Option<String>,
    /// The region
    #[arg(long, help_heading = "AWS")]
    pub(crate) region: Option<String>,

    /// The customer's project
    #[arg(long, value_name = "ID", help_heading = "GCP")]
    pub(crate) project: Option<String>,
    /// Its number
    #[arg(long, value_name = "NUMBER", help_heading = "GCP")]
    pub(crate) project_number: Option<String>,
    /// The region (GCP) or location (Azure)
    #[arg(long, help_heading = "GCP and Azure")]
    pub(crate) location: Option<String>,

    /// The customer's tenant: `az account show` tells it
    #[arg(long, value_name = "GUID", help_heading = "Azure")]
    pub(crate) tenant: Option<String>,
    /// The customer's subscription
    #[arg(long, value_name = "GUID", help_heading = "Azure")]
    pub(crate) subscription: Option<String>,
    /// The resource group
    #[arg(long, value_name = "NAME", help_heading = "Azure")]
    pub(crate) resource_group: Option<String>,
}

impl Location {
    /// The flags, by the names that a cloud's target has for them.
    pub(crate) const fn fields(&self) -> [(&'static str, &Option<String>); 9] {
        [
            ("prefix", &self.prefix),
            ("account", &self.account),
            ("region", &self.region),
            ("project", &self.project),
            ("projectNumber", &self.project_number),
            ("location", &self.location),
            ("tenant", &self.tenant),
            ("subscription", &self.subscription),
            ("resourceGroup", &self.resource_group),
        ]
    }
}

/// Whom a deployment trusts: the vendor's side of a target.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Trust {
    /// Whom the customer trusts: the ARN of one role (AWS) or the email of one service account (GCP)
    #[arg(long, value_name = "ARN|EMAIL", help_heading = "AWS and GCP")]
    pub(crate) vendor: Option<String>,
    /// Whose tokens are trusted: the issuer that they name, where its keys are published
    #[arg(long, value_name = "URL", help_heading = "Azure")]
    pub(crate) issuer: Option<String>,
    /// Which of them: the subject that they name, one for each deployment
    #[arg(long, help_heading = "Azure")]
    pub(crate) subject: Option<String>,
}

/// How calls reach a cloud.
#[derive(Debug, clap::Args)]
pub(crate) struct Endpoint {
    /// Call this URL in the place of the cloud's own: an emulator's
    #[arg(long, value_name = "URL", help_heading = "Emulators")]
    pub(crate) endpoint_url: Option<String>,
    /// The certificate that an emulator of Azure shows, in PEM: tokens go over TLS alone, and nobody else vouches for it
    #[arg(long, value_name = "FILE", requires = "endpoint_url", help_heading = "Emulators")]
    pub(crate) endpoint_certificate: Option<PathBuf>,
}

/// How a result is shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Shown {
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
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
