//! Google's own programs as outside checks: what this machine has of them, and a client of plain JSON.

use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::Trial;

/// Why an outside check cannot be made on this machine.
pub(crate) type Absent = String;

/// Where gcloud and what comes with it is installed.
pub(crate) fn root() -> Result<PathBuf, Absent> {
    let asked = Command::new("gcloud").args(["info", "--format=value(installation.sdk_root)"]).output();
    let output = asked.map_err(|error| format!("gcloud: {error}"))?;
    let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if root.is_empty() { Err("gcloud does not say where it is installed".to_owned()) } else { Ok(root.into()) }
}

/// Whether a missing peer is a failure: where everything must be seen to pass.
fn is_required() -> bool {
    std::env::var_os("ALIEN_PEERS").is_some_and(|value| value == "all")
}

/// A test that needs what may be absent: it is then ignored and the reason is said, unless it is required.
pub(crate) fn trial<T: Clone + Send + 'static>(name: &str, peer: &Result<T, Absent>, test: fn(T)) -> Trial {
    let peer = peer.clone();
    let is_absent = peer.is_err();
    let run = move || {
        test(peer?);
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(is_absent && !is_required())
}
