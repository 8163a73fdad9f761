//! The command lines. Arguments that several programs take are here.

pub(crate) mod admin;
pub(crate) mod flags;
pub(crate) mod fleet;
pub(crate) mod keys;
pub(crate) mod plan;
pub(crate) mod prove;
pub(crate) mod repository;
pub(crate) mod vendor;

use std::path::PathBuf;

use alien_core::{Exit, Layer};
use clap::ValueEnum;

/// The exit codes of every command, below the help. Those of a rollout stand with the commands that have them.
pub(crate) fn exits() -> String {
    Exit::help(Exit::ALL.into_iter().filter(|exit| !(10..=13).contains(&exit.code())))
}

/// The shell whose completions are printed.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Where man pages are written.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The folder, which is made if it is not there
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

/// How a result is shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Shown {
    /// Print the result as JSON, or the error if there is none
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Shown {
    /// The format of a command that also knows others.
    pub(crate) const fn over(self, format: Format) -> Format {
        if self.json { Format::Json } else { format }
    }
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
