//! What verification costs in time: without the counter of memory, which takes a third of it.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod published;

use std::path::Path;
use std::time::{Duration, Instant};

use published::Published;

/// What it may take.
const LONGEST: Duration = Duration::from_millis(5);
/// How often it is verified for the first time.
const FIRST: usize = 20;
/// How often again after each: other programs make most of them longer.
const AGAIN: usize = 10;

/// Files that no disk is waited for: <https://man7.org/linux/man-pages/man5/tmpfs.5.html>.
const MEMORY: &str = "/dev/shm";

/// One test alone: others would take their share of the time.
#[tokio::test]
#[cfg_attr(
    debug_assertions,
    ignore = "it is about optimised code: `cargo test --release -p alien-release --test time`"
)]
async fn a_release_is_verified_in_5_ms() {
    let disk = std::env::temp_dir();
    let mut places = vec![("on a disk", disk.as_path())];
    if Path::new(MEMORY).is_dir() {
        places.push(("without a disk", Path::new(MEMORY)));
    }
    let mut longest = Duration::MAX;
    for (place, folder) in places {
        let published = Published::within(folder).await;
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
        let medians = [("for the first time", first), ("again", again)].map(|(what, mut times)| {
            times.sort_unstable();
            let (median, least) = (times[times.len() / 2], times[0]);
            println!("{place}: verified {what} in {median:.2?} (least {least:.2?} of {})", times.len());
            median
        });
        longest = medians[0].max(medians[1]);
    }
    // What a disk takes for the files in which `tough` keeps what it read is the disk's.
    assert!(longest < LONGEST, "{longest:?}");
}
