//! What answers in the place of a cloud. Each case ends within its budget, in one sentence that says whom was called, in which
//! operation, and what to set.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use alien_core::adapter::flag;
use alien_core::{Adapter, Exit, Invitation};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::invite::{CLOUDS, Invited};
use crate::{file, out, refused, told};

/// What is planted as a secret, in every credential: it may stand in no output.
const SECRET: &str = "planted";

/// How something answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    Page(u16),
    Away,
    AsksWhoCalls,
    /// An answer of 200 that never ends.
    Endless,
    /// Without TLS where it is expected, or with the certificate of an authority that nobody knows.
    NoTls,
    Untrusted,
    /// Nobody has the name.
    NoHost,
    /// Nobody listens.
    Refuses,
    Hangs,
    Drips,
    Garbage,
    /// In the cloud's own words, 500 for ever.
    Fails,
}

/// Those after which waiting does not help.
const AT_ONCE: [Bad; 8] = [
    Bad::Page(401),
    Bad::Page(403),
    Bad::Page(404),
    Bad::Away,
    Bad::AsksWhoCalls,
    Bad::NoTls,
    Bad::Untrusted,
    Bad::NoHost,
];

/// Those after which a cloud may be back.
const LATER: [Bad; 7] =
    [Bad::Page(200), Bad::Page(502), Bad::Refuses, Bad::Hangs, Bad::Drips, Bad::Garbage, Bad::Fails];

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A server of one behaviour, for as long as the tests run.
struct Server {
    port: u16,
    /// Its certificate, which nobody but a test trusts.
    pem: String,
    /// Whether anybody has called.
    called: Arc<AtomicBool>,
}

impl Server {
    fn start(bad: Bad, tls: bool, tokens: bool) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if bad == Bad::Refuses {
            // Nobody has this port. One that was just free may be another server's by then.
            return Self { port: 1, pem: certificate.pem(), called: Arc::default() };
        }
        let called = Arc::<AtomicBool>::default();
        let is_called = Arc::clone(&called);
        thread::spawn(move || {
            for stream in listener.incoming() {
                is_called.store(true, Ordering::Relaxed);
                let config = Arc::clone(&config);
                // A client that went away is none of its business.
                thread::spawn(move || stream.and_then(|stream| taken(stream, tls.then_some(config), bad, tokens)));
            }
        });
        Self { port, pem: certificate.pem(), called }
    }
}

fn taken(stream: TcpStream, tls: Option<Arc<ServerConfig>>, bad: Bad, tokens: bool) -> io::Result<()> {
    match tls {
        None => answered(stream, bad, tokens),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            answered(StreamOwned::new(connection, stream), bad, tokens)
        }
    }
}

fn answered(mut stream: impl Stream, bad: Bad, tokens: bool) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
        // The first byte of TLS, which a server of HTTP does not understand.
        if head == [0x16] {
            return write!(stream, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    io::copy(&mut (&mut stream).take(length.unwrap_or_default()), &mut io::sink())?;
    if tokens && (head.contains("/oauth2/v2.0/token") || head.contains("/token?")) {
        let token = format!(r#"{{"access_token":"{SECRET}-access","token_type":"Bearer","expires_in":3600}}"#);
        let kind = "content-type: application/json\r\nmetadata-flavor: Google";
        return write!(stream, "HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {}\r\n\r\n{token}", token.len());
    }
    if head.contains("get /computemetadata/v1/universe") {
        return write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    }
    let page = "<!DOCTYPE html><title>Acme Web Gateway</title><p>Blocked.";
    let whole = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    };
    match bad {
        Bad::Page(status) => write!(stream, "{}", whole(&format!("{status} X"), "text/html", page)),
        Bad::Away => {
            let (away, here) = ("302 Found\r\nlocation: /sign-in", head.starts_with("get /sign-in"));
            let answer = if here { whole("200 OK", "text/html", page) } else { whole(away, "text/plain", "") };
            write!(stream, "{answer}")
        }
        Bad::AsksWhoCalls => {
            let asks = "407 X\r\nproxy-authenticate: Basic realm=\"acme\"";
            write!(stream, "{}", whole(asks, "text/plain", "who are you?"))
        }
        Bad::Fails => {
            let (kind, said) = if head.contains("aws-sdk") {
                let code = "<Code>InternalFailure</Code><Message>it fails</Message>";
                ("text/xml", format!("<ErrorResponse><Error>{code}</Error></ErrorResponse>"))
            } else if head.contains("azsdk") {
                ("application/json", r#"{"error":{"code":"InternalServerError","message":"it fails"}}"#.to_owned())
            } else {
                ("application/json", r#"{"error":{"code":500,"message":"it fails","status":"INTERNAL"}}"#.to_owned())
            };
            write!(stream, "{}", whole("500 X", kind, &said))
        }
        Bad::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let piece = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
            loop {
                stream.write_all(piece.as_bytes())?;
            }
        }
        Bad::Drips => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")?;
            loop {
                stream.write_all(b" ")?;
                stream.flush()?;
                thread::sleep(Duration::from_secs(5));
            }
        }
        Bad::Garbage => write!(stream, "SSH-2.0-OpenSSH_9.6\r\n"),
        Bad::Hangs | Bad::NoTls | Bad::Untrusted | Bad::NoHost | Bad::Refuses => {
            thread::sleep(Duration::from_secs(600));
            Ok(())
        }
    }?;
    stream.flush()
}

/// A command, and what is bad for it.
struct Case {
    invited: &'static Invited,
    /// A command of the customer's admin, such as `plan`, or `logs` of the vendor.
    command: &'static str,
    bad: Bad,
    /// Whether the service that issues tokens answers as badly as the cloud.
    tokens: bool,
}

/// Every command on every cloud, as far as there is such a case.
fn cases(bads: &[Bad]) -> Vec<Case> {
    let mut cases = Vec::new();
    for invited in &CLOUDS {
        for &bad in bads {
            for command in ["plan", "logs"] {
                cases.push(Case { invited, command, bad, tokens: false });
            }
            if invited.cloud != "aws" && bad != Bad::NoTls {
                cases.push(Case { invited, command: "plan", bad, tokens: true });
            }
        }
    }
    // Azure is called over TLS alone, so what has none is bad for its tokens first; and the emulator of GCP's tokens has no TLS.
    cases.retain(|case| !(case.invited.cloud == "gcp" && case.tokens && case.bad == Bad::Untrusted));
    cases
}

struct Ended {
    exit: Option<i32>,
    took: Duration,
    /// What it said, in JSON.
    error: Value,
    all: String,
}

impl Case {
    fn name(&self) -> String {
        let tokens = if self.tokens { ", tokens too" } else { "" };
        format!("{} {} {:?}{tokens}", self.invited.cloud, self.command, self.bad)
    }

    /// The record that a set-up gives.
    fn record(&self, invitation: &str) -> String {
        let adapters: [&dyn Adapter; 3] = [&alien_aws::Adapter, &alien_gcp::Adapter, &alien_azure::Adapter];
        let adapter = adapters.into_iter().find(|adapter| adapter.cloud() == self.invited.cloud).unwrap();
        let invitation = Invitation::from_json(invitation).unwrap();
        let mut texts = invitation.trust.clone();
        texts.insert("prefix".to_owned(), "acme".to_owned());
        texts.extend(self.invited.location.chunks(2).map(|pair| {
            let field = adapter.fields().iter().find(|field| format!("--{}", flag(field.name)) == pair[0]).unwrap();
            (field.name.to_owned(), pair[1].to_owned())
        }));
        let target = adapter.target(texts).unwrap();
        let mut record = adapter.record(&invitation, &target).unwrap();
        record.identity_id = Some("00000000-0000-0000-0000-00000000000c".to_owned());
        serde_json::to_string(&record).unwrap()
    }

    fn run(&self) -> Ended {
        let tls = self.invited.cloud == "azure" && self.bad != Bad::NoTls || self.bad == Bad::Untrusted;
        let server = Server::start(self.bad, tls, !self.tokens);
        let scheme = if tls || self.bad == Bad::NoTls { "https" } else { "http" };
        let unrelated = Server::start(Bad::Hangs, true, false);
        let pem = if self.bad == Bad::Untrusted { &unrelated.pem } else { &server.pem };
        self.run_against(&server, scheme, pem, &[])
    }

    /// Runs it where this server is the cloud, whose certificate is said to be this.
    fn run_against(&self, server: &Server, scheme: &str, pem: &str, variables: &[(&str, &str)]) -> Ended {
        let issuer = Server::start(if self.tokens { self.bad } else { Bad::Hangs }, false, !self.tokens);
        let mut program = self.program(server, &issuer, scheme, pem);
        program.envs(variables.iter().copied());
        let begin = Instant::now();
        let output = program.output().unwrap();
        let (took, printed) = (begin.elapsed(), String::from_utf8(output.stdout).unwrap());
        let said = String::from_utf8(output.stderr).unwrap();
        let error = serde_json::from_str::<Value>(&printed).unwrap_or_default()["error"].clone();
        let message = error["message"].as_str().unwrap_or_default();
        let ports = [server.port, issuer.port].map(|port| format!(":{port}"));
        let message = ports.iter().fold(message.to_owned(), |text, port| text.replace(port, ":PORT"));
        let operation = error["operation"].as_str().unwrap_or("no operation").to_owned();
        let error = serde_json::json!({ "message": message, "kind": error["kind"], "operation": operation });
        Ended { exit: output.status.code(), took, error, all: format!("{printed}{said}") }
    }

    /// The program with all that it needs.
    fn program(&self, server: &Server, issuer: &Server, scheme: &str, pem: &str) -> Command {
        let host =
            if self.bad == Bad::NoHost { "name.invalid".to_owned() } else { format!("127.0.0.1:{}", server.port) };
        let written = |name: &str, text: &str| {
            let path = file(&format!("network-{}-{name}", uuid::Uuid::new_v4()), &Value::Null);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let invitation = self.invited.invitation();
        let mut flags = vec![self.command.to_owned(), "--json".to_owned()];
        let program = if self.command != "logs" {
            flags.extend(["--invitation".to_owned(), written("invitation.json", &invitation.to_string())]);
            flags.extend(self.invited.location.iter().map(|&flag| flag.to_owned()));
            env!("CARGO_BIN_EXE_alien-deploy")
        } else {
            let record = self.record(&invitation.to_string());
            flags.extend(["api".to_owned(), "--record".to_owned(), written("record.json", &record)]);
            env!("CARGO_BIN_EXE_alien")
        };
        flags.extend(["--endpoint-url".to_owned(), format!("{scheme}://{host}")]);
        if self.invited.cloud == "azure" {
            flags.extend(["--endpoint-certificate".to_owned(), written("certificate.pem", pem)]);
        }
        let token = written("token", &format!("{SECRET}.e30.{SECRET}"));
        let mut program = Command::new(program);
        program.args(flags).stdin(Stdio::null()).env_clear();
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

/// Runs all cases at once, each with a program and servers of its own, and shows how each ended.
fn matrix(bads: &[Bad], budget: Duration) -> String {
    let cases = cases(bads);
    let ended: Vec<Ended> = thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| scope.spawn(|| case.run())).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut shown = String::new();
    for (case, Ended { exit, took, error, all }) in cases.iter().zip(&ended) {
        let name = case.name();
        let exits = [Exit::Cloud, Exit::Internal].map(|exit| Some(exit.code().into()));
        assert!(exits.contains(exit), "{name}: {exit:?} {all}");
        assert!(*took < budget, "{name}: after {took:?}: {all}");
        // Whoever waits for minutes is told.
        let is_long = *took > Duration::from_secs(60);
        assert!(!is_long || all.contains("; it is tried again"), "{name}: {all}");
        assert!(!all.contains(SECRET) && !all.contains("panicked"), "{name}: {all}");
        let [kind, operation, message] = ["kind", "operation", "message"].map(|field| error[field].as_str().unwrap());
        writeln!(shown, "{name}\n    {kind} ({operation}): {message}").unwrap();
    }
    shown
}

#[test]
fn where_waiting_does_not_help_a_program_ends_at_once_and_says_what_to_set() {
    // Five seconds of tries, and the start of many programs at once.
    insta::assert_snapshot!("network_at_once", matrix(&AT_ONCE, Duration::from_secs(40)));
}

#[test]
#[ignore = "three minutes of tries: `.ci/run long` runs it"]
fn where_a_cloud_may_be_back_a_program_ends_within_its_budget() {
    // Two minutes of tries, and the last one may take one.
    insta::assert_snapshot!("network_later", matrix(&LATER, Duration::from_secs(120 + 60 + 30)));
}

/// Runs `plan` against a server that answers with a page, with these variables set.
fn plan(invited: &'static Invited, server: &Server, variables: &[(&str, &str)]) -> Ended {
    let case = Case { invited, command: "plan", bad: Bad::Page(403), tokens: false };
    case.run_against(server, "https", &server.pem, variables)
}

#[test]
fn certificates_of_an_authority_of_ones_own_are_trusted_once_they_are_named() {
    let [aws, gcp, _] = &CLOUDS;
    let server = Server::start(Bad::Page(403), true, true);
    let pem = file("network-authority.pem", &Value::Null);
    std::fs::write(&pem, &server.pem).unwrap();
    let pem = pem.to_str().unwrap();
    for (invited, variable) in [(aws, "SSL_CERT_FILE"), (aws, "AWS_CA_BUNDLE"), (gcp, "SSL_CERT_FILE")] {
        let ended = plan(invited, &server, &[(variable, pem)]);
        let message = ended.error["message"].as_str().unwrap();
        assert!(
            message.contains("answered 403, and not in the words of"),
            "{} {variable}: {}",
            invited.cloud,
            ended.all
        );
    }
    let ended = plan(aws, &server, &[("AWS_CA_BUNDLE", "absent.pem")]);
    assert!(ended.all.contains("`AWS_CA_BUNDLE` names `absent.pem`, which cannot be read"), "{}", ended.all);
    assert_eq!(ended.exit, Some(Exit::Input.code().into()), "{}", ended.all);
}

/// Google's clients have no limit: they read what a call may take, which is a minute.
#[test]
fn an_answer_without_an_end_is_not_read_to_its_end() {
    for invited in CLOUDS.iter().filter(|invited| invited.cloud != "gcp") {
        let case = Case { invited, command: "plan", bad: Bad::Endless, tokens: false };
        let ended = case.run();
        assert!(ended.all.contains("has more than 64 MiB"), "{}: {}", invited.cloud, ended.all);
        assert!(ended.took < Duration::from_secs(30), "{}: {:?}", invited.cloud, ended.took);
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
}

/// By the signal of a terminal's Ctrl-C, while the cloud does not answer.
#[test]
fn an_address_that_is_given_wins_over_the_variables_of_a_cloud() {
    let [aws, ..] = &CLOUDS;
    let (given, other) = (Server::start(Bad::Page(403), false, false), Server::start(Bad::Page(403), false, false));
    let url = format!("http://127.0.0.1:{}", other.port);
    let case = Case { invited: aws, command: "plan", bad: Bad::Page(403), tokens: false };
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
    assert!(!other.called.load(Ordering::Relaxed), "another was called than the one that was given");
}

#[test]
fn an_interrupt_ends_a_program_that_waits_and_says_what_is_left() {
    let [_, gcp, _] = &CLOUDS;
    for (command, words) in [
        ("plan", "interrupted; nothing was changed"),
        ("status", "interrupted; nothing was changed"),
        ("up", "what was done stays, and what was sent may still be done. Run the same"),
        ("down", "what was done stays, and what was sent may still be done. Run the same"),
    ] {
        let case = Case { invited: gcp, command, bad: Bad::Hangs, tokens: false };
        let (server, issuer) = (Server::start(Bad::Hangs, false, true), Server::start(Bad::Hangs, false, true));
        let mut program = case.program(&server, &issuer, "http", &server.pem);
        if !matches!(command, "plan" | "status") {
            program.arg("--yes");
        }
        if command == "up" {
            let record = format!("network-{}-record.json", uuid::Uuid::new_v4());
            program.arg("--record").arg(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(record));
        }
        let running = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begin = Instant::now();
        while !server.called.load(Ordering::Relaxed) {
            assert!(begin.elapsed() < Duration::from_secs(60), "{command}: it calls nobody");
            thread::sleep(Duration::from_millis(20));
        }
        let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let (begin, output) = (Instant::now(), running.wait_with_output().unwrap());
        let said = format!("{}{}", out(&output), told(&output));
        assert!(begin.elapsed() < Duration::from_secs(10), "{command}: {:?}", begin.elapsed());
        assert_eq!(output.status.code(), Some(Exit::Interrupted.code().into()), "{command}: {said}");
        assert!(said.contains(words), "{command}: {said}");
    }
}

#[test]
fn a_machine_that_trusts_nobody_is_told_so() {
    for invited in &CLOUDS {
        let server = Server::start(Bad::Page(403), true, true);
        let case = Case { invited, command: "plan", bad: Bad::Page(403), tokens: false };
        let ended = case.run_against(&server, "https", &server.pem, &[("SSL_CERT_FILE", "absent.pem")]);
        // Azure is called by the certificate that its flag names.
        let words = if invited.cloud == "azure" { "answered 403" } else { "`SSL_CERT_FILE`" };
        assert!(ended.all.contains(words), "{}: {}", invited.cloud, ended.all);
        assert_eq!(ended.exit, Some(Exit::Cloud.code().into()), "{}: {}", invited.cloud, ended.all);
        assert!(ended.took < Duration::from_secs(40), "{}: {:?}", invited.cloud, ended.took);
    }
}
