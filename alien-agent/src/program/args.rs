//! Where the state is, and where its key comes from, on a command line.

use std::path::PathBuf;

use alien_core::{Error, ErrorKind, Result};
use clap::Args;

use crate::state::KeySource;

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// The folder of the state
    #[arg(long, value_name = "DIR")]
    pub(super) state: PathBuf,
    #[command(flatten)]
    pub(super) key: KeyArgs,
}

/// A key is 32 bytes, as 64 hexadecimal digits or 44 characters of Base64.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct KeyArgs {
    /// The file of the key that seals the state: `openssl rand -hex 32` makes one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The variable of the environment that has the key
    #[arg(long, value_name = "NAME")]
    key_variable: Option<String>,
    /// The credential that systemd gives to the service
    #[arg(long, value_name = "NAME")]
    key_credential: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct NewKeyArgs {
    /// The file of the new key
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// The variable of the environment that has the new key
    #[arg(long, value_name = "NAME")]
    new_key_variable: Option<String>,
    /// The credential of systemd that is the new key
    #[arg(long, value_name = "NAME")]
    new_key_credential: Option<String>,
}

fn source(file: Option<PathBuf>, variable: Option<String>, credential: Option<String>) -> Result<KeySource> {
    let file = file.map(KeySource::File);
    let found = file.or(variable.map(KeySource::Variable)).or(credential.map(KeySource::Credential));
    // The parser of the command line has seen to it.
    found.ok_or_else(|| Error::new(ErrorKind::Internal, "no key is named"))
}

impl KeyArgs {
    pub(super) fn source(self) -> Result<KeySource> {
        source(self.key_file, self.key_variable, self.key_credential)
    }
}

impl NewKeyArgs {
    pub(super) fn source(self) -> Result<KeySource> {
        source(self.new_key_file, self.new_key_variable, self.new_key_credential)
    }
}
