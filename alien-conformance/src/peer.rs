//! Programs that are not ours, as outside checks: installed under `target/` once, and a server of its own for every test
//! that needs one, on ports of the loopback interface of its own.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
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

/// How long a program may take until it says that it listens. Nothing waits for it but a program that never does; one that
/// does may have to share two cores with all that is tested.
const PATIENCE: Duration = Duration::from_secs(300);

/// On how many ports a program is tried that must be told one.
const PORTS: usize = 20;

/// A running program. It ends with the value, and so do its children.
#[derive(Debug)]
pub struct Server(Child);

/// Why a program does not run: what it wrote, line by line.
struct Ended(Vec<String>);

impl Ended {
    /// Whether someone else has its port.
    fn lacks_its_port(&self) -> bool {
        let says = |line: &String| line.contains("EADDRINUSE") || line.to_lowercase().contains("already in use");
        self.0.iter().any(says)
    }
}

impl Server {
    /// Starts a program, and reads what it writes until a line says what is looked for, such as where it listens.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    ///
    /// # Panics
    ///
    /// Where it ends, or has not said it within five minutes.
    pub fn start<T>(program: &mut Command, said: impl FnMut(&str) -> Option<T>) -> Result<(Self, T), Absent> {
        let name = program.get_program().to_string_lossy().into_owned();
        let started = Self::begin(program, said)?;
        Ok(started.unwrap_or_else(|Ended(lines)| panic!("{name} does not run:\n{}", lines.join("\n"))))
    }

    /// Starts a program that cannot choose its port: on one that nothing listened on a moment ago, and on another one where
    /// someone else has taken that since. `listens` tells of a line whether it says that the program listens there: that it
    /// answers would not do, for someone else may.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), and where twenty ports were taken one after the other.
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
                Err(ended) if ended.lacks_its_port() => println!("{name}: somebody else has port {port} by now"),
                Err(Ended(lines)) => panic!("{name} does not run:\n{}", lines.join("\n")),
            }
        }
        panic!("{PORTS} ports were taken one after the other");
    }

    fn begin<T>(
        program: &mut Command,
        mut said: impl FnMut(&str) -> Option<T>,
    ) -> Result<Result<(Self, T), Ended>, Absent> {
        let name = program.get_program().to_string_lossy().into_owned();
        let absent = |error: io::Error| Absent(format!("{name}: {error}"));
        let (reader, writer) = io::pipe().map_err(absent)?;
        let other = writer.try_clone().map_err(absent)?;
        program.stdin(Stdio::null()).stdout(writer).stderr(other).process_group(0);
        let spawned = program.spawn();
        // What it writes is over only where nobody else holds the other end of the pipe.
        program.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(spawned.map_err(absent)?);
        let (tell, told) = mpsc::channel();
        // Reads as long as it writes: a program waits where a pipe is full.
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
            // Not every program ends without its port.
            if ended.lacks_its_port() {
                break;
            }
        }
        Ok(Err(ended))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its group is its own process id.
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
