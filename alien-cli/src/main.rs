//! `alien`: derive, render, audit and compare the permissions of a stack. Thin: everything is a library call.

mod args;
mod check;
mod cloud;
mod output;
mod review;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use output::Failure;

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Permissions(args) => cloud::permissions(&args),
        Command::Audit(args) => cloud::audit(&args),
        Command::Check(args) => check::check(&args),
        Command::Schema => output::json(&alien_core::stack::schema()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            // 1 speaks of the input or the documents, 2 of the command itself, as clap does.
            ExitCode::from(match failure {
                Failure::Unwritten(_) => 2,
                Failure::Refused(_) | Failure::Breached => 1,
            })
        }
    }
}
