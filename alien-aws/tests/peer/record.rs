//! Records the life that `tests/recorded` replays, where the environment's `ALIEN_RECORD` asks for that.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::clock::WoundClock;
use crate::exchange::{Exchange, Recorded};
use crate::life::{Stage, lives};
use crate::world::Peer;

/// What is secret in an answer or another one each time, and what stands in its place: a session's end is far away, so that
/// it can be replayed.
const REDACTED: [(&str, &str); 6] = [
    ("AccessKeyId", "recorded-access-key"),
    ("SecretAccessKey", "recorded-secret-key"),
    ("SessionToken", "recorded-session-token"),
    ("Expiration", "2099-01-01T00:00:00Z"),
    ("RequestId", "recorded"),
    ("requestId", "recorded"),
];

pub(crate) fn is_asked_for() -> bool {
    std::env::var_os("ALIEN_RECORD").is_some()
}

pub(crate) async fn the_life_is_recorded() {
    let peer = Peer::recorded().await;
    let clock = WoundClock::begin(Some(Duration::from_millis(500)));
    let stage = Stage { admin: peer.customer(), vendor: peer.vendor_config(), clock };
    let mut lines = Vec::new();
    lives(&stage, async |step, deployment| {
        for exchange in peer.take() {
            add(&mut lines, step, redacted(exchange));
        }
        if let ("apply", Some(deployment)) = (step, deployment) {
            write("record.json", &serde_json::to_string_pretty(deployment).unwrap());
        }
    })
    .await;
    let lines: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    write("life.jsonl", &lines.join("\n"));
}

/// Adds a line, unless the same request had the same answer the last time.
fn add(lines: &mut Vec<Recorded>, step: &str, exchange: Exchange) {
    let asked = |line: &&mut Recorded| line.step == step && line.exchange.is_asked_for(&exchange.sent);
    match lines.iter_mut().rev().find(asked) {
        Some(line) if line.exchange == exchange => line.times += 1,
        _ => lines.push(Recorded { step: step.to_owned(), times: 1, exchange }),
    }
}

fn write(file: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    std::fs::write(folder.join(file), format!("{text}\n")).unwrap();
}

fn redacted(mut exchange: Exchange) -> Exchange {
    if let Value::String(text) = &mut exchange.sent.answer {
        for (name, instead) in REDACTED {
            let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
            if let Some((head, rest)) = text.split_once(&begin)
                && let Some((_, tail)) = rest.split_once(&end)
            {
                *text = format!("{head}{begin}{instead}{end}{tail}");
            }
        }
    }
    exchange
}
