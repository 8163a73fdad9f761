//! A manager and a repository that are both in an attacker's hand, and answer anything: nothing begins that was not signed, nothing older
//! than what was begun, and nothing of the state leaves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, fs};

use alien_agent::{Channel, Policy};
use alien_core::{Error, ErrorKind, Result};
use alien_release::agent::{Bearer, CommandAsked, Desired, Hold, LogAsked, Token, Wanted};
use alien_release::{ByteStream, FolderTransport, Transport};
use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use futures_util::stream;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use crate::world::{Customer, HOST, Vendor, digest, plan, release};

/// A manager whose answers are given, one after the other and then again from the first. What it was sent is kept, with the headers.
#[derive(Debug)]
struct Scripted {
    answers: Vec<Given>,
    next: AtomicUsize,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

#[derive(Clone)]
enum Given {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// What a manager would answer to the call, by its form.
    Fitting {
        token: Vec<u8>,
        desired: Vec<u8>,
        hold: Option<Vec<u8>>,
        command: Vec<u8>,
    },
    Hangs,
    Fails,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        match self {
            Self::Answer { status, headers, body } => write!(f, "{status} {headers:?} {:?}", text(body)),
            Self::Fitting { token, desired, hold, command } => {
                let hold = hold.as_deref().map(text);
                write!(f, "{:?} {:?} {hold:?} {:?}", text(token), text(desired), text(command))
            }
            Self::Hangs => f.write_str("Hangs"),
            Self::Fails => f.write_str("Fails"),
        }
    }
}

#[async_trait]
impl Channel for Scripted {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let mut sent = format!("{} {} {:?}\n", request.method(), request.uri(), request.headers()).into_bytes();
        sent.extend_from_slice(request.body());
        self.sent.lock().unwrap().push(sent);
        match self.answers[self.next.fetch_add(1, Ordering::SeqCst) % self.answers.len()].clone() {
            Given::Hangs => std::future::pending().await,
            Given::Fitting { token, desired, hold, command } => {
                let is_take = String::from_utf8_lossy(request.body()).contains("\"take\"");
                let (status, body) = match (request.uri().path(), hold) {
                    ("/v1/agent/token", _) => (200, token),
                    ("/v1/agent/desired", _) => (200, desired),
                    ("/v1/agent/report", Some(hold)) => (200, hold),
                    (path, _) if path.starts_with("/v1/agent/commands/") && is_take => (200, command),
                    _ => (204, Vec::new()),
                };
                Ok(Response::builder().status(status).body(body).unwrap())
            }
            Given::Fails => Err(Error::new(ErrorKind::Unavailable, "cut")),
            Given::Answer { status, headers, mut body } => {
                body.truncate(most);
                let mut answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
                for (name, value) in headers {
                    answer = answer.header(name, value);
                }
                Ok(answer.body(body).unwrap())
            }
        }
    }
}

/// Answers of every kind: those of a manager with values of any size, pages, garbage.
fn answers(signed: Vec<(u64, String)>) -> impl Strategy<Value = Vec<Given>> {
    let number = prop_oneof![9 => 0..12_u64, 1 => Just((1 << 53) - 1), 1 => Just(u64::MAX), 1 => any::<u64>()];
    let named = prop::sample::select(signed);
    let zeroes = format!("sha256:{}", "0".repeat(64));
    let digest = prop_oneof![named.clone().prop_map(|(_, digest)| digest), Just(zeroes), ".{0,40}"];
    let wanted = (number.clone(), digest, number.clone());
    let wanted = wanted.prop_map(|(release, digest, fence)| Wanted { release: release.into(), digest, fence });
    let true_wanted = (named, number.clone());
    let true_wanted =
        true_wanted.prop_map(|((release, digest), fence)| Wanted { release: release.into(), digest, fence });
    let asked = (prop::option::weighted(0.1, ".{0,400}"), any::<Option<u32>>(), asked());
    let desired =
        (prop_oneof![2 => true_wanted, 1 => wanted], prop::option::weighted(0.4, asked)).prop_map(|(wanted, asked)| {
            let mut desired = Desired::new().with_release(wanted);
            if let Some((hold, next_poll, (commands, logs))) = asked {
                desired = hold.into_iter().fold(desired, |desired, why| desired.held(&why));
                desired.next_poll = next_poll;
                // Those that do not fit are left out.
                let _ = commands.into_iter().all(|command| desired.asks_command(command));
                let _ = logs.into_iter().all(|log| desired.asks_log(log));
            }
            desired.to_json().into_bytes()
        });
    let expires = prop_oneof![Just("1970-01-01T00:00:00Z"), Just("2027-01-15T09:00:00Z"), Just("9999-01-01T00:00:00Z")];
    let token = (expires, number).prop_map(|(expires, counter)| {
        let bearer: Bearer = "abc".parse().unwrap();
        Token::new(bearer, expires.parse().unwrap(), counter).reveal().as_bytes().to_vec()
    });
    let hold = ".{0,200}".prop_map(|why| serde_json::to_vec(&Hold::new(why)).unwrap());
    let garbage = || prop::collection::vec(any::<u8>(), 0..300);
    let command = prop_oneof![4 => garbage(), 1 => Just(vec![b'x'; 1 << 20]), 1 => Just(vec![b'x'; (1 << 20) + 1])];
    let (token, desired, hold) = (token.boxed(), desired.boxed(), hold.boxed());
    let held = prop_oneof![9 => Just(None), 1 => hold.clone().prop_map(Some), 1 => garbage().prop_map(Some)];
    let fitting = (token.clone(), desired.clone(), held, command);
    let fitting = fitting.prop_map(|(token, desired, hold, command)| Given::Fitting { token, desired, hold, command });
    let body = prop_oneof![
        2 => token,
        4 => desired,
        1 => hold,
        1 => Just(Vec::new()),
        1 => Just(b"<html>log in</html>".to_vec()),
        1 => Just(br#"{"version":1,"hold":"no"}"#.to_vec()),
        1 => Just(vec![b'['; 8000]),
        1 => garbage(),
    ];
    let status = prop_oneof![8 => Just(200_u16), 2 => Just(204), 1 => Just(304), 1 => 200..600_u16];
    let retry = prop_oneof![
        3 => Just(None),
        1 => any::<u32>().prop_map(|seconds| Some(seconds.to_string())),
        1 => Just(Some("Fri, 31 Dec 9999 23:59:59 GMT".to_owned())),
        1 => Just(Some("-1".to_owned())),
    ];
    let answer = (status, retry, body).prop_map(|(status, retry, body)| {
        let headers = retry.map(|retry| ("retry-after", retry)).into_iter().collect();
        Given::Answer { status, headers, body }
    });
    let fitting = fitting.boxed();
    let any = prop_oneof![16 => fitting.clone(), 6 => answer, 1 => Just(Given::Hangs), 1 => Just(Given::Fails)];
    // One that answers by the forms alone gets further.
    prop_oneof![prop::collection::vec(fitting, 1..6), prop::collection::vec(any, 1..12)]
}

/// Commands and logs with ids that come again, resources that are not there, and deadlines at both ends of time.
fn asked() -> impl Strategy<Value = (Vec<CommandAsked>, Vec<LogAsked>)> {
    let id = || prop_oneof![1 => (0..3_u128).boxed(), 1 => any::<u128>().boxed()].prop_map(Uuid::from_u128);
    let resource = || {
        let odd = "[a-z]([a-z0-9]{0,20}(-[a-z0-9]{1,20})?)?";
        let named = prop_oneof![4 => Just("api".to_owned()), 1 => Just("orders".to_owned()), 1 => odd];
        named.prop_filter_map("no id", |text| text.parse().ok())
    };
    let time = || {
        let times = ["2027-01-15T08:00:30Z", "2027-01-15T09:00:00Z", "2100-01-01T00:00:00Z", "1970-01-01T00:00:00Z"];
        let times = times.map(|text| text.parse().unwrap());
        prop::sample::select([&times[..], &[Timestamp::MIN, Timestamp::MAX]].concat())
    };
    let command = (id(), resource(), time());
    let command = command.prop_map(|(id, function, deadline)| CommandAsked { id: id.into(), function, deadline });
    let log = (id(), resource(), prop::option::of(time()), any::<u32>(), time());
    let log = log.prop_map(|(id, resource, since, limit, deadline)| LogAsked {
        id: id.into(),
        resource,
        since,
        limit,
        deadline,
    });
    (prop::collection::vec(command, 0..8), prop::collection::vec(log, 0..4))
}

/// A repository whose answers are given, one after the other and then again from the first.
#[derive(Debug)]
struct Rigged {
    /// The vendor's own, a copy of it from before, and another vendor's.
    folders: [PathBuf; 3],
    answers: Vec<Kept>,
    next: AtomicUsize,
    /// How many bytes of an endless file were read at most.
    read: Arc<AtomicUsize>,
}

/// What a repository answers.
#[derive(Debug, Clone)]
enum Kept {
    True,
    Missing,
    Fails,
    Endless,
    Bytes(Vec<u8>),
    /// As many bytes of it, and then an end.
    Cut(usize),
    /// As many bytes of it, and then no more.
    Broken(usize),
    /// One byte is another.
    Changed(usize),
    /// Another file of the same repository.
    Mixed(usize),
    /// The file of the same name, before the last release or of another vendor.
    Of(usize),
}

fn kept() -> impl Strategy<Value = Vec<Kept>> {
    let one = prop_oneof![
        18 => Just(Kept::True),
        1 => Just(Kept::Missing),
        1 => Just(Kept::Fails),
        1 => Just(Kept::Endless),
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Kept::Bytes),
        1 => (0..2000_usize).prop_map(Kept::Cut),
        1 => (0..2000_usize).prop_map(Kept::Broken),
        1 => any::<usize>().prop_map(Kept::Changed),
        2 => any::<usize>().prop_map(Kept::Mixed),
        3 => (1..3_usize).prop_map(Kept::Of),
    ];
    prop::collection::vec(one, 1..24)
}

#[async_trait]
impl Transport for Rigged {
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>> {
        let [own, ..] = &self.folders;
        let bytes = || fs::read(own.join(name)).unwrap_or_default();
        let cut = || Error::new(ErrorKind::Unavailable, "cut");
        let bytes = match &self.answers[self.next.fetch_add(1, Ordering::SeqCst) % self.answers.len()] {
            Kept::True => return FolderTransport::new(own).fetch(name).await,
            Kept::Of(which) => return FolderTransport::new(&self.folders[*which]).fetch(name).await,
            Kept::Missing => return Ok(None),
            Kept::Fails => return Err(cut()),
            Kept::Endless => {
                let (most, mut read) = (Arc::clone(&self.read), 0);
                return Ok(Some(Box::pin(stream::repeat_with(move || {
                    read += 1 << 14;
                    most.fetch_max(read, Ordering::SeqCst);
                    Ok(Bytes::from_static(&[b' '; 1 << 14]))
                }))));
            }
            Kept::Broken(length) => {
                let mut bytes = bytes();
                bytes.truncate(*length);
                return Ok(Some(Box::pin(stream::iter([Ok(bytes.into()), Err(cut())]))));
            }
            Kept::Bytes(bytes) => bytes.clone(),
            Kept::Cut(length) => bytes().into_iter().take(*length).collect(),
            Kept::Changed(at) => {
                let mut bytes = bytes();
                let length = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at % length) {
                    *byte ^= 1;
                }
                bytes
            }
            Kept::Mixed(which) => {
                let files = files(own);
                fs::read(&files[which % files.len()]).unwrap()
            }
        };
        Ok(Some(Box::pin(stream::iter([Ok(Bytes::from(bytes))]))))
    }
}

/// The files of a folder, by their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<PathBuf> = files.filter(|path| path.is_file()).collect();
    files.into_iter().collect()
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// What is never sent, in the forms that it could have in a message: the agent's key, the key of the state, and what is sealed.
fn secrets(customer: &Customer) -> Vec<Vec<u8>> {
    let file = fs::read(customer.folder.join("state")).unwrap();
    let (line, rest) = file.split_at(file.iter().position(|byte| *byte == b'\n').unwrap() + 1);
    let (nonce, sealed) = rest.split_at(NONCE_LEN);
    let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &[1; 32]).unwrap();
    let (nonce, mut contents) = (Nonce::try_assume_unique_for_key(nonce).unwrap(), sealed.to_vec());
    let contents = cipher.open_in_place(nonce, Aad::from(line), &mut contents).unwrap();
    let pem = serde_json::from_slice::<serde_json::Value>(contents).unwrap()["key"].as_str().unwrap().to_owned();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    // <https://www.rfc-editor.org/rfc/rfc8410#section-7>: the key follows 16 bytes that every one has.
    let seed = STANDARD.decode(base64).unwrap()[16..48].to_vec();
    let of_seed = forms(&seed);
    assert!(of_seed.iter().any(|form| holds(contents, form)), "the key is not where it is looked for");
    let marks = [b"PRIVATE".to_vec(), b"alien-agent/state".to_vec()];
    of_seed.into_iter().chain(forms(&[1; 32])).chain(forms(&sealed[..48])).chain(marks).collect()
}

/// Bytes as they are, in hexadecimal digits, and in Base64 wherever they begin in it.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![bytes.to_vec(), hexadecimal.into_bytes()];
    for skipped in 0..3 {
        let rest = &bytes[skipped..];
        let whole = &rest[..rest.len() / 3 * 3];
        all.extend([STANDARD.encode(whole), URL_SAFE.encode(whole)].map(String::into_bytes));
    }
    all
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|found| found == part)
}

/// How many managers are tried.
const CASES: u32 = 24;
/// The most bytes that are read of an endless file: those of the longest list of releases, and a piece.
const MOST_READ: usize = (512 << 10) + (1 << 14);

#[derive(Default)]
struct Seen {
    began: usize,
    invoked: usize,
    endless: usize,
    logs: usize,
}

#[test]
fn whatever_a_manager_and_its_repository_answer_nothing_runs_that_is_not_signed_and_the_agent_goes_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let mut seen = Seen::default();
    for number in 0..CASES {
        runtime().block_on(tried(number, &mut runner, &mut seen));
    }
    let Seen { began, invoked, endless, logs } = seen;
    assert!(
        began > 3 && invoked > 0 && endless > 0 && logs > 0,
        "of {CASES}, {began} began something, {invoked} called a function, {logs} sent a log, {endless} read a file without end: \
         little was tried"
    );
}

async fn tried(number: u32, runner: &mut TestRunner, seen: &mut Seen) {
    let other = Vendor::new("scripted-other").await;
    other.publish(&release(b"second"), b"second").await;
    other.publish(&release(b"foreign"), b"foreign").await;
    let vendor = Vendor::new("scripted").await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let (own, before) = (vendor.folder.join("repository"), vendor.folder.join("before"));
    copied(&own, &before);
    let third = vendor.publish(&release(b"third"), b"third").await;
    let twins = [second.twin.as_ref().unwrap(), third.twin.as_ref().unwrap()];
    let all = [&second.release, &third.release].into_iter().chain(twins);
    let signed: Vec<(u64, String)> = all.map(|one| (one.sequence().number(), one.digest())).collect();
    let script = answers(signed).new_tree(runner).unwrap().current();
    // Every third repository is the true one, so that a manager gets further.
    let files = if number.is_multiple_of(3) { vec![Kept::True] } else { kept().new_tree(runner).unwrap().current() };
    let told = format!("after {script:?} and {files:?}");
    let customer = vendor.customer(&format!("c{number}")).await;
    let (sent, read) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), Arc::<AtomicUsize>::default());
    let folders = [own, before, other.folder.join("repository")];
    let repository = Rigged { folders, answers: files, next: AtomicUsize::new(0), read: Arc::clone(&read) };
    // The customer lets commands and logs of one function through, or none.
    let is_open = number % 4 != 1;
    let api = || "api".parse().unwrap();
    let policy = if is_open { Policy::new().answering_commands(api()).sending_logs(api()) } else { Policy::new() };
    let way = Scripted { answers: script, next: AtomicUsize::new(0), sent: Arc::clone(&sent) };
    let builder = customer.builder(&vendor, customer.state()).policy(policy).channel(way, HOST);
    let agent = builder.verifier(customer.verifier(&vendor, repository)).open().unwrap();
    // The newest release that was begun, and that which runs.
    let mut reached = (None, None);
    for _ in 0..5 {
        tokio::select! {
            () = agent.run(std::future::pending()) => {}
            () = tokio::time::sleep(Duration::from_secs(400)) => {}
        }
        let runs = customer.runs().await;
        let signed = [b"first".as_slice(), b"second", b"third"].map(digest);
        assert!(signed.contains(&runs), "{runs} {told}");
        let look = customer.look();
        let (before, now) = (reached, (look.floor, look.runs));
        assert!(before.0 <= now.0 && before.1 <= now.1 && now.1 <= now.0, "{before:?} then {now:?} {told}");
        reached = now;
    }
    let size = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    let sizes = [customer.folder.join("state"), customer.folder.join("trust/trusted.json")].map(size);
    assert!(sizes.iter().all(|size| *size < 100_000), "{sizes:?} {told}");
    let read = read.load(Ordering::SeqCst);
    assert!(read <= MOST_READ, "{read} bytes were read of a file without end {told}");
    let asked = vendor.account.asked();
    let invoked: Vec<_> = asked.iter().filter(|asked| asked.right.permission == "code.invoke").collect();
    assert!(is_open || invoked.is_empty(), "{invoked:?} {told}");
    assert!(invoked.iter().all(|asked| asked.right.on.contains("-api-")), "{invoked:?} {told}");
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    let secrets = secrets(&customer);
    for sent in &sent {
        let found = secrets.iter().find(|secret| holds(sent, secret));
        assert!(found.is_none(), "{} {told}", String::from_utf8_lossy(sent));
    }
    let is_log = |sent: &&Vec<u8>| sent.starts_with(b"POST /v1/agent/logs/");
    seen.logs += usize::from(sent.iter().filter(is_log).any(|sent| holds(sent, b"\"lines\"")));
    seen.began += usize::from(reached.0.is_some());
    seen.invoked += usize::from(!invoked.is_empty());
    seen.endless += usize::from(read > 0);
    drop(agent);
    // The true ones are there again: the agent goes on, and takes what the manager names.
    let fourth = vendor.publish(&release(b"fourth"), b"fourth").await;
    let agents = [customer.agent(&vendor)];
    // A deployment that was silent would pause the rollout.
    vendor.live(&agents, Duration::from_secs(120)).await;
    let id = vendor.begin(&fourth, plan()).await;
    vendor.live_until_over(&agents).await;
    let status = vendor.status(&id).await;
    assert_eq!(customer.runs().await, digest(b"fourth"), "{told}: {status:#?}");
}
