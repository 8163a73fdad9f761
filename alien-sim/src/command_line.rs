//! The command line of the program `alien-sim`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// The exit codes, which are those of the other programs of this workspace.
const EXIT_CODES: &str = "\
Exit codes:
  0  it was told to end, by Ctrl-C or SIGTERM, and has removed its files
  1  a defect of the program, or a result that could not be written
  2  the command line is wrong
  3  the value of an option is wrong
  6  the network or a disk did not do it";

/// Emulate a cloud on this machine, with the accounts of a customer's admin and of a vendor
///
/// It prints what to copy into their shells: where their credentials are, and the commands of a deployment. Every
/// request is authorized as the cloud's IAM would. All is in memory; the files are removed at the end.
#[derive(Debug, Parser)]
#[command(name = "alien-sim", version, max_term_width = 80, after_help = EXIT_CODES)]
#[non_exhaustive]
pub struct Arguments {
    /// The cloud to emulate
    pub cloud: Cloud,
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    #[arg(help = "The port to listen on, of the loopback interface [default: a free one]")]
    #[expect(missing_docs, reason = "a paragraph of documentation would be a second text of the help")]
    pub port: u16,
    /// Make this folder for the files of credentials, which must not exist [default: a temporary one]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Print JSON in one line, for other programs
    #[arg(long)]
    pub json: bool,
}

/// A cloud that is emulated.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Cloud {
    #[value(help = None::<&str>)]
    /// Google Cloud.
    Gcp,
    #[value(help = None::<&str>)]
    /// Microsoft Azure.
    Azure,
}
