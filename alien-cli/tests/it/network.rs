//! What answers in the place of a cloud, or of a manager. Each command ends within its budget, in one sentence that says whom it called, in
//! which operation, and what to set.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use alien_core::adapter::flag;
use alien_core::{Adapter, Exit, Invitation};
use serde_json::Value;

use crate::bad::{AT_ONCE, Bad, LATER, SECRET, Server};
use crate::invite::{CLOUDS, Invited};
use crate::{file, my_app, nowhere, refused};

/// The commands of the customer's admin that call a cloud.
const ADMINS: [&str; 5] = ["plan", "up", "status", "down", "revoke"];

/// Those of the vendor.
const VENDORS: [&str; 7] = ["register", "heartbeat", "update", "redeploy", "logs", "dispatch", "deployments register"];

/// Those that a manager answers.
const OPERATORS: [&str; 8] = [
    "deployments list",
    "deployments logs",
    "deployments dispatch",
    "fleet events",
    "fleet heartbeat",
    "manager token list",
    "release",
    "rollout status",
];

/// A command, and what is bad for it.
pub(crate) struct Case {
    /// The cloud that it calls. None if it calls a manager.
    invited: Option<&'static Invited>,
    command: &'static str,
    bad: Bad,
    /// Whether the service that issues tokens answers as badly as the cloud.
    tokens: bool,
}

/// These commands on every cloud, with what is bad for each.
fn on_clouds(commands: &[&'static str], bads: impl Fn(usize) -> Vec<Bad>) -> Vec<Case> {
    let mut cases = Vec::new();
    for invited in &CLOUDS {
        for (place, &command) in commands.iter().enumerate() {
            cases.extend(bads(place).into_iter().map(|bad| Case::on(invited, command, bad)));
        }
    }
    cases
}

/// These commands to a manager.
fn to_managers(commands: &[&'static str], bads: impl Fn(usize) -> Vec<Bad>) -> Vec<Case> {
    let of = |(place, &command): (usize, &&'static str)| {
        let cases = bads(place).into_iter().map(move |bad| Case::to_manager(command, bad));
        cases.collect::<Vec<_>>()
    };
    commands.iter().enumerate().flat_map(of).collect()
}

/// `plan` on every cloud, where whoever issues tokens is as bad.
fn without_tokens(bads: &[Bad]) -> Vec<Case> {
    let mut cases = on_clouds(&["plan"], |_| bads.to_vec());
    cases.iter_mut().for_each(|case| case.tokens = true);
    // Azure is called over TLS alone, so what has none is bad for its tokens first; and the emulator of GCP's tokens has no TLS.
    cases.retain(|case| {
        let cloud = case.cloud();
        cloud != "aws" && case.bad != Bad::NoTls && !(cloud == "gcp" && case.bad == Bad::Untrusted)
    });
    cases
}

pub(crate) struct Ended {
    exit: Option<i32>,
    took: Duration,
    /// The most memory that it had, in MiB.
    memory: u64,
    /// What it said, in JSON.
    error: Value,
    pub(crate) all: String,
}

impl Case {
    pub(crate) fn on(invited: &'static Invited, command: &'static str, bad: Bad) -> Self {
        Self { invited: Some(invited), command, bad, tokens: false }
    }

    pub(crate) const fn to_manager(command: &'static str, bad: Bad) -> Self {
        Self { invited: None, command, bad, tokens: false }
    }

    /// Whether what is called has TLS.
    pub(crate) fn has_tls(&self) -> bool {
        matches!(self.cloud(), "azure" | "manager")
    }

    fn cloud(&self) -> &'static str {
        self.invited.map_or("manager", |invited| invited.cloud)
    }

    pub(crate) fn name(&self) -> String {
        let tokens = if self.tokens { ", tokens too" } else { "" };
        format!("{} {} {:?}{tokens}", self.cloud(), self.command, self.bad)
    }

    /// How it ends.
    fn exit(&self) -> Exit {
        // A manager may have begun what it was asked for.
        let is_late = self.invited.is_none() && matches!(self.bad, Bad::Hangs | Bad::Drips);
        if is_late { Exit::TimedOut } else { Exit::Cloud }
    }

    /// How long it may take, where waiting may help: as `docs/errors.md` says.
    fn patience(&self) -> Duration {
        let seconds = match (self.command, self.bad) {
            // The whole of a manager's answer.
            _ if self.invited.is_none() && self.bad == Bad::Drips => 5 * 60 + 60,
            _ if !LATER.contains(&self.bad) => 0,
            // A look, and then the session for the update: two calls.
            ("update", _) => 2 * (120 + 60),
            _ => 120 + 60,
        };
        Duration::from_secs(seconds)
    }

    fn run(&self) -> Ended {
        let tls = self.has_tls() && self.bad != Bad::NoTls || self.bad == Bad::Untrusted;
        let server = Server::start(self.bad, tls, !self.tokens);
        let scheme = if tls || self.bad == Bad::NoTls { "https" } else { "http" };
        let unrelated = Server::start(Bad::Hangs, true, false);
        let pem = if self.bad == Bad::Untrusted { &unrelated.pem } else { &server.pem };
        self.run_against(&server, scheme, pem, &[])
    }

    /// Runs it where this server is called, whose certificate is said to be this.
    pub(crate) fn run_against(&self, server: &Server, scheme: &str, pem: &str, variables: &[(&str, &str)]) -> Ended {
        let issuer = Server::start(if self.tokens { self.bad } else { Bad::Hangs }, false, !self.tokens);
        let mut program = self.program(server, &issuer, scheme, pem);
        program.envs(variables.iter().copied());
        let begin = Instant::now();
        let mut running = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut memory = 0;
        let status = loop {
            if let Some(status) = running.try_wait().unwrap() {
                break status;
            }
            memory = most(running.id()).max(memory);
            assert!(begin.elapsed() < LONGEST, "{}: it does not end", self.name());
            thread::sleep(Duration::from_millis(20));
        };
        let took = begin.elapsed();
        let (mut printed, mut said) = (String::new(), String::new());
        running.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        running.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let read = serde_json::from_str::<Value>(&printed).unwrap_or_default();
        let error = &read["error"];
        let ports = [server.port, issuer.port].map(|port| format!(":{port}"));
        // What is told of many things, each of which failed, is told of each.
        let message = error["message"].as_str().map_or_else(|| reasons(&read), str::to_owned);
        let message = ports.iter().fold(message, |text, port| text.replace(port, ":PORT"));
        // What differs each time: the id of a command, and when a log begins.
        let [message, operation] = [message.as_str(), operation(&read).unwrap_or("no operation")]
            .map(|text| ["?id=", "&since="].into_iter().fold(text.to_owned(), |text, name| without_value(&text, name)));
        let error = serde_json::json!({ "message": message, "kind": error["kind"], "operation": operation });
        Ended { exit: status.code(), took, memory, error, all: format!("{printed}{said}") }
    }

    /// The program with all that it needs.
    pub(crate) fn program(&self, server: &Server, issuer: &Server, scheme: &str, pem: &str) -> Command {
        let host =
            if self.bad == Bad::NoHost { "name.invalid".to_owned() } else { format!("127.0.0.1:{}", server.port) };
        let name = if ADMINS.contains(&self.command) {
            env!("CARGO_BIN_EXE_alien-deploy")
        } else {
            env!("CARGO_BIN_EXE_alien")
        };
        let mut program = Command::new(name);
        program.args(self.command.split(' ')).arg("--json").stdin(Stdio::null()).env_clear();
        let url = format!("{scheme}://{host}");
        let token = written("token", &format!("{SECRET}.e30.{SECRET}"));
        let Some(invited) = self.invited else {
            program.args(["--manager", &url, "--manager-token-file", &token, "--ca-file", &written("ca.pem", pem)]);
            program.args(match self.command {
                "deployments logs" => vec![ID.to_owned(), "api".to_owned()],
                "deployments dispatch" => vec![ID.to_owned(), "api".to_owned(), "{}".to_owned()],
                // What the images are is not asked for at the registries.
                "release" => {
                    vec![written("stack.json", &my_app().to_string()), "--images".to_owned(), IMAGES.to_owned()]
                }
                "rollout status" | "rollout halt" => vec!["my-app/1".to_owned()],
                _ => Vec::new(),
            });
            return program;
        };
        let invitation = invited.invitation();
        let given = written("invitation.json", &invitation.to_string());
        let record = || written("record.json", &recorded(invited, &invitation.to_string()));
        let mut next = my_app();
        next["resources"][3]["timeoutSeconds"] = 60.into();
        let next = || written("next.json", &next.to_string());
        if ADMINS.contains(&self.command) {
            program.args(["--invitation", &given]).args(invited.location);
        }
        program.args(match self.command {
            "plan" | "status" => Vec::new(),
            "up" => vec!["--yes".to_owned(), "--record".to_owned(), path("made.json")],
            "down" | "revoke" => vec!["--yes".to_owned()],
            "register" => vec!["--invitation".to_owned(), given, "--record".to_owned(), record()],
            "heartbeat" => vec!["--record".to_owned(), record()],
            "update" => vec!["--record".to_owned(), record(), "--stack".to_owned(), next()],
            "dispatch" => vec!["api".to_owned(), "{}".to_owned(), "--record".to_owned(), record()],
            "deployments register" => {
                vec![given, "--record".to_owned(), record(), "--store".to_owned(), path("fleet.redb")]
            }
            _ => vec!["api".to_owned(), "--record".to_owned(), record()],
        });
        program.args(["--endpoint-url", &url]);
        if invited.cloud == "azure" {
            program.args(["--endpoint-certificate", &written("certificate.pem", pem)]);
        }
        program.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
        program.env("AWS_SECRET_ACCESS_KEY", format!("{SECRET}-key"));
        let issuer_host =
            if self.tokens && self.bad == Bad::NoHost { host } else { format!("127.0.0.1:{}", issuer.port) };
        program.env("GCE_METADATA_HOST", issuer_host);
        program.env("AZURE_TENANT_ID", "00000000-0000-0000-0000-00000000000f").env("AZURE_FEDERATED_TOKEN_FILE", token);
        program.env("AZURE_CLIENT_ID", "00000000-0000-0000-0000-00000000000d");
        program
    }
}

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/my-app.images.json");

const ID: &str = "00000000-0000-7000-8000-000000000001";

/// A path of its own.
fn path(name: &str) -> String {
    nowhere(&format!("network-{}-{name}", uuid::Uuid::new_v4())).display().to_string()
}

fn written(name: &str, text: &str) -> String {
    let path = path(name);
    fs::write(&path, text).unwrap();
    path
}

/// The record that a set-up gives.
pub(crate) fn recorded(invited: &Invited, invitation: &str) -> String {
    let adapters: [&dyn Adapter; 3] = [&alien_aws::Adapter, &alien_gcp::Adapter, &alien_azure::Adapter];
    let adapter = adapters.into_iter().find(|adapter| adapter.cloud() == invited.cloud).unwrap();
    let invitation = Invitation::from_json(invitation).unwrap();
    let mut texts = invitation.trust.clone();
    texts.insert("prefix".to_owned(), "acme".to_owned());
    texts.extend(invited.location.chunks(2).map(|pair| {
        let field = adapter.fields().iter().find(|field| format!("--{}", flag(field.name)) == pair[0]).unwrap();
        (field.name.to_owned(), pair[1].to_owned())
    }));
    let target = adapter.target(texts).unwrap();
    let mut record = adapter.record(&invitation, &target).unwrap();
    record.identity_id = Some("00000000-0000-0000-0000-00000000000c".to_owned());
    serde_json::to_string(&record).unwrap()
}

/// The most memory that a program had until now, in MiB.
fn most(program: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{program}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kibibytes| kibibytes >> 10)
}

/// The operation that a result names first.
fn operation(result: &Value) -> Option<&str> {
    match result {
        Value::Object(all) => all.get("operation").and_then(Value::as_str).or_else(|| all.values().find_map(operation)),
        Value::Array(all) => all.iter().find_map(operation),
        _ => None,
    }
}

/// The sentences in a result that say whom it called, each once.
fn reasons(result: &Value) -> String {
    fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::String(text) if text.contains("127.0.0.1") || text.contains("name.invalid") => found.push(text),
            Value::Array(all) => all.iter().for_each(|value| texts(value, found)),
            Value::Object(all) => all.values().for_each(|value| texts(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    texts(result, &mut found);
    found.sort_unstable();
    found.dedup();
    found.join(" | ")
}

/// How long no case takes.
const LONGEST: Duration = Duration::from_secs(400);

/// The most memory of a program, in MiB: that of the largest answer is beside it.
const MEMORY: u64 = 160;

/// What a message says to do: each has one of these.
const REMEDIES: [&str; 4] = ["check ", "give the user", "add its authority", "try again later"];

/// Runs all cases, many at once, each with a program and servers of its own, and shows how each ended.
fn matrix(cases: &[Case], at_once: usize, budget: Duration) -> String {
    let (next, ended) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((place, case)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, cases.get(at)?)))
                {
                    let run = case.run();
                    ended.lock().unwrap_or_else(PoisonError::into_inner).push((place, run));
                }
            });
        }
    });
    let mut ended = ended.into_inner().unwrap();
    ended.sort_unstable_by_key(|(place, _)| *place);
    let (mut shown, mut wrong) = (String::new(), String::new());
    for (place, Ended { exit, took, memory, error, all }) in &ended {
        let case = &cases[*place];
        let name = case.name();
        let [kind, operation, message] =
            ["kind", "operation", "message"].map(|field| error[field].as_str().unwrap_or("none"));
        let names_it = message.contains("127.0.0.1:") || message.contains("name.invalid");
        // Whoever waits for minutes is told.
        let is_told = *took < Duration::from_secs(90) || all.contains("; it is tried again") || case.invited.is_none();
        for (is_right, what) in [
            (*exit == Some(case.exit().code().into()), format!("exit {exit:?}")),
            (*took < budget + case.patience(), format!("after {took:?}")),
            (*memory < MEMORY, format!("{memory} MiB")),
            (is_told, "nobody is told that it waits".to_owned()),
            (!all.contains(SECRET) && !all.contains("panicked"), "a secret, or a panic".to_owned()),
            (names_it, "no endpoint".to_owned()),
            (REMEDIES.iter().any(|remedy| message.contains(remedy)), "no remedy".to_owned()),
            (operation != "no operation", "no operation".to_owned()),
        ] {
            if !is_right {
                writeln!(wrong, "{name}: {what}: {all}").unwrap();
            }
        }
        writeln!(shown, "{name}\n    {kind} ({operation}): {message}").unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
    shown
}

/// Of those after which waiting does not help, two for each command: for another one others.
fn some(place: usize) -> Vec<Bad> {
    [place, place + 4].map(|at| AT_ONCE[at % AT_ONCE.len()]).to_vec()
}

/// The text without the values of a parameter of addresses.
fn without_value(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let first = parts.next().unwrap_or_default().to_owned();
    let is_of_value = |letter: char| letter.is_ascii_alphanumeric() || "-:.".contains(letter);
    parts.fold(first, |text, part| format!("{text}{name}…{}", part.trim_start_matches(is_of_value)))
}

/// All of them for one command of each side; and two for each other.
#[test]
fn where_waiting_does_not_help_a_program_ends_at_once_and_says_what_to_set() {
    let mut cases = on_clouds(&["plan", "logs"], |_| AT_ONCE.to_vec());
    cases.extend(without_tokens(&AT_ONCE));
    cases.extend(on_clouds(&ADMINS[1..], some));
    let others: Vec<&str> = VENDORS.into_iter().filter(|command| *command != "logs").collect();
    cases.extend(on_clouds(&others, some));
    cases.extend(to_managers(&["deployments list"], |_| AT_ONCE.to_vec()));
    cases.extend(to_managers(&OPERATORS[1..], some));
    // Five seconds of tries, and the start of many programs at once.
    insta::assert_snapshot!("network_at_once", matrix(&cases, 64, Duration::from_secs(40)));
}

#[test]
#[ignore = "some minutes: `.ci/run long` runs it"]
fn every_command_ends_at_once_where_waiting_does_not_help() {
    let mut cases = on_clouds(&[&ADMINS[..], &VENDORS].concat(), |_| AT_ONCE.to_vec());
    cases.extend(to_managers(&OPERATORS, |_| AT_ONCE.to_vec()));
    insta::assert_snapshot!("network_at_once_all", matrix(&cases, 64, Duration::from_secs(40)));
}

#[test]
#[ignore = "some minutes of tries: `.ci/run long` runs it"]
fn where_a_cloud_may_be_back_every_command_ends_within_its_budget() {
    let mut cases = on_clouds(&[&ADMINS[..], &VENDORS].concat(), |_| LATER.to_vec());
    cases.extend(without_tokens(&LATER));
    cases.extend(to_managers(&OPERATORS, |_| LATER.to_vec()));
    // A manager waits for the answer to a command as long as the function may run: a quarter of an hour.
    cases.retain(|case| (case.command, case.bad) != ("deployments dispatch", Bad::Hangs));
    insta::assert_snapshot!("network_later", matrix(&cases, 160, Duration::from_secs(30)));
}

/// Runs a command against a server that answers with a page, with these variables set.
fn called(invited: &'static Invited, command: &'static str, server: &Server, variables: &[(&str, &str)]) -> Ended {
    Case::on(invited, command, Bad::Page(403)).run_against(server, "https", &server.pem, variables)
}

#[test]
fn certificates_of_an_authority_of_ones_own_are_trusted_once_they_are_named() {
    let [aws, gcp, _] = &CLOUDS;
    let server = Server::start(Bad::Page(403), true, true);
    let pem = file("network-authority.pem", &Value::Null);
    std::fs::write(&pem, &server.pem).unwrap();
    let pem = pem.to_str().unwrap();
    for (invited, variable) in [(aws, "SSL_CERT_FILE"), (aws, "AWS_CA_BUNDLE"), (gcp, "SSL_CERT_FILE")] {
        for command in ["plan", "logs"] {
            let ended = called(invited, command, &server, &[(variable, pem)]);
            let message = ended.error["message"].as_str().unwrap();
            let words = "answered 403, and not in the words of";
            assert!(message.contains(words), "{} {command} {variable}: {}", invited.cloud, ended.all);
        }
    }
    for command in ["plan", "logs"] {
        let ended = called(aws, command, &server, &[("AWS_CA_BUNDLE", "absent.pem")]);
        assert!(ended.all.contains("`AWS_CA_BUNDLE` names `absent.pem`, which cannot be read"), "{}", ended.all);
        assert_eq!(ended.exit, Some(Exit::Input.code().into()), "{}", ended.all);
    }
}

/// Google's clients have no limit: they read what a call may take, which is a minute.
#[test]
fn an_answer_without_an_end_is_not_read_to_its_end() {
    for invited in CLOUDS.iter().filter(|invited| invited.cloud != "gcp") {
        let case = Case::on(invited, "plan", Bad::Endless);
        let ended = case.run();
        assert!(ended.all.contains("has more than 64 MiB"), "{}: {}", invited.cloud, ended.all);
        assert!(ended.took < Duration::from_secs(30), "{}: {:?}", invited.cloud, ended.took);
        assert!(ended.memory < MEMORY, "{}: {} MiB", invited.cloud, ended.memory);
    }
}

#[test]
fn what_is_no_address_is_told_before_anything_is_called() {
    for invited in &CLOUDS {
        for url in ["notaurl", "http://", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://user@host"] {
            let output = invited.deploy(&["plan", "--endpoint-url", url], "network-url", &invited.invitation());
            let told = refused(&output);
            assert!(
                told.contains(&format!("`--endpoint-url`: `{url}` is not an address that can be called")),
                "{told}"
            );
        }
    }
    let [_, gcp, _] = &CLOUDS;
    let server = Server::start(Bad::Page(403), false, false);
    for host in ["\u{1b}[2J", "a b", "127.0.0.1:port", "?"] {
        let case = Case::on(gcp, "plan", Bad::Page(403));
        let ended = case.run_against(&server, "http", "", &[("GCE_METADATA_HOST", host)]);
        let shown = format!("{host:?}").replace("\\u{1b}", "\\u001b");
        let words = format!("`GCE_METADATA_HOST` is `{}`, which is not a host", shown.trim_matches('"'));
        assert!(ended.all.contains(&words), "{words}: {}", ended.all);
        assert_eq!(ended.exit, Some(Exit::Input.code().into()), "{}", ended.all);
        assert!(!server.is_called(), "{}", ended.all);
    }
}

#[test]
fn an_address_that_is_given_wins_over_the_variables_of_a_cloud() {
    let [aws, ..] = &CLOUDS;
    let (given, other) = (Server::start(Bad::Page(403), false, false), Server::start(Bad::Page(403), false, false));
    let url = format!("http://127.0.0.1:{}", other.port);
    let case = Case::on(aws, "plan", Bad::Page(403));
    for variables in [
        &[("AWS_ENDPOINT_URL", url.as_str())][..],
        &[("AWS_ENDPOINT_URL_IAM", &url), ("AWS_ENDPOINT_URL_STS", &url)],
        // An empty one is none. The SDK panics over it.
        &[("AWS_ENDPOINT_URL", ""), ("AWS_ENDPOINT_URL_STS", "")],
    ] {
        let ended = case.run_against(&given, "http", "", variables);
        assert_eq!(ended.exit, Some(Exit::Cloud.code().into()), "{variables:?}: {}", ended.all);
        assert!(ended.all.contains(&format!("127.0.0.1:{}", given.port)), "{variables:?}: {}", ended.all);
    }
    assert!(!other.is_called(), "another was called than the one that was given");
}

#[test]
fn a_machine_that_trusts_nobody_is_told_so() {
    for invited in &CLOUDS {
        let server = Server::start(Bad::Page(403), true, true);
        let case = Case::on(invited, "plan", Bad::Page(403));
        let ended = case.run_against(&server, "https", &server.pem, &[("SSL_CERT_FILE", "absent.pem")]);
        // Azure is called by the certificate that its flag names.
        let words = if invited.cloud == "azure" { "answered 403" } else { "`SSL_CERT_FILE`" };
        assert!(ended.all.contains(words), "{}: {}", invited.cloud, ended.all);
        assert_eq!(ended.exit, Some(Exit::Cloud.code().into()), "{}: {}", invited.cloud, ended.all);
        assert!(ended.took < Duration::from_secs(40), "{}: {:?}", invited.cloud, ended.took);
    }
}
