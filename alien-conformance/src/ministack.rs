//! A peer for AWS that is not ours: ministack, which enforces IAM. Its own virtual environment is made under `target/`
//! once; every test that needs a server starts one on a port of its own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::Trial;

pub use crate::peer::Absent;
use crate::peer::{self, Need, Server};

/// The version that the known faults of the peer are of.
pub const VERSION: &str = "1.5.33";

/// A running server. It ends with the value.
#[derive(Debug)]
pub struct Ministack {
    // Its functions run as its children: all of them end with it.
    _server: Server,
    port: u16,
}

/// Makes the virtual environment, where it is not there already.
///
/// # Errors
///
/// Where this machine has no Python, or the packages cannot be had.
fn install() -> Result<PathBuf, Absent> {
    let package = format!("ministack=={VERSION}");
    let folder = peer::install(&format!("ministack-{VERSION}"), |folder| peer::venv(folder, &[&package]))?;
    Ok(folder.join("bin/ministack"))
}

/// A test on a server of its own. Where the peer cannot be had, that is said and the test is reported as ignored, unless it
/// is required.
#[must_use]
pub fn trial(name: &str, test: impl FnOnce(Ministack) + Send + 'static) -> Trial {
    static INSTALLED: OnceLock<Result<PathBuf, Absent>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| peer::told("AWS", install()));
    peer::trial(name, Need::WhereRequired, installed, move |_| {
        test(Ministack::start()?);
        Ok(())
    })
}

impl Ministack {
    /// Starts a server with nothing in it.
    ///
    /// # Errors
    ///
    /// Where it cannot be had on this machine.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    pub fn start() -> Result<Self, Absent> {
        let path = install()?;
        // The URLs that it gives have the port in them, so it must be told one.
        let program = |port: u16| {
            let mut program = Command::new(&path);
            program
                .env_clear()
                .envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("AWS_")))
                .env("AUTH", "true")
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string())
                .env("LOG_LEVEL", "INFO")
                .env("MINISTACK_HOST", "127.0.0.1")
                .env("IOT_MTLS_ENABLED", "0");
            program
        };
        let listens = |line: &str, port| line.contains(&format!("Running on http://127.0.0.1:{port} "));
        let (server, port) = Server::start_on_a_port(program, listens)?;
        Ok(Self { _server: server, port })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
