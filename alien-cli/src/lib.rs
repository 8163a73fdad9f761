//! The programs `alien`, for the vendor, `alien-deploy`, for the customer's admin, and `alien-prove`, for both. They only parse, call
//! the library, and print.

mod args;
mod ask;
mod check;
mod clouds;
mod connect;
mod deploy;
mod diff;
mod file;
mod fleet;
mod interrupt;
mod invite;
mod keys;
mod manual;
#[cfg(test)]
mod memory;
mod near;
mod output;
mod permissions;
mod progress;
mod prove;
mod redeploy;
mod repository;
#[cfg(test)]
mod results;
mod review;
mod serve;
mod since;
mod target;
mod update;
mod watch;

use std::borrow::Cow;
use std::ffi::OsString;
use std::process::ExitCode;

use alien_core::Exit;
use alien_core::adapter::{Failed, printable};
use clap::{CommandFactory as _, Parser};

use args::{admin, prove as proof, vendor};
use output::Failure;
use output::failed::failed;

/// Returns the command lines of the three programs, for completions and man pages.
#[must_use]
pub fn commands() -> [clap::Command; 3] {
    [vendor::Args::command(), admin::Args::command(), proof::Args::command()]
}

/// Runs the program `alien`.
#[must_use]
pub fn alien() -> ExitCode {
    program(|vendor::Args { shown, command }: vendor::Args| {
        use vendor::Command;
        match command {
            Command::Permissions(mut args) => {
                args.format = shown.over(args.format);
                permissions::permissions(&args)
            }
            Command::Audit(mut args) => {
                args.format = shown.over(args.format);
                permissions::audit(&args)
            }
            Command::Check(mut args) => {
                args.format = shown.over(args.format);
                check::check(&args)
            }
            Command::Diff(mut args) => {
                args.format = shown.over(args.format);
                diff::diff(&args)
            }
            Command::Schema => output::json(&alien_core::schema()),
            Command::Invite(args) => reading(invite::invite(&args, shown)),
            Command::Register(args) => reading(invite::register(&args, shown)),
            Command::Update(args) => writing("alien update", update::update(&args, shown)),
            Command::Redeploy(args) => writing("alien redeploy", redeploy::redeploy(&args, shown)),
            Command::Heartbeat(args) => reading(watch::heartbeat(&args, shown)),
            Command::Logs(args) => printing(watch::logs(&args, shown)),
            Command::Dispatch(args) => interrupted_by(interrupt::SENT, watch::dispatch(&args, shown)),
            Command::Keys(command) => run(keys::keys(&command, shown)),
            Command::Repository(command) => ending(command.left(), repository::repository(&command, shown)),
            // It says itself what is left.
            Command::Release(args) => run(fleet::release(&args, shown)),
            Command::Rollout(command) => ending(command.left(), fleet::rollout(&command, shown)),
            Command::Deployments(command) => ending(command.left(), fleet::deployments(&command, shown)),
            Command::Fleet(command) => ending(command.left(), fleet::fleet(&command, shown)),
            Command::Manager(command) => ending(command.left(), fleet::manager(&command, shown)),
            Command::Completions(args) => manual::completions::<vendor::Args>(args.shell, shown),
            Command::Man(args) => manual::pages::<vendor::Args>(&args.folder, shown),
        }
    })
}

/// Runs the program `alien-deploy`.
#[must_use]
pub fn alien_deploy() -> ExitCode {
    program(|admin::Args { shown, command }: admin::Args| {
        use admin::Command;
        match command {
            Command::Review(args) => deploy::review(&args, shown),
            Command::Plan(args) => reading(deploy::plan(&args, shown)),
            Command::Up(args) => writing("alien-deploy up", deploy::up(&args, shown)),
            Command::Status(args) => reading(deploy::status(&args, shown)),
            Command::Down(args) => writing("alien-deploy down", deploy::down(&args, shown)),
            Command::Revoke(args) => writing("alien-deploy revoke", deploy::revoke(&args, shown)),
            Command::Agent(args) => deploy::agent(&args, shown),
            Command::Completions(args) => manual::completions::<admin::Args>(args.shell, shown),
            Command::Man(args) => manual::pages::<admin::Args>(&args.folder, shown),
        }
    })
}

/// Runs the program `alien-prove`.
#[must_use]
pub fn alien_prove() -> ExitCode {
    program(|proof::Args { shown, command }: proof::Args| {
        use proof::Command;
        match command {
            // It says itself what is left.
            Command::Run(args) => run(prove::run(args, shown)),
            Command::Replay(args) => run(prove::replay(args, shown)),
            Command::Facts(args) => prove::facts(&args, shown),
            Command::Completions(args) => manual::completions::<proof::Args>(args.shell, shown),
            Command::Man(args) => manual::pages::<proof::Args>(&args.folder, shown),
        }
    })
}

/// Parses the command line, runs the command, and says how it ended: by the exit code, and in words or as JSON.
fn program<A: Parser>(command: impl FnOnce(A) -> Result<(), Failure>) -> ExitCode {
    let json = asks_for_json(std::env::args_os());
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(wrong) if json && wrong.use_stderr() => {
            let told = wrong.render().to_string();
            let _ = output::json(&Failed::new(Exit::Usage, &told));
            return Exit::Usage.into();
        }
        Err(wrong) => {
            match printable(&wrong.render().to_string()) {
                // If nobody reads it, nobody can be told.
                Cow::Borrowed(_) => drop(wrong.print()),
                // It repeats words that a terminal would obey.
                Cow::Owned(told) => output::note(told.trim_end()),
            }
            return if wrong.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    match command(args) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            // Where the result was printed, it is the one document on standard output.
            if json && !matches!(failure, Failure::Ended(..)) {
                let _ = output::json(&failed(&failure));
            } else {
                output::note(&failure);
            }
            failure.exit().into()
        }
    }
}

/// Whether JSON is asked for, also by a command line that is otherwise wrong.
fn asks_for_json(words: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<OsString> = words.take_while(|word| word != "--").collect();
    words.iter().any(|word| word == "--json" || word == "--format=json")
        || words.windows(2).any(|pair| matches!(pair, [flag, value] if flag == "--format" && value == "json"))
}

/// Runs a command that changes nothing.
fn reading(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    interrupted_by(interrupt::NOTHING, command)
}

/// Runs a command whose whole work is to print. It ends when nobody reads that.
fn printing(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    reading(async {
        tokio::select! {
            done = command => done,
            () = output::unread() => Ok(()),
        }
    })
}

/// Runs a command that changes something, and goes on where it ended if it is run again.
fn writing(name: &str, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let told = format!(
        "interrupted: what was done stays, and what was sent may still be done. Run the same `{name}` again: it looks at what is \
         there, and goes on (others wait a minute for its claim to end)"
    );
    interrupted_by(&told, command)
}

/// Runs a command. Ctrl-C cancels it and fails with this message and exit code 130.
fn interrupted_by(told: &str, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    run(async {
        let mut interrupts = interrupt::Interrupts::new()?;
        tokio::select! {
            done = command => done,
            () = interrupts.next() => Err(Failure::stopped(Exit::Interrupted, told)),
        }
    })
}

/// Runs a command that Ctrl-C ends with these words, or that says itself what is left.
fn ending(left: Option<&str>, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    match left {
        Some(told) => interrupted_by(told, command),
        None => run(command),
    }
}

/// Runs a command that calls a cloud or a store.
fn run<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::stopped(Exit::Internal, format!("cannot start the async runtime: {error}")))?;
    let done = runtime.block_on(command);
    // What an interrupted command waits for, such as an answer on the terminal, is not waited for.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_by_either_flag_and_not_by_what_is_sent() {
        let asks = |line: &str| asks_for_json(line.split_whitespace().map(OsString::from));
        assert!(asks("alien heartbeat --json") && asks("alien audit --format json") && asks("alien x --format=json"));
        assert!(!asks("alien audit --format table") && !asks("alien dispatch api -- --json") && !asks("alien json"));
    }
}
