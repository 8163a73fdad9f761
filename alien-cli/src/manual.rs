//! What shells and `man` read: made from the command lines themselves.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Shown;
use crate::output::{self, Failure};

/// The result of `completions`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Completions {
    /// The shell.
    shell: String,
    /// What the shell reads.
    script: String,
}

/// Prints what completes the command line in a shell.
pub(crate) fn completions<P: CommandFactory>(shell: Shell, shown: Shown) -> Result<(), Failure> {
    let mut command = P::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8(script).map_err(Failure::unwritten)?;
    if shown.json {
        return output::json(&Completions { shell: shell.to_string(), script });
    }
    output::bytes(script.as_bytes())
}

/// The result of `man`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pages {
    /// The folder that the pages were written to.
    folder: PathBuf,
    /// The names of their files, sorted.
    pages: Vec<String>,
}

/// Writes a man page for each command.
pub(crate) fn pages<P: CommandFactory>(folder: &Path, shown: Shown) -> Result<(), Failure> {
    let unwritten = |error| Failure::unwritten(format_args!("to `{}`: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(unwritten)?;
    clap_mangen::generate_to(P::command(), folder).map_err(unwritten)?;
    let mut command = P::command();
    command.build();
    let pages = names(&command, command.get_name());
    shown.result(&Pages { folder: folder.to_owned(), pages }, |Pages { folder, pages }| {
        format!("wrote {} pages to `{}`", pages.len(), folder.display())
    })
}

/// The file of each command, sorted: `alien.1`, `alien-fleet.1`, `alien-fleet-run.1`.
fn names(command: &Command, name: &str) -> Vec<String> {
    let visible = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    let mut names: Vec<String> =
        visible.flat_map(|command| names(command, &format!("{name}-{}", command.get_name()))).collect();
    names.push(format!("{name}.1"));
    names.sort();
    names
}
