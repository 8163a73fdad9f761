//! The lines of `docs/testing.md`, on the emulated clouds that its lines start.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
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

/// A program that a line started, and that goes on. It ends with this.
struct Started {
    program: Child,
    /// Open until the end, so that it can print.
    out: BufReader<ChildStdout>,
}

impl Drop for Started {
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
        for name in ["my-app.json", "my-app.images.json"] {
            fs::copy(Path::new(MY_APP).with_file_name(name), folder.join(name)).unwrap();
        }
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

    /// Starts a program that goes on, and waits until whatever is said of it in what it prints, or in its log.
    fn start(&self, who: &str, line: &str, ready: &str) -> Started {
        let set = self.set.get(who).map_or("", String::as_str);
        let script = format!("{set}exec {line} 2>&1");
        let mut program = self.shell(&script).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(program.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.contains(ready) {
            assert!(out.read_line(&mut printed).unwrap() > 0, "{who}$ {line}: {printed}");
        }
        Started { program, out }
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

/// The programs that go on, and what each prints when it is ready.
const GO_ON: [(&str, &str); 3] =
    [("alien-sim ", "is emulated at"), ("alien-manager ", "address"), ("alien-agent run ", "")];

/// Runs a part of the page from its first line, which starts the emulator, to its end. Looks for a word in what a command printed.
fn runs(heading: &str, looked_for: &[(&str, &str)]) {
    let mut room = Room::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (mut started, mut printed) = (Vec::new(), Vec::new());
    for (who, line) in lines(heading) {
        // The page names a port, and a test takes one that is free.
        let line = line.replace("8443", &port);
        match GO_ON.iter().find(|(program, _)| line.starts_with(program)) {
            Some((_, ready)) => started.push(room.start(&who, &line, ready)),
            None => printed.push((room.run(&who, &line), line)),
        }
    }
    for (command, word) in looked_for {
        let (said, _) = printed.iter().rfind(|(_, line)| line.contains(command)).unwrap();
        assert!(said.contains(word), "{command}: {said}");
    }

    let mut sim = started.remove(0);
    assert!(room.folder.join("sim").exists());
    let ends = room.shell(&format!("kill {}", sim.program.id())).status().unwrap();
    assert!(ends.success());
    assert_eq!(sim.program.wait().unwrap().code(), Some(0));
    assert!(!room.folder.join("sim").exists(), "its files are left");
    drop(started);
    fs::remove_dir_all(&room.folder).unwrap();
}

const PUSHED: [(&str, &str); 3] = [
    ("alien dispatch", r#"{"hello":"world"}"#),
    ("alien heartbeat", "healthy"),
    ("alien-deploy down", "nothing is left"),
];

#[test]
fn the_lines_of_the_page_on_testing_run_on_gcp() {
    runs("On Google Cloud", &PUSHED);
}

#[test]
fn the_lines_of_the_page_on_testing_run_on_azure() {
    runs("On Azure", &PUSHED);
}

#[test]
fn the_lines_of_the_page_on_testing_run_by_an_agent() {
    let pulled = [
        ("alien release next.json", "good"),
        ("alien deployments dispatch", r#"{"hello":"world"}"#),
        ("alien-deploy down", "nothing is left"),
    ];
    runs("Pulled by an agent, on Google Cloud", &pulled);
}

/// What `alien-sim` prints to be copied, up to its last line.
fn block(started: &mut Started) -> String {
    let mut block = String::new();
    while !block.lines().last().is_some_and(|line| line.starts_with("alien-deploy down ")) {
        assert!(started.out.read_line(&mut block).unwrap() > 0, "{block}");
    }
    block
}

#[test]
fn the_block_that_the_emulator_prints_runs_as_it_is() {
    for (cloud, pulls) in [("gcp", true), ("azure", false)] {
        let mut room = Room::new();
        let mut sim = room.start("sim", &format!("alien-sim {cloud} --folder sim"), "is emulated at");
        let block = block(&mut sim);
        let (mut commands, mut who, mut did) = (Vec::new(), "nobody", 0);
        for line in block.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix("# ") {
                Some(title) if title.contains("admin, by") || title.contains("pulled") => who = "each",
                Some(title) if title.contains("admin") => who = "admin",
                Some(_) => who = "vendor",
                // Those between stand in `docs/testing.md`, whose lines are run.
                None if who == "each" => {
                    let known = room.shell(&format!("{line} --help")).output().unwrap();
                    assert!(line.starts_with(". ") || known.status.success(), "{line}");
                    commands.push(line.to_owned());
                }
                None => {
                    let said = room.run(who, line);
                    commands.push(line.to_owned());
                    did += 1;
                    assert!(!line.starts_with("alien dispatch") || said.contains(r#"{"hello":"world"}"#), "{said}");
                }
            }
        }
        assert!(did > 10, "{block}");
        for command in ["alien register", "alien update", "alien dispatch", "alien logs", "alien-deploy down"] {
            assert!(commands.iter().any(|line| line.starts_with(command)), "{command}: {block}");
        }
        assert_eq!(commands.iter().any(|line| line.starts_with("alien-agent run ")), pulls, "{block}");
        drop(sim);
        fs::remove_dir_all(&room.folder).unwrap();
    }
}

#[test]
fn no_line_of_the_page_on_testing_is_left_out() {
    assert_eq!(PAGE.matches("```console").count(), 3, "a part of the page that no test runs");
}
