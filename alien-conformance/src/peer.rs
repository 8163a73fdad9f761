//! Programs that are not ours, as outside checks: installed under `target/` once, and a server of its own for every test
//! that needs one, on free ports of the loopback interface.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

/// Why there is no peer on this machine: it is then said, and the tests are reported as ignored.
#[derive(Debug, Clone)]
pub struct Absent(pub String);

impl From<Absent> for Failed {
    fn from(Absent(why): Absent) -> Self {
        why.into()
    }
}

/// When a missing peer is a failure, by the environment's `ALIEN_PEERS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Where it is `required` or `all`.
    WhereRequired,
    /// Where it is `all`: where everything must be seen to pass.
    WhereAll,
}

impl Need {
    fn is_felt(self) -> bool {
        let asked = std::env::var_os("ALIEN_PEERS");
        asked.is_some_and(|asked| asked == "all" || (self == Self::WhereRequired && asked == "required"))
    }
}

/// A test that needs what may be absent: it is then reported as ignored, unless it is needed.
#[must_use]
pub fn trial<T: Clone + Send + 'static>(
    name: &str,
    need: Need,
    peer: &Result<T, Absent>,
    test: impl FnOnce(T) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let peer = peer.clone();
    let is_absent = peer.is_err();
    Trial::test(name, move || test(peer?)).with_ignored_flag(is_absent && !need.is_felt())
}

/// The same, and where the peer of something is absent, why: on standard error.
pub fn told<T>(of: &str, peer: Result<T, Absent>) -> Result<T, Absent> {
    peer.inspect_err(|Absent(why)| eprintln!("no peer for {of}: {why}"))
}

/// The folder that cargo builds in.
pub(crate) fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}

/// A folder of this name under `target/`, which `make` fills where that has not been done already. Several test binaries
/// may ask at once: one makes it.
///
/// # Errors
///
/// Where it cannot be made.
pub fn install(name: &str, make: impl FnOnce(&Path) -> Result<(), Absent>) -> Result<PathBuf, Absent> {
    let absent = |error: std::io::Error| Absent(error.to_string());
    let target = target();
    fs::create_dir_all(&target).map_err(absent)?;
    let folder = target.join(name);
    // A version has dots: what is behind the last is no extension.
    let lock = File::create(target.join(format!("{name}.lock"))).map_err(absent)?;
    lock.lock().map_err(absent)?;
    let finished = folder.join("finished");
    if !finished.exists() {
        let _ = fs::remove_dir_all(&folder);
        make(&folder)?;
        fs::write(finished, name).map_err(absent)?;
    }
    Ok(folder)
}

/// Makes a virtual environment of Python with these packages, written as pip takes them.
///
/// # Errors
///
/// Where this machine has no Python, or the packages cannot be had.
pub fn venv(folder: &Path, packages: &[&str]) -> Result<(), Absent> {
    run(Command::new("python3").arg("-m").arg("venv").arg(folder))?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(folder.join("bin/pip")).args(pip).args(packages))
}

/// Runs a program to its end.
///
/// # Errors
///
/// Where it is not there or fails: what it wrote to standard error.
pub fn run(command: &mut Command) -> Result<(), Absent> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |what: String| Absent(format!("{program}: {what}"));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Ports of the loopback interface that nothing listened on a moment ago, each another.
///
/// # Panics
///
/// Where there are none.
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A running program. It ends with the value, and so do its children.
#[derive(Debug)]
pub struct Server(Child);

impl Server {
    /// Starts a program and waits until it answers.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    ///
    /// # Panics
    ///
    /// Where it ends, or does not answer within a minute.
    pub fn start(program: &mut Command, answers: impl Fn() -> bool) -> Result<Self, Absent> {
        let name = program.get_program().to_string_lossy().into_owned();
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut server = Self(program.spawn().map_err(|error| Absent(format!("{name}: {error}")))?);
        let patience = Instant::now() + Duration::from_secs(60);
        while !answers() {
            if let Some(status) = server.0.try_wait().unwrap() {
                panic!("{name} ended with {status}");
            }
            assert!(Instant::now() < patience, "{name} does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its group is its own process id.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}
