//! The lines of `docs/testing.md`, on the emulated clouds that its lines start.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::MY_APP;

const PAGE: &str = include_str!("../../../docs/testing.md");

/// The lines of the part of the page that begins with a heading, each with whose terminal it is typed into.
fn lines(heading: &str) -> Vec<(String, String)> {
    let (_, part) = PAGE.split_once(&format!("\n### {heading}\n")).unwrap();
    let part = part.split("\n### ").next().unwrap();
    let block = part.split_once("\n```console\n").unwrap().1.split_once("\n```").unwrap().0.replace("\\\n", " ");
    let typed = |line: &str| line.split_once("$ ").map(|(who, line)| (who.to_owned(), line.trim().to_owned()));
    block.lines().filter(|line| !line.is_empty()).map(|line| typed(line).unwrap()).collect()
}

/// The emulator that a line started. It ends with this.
struct Sim {
    program: Child,
    /// Open until the end, so that it can print.
    _out: BufReader<ChildStdout>,
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

struct Room {
    folder: PathBuf,
    path: String,
    /// What each terminal has set, by its lines before.
    set: BTreeMap<String, String>,
}

impl Room {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("alien-testing-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(MY_APP, folder.join("my-app.json")).unwrap();
        // The programs of other crates are beside those of this one.
        let programs = Path::new(env!("CARGO_BIN_EXE_alien")).parent().unwrap();
        assert!(programs.join("alien-sim").exists(), "`cargo build --bin alien-sim` first");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        Self { folder, path, set: BTreeMap::new() }
    }

    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(&self.folder).stdin(Stdio::null());
        // Nobody's own credentials.
        shell.env_clear().env("PATH", &self.path).env("HOME", &self.folder).env("TMPDIR", std::env::temp_dir());
        shell
    }

    fn start(&self, line: &str) -> Sim {
        let mut program = self.shell(&format!("exec {line}")).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(program.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        assert!(first.contains("is emulated at"), "{line}: {first}");
        Sim { program, _out: out }
    }

    /// Runs a line in a terminal, and returns what it printed.
    fn run(&mut self, who: &str, line: &str) -> String {
        let set = self.set.entry(who.to_owned()).or_default();
        if line.starts_with(". ") || line.starts_with("export ") {
            *set = format!("{set}{line} || exit\n");
        }
        let script = format!("{set}{line}");
        let output = self.shell(&script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{who}$ {line}: {:?}: {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Runs a part of the page from its first line, which starts the emulator, to its end.
fn runs(heading: &str) {
    let mut room = Room::new();
    let lines = lines(heading);
    let ((who, start), lines) = lines.split_first().unwrap();
    assert_eq!(who, "sim", "{start}");
    let mut sim = room.start(start);
    let printed: Vec<String> = lines.iter().map(|(who, line)| room.run(who, line)).collect();
    for (end, line) in [("dispatch", r#"{"hello":"world"}"#), ("heartbeat", "healthy"), ("down", "nothing is left")] {
        let command = |(_, line): &(String, String)| line.split(' ').nth(1) == Some(end);
        let at = lines.iter().position(command).unwrap();
        assert!(printed[at].contains(line), "{end}: {}", printed[at]);
    }

    assert!(room.folder.join("sim").exists());
    let ends = room.shell(&format!("kill {}", sim.program.id())).status().unwrap();
    assert!(ends.success());
    assert_eq!(sim.program.wait().unwrap().code(), Some(0));
    assert!(!room.folder.join("sim").exists(), "its files are left");
    fs::remove_dir_all(&room.folder).unwrap();
}

#[test]
fn the_lines_of_the_page_on_testing_run_on_gcp() {
    runs("On Google Cloud");
}

#[test]
fn the_lines_of_the_page_on_testing_run_on_azure() {
    runs("On Azure");
}

#[test]
fn no_line_of_the_page_on_testing_is_left_out() {
    assert_eq!(PAGE.matches("```console").count(), 2, "a part of the page that no test runs");
}
