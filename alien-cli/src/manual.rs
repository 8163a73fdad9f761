//! What shells and `man` read: made from the command lines themselves.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::output::{self, Failure};

/// Prints what completes the command line in a shell.
pub(crate) fn completions<P: CommandFactory>(shell: Shell) -> Result<(), Failure> {
    let mut command = P::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    output::bytes(&script)
}

/// Writes a man page for each command.
pub(crate) fn pages<P: CommandFactory>(folder: &Path) -> Result<(), Failure> {
    let unwritten = |error| Failure::unwritten(format_args!("to `{}`: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(unwritten)?;
    clap_mangen::generate_to(P::command(), folder).map_err(unwritten)
}
