//! The customer's agent: the program, what it says and what it takes.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use alien_conformance::world::Patience;
use serde_json::Value;

use crate::manager::Manager;
use crate::room::{Room, said};

/// The customer's agent.
pub(super) struct Agent<'r> {
    room: &'r Room,
    /// The name of the folder with its state.
    state: String,
    /// The file of its public key.
    pub(super) key: String,
}

impl<'r> Agent<'r> {
    /// Makes the state and the key of the deployment's agent.
    pub(super) fn init(room: &'r Room, id: &str) -> Self {
        room.write("state-key", "5a".repeat(32).as_bytes());
        Self::initialized(room, id, &[])
    }

    fn initialized(room: &'r Room, id: &str, more: &[&str]) -> Self {
        let agent = Self { room, state: "state".to_owned(), key: room.path("agent.pub") };
        let output = agent.command("init").args(["--deployment", id]).args(more).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        fs::write(&agent.key, output.stdout).unwrap();
        agent
    }

    /// Takes the place of an agent whose key is lost. Gives the old one, as whoever has a copy of its state can run it, and the new one.
    pub(super) fn replace(self, id: &str) -> (Self, Self) {
        let stolen = Self { room: self.room, state: "stolen".to_owned(), key: self.room.path("stolen.pub") };
        fs::copy(&self.key, &stolen.key).unwrap();
        copy(&self.room.path(&self.state), &self.room.path(&stolen.state));
        (stolen, Self::initialized(self.room, id, &["--replace"]))
    }

    /// The program is in this one (see `main`), unless one that was built is named.
    fn command(&self, command: &str) -> Command {
        self.command_under(&[], command)
    }

    /// The same, run by another program.
    fn command_under(&self, wrapper: &[&str], command: &str) -> Command {
        let Room { cloud, .. } = self.room;
        let program = built().unwrap_or_else(|| std::env::current_exe().unwrap()).into_os_string();
        let mut all = wrapper.iter().map(OsString::from).chain([program]);
        let mut program = Command::new(all.next().unwrap());
        let (state, key) = (self.room.path(&self.state), self.room.path("state-key"));
        program.args(all).args([command, "--state", &state, "--key-file", &key]);
        program
            .env_clear()
            .env(crate::PROGRAM, "alien-agent")
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        program
            .env("HOME", self.room.path(""))
            .envs(cloud.agent.credentials.iter().map(|(name, value)| (*name, value)));
        program.stdin(Stdio::null());
        program
    }

    /// Sets what the customer lets the vendor do.
    pub(super) fn lets(&self, policy: &str) {
        self.room.write("policy.json", policy.as_bytes());
    }

    pub(super) fn run(&self, record: &str, manager: &Manager) -> Running {
        self.run_under(&[], record, manager)
    }

    /// Runs it, by another program that takes no place of its own above it.
    pub(super) fn run_under(&self, wrapper: &[&str], record: &str, manager: &Manager) -> Running {
        let log = fs::File::create(self.log_file()).unwrap();
        let mut run = self.command_under(wrapper, "run");
        run.args(["--record", record, "--policy", &self.room.path("policy.json"), "--ca", &manager.certificate]);
        run.args(&self.room.cloud.endpoint);
        Running(run.stderr(log).stdout(Stdio::null()).spawn().unwrap())
    }

    fn log_file(&self) -> String {
        self.room.path(&format!("{}.log", self.state))
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Waits until the log says this.
    pub(super) fn says(&self, words: &str) {
        let patience = Patience::new();
        while !self.log().contains(words) {
            patience.block(&format!("not `{words}`: {}", self.log()));
        }
    }

    pub(super) fn status(&self) -> Value {
        let output = self.command("status").arg("--json").output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Copies a folder.
fn copy(from: &str, to: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path().display().to_string(), entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            copy(&path, &format!("{to}/{name}"));
        } else {
            fs::copy(&path, format!("{to}/{name}")).unwrap();
        }
    }
}

/// The program that `ALIEN_AGENT` names, with the cloud's feature: its size and what it takes of memory are measured then.
///
/// ```console
/// $ .ci/agent aws
/// $ ALIEN_AGENT=$PWD/target/agent/alien-agent cargo test --workspace --test peer -- aws_a_deployment_that_pulls --nocapture
/// ```
pub(super) fn built() -> Option<PathBuf> {
    std::env::var_os("ALIEN_AGENT").and_then(|path| fs::canonicalize(path).ok())
}

/// Until when it is looked at which code the agent runs, as `.ci/agent` does: `idle`, while it waits, or `release`, when it has rolled one
/// out. Then nothing is measured, and it ends there.
pub(super) fn traced() -> Option<String> {
    std::env::var("ALIEN_AGENT_TRACED").ok()
}

/// The bounds of the program of one cloud, in bytes: its size; its memory where nothing is to do, and at most with images and with zips to
/// [`SMALL`].
const PROGRAM: u64 = 15_000_000;
const IDLE: u64 = 10_000_000;
const PEAK: u64 = 15_000_000;
/// The longest zip within those bounds.
pub(super) const SMALL: usize = 1_000_000;
/// A longer one.
pub(super) const LONG: usize = 8_000_000;

/// An agent that runs.
pub(super) struct Running(Child);

impl Running {
    /// A field of what the kernel says of its memory, in bytes
    /// (<https://www.kernel.org/doc/html/latest/filesystems/proc.html>).
    fn memory(&self, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Waits until it has asked twice for nothing, and measures it. What counts is all that is resident, with the pages of files that it
    /// shares with others and that the kernel can drop at any time.
    pub(super) fn idles(&self) {
        let Some(program) = built() else { return };
        thread::sleep(Duration::from_secs(75));
        if traced().is_some() {
            return;
        }
        let size = fs::metadata(&program).unwrap().len();
        let [resident, own] = ["VmRSS", "RssAnon"].map(|field| self.memory(field));
        println!("{}: {size} bytes; idle {resident}, of which {own} its own", program.display());
        assert!(size < PROGRAM, "the program has {size} bytes");
        assert!(resident < IDLE, "{resident} bytes are resident where nothing is to do");
    }

    /// Measures the most that was resident so far, after releases whose longest zip has so many bytes.
    pub(super) fn peaked(&self, zip: usize) {
        let [peak, resident, own] = ["VmHWM", "VmRSS", "RssAnon"].map(|field| self.memory(field));
        println!("with zips to {zip} bytes: at most {peak}; after it {resident}, of which {own} its own");
        let zip = u64::try_from(zip).unwrap();
        let may = if zip <= SMALL as u64 { PEAK } else { PEAK + zip * 5 / 2 };
        assert!(peak < may, "{peak} bytes were resident in a release whose longest zip has {zip}, and {may} may be");
    }

    /// Ends it by a signal.
    pub(super) fn end(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
