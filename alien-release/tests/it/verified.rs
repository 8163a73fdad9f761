//! Verification: what is taken, by each transport; each attack, and what is trusted after it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use alien_core::{Clock as _, ErrorKind, Result};
use alien_release::{
    Begun, ByteStream, FolderTransport, Refusal, RefusalKind, TarTransport, Transport, VerifiedRelease, Verifier,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use serde_json::json;

use crate::forged::{digest, forge, forge_with, key_id, signed_by};
use crate::vendor::{BEGIN, Vendor, copied, release};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, kind: RefusalKind, words: &str) {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.kind(), kind, "{refusal}");
    assert!(refusal.to_string().contains(words), "{refusal}");
}

async fn zip(release: &VerifiedRelease) -> Result<Vec<u8>, Refusal> {
    let digest = release.release().zips().keys().next().unwrap();
    let mut pieces = release.zip(digest).await?;
    let mut all = Vec::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => all.extend_from_slice(&piece),
            Err(refusal) => {
                assert!(pieces.next().await.is_none(), "nothing comes after an error");
                return Err(refusal);
            }
        }
    }
    assert!(pieces.next().await.is_none());
    Ok(all)
}

/// A transport that gives other bytes for some names.
#[derive(Debug)]
struct Altered<T> {
    inner: T,
    /// The end of a name, and its bytes; `None` if the file is missing.
    files: Vec<(&'static str, Option<Vec<u8>>)>,
    /// The end of a name of a file without an end.
    endless: Option<&'static str>,
    /// The end of a name of a file that cannot be read.
    broken: Option<&'static str>,
    read: Arc<Mutex<u64>>,
}

impl Altered<FolderTransport> {
    fn of(folder: &Path) -> Self {
        let inner = FolderTransport::new(folder);
        Self { inner, files: Vec::new(), endless: None, broken: None, read: Arc::default() }
    }
}

#[async_trait]
impl<T: Transport> Transport for Altered<T> {
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>> {
        if self.endless.is_some_and(|end| name.ends_with(end)) {
            let read = Arc::clone(&self.read);
            return Ok(Some(Box::pin(stream::repeat_with(move || {
                *read.lock().unwrap() += 4096;
                Ok(Bytes::from_static(&[b' '; 4096]))
            }))));
        }
        if self.broken.is_some_and(|end| name.ends_with(end)) {
            return Err(alien_core::Error::new(ErrorKind::Unavailable, "the line is cut"));
        }
        match self.files.iter().find(|(end, _)| name.ends_with(end)) {
            Some((_, None)) => Ok(None),
            Some((_, Some(bytes))) => Ok(Some(Box::pin(stream::iter([Ok(Bytes::from(bytes.clone()))])))),
            None => self.inner.fetch(name).await,
        }
    }
}

#[tokio::test]
async fn a_release_is_taken_from_a_folder_with_its_zip() {
    let vendor = Vendor::with_release().await;
    let customer = vendor.customer("customer");
    let verified = customer.decide(1.into()).await.unwrap();
    let (published, artifacts) = release(1, "first");
    assert_eq!(
        (verified.release(), verified.sequence(), verified.digest()),
        (&published, 1.into(), &*published.digest())
    );
    assert_eq!(zip(&verified).await.unwrap(), b"first");
    assert_eq!(customer.releases().await.unwrap(), [(1.into(), published.digest())].into());
    assert!(format!("{verified:?}").contains(&published.digest()));
    let whole = verified.with_zips().await.unwrap();
    assert_eq!((whole.stack(), whole.artifacts()), (published.stack(), &artifacts));
    let path = vendor.folder.0.join("zip");
    let digest = published.zips().keys().next().unwrap();
    verified.save_zip(digest, &path).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    assert!(!vendor.folder.0.join("zip.new").exists());
    refused(verified.zip("sha256:0").await, RefusalKind::Missing, "release 1 has no zip sha256:0");
    refused(customer.decide(2.into()).await, RefusalKind::Missing, "the repository has no release 2");
    let error: alien_core::Error = customer.decide(2.into()).await.unwrap_err().into();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_release_is_taken_by_the_digest_of_any_root_file() {
    let mut vendor = Vendor::with_release().await;
    let first = vendor.root.digest().clone();
    vendor.rotate_online().await;
    let second = vendor.repository().root().unwrap();
    for (name, digest) in [("one", first), ("two", second.digest().clone())] {
        let customer = || Verifier::new(digest.clone(), vendor.trust(name), FolderTransport::new(vendor.path()));
        let customer = || customer().with_clock(vendor.clock.clone());
        customer().decide(1.into()).await.unwrap();
        customer().decide(1.into()).await.unwrap();
    }
    let other = format!("sha256:{}", "0".repeat(64)).parse::<alien_core::RootDigest>().unwrap();
    let transport = || FolderTransport::new(vendor.path());
    let customer = Verifier::new(other.clone(), vendor.trust("three"), transport()).with_clock(vendor.clock.clone());
    let words = format!("none of the 2 root files of the repository has the digest {other}");
    refused(customer.decide(1.into()).await, RefusalKind::WrongRoot, &words);
    assert_eq!(vendor.trusted("three"), None);
    // Trust that began with one root file does not go on with another.
    let before = vendor.trusted("one");
    let customer = Verifier::new(other, vendor.trust("one"), transport()).with_clock(vendor.clock.clone());
    refused(customer.decide(1.into()).await, RefusalKind::WrongRoot, "began with root file sha256:");
    assert_eq!(vendor.trusted("one"), before);
    // A root file that is too large is not read to its end.
    let endless = Altered { endless: Some("root.json"), ..Altered::of(&vendor.path()) };
    let read = Arc::clone(&endless.read);
    let customer = Verifier::new(second.digest().clone(), vendor.trust("four"), endless);
    refused(customer.decide(1.into()).await, RefusalKind::Endless, "`1.root.json` has more than 65536 bytes");
    assert!(*read.lock().unwrap() <= 65_536 + 4096);
    let broken = Altered { broken: Some("root.json"), ..Altered::of(&vendor.path()) };
    let customer = Verifier::new(second.digest().clone(), vendor.trust("four"), broken);
    refused(customer.decide(1.into()).await, RefusalKind::Unreachable, "the line is cut");
}

#[tokio::test]
async fn a_release_is_taken_from_a_tar_archive_and_a_broken_one_is_told() {
    let vendor = Vendor::with_release().await;
    let path = vendor.folder.0.join("release.tar");
    let tar = |path: &Path| {
        let mut archive = tar::Builder::new(std::fs::File::create(path).unwrap());
        archive.append_dir_all(".", vendor.path()).unwrap();
        archive
    };
    tar(&path).finish().unwrap();
    let customer = vendor.customer_over("customer", TarTransport::open(&path).unwrap());
    assert_eq!(zip(&customer.decide(1.into()).await.unwrap()).await.unwrap(), b"first");
    // GNU tar writes long names in two ways.
    for format in ["--format=gnu", "--format=pax"] {
        let gnu = vendor.folder.0.join("gnu.tar");
        let mut program = std::process::Command::new("tar");
        let status = program.arg("-cf").arg(&gnu).arg(format).arg("-C").arg(vendor.path()).arg(".").status();
        if status.is_ok_and(|status| status.success()) {
            let customer = vendor.customer_over(format, TarTransport::open(&gnu).unwrap());
            assert_eq!(zip(&customer.decide(1.into()).await.unwrap()).await.unwrap(), b"first");
        }
    }

    let open = |path: &Path| TarTransport::open(path).unwrap_err();
    let twice = vendor.folder.0.join("twice.tar");
    let mut archive = tar(&twice);
    archive.append_path_with_name(vendor.path().join("timestamp.json"), "timestamp.json").unwrap();
    archive.finish().unwrap();
    drop(archive);
    assert!(open(&twice).to_string().contains("it has `timestamp.json` twice"), "{}", open(&twice));
    let whole = std::fs::read(&path).unwrap();
    let cut = vendor.folder.0.join("cut.tar");
    // The last two blocks are empty, and the last file has one.
    std::fs::write(&cut, &whole[..whole.len() - 1024 - 500]).unwrap();
    assert!(open(&cut).to_string().contains("is not a repository in a tar archive"), "{}", open(&cut));
    std::fs::write(&cut, [b'x'; 1024]).unwrap();
    assert_eq!(open(&cut).kind(), ErrorKind::Rejected);
    assert_eq!(open(&vendor.folder.0.join("absent.tar")).kind(), ErrorKind::Unavailable);
    // A name that needs an entry of its own is bounded.
    let long = vendor.folder.0.join("long.tar");
    let mut archive = tar::Builder::new(std::fs::File::create(&long).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(5_000);
    header.set_cksum();
    archive.append(&header, &[b'n'; 5_000][..]).unwrap();
    archive.finish().unwrap();
    drop(archive);
    assert!(open(&long).to_string().contains("a name has 5000 bytes"), "{}", open(&long));
}

#[tokio::test]
async fn a_folder_gives_only_what_is_in_it() {
    let vendor = Vendor::with_release().await;
    std::fs::write(vendor.folder.0.join("outside"), "secret").unwrap();
    let transport = FolderTransport::new(vendor.path());
    for name in ["../outside", ".lock", "..", "a\\b", "absent"] {
        assert!(transport.fetch(name).await.unwrap().is_none(), "{name}");
    }
    assert!(transport.fetch("1.root.json").await.unwrap().is_some());
    std::os::unix::fs::symlink("/dev/zero", vendor.path().join("device")).unwrap();
    let error = transport.fetch("device").await.map(|_| ()).unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.message().contains("it is not a file"), "{error}");
    let file = FolderTransport::new(vendor.path().join("1.root.json"));
    assert_eq!(file.fetch("1.root.json").await.map(|_| ()).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn replay_what_is_older_than_what_was_seen_is_refused() {
    let vendor = Vendor::with_release().await;
    let old = vendor.copy("old");
    vendor.publish(3, "third").await;
    vendor.customer("customer").decide(3.into()).await.unwrap();
    let trusted = vendor.trusted("customer");
    let over = |folder: &Path| vendor.customer_over("customer", FolderTransport::new(folder));
    let words = "the timestamp 1 is older than 2, which was seen before";
    refused(over(&old).decide(1.into()).await, RefusalKind::Replay, words);
    refused(over(&old).releases().await, RefusalKind::Replay, words);
    // To finish what was begun is no way around.
    let begun = Begun { sequence: 1.into(), digest: release(1, "first").0.digest() };
    refused(over(&old).finish(&begun).await, RefusalKind::Replay, words);
    // The online key was stolen: it signs that what is old is new.
    let stolen = vendor.copy("stolen");
    copied(&old, &stolen);
    forge(&stolen, &vendor, |files| files.timestamp["version"] = 9.into());
    refused(
        over(&stolen).decide(1.into()).await,
        RefusalKind::Replay,
        "the snapshot 1 is older than 2, which was seen before",
    );
    forge(&stolen, &vendor, |files| files.snapshot["version"] = 9.into());
    let words = "the list of releases 1 is older than 2, which was seen before";
    refused(over(&stolen).decide(1.into()).await, RefusalKind::Replay, words);
    assert_eq!(vendor.trusted("customer"), trusted);
    vendor.customer("customer").decide(3.into()).await.unwrap();
}

#[tokio::test]
async fn freeze_what_has_expired_is_refused_for_a_new_decision_alone() {
    let vendor = Vendor::with_release().await;
    let customer = vendor.customer("customer");
    let begun = Begun::from(&customer.decide(1.into()).await.unwrap());
    let json = serde_json::to_string(&begun).unwrap();
    assert_eq!(serde_json::from_str::<Begun>(&json).unwrap(), begun);
    let trusted = vendor.trusted("customer");
    // To the second.
    let end = BEGIN + SignedDuration::from_hours(7 * 24);
    vendor.clock.set_to(end - SignedDuration::from_millis(1));
    customer.decide(1.into()).await.unwrap();
    for days in [7, 30, 365, 3_650] {
        vendor.clock.set(days);
        let words = format!(
            "the timestamp expired at 2027-01-22T08:00:00Z, and this machine's clock says {}: either the repository was not signed \
             anew since then, or somebody holds back what is newer, or this machine's clock is wrong",
            vendor.clock.now()
        );
        refused(customer.decide(1.into()).await, RefusalKind::Expired, &words);
        refused(customer.releases().await, RefusalKind::Expired, &words);
        // Who has begun goes on.
        assert_eq!(customer.finish(&begun).await.unwrap().digest(), begun.digest);
        let other = Begun { digest: format!("sha256:{}", "0".repeat(64)), ..begun.clone() };
        refused(customer.finish(&other).await, RefusalKind::Altered, "was begun");
        assert_eq!(vendor.trusted("customer"), trusted);
    }
    // What is stored is stale, and a refresh is taken all the same.
    vendor.repository().renew().await.unwrap();
    let error: alien_core::Error = customer.decide(2.into()).await.unwrap_err().into();
    assert_eq!(error.kind(), ErrorKind::Expired, "the root file is three years old: {error}");
}

#[tokio::test]
async fn stale_stored_files_do_not_keep_a_refresh_out() {
    let vendor = Vendor::with_release().await;
    let customer = vendor.customer("customer");
    customer.decide(1.into()).await.unwrap();
    vendor.clock.set(200);
    refused(customer.decide(1.into()).await, RefusalKind::Expired, "the timestamp expired");
    vendor.repository().refresh().await.unwrap();
    customer.decide(1.into()).await.unwrap();
    // The clock was ahead for a while: what was seen then keeps nothing out after it is right again.
    vendor.clock.set(1_000);
    refused(customer.decide(1.into()).await, RefusalKind::Expired, "the timestamp expired");
    vendor.clock.set(201);
    customer.decide(1.into()).await.unwrap();
}

#[tokio::test]
async fn each_file_expires_and_is_named() {
    let vendor = Vendor::with_release().await;
    let whole = vendor.copy("whole");
    let past = "2027-01-15T07:59:59Z";
    forge(&whole, &vendor, |files| files.snapshot["expires"] = past.into());
    let over = |folder: &Path| vendor.customer_over("customer", FolderTransport::new(folder));
    refused(over(&whole).decide(1.into()).await, RefusalKind::Expired, &format!("the snapshot expired at {past}"));
    forge(&whole, &vendor, |files| {
        files.snapshot["expires"] = "2027-01-16T08:00:00Z".into();
        files.targets["expires"] = past.into();
    });
    refused(
        over(&whole).decide(1.into()).await,
        RefusalKind::Expired,
        &format!("the list of releases expired at {past}"),
    );
    assert_eq!(vendor.trusted("customer"), None);
    vendor.clock.set(3 * 365);
    vendor.repository().renew().await.unwrap();
    refused(
        over(&vendor.path()).decide(1.into()).await,
        RefusalKind::Expired,
        "the root file expired at 2030-01-14T08:00:00Z",
    );
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_a_year_is_told() {
    let vendor = Vendor::with_release().await;
    let customer = vendor.customer("customer");
    vendor.clock.set(-365);
    let words = "the timestamp is valid until 2027-01-22T08:00:00Z, and this machine's clock says 2026-01-15T08:00:00Z: it is valid \
                 for 8 days at most, so this machine's clock is wrong";
    refused(customer.decide(1.into()).await, RefusalKind::WrongClock, words);
    vendor.clock.set(365);
    refused(customer.decide(1.into()).await, RefusalKind::Expired, "or this machine's clock is wrong");
    // Clocks may differ by a day.
    vendor.clock.set_to(BEGIN - SignedDuration::from_hours(24));
    customer.decide(1.into()).await.unwrap();
    vendor.clock.set_to(BEGIN - SignedDuration::from_millis(24 * 3_600_000 + 1));
    refused(customer.decide(1.into()).await, RefusalKind::WrongClock, "clock is wrong");
    // Who has begun does not look at the clock.
    let begun = Begun { sequence: 1.into(), digest: release(1, "first").0.digest() };
    customer.finish(&begun).await.unwrap();
    // A vendor may sign for longer, and a customer who knows it takes it.
    vendor.clock.set(-365);
    let patient = vendor.customer("customer").with_longest_timestamp(SignedDuration::from_hours(400 * 24));
    patient.decide(1.into()).await.unwrap();
}

#[tokio::test]
async fn mix_and_match_files_that_do_not_belong_together_are_refused() {
    let vendor = Vendor::with_release().await;
    vendor.customer("customer").decide(1.into()).await.unwrap();
    let trusted = vendor.trusted("customer");
    let old = vendor.copy("old");
    vendor.publish(3, "third").await;
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap();
    let mixed = |file: &'static str, bytes: Vec<u8>| {
        let transport = Altered { files: vec![(file, Some(bytes))], ..Altered::of(&vendor.path()) };
        vendor.customer_over("customer", transport)
    };
    let words = "is not the one that the repository names: its bytes have another digest";
    let snapshot = mixed("2.snapshot.json", read(&old, "1.snapshot.json"));
    refused(snapshot.decide(3.into()).await, RefusalKind::Mixed, &format!("`2.snapshot.json` {words}"));
    let targets = mixed("2.targets.json", read(&old, "1.targets.json"));
    refused(targets.decide(3.into()).await, RefusalKind::Mixed, &format!("`2.targets.json` {words}"));
    assert_eq!(vendor.trusted("customer"), trusted);
    // Without digests and lengths, which TUF allows, versions are compared.
    let bare = vendor.copy("bare");
    let name_alone = |version: u64| json!({ "version": version });
    let mut timestamp = None;
    forge(&bare, &vendor, |files| {
        files.timestamp["version"] = 3.into();
        timestamp = Some(files.timestamp.clone());
    });
    let mut timestamp = timestamp.unwrap();
    timestamp["meta"]["snapshot.json"] = name_alone(2);
    std::fs::write(bare.join("timestamp.json"), signed_by(&timestamp, &[&vendor.online])).unwrap();
    std::fs::write(bare.join("2.snapshot.json"), read(&old, "1.snapshot.json")).unwrap();
    let over = vendor.customer_over("customer", FolderTransport::new(&bare));
    refused(
        over.decide(3.into()).await,
        RefusalKind::Mixed,
        "the snapshot is version 1, and the repository names version 2",
    );
    assert_eq!(vendor.trusted("customer"), trusted);
    vendor.customer("customer").decide(3.into()).await.unwrap();
}

#[tokio::test]
async fn wrong_threshold_what_too_few_of_the_right_keys_signed_is_refused() {
    let mut vendor = Vendor::with_release().await;
    vendor.customer("customer").decide(1.into()).await.unwrap();
    let trusted = vendor.trusted("customer");
    let other = alien_release::SigningKey::generate().unwrap();
    let forged = vendor.copy("forged");
    let over = |folder: &Path| vendor.customer_over("customer", FolderTransport::new(folder));
    forge_with(&forged, &vendor.release, &other, |files| files.timestamp["version"] = 2.into());
    let words = "the timestamp needs 1 signatures by its keys, and has 0";
    refused(over(&forged).decide(1.into()).await, RefusalKind::Unsigned, words);
    copied(&vendor.path(), &forged);
    forge_with(&forged, &vendor.online, &vendor.online, |files| {
        files.targets["version"] = 2.into();
        files.snapshot["version"] = 2.into();
        files.timestamp["version"] = 2.into();
    });
    let words = "the list of releases needs 1 signatures by its keys, and has 0";
    refused(over(&forged).decide(1.into()).await, RefusalKind::Unsigned, words);
    // One root key is stolen, and the thief makes itself the release key.
    copied(&vendor.path(), &forged);
    let old = *vendor.release.public();
    let root = vendor.change(|keys| keys.replace(&old, *other.public())).await;
    let mut root: serde_json::Value = serde_json::from_slice(root.to_json()).unwrap();
    let thief = vendor.roots[0].clone();
    std::fs::write(forged.join("2.root.json"), signed_by(&root["signed"], &[&thief])).unwrap();
    let over = |folder: &Path| vendor.customer_over("customer", FolderTransport::new(folder));
    let words = "the root file needs 2 signatures by its keys, and has 1";
    refused(over(&forged).decide(1.into()).await, RefusalKind::Unsigned, words);
    // It asks for no more than its own signature: the earlier file asks for two.
    root["signed"]["roles"]["root"]["threshold"] = 1.into();
    std::fs::write(forged.join("2.root.json"), signed_by(&root["signed"], &[&thief])).unwrap();
    refused(over(&forged).decide(1.into()).await, RefusalKind::Unsigned, words);
    // The same signature twice counts once.
    let text = signed_by(&root["signed"], &[&thief, &thief]);
    std::fs::write(forged.join("2.root.json"), text).unwrap();
    refused(over(&forged).decide(1.into()).await, RefusalKind::Unsigned, "the root file is not signed as it should be");
    assert_eq!(vendor.trusted("customer"), trusted);
    vendor.customer("customer").decide(1.into()).await.unwrap();
}

#[tokio::test]
async fn fast_forward_a_version_that_none_could_follow_is_refused_and_new_keys_end_it() {
    let mut vendor = Vendor::with_release().await;
    let customer = vendor.customer("customer");
    customer.decide(1.into()).await.unwrap();
    let trusted = vendor.trusted("customer");
    let stolen = vendor.copy("stolen");
    let over = |vendor: &Vendor, folder: &Path| vendor.customer_over("customer", FolderTransport::new(folder));
    for file in ["timestamp", "snapshot", "list of releases"] {
        for step in [10_000_001_u64, (1 << 53) - 2] {
            copied(&vendor.path(), &stolen);
            forge(&stolen, &vendor, |files| {
                let at = match file {
                    "timestamp" => &mut files.timestamp,
                    "snapshot" => &mut files.snapshot,
                    _ => &mut files.targets,
                };
                at["version"] = (1 + step).into();
            });
            let taken = over(&vendor, &stolen).decide(1.into()).await;
            let words = format!("the version of the {file} went from 1 to {} at once", 1 + step);
            refused(taken, RefusalKind::FastForward, &words);
        }
    }
    assert_eq!(vendor.trusted("customer"), trusted);
    // Within the bound it is taken: the thief has the key. What the vendor signs is older then.
    copied(&vendor.path(), &stolen);
    forge(&stolen, &vendor, |files| {
        files.timestamp["version"] = 10_000_001.into();
        files.snapshot["version"] = 10_000_001.into();
    });
    over(&vendor, &stolen).decide(1.into()).await.unwrap();
    vendor.repository().refresh().await.unwrap();
    refused(customer.decide(1.into()).await, RefusalKind::Replay, "is older than 10000001");
    // With another online key, the versions begin anew, and the thief is out.
    vendor.rotate_online().await;
    vendor.customer("customer").decide(1.into()).await.unwrap();
    std::fs::copy(vendor.path().join("2.root.json"), stolen.join("2.root.json")).unwrap();
    let words = "the timestamp is signed by a key that was taken out of the repository's keys";
    refused(over(&vendor, &stolen).decide(1.into()).await, RefusalKind::RotatedKey, words);
    vendor.customer("customer").decide(1.into()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_rotated_away_signs_nothing_any_more() {
    let mut vendor = Vendor::with_release().await;
    let (release_key, online_key) = (vendor.release.clone(), vendor.online.clone());
    vendor.customer("customer").decide(1.into()).await.unwrap();
    vendor.rotate_release().await;
    // The list was signed anew, so that what was published stays.
    let verified = vendor.customer("customer").decide(1.into()).await.unwrap();
    assert_eq!(zip(&verified).await.unwrap(), b"first");
    let trusted = vendor.trusted("customer");
    let forged = vendor.copy("forged");
    forge_with(&forged, &release_key, &vendor.online, |files| {
        files.targets["version"] = 9.into();
        files.snapshot["version"] = 9.into();
        files.timestamp["version"] = 9.into();
    });
    let over = |vendor: &Vendor, folder: &Path| vendor.customer_over("customer", FolderTransport::new(folder));
    let words = "the list of releases is signed by a key that was taken out of the repository's keys";
    refused(over(&vendor, &forged).decide(1.into()).await, RefusalKind::RotatedKey, words);
    // Who never saw the earlier keys says that it is not signed.
    let fresh =
        Verifier::new(vendor.repository().root().unwrap(), vendor.trust("fresh"), FolderTransport::new(&forged))
            .with_clock(vendor.clock.clone());
    refused(fresh.decide(1.into()).await, RefusalKind::Unsigned, "the list of releases needs 1 signatures");
    assert_eq!(vendor.trusted("customer"), trusted);

    vendor.rotate_online().await;
    // The new root file is taken although what follows is refused.
    copied(&vendor.path(), &forged);
    forge_with(&forged, &vendor.release, &online_key, |files| files.timestamp["version"] = 99.into());
    let words = "the timestamp is signed by a key that was taken out";
    refused(over(&vendor, &forged).decide(1.into()).await, RefusalKind::RotatedKey, words);
    assert_ne!(vendor.trusted("customer"), trusted);
    assert!(vendor.trusted("customer").unwrap().contains(&key_id(vendor.online.public())));
    // Who hides the new root file gets no further with the keys of the earlier one.
    std::fs::remove_file(forged.join("3.root.json")).unwrap();
    refused(over(&vendor, &forged).decide(1.into()).await, RefusalKind::RotatedKey, words);
    vendor.customer("customer").decide(1.into()).await.unwrap();
}

#[tokio::test]
async fn endless_data_is_not_read_to_its_end() {
    let vendor = Vendor::with_release().await;
    let customer = vendor.customer("customer");
    let verified = customer.decide(1.into()).await.unwrap();
    let trusted = vendor.trusted("customer");
    vendor.repository().renew().await.unwrap();
    for (name, most, words) in [
        ("2.root.json", 65_536, "`2.root.json` has more than 65536 bytes"),
        ("timestamp.json", 16_384, "`timestamp.json` has more than 16384 bytes"),
        ("snapshot.json", 16_384, "`2.snapshot.json` has more than 16384 bytes"),
        ("targets.json", 524_288, "`2.targets.json` has more than 524288 bytes"),
        ("release-1.json", 4096, "`release-1.json` has more than"),
    ] {
        let endless = Altered { endless: Some(name), ..Altered::of(&vendor.path()) };
        let read = Arc::clone(&endless.read);
        let taken = vendor.customer_over("customer", endless).decide(1.into()).await;
        refused(taken, RefusalKind::Endless, words);
        assert!(*read.lock().unwrap() <= most + 4096, "{name}: {}", read.lock().unwrap());
        if name != "release-1.json" {
            assert_eq!(vendor.trusted("customer"), trusted);
        }
    }
    let endless = Altered { endless: Some(".zip"), ..Altered::of(&vendor.path()) };
    let read = Arc::clone(&endless.read);
    let over = vendor.customer_over("customer", endless).decide(1.into()).await.unwrap();
    refused(zip(&over).await, RefusalKind::Endless, "has more than 5 bytes, the length that was signed");
    assert_eq!(*read.lock().unwrap(), 4096);
    let path = vendor.folder.0.join("zip");
    let zip = verified.release().zips().keys().next().unwrap();
    refused(over.save_zip(zip, &path).await, RefusalKind::Endless, "has more than 5 bytes");
    assert!(!path.exists() && !vendor.folder.0.join("zip.new").exists());
    refused(over.with_zips().await, RefusalKind::Endless, "has more than 5 bytes");
    // To the byte.
    let mut text = std::fs::read(vendor.path().join("timestamp.json")).unwrap();
    for (length, is_taken) in [(16_384, true), (16_385, false)] {
        text.resize(length, b' ');
        let padded = Altered { files: vec![("timestamp.json", Some(text.clone()))], ..Altered::of(&vendor.path()) };
        assert_eq!(vendor.customer_over("customer", padded).decide(1.into()).await.is_ok(), is_taken, "{length}");
    }
    // A release key signs a release that is larger than any may be.
    forge(&vendor.path(), &vendor, |files| files.targets["targets"]["release-1.json"]["length"] = 524_288.into());
    vendor.customer("other").decide(1.into()).await.unwrap();
    forge(&vendor.path(), &vendor, |files| files.targets["targets"]["release-1.json"]["length"] = 524_289.into());
    let words = "`release-1.json` has 524289 bytes, and at most 524288 are taken";
    refused(vendor.customer("other").decide(1.into()).await, RefusalKind::Endless, words);
}

#[tokio::test]
async fn swapped_artifacts_are_refused() {
    let vendor = Vendor::with_release().await;
    vendor.publish(3, "third").await;
    let swapped = |name: &'static str, bytes: &[u8]| {
        let transport = Altered { files: vec![(name, Some(bytes.to_vec()))], ..Altered::of(&vendor.path()) };
        vendor.customer_over("customer", transport)
    };
    let (first, _) = release(1, "first");
    let taken = swapped("release-3.json", first.to_json().as_bytes()).decide(3.into()).await;
    refused(
        taken,
        RefusalKind::Altered,
        "`release-3.json` is not the file that was signed: its bytes have another digest",
    );
    for bytes in [&b"thirD"[..], b"thi", b""] {
        let verified = swapped(".zip", bytes).decide(3.into()).await.unwrap();
        refused(zip(&verified).await, RefusalKind::Altered, ".zip` is not the file that was signed");
        let (path, digest) = (vendor.folder.0.join("zip"), verified.release().zips().keys().next().unwrap());
        refused(verified.save_zip(digest, &path).await, RefusalKind::Altered, ".zip` is not the file that was signed");
        assert!(!path.exists());
    }
    vendor.customer("customer").decide(3.into()).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_or_cannot_be_read_is_told() {
    let vendor = Vendor::with_release().await;
    vendor.customer("customer").decide(1.into()).await.unwrap();
    let trusted = vendor.trusted("customer");
    for name in ["timestamp.json", "snapshot.json", "targets.json", "release-1.json"] {
        let missing = Altered { files: vec![(name, None)], ..Altered::of(&vendor.path()) };
        let taken = vendor.customer_over("customer", missing).decide(1.into()).await;
        refused(taken, RefusalKind::Missing, "and does not have it");
    }
    for name in ["root.json", "timestamp.json", "snapshot.json", "targets.json", "release-1.json"] {
        let broken = Altered { broken: Some(name), ..Altered::of(&vendor.path()) };
        let taken = vendor.customer_over("customer", broken).decide(1.into()).await;
        let error: alien_core::Error = taken.as_ref().unwrap_err().clone().into();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        refused(taken, RefusalKind::Unreachable, "the repository cannot be read: the line is cut");
    }
    for (name, words) in
        [("root.json", "the root file cannot be read"), ("timestamp.json", "the timestamp cannot be read")]
    {
        let altered = Altered { files: vec![(name, Some(b"{}".to_vec()))], ..Altered::of(&vendor.path()) };
        let taken = vendor.customer_over("customer", altered).decide(1.into()).await;
        let error: alien_core::Error = taken.as_ref().unwrap_err().clone().into();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        refused(taken, RefusalKind::Malformed, words);
    }
    assert_eq!(vendor.trusted("customer"), trusted);
    let missing = Altered { files: vec![(".zip", None)], ..Altered::of(&vendor.path()) };
    let verified = vendor.customer_over("customer", missing).decide(1.into()).await.unwrap();
    refused(zip(&verified).await, RefusalKind::Missing, ".zip`, and does not have it");
    let broken = Altered { broken: Some(".zip"), ..Altered::of(&vendor.path()) };
    let verified = vendor.customer_over("customer", broken).decide(1.into()).await.unwrap();
    refused(zip(&verified).await, RefusalKind::Unreachable, "the line is cut");
}

#[tokio::test]
async fn what_is_signed_and_no_release_is_refused() {
    let vendor = Vendor::with_release().await;
    let whole = vendor.copy("whole");
    let (first, _) = release(1, "first");
    let (third, _) = release(3, "third");
    let list = |text: &str| json!({ "length": text.len(), "hashes": { "sha256": digest(text.as_bytes()) } });
    let write = |name: &str, text: &str| {
        std::fs::write(vendor.path().join(format!("{}.{name}", digest(text.as_bytes()))), text).unwrap();
        list(text)
    };
    let over = || vendor.customer("customer");
    let entry = write("release-1.json", "{}");
    forge(&vendor.path(), &vendor, |files| files.targets["targets"]["release-1.json"] = entry);
    refused(over().decide(1.into()).await, RefusalKind::Malformed, "`release-1.json` is signed, but ");
    let entry = write("release-1.json", &third.to_json());
    forge(&vendor.path(), &vendor, |files| files.targets["targets"]["release-1.json"] = entry);
    refused(over().decide(1.into()).await, RefusalKind::Malformed, "`release-1.json` is signed, but it is release 3");
    // The right digest with another length is not enough.
    for (length, kind, words) in [
        (6, RefusalKind::Altered, ".zip` is not the file that was signed"),
        (4, RefusalKind::Endless, ".zip` has more than 4 bytes, the length that was signed"),
    ] {
        copied(&whole, &vendor.path());
        let text = first.to_json();
        let other = text.replacen("\":5}", &format!("\":{length}}}"), 1);
        assert_ne!(other, text);
        let entry = write("release-1.json", &other);
        forge(&vendor.path(), &vendor, |files| files.targets["targets"]["release-1.json"] = entry);
        refused(zip(&over().decide(1.into()).await.unwrap()).await, kind, words);
    }
}

#[tokio::test]
async fn what_is_trusted_is_whole_or_told() {
    let vendor = Vendor::with_release().await;
    let customer = vendor.customer("customer");
    customer.decide(1.into()).await.unwrap();
    let trusted = vendor.trusted("customer").unwrap();
    let path = vendor.trust("customer").join("trusted.json");
    for (text, words) in [
        (trusted[..trusted.len() / 2].to_owned(), "trusted.json` is damaged"),
        (trusted.replacen("\"version\":1", "\"version\":2", 1), "it is of version 2, and this program reads version 1"),
    ] {
        std::fs::write(&path, text).unwrap();
        refused(customer.decide(1.into()).await, RefusalKind::Storage, words);
    }
    std::fs::write(&path, &trusted).unwrap();
    // What a killed program left is in nobody's way.
    std::fs::create_dir(vendor.trust("customer").join(".staging")).unwrap();
    std::fs::write(vendor.trust("customer").join(".staging/timestamp.json"), "{").unwrap();
    customer.decide(1.into()).await.unwrap();
    assert!(!vendor.trust("customer").join(".staging").exists());
    // Nothing is written where nothing has changed.
    let before = std::fs::metadata(&path).unwrap().modified().unwrap();
    customer.decide(1.into()).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
    let file = vendor.folder.0.join("file");
    std::fs::write(&file, "").unwrap();
    let nowhere = Verifier::new(vendor.root.clone(), file.join("trust"), FolderTransport::new(vendor.path()));
    let error: alien_core::Error = nowhere.decide(1.into()).await.unwrap_err().into();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn several_at_once_take_turns() {
    let vendor = Vendor::with_release().await;
    let (one, two) = (vendor.customer("customer"), vendor.customer("customer"));
    let same = one.clone();
    let all = [one.decide(1.into()), two.decide(1.into()), same.decide(1.into())];
    for taken in futures_util::future::join_all(all).await {
        taken.unwrap();
    }
}
