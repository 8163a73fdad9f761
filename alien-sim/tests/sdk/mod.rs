//! Google's own programs as outside checks: what this machine has of them.

use std::path::PathBuf;
use std::process::Command;

use alien_conformance::peer::{self, Absent, Need};
use libtest_mimic::Trial;

/// Where gcloud and what comes with it is installed.
pub(crate) fn root() -> Result<PathBuf, Absent> {
    let asked = Command::new("gcloud").args(["info", "--format=value(installation.sdk_root)"]).output();
    let output = asked.map_err(|error| Absent(format!("gcloud: {error}")))?;
    let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if root.is_empty() { Err(Absent("gcloud does not say where it is installed".to_owned())) } else { Ok(root.into()) }
}

/// A test that needs what may be absent: it is then ignored and the reason is said, unless it is required.
pub(crate) fn trial<T: Clone + Send + 'static>(name: &str, peer: &Result<T, Absent>, test: fn(T)) -> Trial {
    peer::trial(name, Need::WhereAll, peer, move |peer| {
        test(peer);
        Ok(())
    })
}
