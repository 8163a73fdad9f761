//! Runs in a customer's network.

mod agent;
mod calls;
mod channel;
mod outcome;
mod pace;
mod policy;
mod requests;
mod state;
mod update;

pub use agent::{Agent, AgentBuilder};
pub use channel::{Channel, Https};
pub use policy::Policy;
pub use state::{KeySource, State, StateKey, Status};
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
