//! A peer for AWS that is not ours: ministack, which enforces IAM. Its own virtual environment is made under `target/`
//! once; every test that needs a server starts one on a free port of the loopback interface.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

/// The version that the known faults of the peer are of.
pub const VERSION: &str = "1.5.33";

/// A running server. It ends with the value.
#[derive(Debug)]
pub struct Ministack {
    server: Child,
    port: u16,
}

/// Why there is no peer on this machine: it is then said, and the tests are reported as ignored.
#[derive(Debug, Clone)]
pub struct Absent(pub String);

/// Whether a missing peer is a failure: where everything must be seen to pass.
fn is_required() -> bool {
    std::env::var_os("ALIEN_PEERS").is_some_and(|value| value == "required" || value == "all")
}

/// The folder that cargo builds in.
pub(crate) fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}

/// Makes the virtual environment, where it is not there already. Several test binaries may ask at once: one makes it.
///
/// # Errors
///
/// Where this machine has no Python, or the packages cannot be had.
fn install() -> Result<PathBuf, Absent> {
    let folder = target().join(format!("ministack-{VERSION}"));
    let program = folder.join("bin/ministack");
    fs::create_dir_all(target()).map_err(|error| Absent(error.to_string()))?;
    let lock = File::create(folder.with_extension("lock")).map_err(|error| Absent(error.to_string()))?;
    lock.lock().map_err(|error| Absent(error.to_string()))?;
    let finished = folder.join("finished");
    if finished.exists() {
        return Ok(program);
    }
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").arg("-m").arg("venv").arg(&folder))?;
    let package = format!("ministack=={VERSION}");
    run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", &package]))?;
    fs::write(finished, VERSION).map_err(|error| Absent(error.to_string()))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), Absent> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |what: String| Absent(format!("{program}: {what}"));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// A test on a server of its own. Where the peer cannot be had, that is said and the test is reported as ignored, unless it
/// is required.
#[must_use]
pub fn trial(name: &str, test: impl FnOnce(Ministack) + Send + 'static) -> Trial {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let installed = *INSTALLED.get_or_init(|| {
        let installed = install();
        if let Err(Absent(why)) = &installed {
            eprintln!("no peer for AWS: {why}");
        }
        installed.is_ok()
    });
    let run = move || {
        test(Ministack::start().map_err(|Absent(why)| why)?);
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(!installed && !is_required())
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
        let program = install()?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = Command::new(program)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("AWS_")))
            .env("AUTH", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("IOT_MTLS_ENABLED", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Functions run as its children: all of them end with it.
            .process_group(0)
            .spawn()
            .map_err(|error| Absent(error.to_string()))?;
        let peer = Self { server, port };
        let patience = Instant::now() + Duration::from_secs(60);
        while !peer.answers() {
            assert!(Instant::now() < patience, "the peer does not answer on port {port}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(peer)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn answers(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
        let request = "GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // Its group is its own process id.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.server.id())]).status();
        let _ = self.server.wait();
    }
}
