//! What verification costs in time: without the counter of memory, which takes a third of it.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod published;

use std::time::{Duration, Instant};

use published::Published;

/// What it may take.
const LONGEST: Duration = Duration::from_millis(5);
/// How often it is verified for the first time.
const FIRST: usize = 20;
/// How often again after each: other programs make most of them longer.
const AGAIN: usize = 10;

/// One test alone: others would take their share of the time.
#[tokio::test]
#[cfg_attr(
    debug_assertions,
    ignore = "it is about optimised code: `cargo test --release -p alien-release --test time`"
)]
async fn a_release_is_verified_in_5_ms() {
    let published = Published::new().await;
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for run in 0..FIRST {
        // What is trusted is written once, and is there from then on.
        for n in 0..=AGAIN {
            let verifier = published.customer(&format!("trust-{run}"));
            let begin = Instant::now();
            verifier.decide(199.into()).await.unwrap();
            if n == 0 { &mut first } else { &mut again }.push(begin.elapsed());
        }
    }
    let [_, least] = [("for the first time", first), ("again", again)].map(|(what, mut times)| {
        times.sort_unstable();
        let (median, least) = (times.get(times.len() / 2).copied().unwrap(), times.first().copied().unwrap());
        println!("verified {what} in {median:?} (least {least:?} of {})", times.len());
        least
    });
    // The first time, the disk is waited for, which takes what it takes.
    assert!(least < LONGEST, "{least:?}");
}
