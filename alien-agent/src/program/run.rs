//! `alien-agent run`.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alien_core::adapter::{Printable, flag, read_text, shutdown};
use alien_core::{
    CallConfig, Clock as _, Connection, Deployment, Error, ErrorKind, Problem, Result, Side, SystemClock,
};
use clap::{Arg, ArgMatches, Args, Command};
use zeroize::Zeroizing;

use super::args::StateArgs;
use super::{AgentCloud, notify};
use crate::agent::{Agent, AgentBuilder};
use crate::policy::Policy;
use crate::state::State;

/// How the agent appears in the customer's audit log.
const NAME: &str = "alien-agent";
/// How often the files of the policy and the record are read again.
const REREAD: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    state: StateArgs,
    /// The record that `alien-deploy up` wrote. It is read again when it changes: after each later `up`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// What you let the agent do and say, in JSON. It is read again when it changes
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The certificates of authorities to trust beside the system's, in PEM: of a proxy that opens TLS
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The memory that the agent may take, in MiB: releases whose zips need more are refused as too large [default: no bound]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..))]
    memory: Option<u64>,
}

/// How many bytes a mebibyte has.
const MEBIBYTE: u64 = 1 << 20;

/// The values of a cloud's options, by their names.
pub(super) type Options = Vec<(&'static str, String)>;

/// Adds the options of clouds to a command, each once.
pub(super) fn with_options(command: Command, clouds: &[AgentCloud]) -> Command {
    names(clouds).into_iter().fold(command, |command, (name, help)| {
        let words = flag(name);
        let value = words.replace('-', "_").to_uppercase();
        // All other help starts with a capital letter.
        let mut letters = help.chars();
        let help: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        command.arg(Arg::new(name).long(words).value_name(value).help(help))
    })
}

/// The options of clouds that were given.
pub(super) fn options(matches: &ArgMatches, clouds: &[AgentCloud]) -> Options {
    let given = |(name, _)| Some((name, matches.get_one::<String>(name)?.clone()));
    names(clouds).into_iter().filter_map(given).collect()
}

/// The names of the options for agents, and the help of each.
fn names(clouds: &[AgentCloud]) -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for option in clouds.iter().flat_map(|cloud| cloud.options).filter(|option| option.is_for(Side::Agent)) {
        if !names.iter().any(|(name, _)| *name == option.name) {
            names.push((option.name, option.help));
        }
    }
    names
}

/// What files say, and the texts of those that are read again.
struct Files {
    record: Option<(Deployment, Zeroizing<String>)>,
    policy: (Policy, Option<Zeroizing<String>>),
    ca: Option<Zeroizing<String>>,
}

impl Files {
    /// Reads the files, and tells every problem of all of them.
    fn read(args: &RunArgs) -> Result<Self> {
        let mut problems = Vec::new();
        let mut text = |path: &Option<PathBuf>| {
            let read = path.as_deref().map(read_text).transpose();
            read.map_err(|unread| problems.push(unread.into())).ok().flatten()
        };
        let (record, policy, ca) = (text(&args.record), text(&args.policy), text(&args.ca));
        let mut at = |path: &Option<PathBuf>, found: &[Problem]| {
            let path = path.as_deref().unwrap_or(Path::new("")).display().to_string();
            problems.extend(found.iter().cloned().map(|problem| {
                let within = problem.subject.as_ref().map_or_else(|| path.clone(), |at| format!("{path}: {at}"));
                problem.at(within)
            }));
        };
        let record = record.and_then(|text| match Deployment::from_json(&text) {
            Ok(record) => Some((record, text)),
            Err(found) => {
                at(&args.record, found.as_slice());
                None
            }
        });
        let read = policy.as_deref().map(|text| Policy::from_json(text, SystemClock.now())).transpose();
        let read = read.map_err(|error| at(&args.policy, error.problems())).ok().flatten();
        let policy = (read.unwrap_or_default(), policy);
        if problems.is_empty() { Ok(Self { record, policy, ca }) } else { Err(problems.into()) }
    }
}

/// Runs the agent until it is told to end.
pub(super) fn run(args: RunArgs, options: Options, clouds: &[AgentCloud]) -> Result<()> {
    let Files { record, policy: (policy, text), ca } = Files::read(&args)?;
    let StateArgs { state, key } = args.state;
    let state = Arc::new(State::open(state, &key.source()?.read()?)?);
    if let Some((record, _)) = &record {
        state.give(record)?;
    }
    let record = Watched::new(args.record.as_deref(), record.map(|(_, text)| text));
    let watched = Watched::new(args.policy.as_deref(), text);
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| Printable(std::io::stderr())).init();
    // One thread: an agent has little to do, and its customers many things beside it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(ErrorKind::Internal, "no async runtime").caused_by(&error))?;
    runtime.block_on(async {
        let memory = args.memory.map(|mebibytes| mebibytes.saturating_mul(MEBIBYTE));
        let shutdown = shutdown()?;
        let (is_stopping, mut policy, mut files) = (AtomicBool::new(false), policy, (watched, record));
        let mut stopping = pin!(async {
            shutdown.await;
            is_stopping.store(true, Ordering::Relaxed);
            notify::stopping();
        });
        loop {
            let agent = open(&state, &options, clouds).await?.policy(policy);
            let agent = ca.iter().fold(agent, |agent, pem| agent.ca(pem.as_bytes()));
            let agent = memory.into_iter().fold(agent, AgentBuilder::memory).open()?;
            tracing::info!("running");
            notify::ready();
            tokio::select! {
                () = agent.run(&mut stopping) => {}
                () = reread(&agent, &mut files) => {}
                () = notify::alive() => {}
            }
            if is_stopping.load(Ordering::Relaxed) {
                break;
            }
            tracing::info!("the record names another manager, root or place: the agent begins anew");
            let taken = files.0.as_ref().map(|file| Policy::from_json(&file.taken, SystemClock.now())).transpose()?;
            policy = taken.unwrap_or_default();
        }
        tracing::info!("ended");
        Ok(())
    })
}

async fn open(state: &Arc<State>, options: &Options, clouds: &[AgentCloud]) -> Result<AgentBuilder> {
    let Some(record) = state.with(|contents| contents.record.clone()) else {
        let what = "the agent has no record of its deployment";
        return Err(
            Error::new(ErrorKind::NotFound, what).because("give the one that `alien-deploy up` wrote, by `--record`")
        );
    };
    let Some(cloud) = clouds.iter().find(|cloud| cloud.name == record.cloud) else {
        let what = format!("the deployment is on {}, and this program was built without it", record.cloud);
        let help = format!("build it with the feature: `cargo build --profile agent --features {}`", record.cloud);
        return Err(Error::new(ErrorKind::Unsupported, what).because(help));
    };
    let connection = Connection::new(CallConfig::default(), NAME);
    let connection = options.iter().fold(connection, |connection, (name, text)| connection.with_option(*name, text));
    let access = (cloud.connect)(record.target, connection).await?;
    Ok(Agent::builder(Arc::clone(state), access))
}

/// Reads the files of the policy and the record again, and takes what has changed. A file that cannot be read changes nothing.
async fn reread(agent: &Agent, (policy, record): &mut (Option<Watched>, Option<Watched>)) {
    loop {
        SystemClock.sleep(REREAD).await;
        if let Some(policy) = policy.as_mut() {
            policy.take_with(|text| {
                agent.set_policy(Policy::from_json(text, SystemClock.now())?);
                Ok(true)
            });
        }
        if let Some(record) = record.as_mut() {
            record.take_with(|text| agent.give(&Deployment::from_json(text)?));
        }
    }
}

/// A file that may change.
struct Watched {
    path: PathBuf,
    /// What was seen last.
    text: Zeroizing<String>,
    /// What was taken last.
    taken: Zeroizing<String>,
}

impl Watched {
    fn new(path: Option<&Path>, text: Option<Zeroizing<String>>) -> Option<Self> {
        let text = text?;
        Some(Self { path: path?.to_owned(), taken: text.clone(), text })
    }

    /// Takes the text if it is another one. It is seen then, unless the agent takes it later.
    fn take_with(&mut self, take: impl FnOnce(&str) -> Result<bool>) {
        let path = self.path.display();
        let text = match read_text(&self.path) {
            Ok(text) if text == self.text => return,
            Ok(text) => text,
            Err(error) => return tracing::error!(%error, "a file has changed and was not taken"),
        };
        match take(&text) {
            Ok(true) => {
                tracing::info!(%path, "a file has changed and was taken");
                self.taken.clone_from(&text);
            }
            Ok(false) => return,
            Err(error) => tracing::error!(%path, %error, "a file has changed and was not taken"),
        }
        self.text = text;
    }
}
