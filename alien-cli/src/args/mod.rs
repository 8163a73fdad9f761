//! The command lines. Arguments that both programs take are here.

pub(crate) mod admin;
pub(crate) mod flags;
pub(crate) mod fleet;
pub(crate) mod keys;
pub(crate) mod plan;
pub(crate) mod repository;
pub(crate) mod vendor;

use alien_core::Layer;
use clap::ValueEnum;

/// How a result is shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Shown {
    /// Print JSON, for other programs
    #[arg(long)]
    pub(crate) json: bool,
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
    /// A table for the terminal
    Table,
    /// A Markdown table
    Markdown,
    /// JSON, for other programs
    Json,
}
