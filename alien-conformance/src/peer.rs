//! Third-party programs as outside checks. They are installed once, under `target/`. Every test that needs a server
//! starts its own, on its own ports of the loopback interface.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

/// Why a peer is not available on this machine. The reason is printed, and its tests are reported as ignored.
#[derive(Debug, Clone)]
pub struct Absent(pub String);

impl From<Absent> for Failed {
    fn from(Absent(why): Absent) -> Self {
        why.into()
    }
}

/// When a missing peer fails a test, by `ALIEN_PEERS` in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// If `ALIEN_PEERS` is `required` or `all`.
    WhereRequired,
    /// If `ALIEN_PEERS` is `all`: everything must run and pass.
    WhereAll,
}

impl Need {
    fn is_felt(self) -> bool {
        let asked = std::env::var_os("ALIEN_PEERS");
        asked.is_some_and(|asked| asked == "all" || (self == Self::WhereRequired && asked == "required"))
    }
}

/// A test that needs a peer. Without the peer it is reported as ignored, or fails if the peer is needed.
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

/// Prints to standard error why a peer is absent, if it is.
pub fn told<T>(of: &str, peer: Result<T, Absent>) -> Result<T, Absent> {
    peer.inspect_err(|Absent(why)| eprintln!("no peer for {of}: {why}"))
}

/// The folder that cargo builds in.
pub(crate) fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}

/// Installs something in a folder of this name under `target/`: `make` fills the folder, unless it is already filled.
/// If several test binaries ask at once, only one runs `make`.
///
/// # Errors
///
/// If `make` fails, or the folder cannot be written.
pub fn install(name: &str, make: impl FnOnce(&Path) -> Result<(), Absent>) -> Result<PathBuf, Absent> {
    let absent = |error: std::io::Error| Absent(error.to_string());
    let target = target();
    fs::create_dir_all(&target).map_err(absent)?;
    let folder = target.join(name);
    // The version in the name has dots, so `with_extension` would cut it.
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

/// Creates a Python virtual environment with these packages, written as for pip.
///
/// # Errors
///
/// If this machine has no Python, or the packages cannot be downloaded.
pub fn venv(folder: &Path, packages: &[&str]) -> Result<(), Absent> {
    run(Command::new("python3").arg("-m").arg("venv").arg(folder))?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(folder.join("bin/pip")).args(pip).args(packages))
}

/// Runs a program until it exits.
///
/// # Errors
///
/// If the program does not exist, or fails: what it wrote to standard error.
pub fn run(command: &mut Command) -> Result<(), Absent> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |what: String| Absent(format!("{program}: {what}"));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// How long a program may take to say that it listens. Only a program that never does takes this long; a slow one may
/// share two cores with all other tests.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many ports to try with a program that must be told its port.
const PORTS: usize = 20;

/// A running program. It and its children are killed when this value is dropped.
#[derive(Debug)]
pub struct Server(Child);

/// Why a program does not run: the lines that it wrote.
#[derive(Debug)]
pub(crate) struct Ended(Vec<String>);

impl Ended {
    /// Whether another process has its port.
    fn lacks_its_port(&self) -> bool {
        let says = |line: &String| line.contains("EADDRINUSE") || line.to_lowercase().contains("already in use");
        self.0.iter().any(says)
    }
}

impl Server {
    /// Starts a program, and reads its output until `said` returns a value for a line, such as the port it listens on.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    ///
    /// # Panics
    ///
    /// If the program exits, or does not write such a line within five minutes.
    pub fn start<T>(program: &mut Command, said: impl FnMut(&str) -> Option<T>) -> Result<(Self, T), Absent> {
        let name = program.get_program().to_string_lossy().into_owned();
        let started = Self::begin(program, said)?;
        Ok(started.unwrap_or_else(|Ended(lines)| panic!("{name} does not run:\n{}", lines.join("\n"))))
    }

    /// Starts a program that cannot choose its own port: on a port that was free a moment ago, and on another one if
    /// that has been taken since. `listens` says whether a line of output means that the program listens on the port.
    /// Connecting would not prove it, because another process may answer.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    ///
    /// # Panics
    ///
    /// Like [`start`](Self::start), and if twenty ports in a row were taken.
    pub fn start_on_a_port(
        program: impl Fn(u16) -> Command,
        listens: impl Fn(&str, u16) -> bool,
    ) -> Result<(Self, u16), Absent> {
        for _ in 0..PORTS {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let mut program = program(port);
            let name = program.get_program().to_string_lossy().into_owned();
            match Self::begin(&mut program, |line| listens(line, port).then_some(port))? {
                Ok(started) => return Ok(started),
                Err(ended) if ended.lacks_its_port() => println!("{name}: another process has taken port {port}"),
                Err(Ended(lines)) => panic!("{name} does not run:\n{}", lines.join("\n")),
            }
        }
        panic!("{PORTS} ports in a row were taken");
    }

    pub(crate) fn begin<T>(
        program: &mut Command,
        mut said: impl FnMut(&str) -> Option<T>,
    ) -> Result<Result<(Self, T), Ended>, Absent> {
        let name = program.get_program().to_string_lossy().into_owned();
        let absent = |error: io::Error| Absent(format!("{name}: {error}"));
        let (reader, writer) = io::pipe().map_err(absent)?;
        let other = writer.try_clone().map_err(absent)?;
        program.stdin(Stdio::null()).stdout(writer).stderr(other).process_group(0);
        let spawned = program.spawn();
        // The output ends only when nobody else holds the other end of the pipe.
        program.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(spawned.map_err(absent)?);
        let (tell, told) = mpsc::channel();
        // Keep reading: a program blocks when the pipe is full.
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let patience = Instant::now() + PATIENCE;
        let mut ended = Ended(Vec::new());
        while let Ok(line) = told.recv_timeout(patience.saturating_duration_since(Instant::now())) {
            if let Some(found) = said(&line) {
                return Ok(Ok((server, found)));
            }
            ended.0.push(line);
            // Not every program exits when its port is taken.
            if ended.lacks_its_port() {
                break;
            }
        }
        Ok(Err(ended))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The id of its process group is its own process id.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_program_without_its_port_is_started_on_another() {
        let tried = Cell::new(0);
        let program = |port: u16| {
            tried.set(tried.get() + 1);
            match tried.get() {
                1 => shell("echo 'bind: Address already in use' >&2; sleep 600"),
                2 => shell("echo 'listen EADDRINUSE: address in use'; exit 1"),
                _ => shell(&format!("echo starting; echo listening on {port}; sleep 600")),
            }
        };
        let (_server, port) =
            Server::start_on_a_port(program, |line, port| line == format!("listening on {port}")).unwrap();
        assert!(port > 0);
        assert_eq!(tried.get(), 3);
    }

    #[test]
    #[should_panic(expected = "sh does not run:\nno such option")]
    fn what_a_program_that_ends_wrote_is_told() {
        let _ = Server::start(&mut shell("echo no such option; exit 2"), |line| line.parse::<u16>().ok());
    }
}
