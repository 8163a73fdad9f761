//! `alien-agent`: makes, runs, shows and rekeys the agent of a deployment.
//!
//! The program has the clouds that it was built with, by the features `aws`, `gcp` and `azure`. A host with a cloud of its own has the
//! same program with it:
//!
//! ```no_run
//! use alien_agent::program::AgentCloud;
//! use alien_core::memory;
//!
//! fn main() -> std::process::ExitCode {
//!     # let config = memory::Config::new(memory::Account::new(std::sync::Arc::new(memory::TestClock::new())));
//!     alien_agent::program::main(vec![AgentCloud::of(memory::Adapter::new(config))])
//! }
//! ```

mod args;
mod cloud;
mod notify;
mod run;

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::process::ExitCode;

use alien_core::adapter::{Failed, printable};
use alien_core::{DeploymentId, Error, ErrorKind, Exit, Result};
use alien_release::agent::Waits;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::args::{NewKeyArgs, StateArgs};
pub use self::cloud::AgentCloud;
use self::run::RunArgs;
use crate::state::{State, Status};

/// The agent of a deployment that pulls its releases.
#[derive(Debug, Parser)]
#[command(name = "alien-agent", version, max_term_width = 80, after_help = exits())]
struct Program {
    /// Print JSON, also where it fails
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// The exit codes that this program has. A signal ends `run` as it should end.
fn exits() -> String {
    Exit::help(Exit::ALL.into_iter().filter(|exit| exit.code() < 10))
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the sealed state and the agent's key, and print the public half of it: for `alien-deploy up` and for the vendor
    #[command(override_usage = "alien-agent init [OPTIONS] --state <DIR> <KEY> --deployment <ID>")]
    Init {
        #[command(flatten)]
        state: StateArgs,
        /// The id of the deployment, as the invitation has it
        #[arg(long, value_name = "ID")]
        deployment: DeploymentId,
        /// Take the place of a state whose key is lost; it is kept beside the new one
        #[arg(long)]
        replace: bool,
    },
    /// Run the agent, until a signal ends it: the update that it is at ends first
    #[command(override_usage = "alien-agent run [OPTIONS] --state <DIR> <KEY>")]
    Run(RunArgs),
    /// Show what the state says, also while the agent runs
    #[command(override_usage = "alien-agent status [OPTIONS] --state <DIR> <KEY>")]
    Status {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Seal the state with another key. If this is interrupted, run it again; then throw the old key away
    #[command(override_usage = "alien-agent rekey [OPTIONS] --state <DIR> <KEY> <NEW KEY>")]
    Rekey {
        #[command(flatten)]
        state: StateArgs,
        #[command(flatten)]
        new: NewKeyArgs,
    },
}

/// Returns the command line of the program on these clouds, for completions and man pages.
#[must_use]
pub fn command(clouds: &[AgentCloud]) -> clap::Command {
    Program::command().mut_subcommand("run", |run| run::with_options(run, clouds))
}

/// Runs the program with the words of the command line, on these clouds.
#[must_use]
pub fn main(clouds: Vec<AgentCloud>) -> ExitCode {
    let read =
        command(&clouds).try_get_matches().and_then(|matches| Ok((Program::from_arg_matches(&matches)?, matches)));
    let (program, matches) = match read {
        Ok(read) => read,
        Err(usage) => return said(&usage),
    };
    let json = program.json;
    let done = match program.command {
        Command::Run(args) => {
            let options = matches.subcommand_matches("run").map(|run| run::options(run, &clouds));
            run::run(args, options.unwrap_or_default(), &clouds).map(|()| String::new())
        }
        other => other.carry_out(json),
    };
    match done {
        Ok(says) => {
            // If nobody reads it, nobody can be told.
            let _ = io::stdout().write_all(printable(&says).as_bytes());
            Exit::Done.into()
        }
        Err(error) => {
            if json {
                let _ = io::stdout().write_all(Failed::of(&error).to_json().as_bytes());
            } else {
                let _ = io::stderr().write_all(printable(&told(&error)).as_bytes());
            }
            Exit::of(&error).into()
        }
    }
}

/// Says what is wrong with the command line, or what was asked of it. What a terminal would obey is written out.
fn said(usage: &clap::Error) -> ExitCode {
    // If nobody reads it, nobody can be told.
    if usage.use_stderr() && std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json") {
        let _ = io::stdout().write_all(Failed::new(Exit::Usage, &usage.render().to_string()).to_json().as_bytes());
        return Exit::Usage.into();
    }
    match printable(&usage.render().to_string()) {
        Cow::Borrowed(_) => drop(usage.print()),
        Cow::Owned(told) => drop(io::stderr().write_all(told.as_bytes())),
    }
    if usage.use_stderr() { Exit::Usage } else { Exit::Done }.into()
}

/// Every problem, a line each, or what went wrong.
fn told(error: &Error) -> String {
    match error.problems() {
        [] => format!("error: {error}\n"),
        problems => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

impl Command {
    /// Does it, and returns what it says; in JSON that is what the state says afterwards.
    fn carry_out(self, json: bool) -> Result<String> {
        match self {
            Self::Init { state: StateArgs { state: at, key }, deployment, replace } => {
                let key = key.source()?.read()?;
                let made =
                    if replace { State::replace(&at, &key, deployment) } else { State::create(&at, &key, deployment) };
                let public = made?.public_key().to_string();
                if json { to_json(&State::look(at, &key)?) } else { Ok(public) }
            }
            Self::Status { state: StateArgs { state: at, key } } => {
                let status = State::look(at, &key.source()?.read()?)?;
                if json { to_json(&status) } else { Ok(words(&status)) }
            }
            Self::Rekey { state: StateArgs { state: at, key }, new } => {
                let (old, new) = (key.source()?.read()?, new.source()?.read()?);
                State::rekey(&at, &old, &new)?;
                if json {
                    return to_json(&State::look(at, &new)?);
                }
                Ok("the state is sealed with the new key\n".to_owned())
            }
            Self::Run(_) => Err(Error::new(ErrorKind::Internal, "`run` needs the clouds")),
        }
    }
}

fn to_json(status: &Status) -> Result<String> {
    let json = serde_json::to_string_pretty(status);
    let json =
        json.map_err(|error| Error::new(ErrorKind::Internal, "the status has no JSON form").caused_by(&error))?;
    Ok(format!("{json}\n"))
}

/// What a state says, a line each.
fn words(status: &Status) -> String {
    let number = |release: Option<alien_core::rollout::Sequence>| {
        release.map_or_else(|| "none".to_owned(), |release| release.to_string())
    };
    let record = if status.has_record {
        "there"
    } else {
        "missing: set up with the key below, and start the agent with the record"
    };
    let waits = status.waiting.as_ref().map_or_else(String::new, |waiting| {
        format!("waits         release {} waits for {}\n", waiting.release, awaited(&waiting.why))
    });
    let last = match &status.last {
        None => "none".to_owned(),
        Some(attempt) => {
            let ended = serde_json::to_string(&attempt.ended).unwrap_or_default();
            let told = if status.is_told { "the manager knows" } else { "the manager does not know yet" };
            format!("release {}: {ended}; {told}", attempt.release)
        }
    };
    format!(
        "deployment    {}\nrecord        {record}\nruns          {}\nbegun         {}\nnothing older than {}\n{waits}last attempt  {last}\nwritten       {} times\n{}",
        status.deployment,
        number(status.runs),
        number(status.begun),
        number(status.floor),
        status.generation,
        status.agent_key,
    )
}

/// What a release waits for.
fn awaited(why: &Waits) -> String {
    match why {
        Waits::Approval => "your approval: add its number to `approved` in the policy".to_owned(),
        Waits::Window { opens: Some(opens) } => format!("the window that opens at {opens}"),
        Waits::Window { opens: None } => "a window that opens".to_owned(),
        Waits::AdminOnly => "`alien-deploy up`: it changes what only the admin may set".to_owned(),
        Waits::AgentTooOld { least } => format!("an agent of version {least} or newer"),
        Waits::BelowFloor => "nothing: it is older than what was begun, or than the policy lets".to_owned(),
        Waits::Refused(kind) => {
            let kind = serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
            format!("one that is signed: this one is refused as `{}`", kind.unwrap_or_default())
        }
    }
}
