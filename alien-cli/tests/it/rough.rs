//! Every program, given what nobody means: arguments, files, variables and answers that were altered at random.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use alien_conformance::seed::{Chance, chance};
use alien_core::Exit;
use alien_core::adapter::is_printable;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::invite::{CLOUDS, record};
use crate::network::recorded;
use crate::{AWS, AZURE, GCP, MY_APP, done, my_app};

/// How long one program may take: what answers wrongly is tried again for two minutes, and then the program ends.
const PATIENCE: Duration = Duration::from_secs(150);

/// How long the programs that serve are watched: they end when they are told to.
const SERVED: Duration = Duration::from_millis(500);

/// Words that mean nothing where they stand, or something else.
const WORDS: [&str; 24] = [
    "",
    "-",
    "--",
    "--json",
    "--help",
    "--version",
    "-1",
    "0",
    "18446744073709551616",
    "NaN",
    "true",
    "🚀",
    "\u{1b}[2J",
    "\u{9b}31m\u{202e}",
    "a b",
    "../..",
    ".",
    "/dev/null",
    "/dev/full",
    "/nowhere/at/all",
    "stack.json",
    "invitation.json",
    "record.json",
    // Where nobody listens is tried again for two minutes: `network::…` waits for that.
    "http://127.0.0.1:port",
];

/// Variables that programs read, or that what they are built on reads.
const VARIABLES: [&str; 29] = [
    "ALIEN_CA_FILE",
    "ALIEN_MANAGER",
    "ALIEN_OIDC_TOKEN",
    "ALIEN_OPERATOR",
    "ALIEN_STORE",
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "AZURE_AUTHORITY_HOST",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "CLOUDSDK_CONFIG",
    "COLUMNS",
    "GCE_METADATA_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HOME",
    "HTTPS_PROXY",
    "IDENTITY_ENDPOINT",
    "NOTIFY_SOCKET",
    "NO_COLOR",
    "NO_PROXY",
    "RUST_LOG",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
];

/// What the vendor and the customer's admin call of clouds other than AWS, by the names of the files.
const CALLS: [&str; 10] = [
    "alien register --invitation CLOUD-invitation.json --record CLOUD-record.json",
    "alien heartbeat --record CLOUD-record.json --json",
    "alien logs api --record CLOUD-record.json",
    "alien dispatch api {} --record CLOUD-record.json",
    "alien update --record CLOUD-record.json --stack other.json",
    "alien redeploy api --record CLOUD-record.json",
    "alien-deploy status --invitation CLOUD-invitation.json --record CLOUD-record.json",
    "alien-deploy up --invitation CLOUD-invitation.json --record CLOUD-record.json --yes",
    "alien-deploy down --invitation CLOUD-invitation.json --record CLOUD-record.json --yes",
    "alien-deploy revoke --invitation CLOUD-invitation.json --record CLOUD-record.json --yes --json",
];

/// Lines that are right, which are altered. `ENDPOINT` is a server whose answers are altered too, and `TLSENDPOINT` one with TLS.
fn lines() -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines: Vec<Vec<String>> = [
        "alien check --previous previous.json --stack stack.json --format json",
        "alien schema",
        "alien invite --cloud aws --stack stack.json --vendor arn:aws:iam::111111111111:role/vendor",
        "alien register --invitation invitation.json --record record.json --endpoint-url ENDPOINT",
        "alien heartbeat --record record.json --json --endpoint-url ENDPOINT",
        "alien logs api --record record.json --since 1d --endpoint-url ENDPOINT",
        "alien dispatch api {} --record record.json --endpoint-url ENDPOINT",
        "alien update --record record.json --stack stack.json --endpoint-url ENDPOINT",
        "alien redeploy api --record record.json --endpoint-url ENDPOINT",
        "alien diff previous.json stack.json --cloud aws --account 222222222222 --region eu-central-1 --json",
        "alien keys vendor --out vendor",
        "alien keys init --out keys",
        "alien repository init repository --root keys/public/1.root.json",
        "alien repository verify ENDPOINT --root sha256:5382f39fa0bd8723318d81628f5c5be94bc793daec892cc3d7f59ed5cf94d4c8",
        "alien release stack.json --store fleet.redb --json",
        "alien deployments register invitation.json --record record.json --store fleet.redb",
        "alien deployments list --store fleet.redb --json",
        "alien deployments list --manager ENDPOINT --manager-token-file key --json",
        "alien rollout status my-app/1 --manager TLSENDPOINT --manager-token-file key --ca-file certificate.pem",
        "alien fleet events --manager ENDPOINT --manager-token-file key",
        "alien fleet heartbeat --manager ENDPOINT --manager-token-file key --json",
        "alien manager token list --manager TLSENDPOINT --manager-token-file key --ca-file certificate.pem",
        "alien release stack.json --images images.json --no-follow --manager ENDPOINT --manager-token-file key",
        "alien manager token list --store fleet.redb",
        "alien rollout list --store fleet.redb",
        "alien fleet events --store fleet.redb",
        "alien completions bash",
        "alien-deploy review --invitation invitation.json --account 222222222222 --region eu-central-1 --json",
        "alien-deploy plan --invitation invitation.json --account 222222222222 --region eu-central-1 --endpoint-url ENDPOINT --json",
        "alien-deploy status --invitation invitation.json --account 222222222222 --region eu-central-1 --endpoint-url ENDPOINT",
        "alien-deploy up --invitation invitation.json --account 222222222222 --region eu-central-1 --record made.json --yes --endpoint-url ENDPOINT",
        "alien-deploy down --invitation invitation.json --record record.json --yes --endpoint-url ENDPOINT",
        "alien-deploy revoke --invitation invitation.json --record record.json --yes --endpoint-url ENDPOINT",
        "alien-deploy agent --record record.json --for systemd",
        "alien-manager --config settings.json --store fleet.redb --json",
        "alien-agent init --state another --key-file key --deployment 00000000-0000-4000-8000-000000000001",
        "alien-agent status --state agent --key-file key --json",
        "alien-agent rekey --state agent --key-file key --new-key-file other-key",
        "alien-agent run --state agent --key-file key --record record.json --endpoint-url ENDPOINT",
        "alien-sim gcp --port 0 --folder sim --json",
    ]
    .into_iter()
    .map(words)
    .collect();
    for (cloud, endpoint) in [
        ("gcp", "--endpoint-url ENDPOINT"),
        ("azure", "--endpoint-url TLSENDPOINT --endpoint-certificate certificate.pem"),
    ] {
        lines.extend(CALLS.iter().map(|line| words(&format!("{} {endpoint}", line.replace("CLOUD", cloud)))));
    }
    for target in [&AWS[..], &GCP, &AZURE] {
        for command in ["permissions", "audit"] {
            let mut line = words("alien");
            line.extend([command, "--stack", "stack.json"].map(str::to_owned));
            line.extend(target.iter().map(|&word| word.to_owned()));
            lines.push(line);
        }
    }
    lines
}

fn pick<'a, T>(chance: &mut Chance, of: &'a [T]) -> &'a T {
    &of[chance.usize(..of.len())]
}

fn altered_words(chance: &mut Chance, mut line: Vec<String>) -> Vec<String> {
    for _ in 0..chance.usize(0..4) {
        let at = chance.usize(1..=line.len());
        match chance.u8(0..5) {
            0 => line.insert(at, (*pick(chance, &WORDS)).to_owned()),
            1 if at < line.len() => drop(line.remove(at)),
            2 if at < line.len() => line[at] = (*pick(chance, &WORDS)).to_owned(),
            3 if at < line.len() => {
                let other = chance.usize(1..line.len());
                line.swap(at, other);
            }
            _ if at < line.len() => line.push(line[at].clone()),
            _ => {}
        }
    }
    line
}

fn altered_bytes(chance: &mut Chance, mut bytes: Vec<u8>) -> Vec<u8> {
    let pieces: [&[u8]; 10] = [
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\0",
        b",",
        b"{\"a\":",
        b"NaN",
        b"\"name\":\"twice\",",
        b"\x1b[2J",
        "\u{202e}".as_bytes(),
        &[b'['; 400],
    ];
    for _ in 0..chance.usize(0..3) {
        let at = chance.usize(..=bytes.len());
        match chance.u8(0..4) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, pick(chance, &pieces).iter().copied())),
            2 if at < bytes.len() => bytes[at] = chance.u8(..),
            _ => {
                let end = bytes.len().min(at + chance.usize(0..200));
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

/// Answers every request with something, until this is dropped.
struct Answers {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It looks once more.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Answers {
    fn start(mut chance: Chance, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended = Arc::<AtomicBool>::default();
        let is_over = Arc::clone(&ended);
        thread::spawn(move || {
            for (count, stream) in listener.incoming().enumerate() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let (mut chance, tls) = (chance.fork(), tls.clone());
                thread::spawn(move || {
                    let stream = stream?;
                    match tls {
                        None => answered(stream, &mut chance, count),
                        Some(tls) => {
                            let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
                            answered(StreamOwned::new(connection, stream), &mut chance, count)
                        }
                    }
                });
            }
        });
        Self { port, ended }
    }
}

/// After so many altered answers each is a page, after which no program tries for minutes.
const ALTERED: usize = 8;

fn answered(mut stream: impl Read + Write, chance: &mut Chance, count: usize) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let bodies: [(&str, &str); 9] = [
        ("application/json", r#"{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}"#),
        ("application/json", r#"{"error":{"code":"AuthorizationFailed","message":"\u001b[2Jno"}}"#),
        // As a manager says it.
        ("application/json", r#"{"kind":"not-found","message":"\u001b[2Jno"}"#),
        ("application/json", "[]"),
        (
            "text/xml",
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>\u{1b}[2Jno</Message></Error></ErrorResponse>",
        ),
        ("application/x-amz-json-1.1", r#"{"__type":"ValidationException","message":"\u001b[2Jno"}"#),
        ("application/json", "{}"),
        ("text/event-stream", "id: 1\ndata: {}\n\n"),
        ("text/html", "<html>"),
    ];
    let mut write = |status: u16, kind: &str, body: &[u8]| {
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nmetadata-flavor: Google\r\nconnection: close\r\n\r\n"
        )?;
        stream.write_all(body)?;
        stream.flush()
    };
    // Without a token nothing else would be asked.
    if String::from_utf8_lossy(&head).contains("/token") && chance.u8(0..4) > 0 {
        return write(200, "application/json", br#"{"access_token":"a","token_type":"Bearer","expires_in":3600}"#);
    }
    if count > ALTERED {
        return write(403, "text/html", b"<html>");
    }
    let (kind, body) = *pick(chance, &bodies);
    let body = altered_bytes(chance, body.as_bytes().to_vec());
    write(*pick(chance, &[200, 204, 302, 400, 403, 404, 407, 409]), kind, &body)
}

/// Waits for a program, and ends it if it goes on for too long.
fn ended(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Programs stand beside each other.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_alien")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run the tests of the whole workspace", path.display());
    path
}

/// Runs one altered line in a folder of its own.
fn run(chance: &mut Chance, files: &[(&str, Vec<u8>)], tls: &Arc<ServerConfig>) {
    let plain = Answers::start(chance.fork(), None);
    let secure = Answers::start(chance.fork(), Some(Arc::clone(tls)));
    let folder = env::temp_dir().join(format!("alien-rough-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).unwrap();
    for (name, bytes) in files {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        let bytes = if chance.u8(0..3) == 0 { altered_bytes(chance, bytes.clone()) } else { bytes.clone() };
        fs::write(folder.join(name), bytes).unwrap();
    }
    let line = pick(chance, &lines()).clone();
    let line = altered_words(chance, line);
    let urls = [
        ("TLSENDPOINT", format!("https://127.0.0.1:{}", secure.port)),
        ("ENDPOINT", format!("http://127.0.0.1:{}", plain.port)),
    ];
    let line: Vec<String> =
        line.iter().map(|word| urls.iter().fold(word.clone(), |word, (name, url)| word.replace(name, url))).collect();
    let mut command = Command::new(program(&line[0]));
    command.args(&line[1..]).current_dir(&folder).env_clear();
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    command.env("GCE_METADATA_HOST", format!("127.0.0.1:{}", plain.port));
    command.env("AZURE_TENANT_ID", "00000000-0000-0000-0000-00000000000f").env("AZURE_FEDERATED_TOKEN_FILE", "key");
    command.env("AZURE_CLIENT_ID", "00000000-0000-0000-0000-00000000000d");
    let mut variables = Vec::new();
    for _ in 0..chance.usize(0..3) {
        let (name, value) = (*pick(chance, &VARIABLES), *pick(chance, &WORDS));
        // Libraries read some of these files too, and know no bound: this one has no end.
        let value = if value == "/dev/full" { "/dev/null" } else { value };
        let value = (chance.u8(0..4) > 0).then_some(value);
        variables.push((name, value));
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let [out, err] = ["out", "err"].map(|name| folder.join(name));
    command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let serves = ["serve", "work", "run"].iter().any(|word| line.iter().any(|given| given == word))
        || line[0] == "alien-manager"
        || line[0] == "alien-sim"
        || line.iter().any(|word| word == "--follow");
    let status = ended(&mut child, if serves { SERVED } else { PATIENCE });
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&fs::read(out).unwrap()),
        String::from_utf8_lossy(&fs::read(err).unwrap())
    );
    let all = format!("{line:?} with {variables:?} in {}: {status:?}\n{said:?}", folder.display());
    assert!(status.is_some() || serves, "it does not end: {all}");
    if let Some(status) = status {
        let exits = [0].into_iter().chain(Exit::ALL.iter().map(|exit| i32::from(exit.code())));
        assert!(exits.into_iter().any(|exit| status.code() == Some(exit)), "no exit code of the list: {all}");
    }
    assert!(!said.contains("panicked"), "a panic: {all}");
    assert!(said.chars().all(is_printable), "a terminal obeys it: {all}");
    fs::remove_dir_all(&folder).unwrap();
}

/// The sealed state of an agent.
fn state() -> Vec<u8> {
    let folder = env::temp_dir().join(format!("alien-rough-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("key"), "5a".repeat(32)).unwrap();
    let words =
        ["init", "--state", "agent", "--key-file", "key", "--deployment", "00000000-0000-4000-8000-000000000001"];
    done(&Command::new(program("alien-agent")).args(words).current_dir(&folder).output().unwrap());
    let state = fs::read(folder.join("agent/state")).unwrap();
    fs::remove_dir_all(folder).unwrap();
    state
}

/// What is altered is a line that its program takes: else nothing but the usage would be tried.
#[test]
fn every_line_that_is_altered_is_one_that_its_program_knows() {
    for line in lines() {
        let output = Command::new(program(&line[0])).args(&line[1..]).arg("--help").output().unwrap();
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// For `ALIEN_ROUGH` seconds, by default a minute.
#[test]
fn whatever_a_program_is_given_it_ends_in_words() {
    let seconds = env::var("ALIEN_ROUGH").map_or(60, |given| given.parse().unwrap());
    let mut chance = chance();
    let [aws, gcp, azure] = &CLOUDS;
    let (invitation, of_gcp, of_azure) = (aws.invitation(), gcp.invitation(), azure.invitation());
    let stack = fs::read(MY_APP).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let tls = Arc::new(tls.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let mut other = my_app();
    other["resources"][3]["timeoutSeconds"] = 60.into();
    let files = [
        ("certificate.pem", certificate.pem().into_bytes()),
        ("gcp-invitation.json", of_gcp.to_string().into_bytes()),
        ("gcp-record.json", recorded(gcp, &of_gcp.to_string()).into_bytes()),
        ("azure-invitation.json", of_azure.to_string().into_bytes()),
        ("azure-record.json", recorded(azure, &of_azure.to_string()).into_bytes()),
        ("other.json", other.to_string().into_bytes()),
        ("images.json", fs::read(Path::new(MY_APP).with_file_name("my-app.images.json")).unwrap()),
        ("stack.json", stack.clone()),
        ("previous.json", stack),
        ("record.json", record(aws, &invitation).to_string().into_bytes()),
        ("invitation.json", invitation.to_string().into_bytes()),
        ("settings.json", br#"{"store":"fleet.redb","listen":"127.0.0.1:0"}"#.to_vec()),
        ("key", "5a".repeat(32).into_bytes()),
        ("other-key", "5b".repeat(32).into_bytes()),
        ("agent/state", state()),
    ];
    done(&crate::alien(&["schema"]));
    let end = Instant::now() + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for _ in 0..8 {
            let (mut chance, files, tls) = (chance.fork(), &files, &tls);
            scope.spawn(move || {
                while Instant::now() < end {
                    run(&mut chance, files, tls);
                }
            });
        }
    });
}
