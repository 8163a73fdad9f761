//! A peer for AWS that is not ours: ministack, which enforces IAM. Its own virtual environment is made under `target/`
//! once; every test that needs a server starts one on a free port of the loopback interface.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

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
    /// Where it does not answer within a minute.
    pub fn start() -> Result<Self, Absent> {
        let mut program = Command::new(install()?);
        let [port] = peer::free_ports();
        program
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("AWS_")))
            .env("AUTH", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("IOT_MTLS_ENABLED", "0");
        let server = Server::start(&mut program, || answers(port))?;
        Ok(Self { _server: server, port })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let request = "GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}
