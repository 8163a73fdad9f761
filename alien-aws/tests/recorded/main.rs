//! AWS on recorded HTTP: what the client code sends, and what it makes of the answers, without a peer.
//!
//! `life.jsonl` is the life of the suite's stack on ministack, every request with its answer, and `record.json` the record
//! that both sides have of it. To record anew, where requests or answers change:
//!
//! ```sh
//! ALIEN_RECORD=1 cargo test -p alien-aws --test peer the_life_that_is_replayed_is_recorded
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod clock;
mod exchange;
mod faults;
mod form;
mod hosts;
mod life;
mod planned;
mod replay;
mod server;

use clock::WoundClock;
use life::Stage;
use replay::Replay;

#[tokio::test]
async fn the_life_of_a_stack_is_what_was_recorded() {
    let replay = Replay::begin().await;
    let stage = Stage { admin: replay.admin(), vendor: replay.vendor(), clock: WoundClock::begin(None) };
    let recorded = replay::record();
    life::lives(&stage, async |step, deployment| {
        if step == "apply" {
            assert_eq!(deployment, Some(&recorded));
        }
        replay.ended(step);
    })
    .await;
    replay.is_over();
}

#[test]
fn the_recording_holds_no_secret() {
    let text = concat!(include_str!("life.jsonl"), include_str!("record.json"));
    for name in ["AccessKeyId>", "SecretAccessKey>", "SessionToken>"] {
        // What begins is a name that stands for it, what ends is followed by the next element.
        assert!(text.split(name).skip(1).all(|rest| rest.starts_with("recorded-") || rest.starts_with('<')), "{name}");
    }
    for word in ["AWS4-HMAC", "Signature", "Credential=", "x-amz-security-token", "authorization"] {
        assert!(!text.contains(word), "{word}");
    }
    // Access keys of users and of sessions.
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let keys: Vec<_> =
        words.filter(|word| word.len() >= 16 && (word.starts_with("AKIA") || word.starts_with("ASIA"))).collect();
    assert!(keys.is_empty(), "{keys:?}");
}
