//! What an agent and its manager say to each other: one text for one message, read back by every later version, and refused
//! where it is another.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use alien_core::{AgentVersion, CommandId, DeploymentId, Error, ErrorKind, Health, LogLine};
use alien_release::agent::{
    Attempt, Bearer, CommandAsked, CommandReply, Condition, Desired, ETag, Ended, Hold, LogAsked, LogPage, Message,
    Nonce, Replied, Report, Signed, State, Token, TokenRequest, Waits, Wanted,
};
use alien_release::{PublicKey, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn deployment() -> DeploymentId {
    id(7).into()
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn request() -> TokenRequest {
    let mut request = TokenRequest::new(deployment(), at("2026-11-27T08:00:00Z"), "releases.vendor.example").unwrap();
    request.nonce = "AAECAwQFBgcICQoLDA0ODw".parse().unwrap();
    request
}

fn report() -> Report {
    let failed = Condition::failed(ErrorKind::Rejected).because("the runtime is not known");
    Report::new(deployment(), 12, AgentVersion::new(1, 2, 3))
        .running(3.into())
        .doing(State::Waiting {
            release: 5.into(),
            fence: 4,
            why: Waits::Window { opens: Some(at("2026-11-28T01:00:00Z")) },
        })
        .ended(Attempt { release: 3.into(), fence: 2, ended: Ended::Failed([("api".parse().unwrap(), failed)].into()) })
        .with("api".parse().unwrap(), Condition::seen(Health::Degraded).because("2 of 3 instances run"))
        .with("orders".parse().unwrap(), Condition::failed(ErrorKind::Denied))
}

fn reply() -> CommandReply {
    CommandReply::new(deployment(), 13, id(9).into(), Replied::Answer(b"pong".to_vec()))
}

fn page() -> LogPage {
    let line = LogLine { at: at("2026-11-27T08:00:01.5Z"), text: "began".to_owned() };
    LogPage::new(deployment(), 14, id(10).into(), 0).with_lines(vec![line]).and_more()
}

fn desired() -> Desired {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let mut desired = Desired::new()
        .with_release(Wanted { release: 5.into(), digest, fence: 1_048_577 })
        .held("the rollout is paused: a customer complained");
    let deadline = at("2026-11-27T08:15:00Z");
    let command = CommandAsked { id: id(9).into(), function: "api".parse().unwrap(), deadline };
    assert!(desired.asks_command(command));
    let since = Some(at("2026-11-27T07:00:00Z"));
    let log = LogAsked { id: id(10).into(), resource: "api".parse().unwrap(), since, limit: 1000, deadline };
    assert!(desired.asks_log(log));
    desired.next_poll = Some(60);
    desired
}

/// The files that were published with a version of this protocol. They are never written again.
fn kept(version: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol").join(version).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn is_as_it_was<M: Message + PartialEq + Debug>(name: &str, message: &M) {
    let text = |file: String| String::from_utf8(kept("v1", &file)).unwrap();
    let key: PublicKey = text("agent.pem".to_owned()).parse().unwrap();
    let signature = text(format!("{name}.sig")).trim().parse().unwrap();
    let signed = Signed::<M>::new(kept("v1", &format!("{name}.json")), signature);
    assert_eq!(signed.claimed().unwrap(), deployment());
    assert_eq!(&signed.verify(&key).unwrap(), message, "{name}");
}

#[test]
fn what_the_first_version_sent_is_read_as_it_was_meant() {
    is_as_it_was("token-request", &request());
    is_as_it_was("report", &report());
    is_as_it_was("idle-report", &Report::new(deployment(), 1, AgentVersion::new(1, 0, 0)));
    is_as_it_was("command-reply", &reply());
    is_as_it_was("log-page", &page());
    assert_eq!(Desired::from_json(&kept("v1", "desired.json")).unwrap(), desired());
    assert_eq!(desired().etag().to_string(), String::from_utf8(kept("v1", "desired.etag")).unwrap().trim());
    assert_eq!(Desired::from_json(&kept("v1", "nothing-desired.json")).unwrap(), Desired::new());
    let token = Token::new("a-bearer_1".parse().unwrap(), at("2026-11-27T09:00:00Z"), 12);
    assert_eq!(Token::from_json(&kept("v1", "token.json")).unwrap(), token);
    assert_eq!(token.reveal().as_bytes(), kept("v1", "token.json"));
}

#[test]
fn what_is_written_now_is_what_the_first_version_wrote() {
    let key = SigningKey::generate().unwrap();
    let body = |name: &str| kept("v1", &format!("{name}.json"));
    assert_eq!(Signed::of(&request(), &key).unwrap().body(), body("token-request"));
    assert_eq!(Signed::of(&report(), &key).unwrap().body(), body("report"));
    assert_eq!(Signed::of(&reply(), &key).unwrap().body(), body("command-reply"));
    assert_eq!(Signed::of(&page(), &key).unwrap().body(), body("log-page"));
    assert_eq!(desired().to_json().as_bytes(), body("desired"));
}

fn told<M: Message + Debug>(key: &SigningKey, body: Vec<u8>) -> alien_core::Error {
    let signature = key.sign(M::CONTEXT, &body);
    Signed::<M>::new(body, signature).verify(key.public()).unwrap_err()
}

#[test]
fn a_message_is_refused_that_another_key_signed_or_that_was_altered_or_is_of_another_kind() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let signed = Signed::of(&report(), &key).unwrap();
    assert_eq!(signed.verify(other.public()).unwrap_err().kind(), ErrorKind::Rejected);
    for position in 0..signed.body().len() {
        let mut body = signed.body().to_vec();
        body[position] ^= 1;
        let altered = Signed::<Report>::new(body, signed.signature().clone());
        assert_eq!(altered.verify(key.public()).unwrap_err().kind(), ErrorKind::Rejected, "byte {position}");
    }
    // The signature of a report is none of a command.
    let as_reply = Signed::<CommandReply>::new(signed.body().to_vec(), signed.signature().clone());
    assert_eq!(as_reply.verify(key.public()).unwrap_err().kind(), ErrorKind::Rejected);
}

#[test]
fn a_field_that_is_not_known_is_refused_by_its_name_wherever_it_stands() {
    let key = SigningKey::generate().unwrap();
    let signed = Signed::of(&report(), &key).unwrap();
    let whole: Value = serde_json::from_slice(signed.body()).unwrap();
    for at in [
        "",
        "/state/waiting",
        "/state/waiting/why/window",
        "/outcome",
        "/outcome/ended/failed/api",
        "/resources/api",
        // Beside the name of a variant there is nothing.
        "/state",
        "/state/waiting/why",
        "/outcome/ended",
    ] {
        let mut with = whole.clone();
        // It stands after all others, whether the order is that of names or preserved.
        with.pointer_mut(at).unwrap().as_object_mut().unwrap().insert("zz-colour".to_owned(), json!("red"));
        let told = told::<Report>(&key, serde_json::to_vec(&with).unwrap()).to_string();
        assert!(told.contains("unknown field `zz-colour`"), "{at}: {told}");
    }
    let mut with: Value = serde_json::from_slice(Signed::of(&reply(), &key).unwrap().body()).unwrap();
    with["reply"]["zz-colour"] = json!("red");
    let refused = told::<CommandReply>(&key, serde_json::to_vec(&with).unwrap()).to_string();
    assert!(refused.contains("unknown field `zz-colour`"), "{refused}");
    let mut with: Value = serde_json::from_slice(Signed::of(&page(), &key).unwrap().body()).unwrap();
    with["lines"][0]["colour"] = json!("red");
    assert!(told::<LogPage>(&key, serde_json::to_vec(&with).unwrap()).to_string().contains("unknown field `colour`"));
    let mut with: Value = serde_json::from_str(&desired().to_json()).unwrap();
    with["commands"][0]["colour"] = json!("red");
    let told = Desired::from_json(with.to_string().as_bytes()).unwrap_err().to_string();
    assert!(told.contains("unknown field `colour`"), "{told}");
}

#[test]
fn one_message_has_one_text() {
    let key = SigningKey::generate().unwrap();
    let text = String::from_utf8(Signed::of(&report(), &key).unwrap().body().to_vec()).unwrap();
    let twice = text.replacen(r#""counter":12"#, r#""counter":12,"counter":12"#, 1);
    assert!(told::<Report>(&key, twice.into_bytes()).to_string().contains("duplicate field `counter`"));
    let others = [
        text.replacen(':', ": ", 1),
        // What is at its default is left out.
        text.replacen(r#""counter""#, r#""commands":[],"counter""#, 1).replace(r#""commands":[],"#, r#" "#),
        text.replacen("00000000-0000-0000-0000-000000000007", "00000000000000000000000000000007", 1),
        text.replacen("2026-11-28T01:00:00Z", "2026-11-28T02:00:00+01:00", 1),
        // Beyond 2⁵³ not every reader of JSON reads the same number.
        text.replacen(r#""counter":12"#, r#""counter":9007199254740993"#, 1),
    ];
    for other in others {
        let told = told::<Report>(&key, other.clone().into_bytes()).to_string();
        assert!(told.contains("is not canonical JSON"), "{other}: {told}");
    }
    let other = text.replacen(r#""version":1"#, r#""version":2"#, 1);
    assert!(told::<Report>(&key, other.into_bytes()).to_string().contains("version 2 of the form is not 1"));
}

#[test]
fn a_message_that_is_too_large_is_neither_sent_nor_read() {
    let key = SigningKey::generate().unwrap();
    let answer = CommandReply::new(deployment(), 1, CommandId::new(), Replied::Answer(vec![0; Replied::MOST]));
    assert!(Signed::of(&answer, &key).is_ok());
    let larger = CommandReply::new(deployment(), 1, CommandId::new(), Replied::Answer(vec![0; Replied::MOST + 1024]));
    assert_eq!(Signed::of(&larger, &key).unwrap_err().kind(), ErrorKind::TooLarge);
    let told = told::<TokenRequest>(&key, vec![b'{'; 1025]);
    assert_eq!(told.kind(), ErrorKind::TooLarge);
    // The cloud's own words are cut by whoever writes them, between two characters, and refused by whoever reads them.
    let long = Condition::seen(Health::Degraded).because(&"ä".repeat(200));
    assert_eq!(long.text.as_deref(), Some("ä".repeat(128).as_str()));
    let mut longer = long;
    longer.text = Some("x".repeat(257));
    let told = Signed::of(&report().with("api".parse().unwrap(), longer), &key).unwrap_err().to_string();
    assert!(told.contains("resources.api.text") && told.contains("257 bytes"), "{told}");
}

/// Else an agent with many resources that fail could say nothing, and would begin nothing.
#[test]
fn a_report_of_the_largest_stack_is_sent_if_need_be_without_the_clouds_words() {
    let key = SigningKey::generate().unwrap();
    let each = |condition: &Condition| {
        let ids = (0..1_000).map(|number| format!("{}{number:03}", "a".repeat(60)).parse().unwrap());
        ids.map(|id| (id, condition.clone())).collect::<BTreeMap<alien_core::ResourceId, Condition>>()
    };
    let of = |condition: Condition| {
        let mut report = report();
        report.resources = each(&condition);
        let ended = Ended::Failed(each(&condition));
        report.ended(Attempt { release: 1.into(), fence: 1, ended })
    };
    let worded = of(Condition::failed(ErrorKind::AlreadyExists).because(&"\u{1}".repeat(256)));
    assert_eq!(Signed::of(&worded, &key).unwrap_err().kind(), ErrorKind::TooLarge);
    let fitted = worded.fitted();
    assert_eq!(fitted, of(Condition::failed(ErrorKind::AlreadyExists)));
    Signed::of(&fitted, &key).unwrap();
    let small = report().with("api".parse().unwrap(), Condition::failed(ErrorKind::Denied).because("no"));
    assert_eq!(small.clone().fitted(), small);
}

#[test]
fn what_to_run_has_at_most_two_thousand_bytes_whatever_is_asked() {
    let mut desired = desired().held(&"€".repeat(500));
    let name = "a".repeat(63);
    let deadline = at("2026-11-27T08:15:00.123456789Z");
    let mut asked = 0;
    while desired.asks_command(CommandAsked { id: CommandId::new(), function: name.parse().unwrap(), deadline }) {
        asked += 1;
    }
    let log = LogAsked { id: CommandId::new(), resource: name.parse().unwrap(), since: None, limit: 1, deadline };
    assert!(!desired.asks_log(log));
    let text = desired.to_json();
    assert!(asked >= 5 && text.len() <= Desired::MOST && text.len() > 1700, "{asked} commands, {} bytes", text.len());
    assert_eq!(Desired::from_json(text.as_bytes()).unwrap(), desired);
    assert!(Desired::from_json(&[b' '; 2001]).is_err());
}

#[test]
fn a_tag_follows_from_all_that_is_desired() {
    let tag = desired().etag();
    assert_eq!(tag.to_string().parse::<ETag>().unwrap(), tag);
    assert_eq!(format!("W/{tag}").parse::<ETag>().unwrap(), tag);
    for wrong in ["", "x", "\"", "\"\"", "\"AAAAAAA\"", "AAAAAAAA", "*"] {
        assert!(wrong.parse::<ETag>().is_err(), "{wrong}");
    }
    let mut other = desired();
    other.next_poll = None;
    assert_ne!(other.etag(), tag);
}

#[test]
fn neither_a_bearer_nor_an_answer_is_shown() {
    let bearer: Bearer = "secret-bearer".parse().unwrap();
    let token = Token::new(bearer.clone(), at("2026-11-27T09:00:00Z"), 12);
    let answer = CommandReply::new(deployment(), 1, CommandId::new(), Replied::Answer(b"secret".to_vec()));
    let signed = Signed::of(&answer, &SigningKey::generate().unwrap()).unwrap();
    for shown in [format!("{bearer:?}"), format!("{token:?}"), format!("{answer:?}"), format!("{signed:?}")] {
        assert!(!shown.contains("secret") && !shown.contains("c2VjcmV0"), "{shown}");
    }
    assert!(token.reveal().contains("secret-bearer"));
    for wrong in [
        &br#"{"bearer":"secret bearer","counter":1,"expires":"2026-11-27T09:00:00Z","version":1}"#[..],
        br#"{"secret":1}"#,
    ] {
        let told = Token::from_json(wrong).unwrap_err().to_string();
        assert!(!told.contains("secret"), "{told}");
    }
    let told = "secret bearer".parse::<Bearer>().unwrap_err().to_string();
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn a_random_number_is_another_each_time() {
    let (one, two) = (Nonce::random().unwrap(), Nonce::random().unwrap());
    assert_ne!(one, two);
    assert_eq!(one.to_string().parse::<Nonce>().unwrap(), one);
    assert!("AAECAwQFBgcICQoLDA0OD".parse::<Nonce>().is_err());
}

/// What a manager would answer, each changed in a few places: a byte is another, is left out or comes twice, or a part is another part's.
fn mutated(real: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec![
        "18446744073709551616",
        "-1",
        "1e999",
        "9999-12-31T23:59:60Z",
        "-009999-01-02T01:59:59Z",
        "\\ud800",
        "null",
        "[]",
        "{}",
        "[[[[[[[[[[[[[[[[",
        "\u{0}",
        "\u{202e}",
        "\"",
        "\\",
    ]);
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..5_u8, any::<u8>(), odd);
    (prop::sample::select(real), prop::collection::vec(change, 0..6)).prop_map(|(mut text, changes)| {
        for (at, to, how, byte, odd) in changes {
            let (at, to) = (at.index(text.len() + 1), to.index(text.len() + 1));
            let (from, to) = (at.min(to), at.max(to));
            match how {
                0 if at < text.len() => text[at] = byte,
                1 => drop(text.drain(from..to.min(from + 8))),
                2 => text.insert(at, byte),
                3 => drop(text.splice(from..to.min(from + 20), odd.bytes())),
                _ => {
                    let part = text[from..to].to_vec();
                    text.splice(at..at, part);
                }
            }
        }
        text
    })
}

/// All that a manager says.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let token = Token::new("a-bearer_1".parse().unwrap(), at("2026-11-27T09:00:00Z"), 12);
    let hold = serde_json::to_vec(&Hold::new("the rollout is paused")).unwrap();
    let error = Error::new(ErrorKind::Throttled, "too many").because("wait").at("api");
    let error = serde_json::to_vec(&error).unwrap();
    let real = vec![desired().to_json().into_bytes(), token.reveal().as_bytes().to_vec(), hold, error];
    let arbitrary = prop::collection::vec(any::<u8>(), 0..3000);
    prop_oneof![8 => mutated(real), 1 => arbitrary, 1 => "\\PC{0,200}".prop_map(String::into_bytes)]
}

/// The largest answer of a manager that an agent reads as one of these forms.
const LARGEST: usize = 8 << 10;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_manager_says_is_taken_or_refused(text in said()) {
        taken_or_refused(&text);
    }
}

/// Nothing of it ends the agent, what is refused is refused in few words, and what is taken is no larger than it was.
fn taken_or_refused(text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    match Desired::from_json(text) {
        Ok(read) => {
            let json = read.to_json();
            // A time may have been written with fewer characters.
            assert!(text.len() <= Desired::MOST && json.len() < Desired::MOST * 2, "{shown}");
            if json.len() <= Desired::MOST {
                assert_eq!(Desired::from_json(json.as_bytes()).unwrap(), read);
            }
            let tag = read.etag();
            assert_eq!(tag.to_string().parse::<ETag>().unwrap(), tag);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().len() <= Desired::MOST * 3 + 300, "{}: {error}", error.to_string().len());
        }
    }
    match Token::from_json(text) {
        Ok(read) => {
            let bearer = read.bearer.reveal();
            assert!((1..=128).contains(&bearer.len()));
            assert_eq!(Token::from_json(read.reveal().as_bytes()).unwrap(), read);
            assert!(bearer.len() < 8 || !format!("{read:?}").contains(bearer), "{read:?}");
        }
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
    if let Ok(read) = serde_json::from_slice::<Hold>(text) {
        assert!(read.hold.len() <= text.len());
        assert_eq!(serde_json::from_slice::<Hold>(&serde_json::to_vec(&read).unwrap()).unwrap(), read);
    }
    if let Ok(read) = serde_json::from_slice::<Error>(text) {
        assert!(read.message().len() <= text.len() && read.to_string().len() <= LARGEST, "{read}");
    }
    for text in [&*shown, &format!("\"{shown}\""), &format!("W/\"{shown}\"")] {
        if let Ok(tag) = text.parse::<ETag>() {
            assert_eq!(tag.to_string().len(), 10);
        }
        if let Ok(bearer) = text.parse::<Bearer>() {
            assert!(bearer.reveal().len() <= 128);
        }
    }
}
