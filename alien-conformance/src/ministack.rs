//! ministack, a third-party peer for AWS that enforces IAM. It is installed once, in a virtual environment under
//! `target/`. Every test that needs a server starts its own, on its own port.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::Trial;

pub use crate::peer::Absent;
use crate::peer::{self, Need, Server};

/// The version whose known faults the tests allow for.
pub const VERSION: &str = "1.5.33";

/// A running server. It stops when this value is dropped.
#[derive(Debug)]
pub struct Ministack {
    // Its functions run as child processes, which stop with it.
    _server: Server,
    port: u16,
}

/// Creates the virtual environment, unless it exists.
///
/// # Errors
///
/// If this machine has no Python, or the packages cannot be downloaded.
fn install() -> Result<PathBuf, Absent> {
    let package = format!("ministack=={VERSION}");
    let folder = peer::install(&format!("ministack-{VERSION}"), |folder| peer::venv(folder, &[&package]))?;
    Ok(folder.join("bin/ministack"))
}

/// A test on its own server. If ministack is not available, the test says so and is reported as ignored, unless
/// [`Need`] makes it required.
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
    /// Starts an empty server.
    ///
    /// # Errors
    ///
    /// If ministack is not available on this machine.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn start() -> Result<Self, Absent> {
        let path = install()?;
        // The URLs that it returns contain the port, so it must be told one.
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

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
