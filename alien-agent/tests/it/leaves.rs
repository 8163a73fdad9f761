//! What leaves the customer's network: a closed schema, in which nothing of the stack's values, of the cloud's or of the code's is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alien_agent::Policy;
use alien_core::memory::{self, Right};
use alien_core::{Artifacts, Code, CommandId, Function, Kv, Profile, Release, ResourceId, Stack};
use alien_release::Signature;
use alien_release::agent::{Bearer, CommandReply, ETag, LogPage, Report, SIGNATURE_HEADER, TokenRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::world::{HOST, Vendor, Way, plan};

/// A word that nothing has by itself.
const PLANTED: &str = "planted";
/// How many objects the data has, which nothing else counts.
const OBJECTS: u64 = 90_210_771;

/// A release with a planted value wherever a stack takes one.
fn planted(code: &[u8]) -> Release {
    let mut stack = Stack::builder("shop");
    stack.frozen("planted-orders", Kv::new());
    let function = Function::new(Code::zip(code), "planted-profile").with_commands();
    stack.live("planted-api", function.with_variable("PLANTED", "planted-environment"));
    stack.profile("planted-profile", Profile::new());
    let artifacts = [Arc::from(code)].into_iter().collect::<Artifacts>();
    Release::new(stack.build().unwrap(), artifacts).unwrap()
}

fn api() -> ResourceId {
    "planted-api".parse().unwrap()
}

/// The headers of calls have a closed list of names, and each the one form of its value.
fn of_the_protocol(headers: &BTreeSet<(String, String)>) {
    for (name, value) in headers {
        let is_its_form = match name.as_str() {
            "content-type" => value == "application/json",
            "if-none-match" => value.parse::<ETag>().is_ok(),
            "authorization" => value.strip_prefix("Bearer ").is_some_and(|bearer| bearer.parse::<Bearer>().is_ok()),
            SIGNATURE_HEADER => value.parse::<Signature>().is_ok(),
            _ => false,
        };
        assert!(is_its_form && !value.to_lowercase().contains(PLANTED), "{name}: {value}");
    }
    let names: BTreeSet<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

/// All that an agent sends while a release succeeds, a command and a log are asked for, a release fails, and the cloud refuses; and whether
/// the command and the log were answered.
async fn sent(name: &str, policy: Policy) -> (Vec<(String, String)>, [bool; 2]) {
    let vendor = Vendor::new(name).await;
    let customer = vendor.customer_of("planted-prefix", &planted(b"first")).await;
    for name in vendor.account.names() {
        vendor.account.set_objects(&name, OBJECTS);
    }
    let way = Way::to(vendor.router());
    let (sent, headers) = (Arc::clone(&way.sent), Arc::clone(&way.headers));
    let agent = customer.builder(&vendor, customer.state()).policy(policy).channel(way, HOST).open().unwrap();
    let agents = [agent];
    let mut answered = [false; 2];
    for code in [b"planted-code".as_slice(), memory::BROKEN] {
        let published = vendor.publish(&planted(code), code).await;
        vendor.begin(&published, plan()).await;
        vendor.live(&agents, Duration::from_secs(900)).await;
        let asks = async {
            let command = vendor.fleet.dispatch(customer.id, &api(), CommandId::new(), b"planted-command").await;
            [command.is_ok(), vendor.fleet.logs(customer.id, &api(), None, 10).await.is_ok()]
        };
        tokio::select! {
            () = agents[0].run(std::future::pending()) => {}
            done = asks => answered = done,
        }
    }
    // The cloud refuses, in words that name what it refuses.
    for permission in ["thing.get", "code.set"] {
        for name in vendor.account.names() {
            vendor.account.without(&Right { permission: permission.to_owned(), on: name });
        }
    }
    let published = vendor.publish(&planted(b"planted-again"), b"planted-again").await;
    vendor.begin(&published, plan()).await;
    vendor.live(&agents, Duration::from_secs(900)).await;
    of_the_protocol(&headers.lock().unwrap());
    let sent = sent.lock().unwrap();
    let sent = sent.iter().map(|(call, body)| (call.clone(), String::from_utf8(body.clone()).unwrap()));
    (sent.collect(), answered)
}

/// The call without the id in it, as `POST commands`.
fn named(call: &str) -> String {
    let (method, path) = call.split_once(' ').unwrap();
    let path = path.strip_prefix("/v1/agent/").unwrap();
    format!("{method} {}", path.split('/').next().unwrap())
}

/// Where planted values are in what was sent: as a text, in Base64, as the name of a field, or as a number.
fn places(sent: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (call, body) in sent {
        assert!(!call.contains(PLANTED), "{call}");
        if !body.is_empty() {
            visit(&serde_json::from_str(body).unwrap(), &named(call), &mut found);
        }
    }
    found
}

fn visit(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    let is_planted = |text: &str| text.to_lowercase().contains(PLANTED) || text.contains(&OBJECTS.to_string());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                visit(value, &format!("{at}.{name}"), found);
                if is_planted(name) {
                    found.insert(format!("{at}.{name}"));
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| visit(one, &format!("{at}[]"), found)),
        Value::String(text) => {
            let decoded = STANDARD.decode(text).unwrap_or_default();
            if is_planted(text) || is_planted(&String::from_utf8_lossy(&decoded)) {
                found.insert(at.to_owned());
            }
        }
        other => {
            if is_planted(&other.to_string()) {
                found.insert(at.to_owned());
            }
        }
    }
}

/// What is sent is read back by the forms of the protocol, which take no field that they do not have.
fn of_the_schema(sent: &[(String, String)]) {
    for (call, body) in sent {
        assert!(!body.contains("PRIVATE"), "{call} {body}");
        match named(call).as_str() {
            "POST report" => drop(serde_json::from_str::<Report>(body).unwrap()),
            "POST token" => drop(serde_json::from_str::<TokenRequest>(body).unwrap()),
            "POST commands" => drop(serde_json::from_str::<CommandReply>(body).unwrap()),
            "POST logs" => drop(serde_json::from_str::<LogPage>(body).unwrap()),
            other => assert_eq!((other, body.as_str()), ("GET desired", "")),
        }
    }
}

/// The names of resources: how each is, and how each failed.
const IDS: [&str; 3] = [
    "POST report.outcome.ended.failed.planted-api",
    "POST report.resources.planted-api",
    "POST report.resources.planted-orders",
];

#[tokio::test(start_paused = true)]
async fn of_what_was_planted_the_names_of_resources_alone_leave_and_every_field_is_of_the_schema() {
    let (sent, answered) = sent("leaves", Policy::new()).await;
    let outcomes = ["\"done\"", "\"failed\"", "\"error\"", "\"healthy\"", "\"refused\"", "\"denied\""];
    for outcome in outcomes {
        assert!(sent.iter().any(|(_, body)| body.contains(outcome)), "{outcome} was never told, so little was tried");
    }
    assert_eq!(answered, [false; 2]);
    of_the_schema(&sent);
    assert_eq!(places(&sent), IDS.map(str::to_owned).into());
    for (call, body) in &sent {
        assert!(!body.contains("\"text\""), "{call} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_and_logs_leave_where_the_customer_lets_them_and_nowhere_else() {
    let (sent, answered) = sent("leaves-asked", Policy::new().answering_commands(api()).sending_logs(api())).await;
    assert_eq!(answered, [true; 2]);
    of_the_schema(&sent);
    let asked = ["POST commands.reply.answer", "POST logs.lines[].text"];
    assert_eq!(places(&sent), IDS.into_iter().chain(asked).map(str::to_owned).collect());
    for (call, body) in &sent {
        // The function answers with what it was sent, and writes that to its log.
        for never in ["planted-environment", "planted-code", "planted-profile", "planted-prefix"] {
            assert!(!body.contains(never), "{call} {body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_clouds_own_words_leave_where_the_customer_lets_them() {
    let (sent, _) = sent("leaves-texts", Policy::new().sending_texts()).await;
    let told: Vec<_> = sent.iter().filter(|(_, body)| body.contains("\"text\"")).collect();
    assert!(!told.is_empty(), "no text was sent, so it says nothing that none is sent without leave");
    of_the_schema(&sent);
    let places = places(&sent);
    let is_let = |place: &&String| IDS.iter().any(|id| *place == id || **place == format!("{id}.text"));
    assert!(places.iter().all(|place| is_let(&place)), "{places:?}");
    for (call, body) in &sent {
        assert!(!body.contains("planted-environment") && !body.contains("planted-code"), "{call} {body}");
    }
}
