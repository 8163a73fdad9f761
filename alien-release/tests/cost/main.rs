//! What verification costs in memory, beside the zips.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod published;

use futures_util::StreamExt as _;
use peak_alloc::PeakAlloc;

use published::{Published, ZIP};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What it may take.
const MOST: usize = 1_000_000;

/// One test alone: the memory of others would be counted.
#[tokio::test]
async fn a_release_is_verified_in_1_mb() {
    let published = Published::within(&std::env::temp_dir()).await;
    let mut most = 0;
    // What is trusted is written, and is there already.
    for _ in 0..2 {
        let verifier = published.customer("trust");
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let verified = verifier.decide(199.into()).await.unwrap();
        let digest = verified.release().zips().keys().next().unwrap().clone();
        // Never held whole.
        let mut pieces = verified.zip(&digest).await.unwrap();
        let mut length = 0;
        while let Some(piece) = pieces.next().await {
            length += piece.unwrap().len();
        }
        assert_eq!(length, ZIP);
        most = most.max(MEMORY.peak_usage() - before);
    }
    println!("verified with {most} bytes at most, a zip of {ZIP} bytes among what is read");
    // All of it together, so no allocation alone.
    assert!(most < MOST, "{most} bytes");
}
