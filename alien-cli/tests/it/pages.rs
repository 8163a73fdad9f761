//! Every line that a page shows for a shell: run here, or with a reason why it is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alien_core::Exit;

use crate::MY_APP;

/// Lines that are not run here: how they begin, the text that must stand in `.ci/run` where that runs them, and why not here.
const ELSEWHERE: [(&str, &str, &str); 20] = [
    ("cargo run --bin quickstart", "quickstart", "`.ci/run` runs it"),
    ("cargo test --workspace", "cargo test", "`.ci/run` runs the tests, by crates"),
    ("cargo run --bin clouds -- --cloud all", "--bin clouds", "`.ci/run` runs it"),
    ("cargo run --bin clouds", "--bin clouds", "it is part of `--cloud all`, which `.ci/run` runs"),
    ("cargo run --bin documents", "documents", "`.ci/run` runs it"),
    ("cargo test -p alien-core", "--package alien-core", "`.ci/run` runs those tests"),
    ("cargo test -p alien-aws --no-default-features", "--no-default-features", "`.ci/run` runs those tests"),
    ("ALIEN_ACCEPT_LISTS=1 cargo test", "", "it writes the lists that the test compares"),
    ("cargo bench", "", "it measures, for minutes, and decides nothing"),
    ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "", "it needs valgrind"),
    ("cargo install cargo-mutants", "", "it builds a tool, for minutes"),
    ("CARGO_PROFILE_DEV_DEBUG=0 cargo mutants", "", "it tries mutants, for hours"),
    ("export ALIEN_STORE", "", "it sets a variable, and the lines after it fail without"),
    ("alien-manager --store", "", "it answers until it is ended: the tests of its crate run it"),
    ("curl --no-buffer", "", "it follows a manager until it is ended: the tests of the calls read the same stream"),
    (".ci/agent", ".ci/agent", "`.ci/run long` runs it"),
    ("ALIEN_AGENT=$PWD/target", "ALIEN_AGENT=", "`.ci/run long` runs it"),
    ("alien-prove run", "cargo test", "the image is the reader's own: the tests on peers run it to its end"),
    (
        "alien-prove replay",
        "cargo test",
        "the folder is the reader's own: the tests on peers record one and live it again",
    ),
    ("git show", "", "it is the reader's own repository"),
];

/// Commands that call a cloud, or need what one that does has written: they are tried as far as they get without one. The tests on peers run them to their end.
const CALLING: [&str; 16] = [
    "plan",
    "up",
    "register",
    "update",
    "redeploy",
    "heartbeat",
    "logs",
    "dispatch",
    "status",
    "revoke",
    "down",
    "deployments",
    "release",
    "rollout",
    "repository",
    "manager",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every page of the repository that a reader opens first.
fn pages() -> Vec<PathBuf> {
    // The lines of `testing.md` build on each other, on an emulated cloud: the tests in `testing.rs` run them.
    let is_page = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("docs/testing.md")
    };
    let in_folder =
        |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let crates = in_folder(&root()).into_iter().filter(|path| path.join("Cargo.toml").exists());
    let folders = crates.chain([root(), root().join("docs")]);
    let mut pages: Vec<PathBuf> = folders.flat_map(|folder| in_folder(&folder)).filter(is_page).collect();
    pages.sort();
    pages
}

/// The command lines of a page: prompts, comments and where output goes are left out, and lines that go on are joined.
fn lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut blocks = page.split("\n```console\n");
    blocks.next();
    for block in blocks {
        let block = block.split("\n```").next().unwrap().replace("\\\n", " ");
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            let prompted = line.split_once("$ ");
            assert!(prompted.is_some(), "no prompt: {line}");
            let command = prompted.unwrap().1.split(" # ").next().unwrap().split(" >> ").next().unwrap();
            let words: Vec<&str> = command.split(" > ").next().unwrap().split_whitespace().collect();
            lines.push(words.join(" "));
        }
    }
    lines
}

/// The words of a line, as a shell has them: what is quoted is one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for letter in line.chars() {
        match quote {
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter == ' ' => words.push(String::new()),
            Some(mark) if mark == letter => quote = None,
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a reader has beside them: the example's stack under the names that pages use, and documents that were printed.
fn desk() -> PathBuf {
    let desk = std::env::temp_dir().join(format!("alien-pages-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&desk).unwrap();
    for name in ["my-app.json", "next.json", "stack.json", "previous.json"] {
        fs::copy(MY_APP, desk.join(name)).unwrap();
    }
    desk
}

/// Runs a line of ours on the desk: its exit code, what it said, and what it printed.
fn run(desk: &Path, words: &[&str]) -> (Option<i32>, String, Vec<u8>) {
    let ours = [("alien", env!("CARGO_BIN_EXE_alien")), ("alien-deploy", env!("CARGO_BIN_EXE_alien-deploy"))];
    let program = ours.into_iter().find(|(name, _)| *name == words[0]);
    assert!(program.is_some(), "`{}` is neither one of our programs, nor listed with a reason", words[0]);
    let (_, program) = program.unwrap();
    let mut program = Command::new(program);
    // No credentials, and nobody to ask; what would be called is not there.
    program.args(&words[1..]).current_dir(desk).stdin(Stdio::null()).env_clear();
    program.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let output = program.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), output.stdout)
}

#[test]
fn every_line_of_a_page_is_run_or_says_why_not() {
    let (desk, ci) = (desk(), fs::read_to_string(root().join(".ci/run")).unwrap());
    let (mut ran, mut tried, mut elsewhere) = (0, 0, 0);
    for page in pages() {
        let mut flags = String::new();
        for line in lines(&fs::read_to_string(&page).unwrap()) {
            let at = format!("{}: {line}", page.display());
            if let Some((_, in_ci, why)) = ELSEWHERE.iter().find(|(begin, ..)| line.starts_with(begin)) {
                assert!(ci.contains(in_ci), "{at}: {why}, but it does not");
                elsewhere += 1;
                continue;
            }
            // A page that names a target in full once may leave it out afterwards.
            if let Some((_, target)) = line.split_once("--cloud aws ").filter(|_| line.contains("--external-id")) {
                flags = target.split(" --format").next().unwrap().to_owned();
            }
            let line = line.replace('…', &flags);
            let words = words(&line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (code, said, _) = run(&desk, &words);
            if CALLING.contains(&words[1]) {
                assert!(
                    matches!(code, Some(code) if code != 101 && code != i32::from(Exit::Usage.code())),
                    "{at}: the program does not know such a line: {said}"
                );
                tried += 1;
            } else {
                assert_eq!(code, Some(0), "{at}: {said}");
                ran += 1;
            }
            // Documents that a reader was handed are those that were printed before.
            if words[1] == "permissions" {
                let at = words.iter().position(|word| *word == "--format").unwrap();
                let json: Vec<&str> = words[..at].iter().copied().chain(["--format", "json"]).collect();
                fs::write(desk.join("got.json"), run(&desk, &json).2).unwrap();
            }
        }
    }
    fs::remove_dir_all(&desk).unwrap();
    println!("{ran} lines were run, {tried} tried without a cloud, {elsewhere} are run elsewhere or not at all");
    assert!(ran >= 10 && tried >= 10 && elsewhere >= 10, "{ran}, {tried}, {elsewhere}");
}

/// The page of what is not proved is written from the tables that say what shows it.
#[test]
fn the_page_of_what_is_not_proved_says_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/unproved.md");
    let page = alien_prove::page();
    if std::env::var_os("ALIEN_ACCEPT_LISTS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(kept == page, "`ALIEN_ACCEPT_LISTS=1 cargo test -p alien-cli --test it -- pages::` writes it");
}

/// The page of a cloud says at each step of the first hour what it leans on and nothing shows, by the name that the table has.
#[test]
fn the_page_of_each_cloud_names_every_fact_that_is_not_proved_and_no_other() {
    for cloud in alien_prove::ALL {
        let page = fs::read_to_string(root().join(format!("docs/{}.md", cloud.adapter().cloud()))).unwrap();
        let link = format!("`](unproved.md#{})", cloud.title().to_lowercase().replace(' ', "-"));
        let ends = page.match_indices(&link).map(|(at, _)| &page[..at]);
        let named: BTreeSet<&str> = ends.map(|text| text.rsplit("[`").next().unwrap()).collect();
        assert_eq!(named, cloud.facts().iter().map(|fact| fact.id).collect(), "{}", cloud.title());
    }
}

/// A fact or an attempt without what shows or tries it would never be seen.
#[test]
fn each_fact_names_what_shows_it_and_no_attempt_is_without_a_name_of_its_own() {
    for cloud in alien_prove::ALL {
        let names: BTreeSet<&str> = cloud.attempts().iter().map(|attempt| attempt.name).collect();
        assert_eq!(names.len(), cloud.attempts().len());
        let ids: BTreeSet<&str> = cloud.facts().iter().map(|fact| fact.id).collect();
        assert_eq!(ids.len(), cloud.facts().len());
        for fact in cloud.facts() {
            assert!(fact.source.starts_with("https://"), "{}", fact.id);
            if let alien_prove::Shown::Refused(name) = fact.shown {
                assert!(names.contains(name), "{}: {name}", fact.id);
            }
        }
    }
}
