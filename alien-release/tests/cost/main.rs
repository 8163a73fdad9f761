//! What verification costs: time, and memory beside the zips.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_core::{Artifacts, Function, Images, Profile, PublishedRelease, Release, Stack};
use alien_release::{FolderTransport, Repository, RootDraft, RootKeys, SigningKey, Verifier};
use futures_util::StreamExt as _;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What it may take.
const LONGEST: Duration = Duration::from_millis(5);
const MOST: usize = 1_000_000;
/// A zip, which is never held whole.
const ZIP: usize = 16 * 1024 * 1024;

/// One test alone: the memory of others would be counted.
#[tokio::test]
async fn a_release_is_verified_in_5_ms_and_1_mb() {
    let folder: PathBuf = std::env::temp_dir().join(format!("alien-release-cost-{}", std::process::id()));
    let [a, b, release_key, online_key] = std::array::from_fn(|_| SigningKey::generate().unwrap());
    let keys = RootKeys::new(2, [*a.public(), *b.public()], *release_key.public(), *online_key.public()).unwrap();
    let mut draft = RootDraft::first(&keys, jiff::Timestamp::now()).unwrap();
    draft.sign(&a).await.unwrap();
    draft.sign(&b).await.unwrap();
    let root = draft.finish().unwrap();
    let repository = Repository::create(folder.join("repository"), &root)
        .unwrap()
        .with_release_key(Arc::new(release_key))
        .with_online_key(Arc::new(online_key));
    // As many as a vendor keeps: a hundred releases of ten functions.
    for n in 0..100 {
        let (release, artifacts) = release(2 * n + 1, if n == 99 { ZIP } else { 10 });
        repository.publish(&release, None, &artifacts).await.unwrap();
    }
    let transport = || FolderTransport::new(folder.join("repository"));
    let (mut times, mut memory) = (Vec::new(), 0);
    for run in 0..21 {
        // In turn: what is trusted is written, and is there already.
        let verifier = Verifier::new(root.clone(), folder.join(format!("trust-{}", run / 2)), transport());
        MEMORY.reset_peak_usage();
        let (before, begin) = (MEMORY.current_usage(), Instant::now());
        let verified = verifier.decide(199.into()).await.unwrap();
        times.push(begin.elapsed());
        let digest = verified.release().zips().keys().next().unwrap().clone();
        let mut pieces = verified.zip(&digest).await.unwrap();
        let mut length = 0;
        while let Some(piece) = pieces.next().await {
            length += piece.unwrap().len();
        }
        assert_eq!(length, ZIP);
        memory = memory.max(MEMORY.peak_usage() - before);
    }
    times.sort_unstable();
    let (median, least) = (times.get(times.len() / 2).copied().unwrap(), times.first().copied().unwrap());
    println!("verified in {median:?} (least {least:?}), with {memory} bytes at most, a zip of {ZIP} bytes among them");
    std::fs::remove_dir_all(&folder).unwrap();
    // All of it together, so no allocation alone.
    assert!(memory < MOST, "{memory} bytes");
    // Code that is not optimised is some ten times as slow.
    if !cfg!(debug_assertions) {
        assert!(median < LONGEST, "{median:?}");
    }
}

fn release(sequence: u64, length: usize) -> (PublishedRelease, Artifacts) {
    let mut artifacts = Artifacts::default();
    let mut bytes = vec![0; length];
    bytes.iter_mut().zip(sequence.to_be_bytes()).for_each(|(byte, number)| *byte = number);
    let code = artifacts.insert(bytes);
    let mut stack = Stack::builder("acme");
    stack.profile("code", Profile::new());
    for n in 0..10 {
        stack.live(format!("f{n}"), Function::new(code.clone(), "code"));
    }
    let release = Release::new(stack.build().unwrap(), artifacts.clone()).unwrap();
    (PublishedRelease::new(sequence.into(), &release, Images::new()).unwrap(), artifacts)
}
