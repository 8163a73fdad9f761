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

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::args::{admin, vendor};

    fn each(command: &mut Command, tell: &mut dyn FnMut(&mut Command)) {
        tell(command);
        command.get_subcommands_mut().for_each(|command| each(command, tell));
    }

    #[test]
    fn every_help_fits_in_80_columns() {
        for mut command in [vendor::Args::command(), admin::Args::command()] {
            command.build();
            let mut count = 0;
            each(&mut command, &mut |command| {
                count += 1;
                let help = command.render_long_help().to_string();
                for line in help.lines().filter(|line| line.chars().count() > 80) {
                    // A word that is longer stands alone.
                    assert_eq!(line.split_whitespace().count(), 1, "{}: {line}", command.get_name());
                }
            });
            assert!(count > 5);
        }
    }

    #[test]
    fn the_help_lists_the_exit_codes_that_every_command_has() {
        let listed: Vec<String> = alien_core::Exit::ALL
            .into_iter()
            .filter(|exit| !(10..=13).contains(&exit.code()))
            .map(|exit| format!("{} {}", exit.code(), exit.describe()))
            .collect();
        let words: Vec<&str> = crate::args::EXITS.split_whitespace().skip(2).collect();
        assert_eq!(words.join(" "), listed.join(" "));
    }
}
