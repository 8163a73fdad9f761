//! `alien-deploy`: the program of the customer's admin.

use std::process::ExitCode;

fn main() -> ExitCode {
    alien_cli::alien_deploy()
}
