//! Writes the man pages and the shell completions of every program, for packages of them:
//!
//! ```console
//! $ cargo run --package alien-cli --example manual -- FOLDER
//! ```
//!
//! `FOLDER/man1` gets the pages, and `FOLDER/bash`, `FOLDER/fish` and `FOLDER/zsh` a script for each program.

use std::io::{Error, Result};
use std::path::Path;
use std::{env, fs};

use alien_agent::program::AgentCloud;
use alien_sim::command_line::Arguments;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

/// The command line of every program.
pub(crate) fn commands() -> Vec<Command> {
    let clouds =
        [AgentCloud::of(alien_aws::Adapter), AgentCloud::of(alien_gcp::Adapter), AgentCloud::of(alien_azure::Adapter)];
    let others = [alien_agent::program::command(&clouds), alien_manager::settings::command(), Arguments::command()];
    alien_cli::commands().into_iter().chain(others).collect()
}

/// Writes all of them to a folder, which is made if it is not there.
///
/// # Errors
///
/// If the folder cannot be written.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let pages = folder.join("man1");
    fs::create_dir_all(&pages)?;
    for mut command in commands() {
        let name = command.get_name().to_owned();
        clap_mangen::generate_to(command.clone(), &pages)?;
        for (shell, file) in
            [(Shell::Bash, name.clone()), (Shell::Fish, format!("{name}.fish")), (Shell::Zsh, format!("_{name}"))]
        {
            let scripts = folder.join(shell.to_string());
            fs::create_dir_all(&scripts)?;
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, &name, &mut script);
            fs::write(scripts.join(file), script)?;
        }
    }
    Ok(())
}

#[cfg_attr(test, expect(dead_code, reason = "tests call what it calls"))]
fn main() -> Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| Error::other("usage: manual FOLDER"))?;
    write(Path::new(&folder))
}
