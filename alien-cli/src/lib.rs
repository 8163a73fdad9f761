//! The programs `alien`, for the vendor, and `alien-deploy`, for the customer's admin. They only parse, call the
//! library, and print.

mod args;
mod ask;
mod check;
mod clouds;
mod connect;
mod deploy;
mod file;
mod fleet;
mod interrupt;
mod invite;
mod keys;
#[cfg(test)]
mod memory;
mod output;
mod permissions;
mod progress;
mod redeploy;
mod repository;
mod review;
mod serve;
mod since;
mod target;
mod update;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use args::{admin, vendor};
use output::Failure;

/// Runs the program `alien`.
#[must_use]
pub fn alien() -> ExitCode {
    use vendor::Command;
    let command = vendor::Args::parse().command;
    exit(match command {
        Command::Permissions(args) => permissions::permissions(&args),
        Command::Audit(args) => permissions::audit(&args),
        Command::Check(args) => check::check(&args),
        Command::Schema => output::json(&alien_core::schema()),
        Command::Invite(args) => run(invite::invite(&args)),
        Command::Register(args) => run(invite::register(&args)),
        Command::Update(args) => run(update::update(&args)),
        Command::Redeploy(args) => run(redeploy::redeploy(&args)),
        Command::Heartbeat(args) => run(watch::heartbeat(&args)),
        Command::Logs(args) => run(watch::logs(&args)),
        Command::Dispatch(args) => run(watch::dispatch(&args)),
        Command::Keys(command) => run(keys::keys(&command)),
        Command::Repository(command) => run(repository::repository(&command)),
        Command::Release(args) => run(fleet::release(&args)),
        Command::Rollout(command) => run(fleet::rollout(&command)),
        Command::Deployments(command) => run(fleet::deployments(&command)),
        Command::Fleet(command) => run(fleet::fleet(&command)),
        Command::Manager(command) => run(fleet::manager(&command)),
    })
}

/// Runs the program `alien-deploy`.
#[must_use]
pub fn alien_deploy() -> ExitCode {
    use admin::Command;
    let command = admin::Args::parse().command;
    exit(match command {
        Command::Review(args) => deploy::review(&args),
        Command::Plan(args) => run(deploy::plan(&args)),
        Command::Up(args) => run(deploy::up(&args)),
        Command::Status(args) => run(deploy::status(&args)),
        Command::Down(args) => run(deploy::down(&args)),
        Command::Revoke(args) => run(deploy::revoke(&args)),
        Command::Agent(args) => deploy::agent(&args),
    })
}

/// Runs a command that calls a cloud.
fn run<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::stopped(format!("cannot start the async runtime: {error}")))?.block_on(command)
}

/// Exits with 0 on success, and with the code of a failure.
fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.code();
            output::note(failure);
            code.into()
        }
    }
}
