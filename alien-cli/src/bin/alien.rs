//! `alien`: the vendor's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    alien_cli::alien()
}
