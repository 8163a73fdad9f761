//! `alien-prove`: shows on a real account what no documentation and no emulated cloud shows.

use std::process::ExitCode;

fn main() -> ExitCode {
    alien_cli::alien_prove()
}
