//! Runs in a customer's network: asks the vendor's manager outbound what to run, takes what the vendor's offline keys signed, and rolls it
//! out with credentials of the customer's own. The vendor has no identity there.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use alien_agent::{Agent, KeySource, Policy, State};
//! use alien_core::{Deployment, memory};
//!
//! # async fn run(config: memory::Config, record: Deployment, stopped: impl Future<Output = ()> + Send) -> Result<(), Box<dyn std::error::Error>> {
//! // `State::create` made it before the customer's admin set up, so that its public key could be set up with it.
//! let key = KeySource::Credential("state-key".to_owned()).read()?;
//! let state = State::open_of("/var/lib/alien-agent", &key, record.id)?;
//! state.give(&record)?;
//!
//! let policy = Policy::new().answering_commands("api".parse()?);
//! let agent = Agent::builder(state, memory::agent(&config)).policy(policy).open()?;
//! agent.run(stopped).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! * **Only what is signed, and nothing older than it has begun.** The manager names a release by its number and its digest;
//!   [`alien_release::Verifier`] takes it from the repository, or does not. A manager in an attacker's hand can hold back, or choose among what
//!   is signed and not below the floor: the twin of a release, too.
//! * **Killed anywhere, it goes on.** What is begun is in the [`State`] before the first call, and how it ended before anything else is
//!   begun. The next run finishes what was begun, also if it has expired meanwhile, and tells what was not told.
//! * **The manager is no health.** What it answers, or that it does not, says nothing of the deployment: the agent waits, and asks again.
//! * **Codes alone leave.** What is sent is [`alien_release::agent`], a closed schema. The cloud's own words are in it, and commands and logs
//!   answered, only where the [`Policy`] of the customer lets them.
//!
//! # When it asks
//!
//! First at a random moment of half a minute; then every 30 seconds ± 20 %, around a moment that follows from the deployment's id; after a
//! failure at a random moment of the next 5 seconds, twice as long after each further one, and up to 300. `Retry-After`, of up to an hour, and
//! the time that the manager sets for the next poll, of up to five minutes, are obeyed at once. It reports what changed, and otherwise every
//! ten minutes. A call may take 40 seconds, and connecting 5.
//!
//! # Nothing older
//!
//! The newest release that was begun is stored in the state, and written beside the functions and containers that it updates, in the variable
//! `ALIEN__RELEASE` of their environment. Before its first decision an agent reads both, and begins nothing older than the newer of them: an old copy of
//! the state, or a new state, lowers nothing. Two things it does not find there: a release that changed no function and no container, and
//! containers on AWS, whose environment the agent may not read.

mod agent;
mod calls;
mod channel;
mod live;
mod outcome;
mod pace;
mod policy;
#[cfg(feature = "program")]
pub mod program;
mod requests;
mod state;
mod update;

pub use agent::{Agent, AgentBuilder};
pub use channel::{Channel, Https};
pub use policy::Policy;
pub use state::{KeySource, State, StateKey, Status, Waiting};
#[doc(hidden)]
pub use state::{Stop, Watcher, WriteStep};

/// A folder for a test.
#[cfg(test)]
pub(crate) fn scratch(name: &str) -> std::path::PathBuf {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tmp/alien-agent")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
