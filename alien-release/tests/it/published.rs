//! Repositories: what is written, in which order, and what is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use alien_core::{Artifacts, Error, ErrorKind, Function, Images, Profile, PublishedRelease, Release, Stack};
use alien_release::{Publication, Repository, SigningKey};
use serde_json::{Value, json};

use crate::forged::forge;
use crate::vendor::{Vendor, copied, release, release_of};

#[track_caller]
fn told<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

fn files(vendor: &Vendor) -> BTreeSet<String> {
    let names = std::fs::read_dir(vendor.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name != ".lock").collect()
}

fn read(vendor: &Vendor, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(vendor.path().join(name)).unwrap()).unwrap()
}

/// Everything in the folder.
fn all(vendor: &Vendor) -> Vec<(String, Vec<u8>)> {
    files(vendor).into_iter().map(|name| (name.clone(), std::fs::read(vendor.path().join(name)).unwrap())).collect()
}

/// The twin of a release, with the content of the first.
fn twin(release: &PublishedRelease) -> PublishedRelease {
    let (before, _) = crate::vendor::release(1, "first");
    release.twin(&before).unwrap()
}

#[tokio::test]
async fn a_release_and_its_twin_are_signed_together_as_flat_files() {
    let vendor = Vendor::new().await;
    assert_eq!(files(&vendor), ["1.root.json".to_owned()].into());
    let first = vendor.publish(1, "first").await;
    let (third, artifacts) = release(3, "third");
    let twin = twin(&third);
    // The zip of the twin is in the repository already.
    let published = vendor.repository().publish(&third, Some(&twin), &artifacts).await.unwrap();
    assert_eq!(published, Publication::Published);
    let name = |release: &PublishedRelease| format!("{}.{}", &release.digest()[7..], release.file_name());
    let zip = |release: &PublishedRelease| format!("{}.zip", &release.zips().keys().next().unwrap()[7..]);
    let wanted = [
        "1.root.json",
        "1.snapshot.json",
        "1.targets.json",
        "2.snapshot.json",
        "2.targets.json",
        "timestamp.json",
        &name(&first),
        &name(&third),
        &name(&twin),
        &zip(&first),
        &zip(&third),
    ];
    assert_eq!(files(&vendor), wanted.map(str::to_owned).into());
    let digests = [&first, &third, &twin].map(|release| (release.sequence(), release.digest()));
    assert_eq!(vendor.repository().releases().unwrap(), digests.into());

    let targets = read(&vendor, "2.targets.json");
    assert_eq!(targets["signed"]["expires"], "2028-01-15T08:00:00Z");
    assert_eq!(targets["signed"]["targets"].as_object().unwrap().len(), 3);
    assert_eq!(targets["signed"]["targets"]["release-4.json"]["length"], twin.to_json().len());
    for online in ["2.snapshot.json", "timestamp.json"] {
        assert_eq!(read(&vendor, online)["signed"]["expires"], "2027-01-22T08:00:00Z");
        assert_eq!(read(&vendor, online)["signed"]["version"], 2);
    }
}

#[tokio::test]
async fn to_publish_the_same_again_changes_nothing() {
    let vendor = Vendor::with_release().await;
    let (third, artifacts) = release(3, "third");
    let twin = twin(&third);
    vendor.repository().publish(&third, Some(&twin), &artifacts).await.unwrap();
    let before = all(&vendor);
    vendor.clock.set(1);
    // Without keys and zips too: there is nothing to sign.
    let repository = Repository::open(vendor.path()).unwrap();
    for twin in [Some(&twin), None] {
        assert_eq!(repository.publish(&third, twin, &Artifacts::default()).await.unwrap(), Publication::Unchanged);
    }
    assert_eq!(all(&vendor), before);
    // The first release got no twin, and the third has come since.
    let (first, _) = release(1, "first");
    assert_eq!(repository.publish(&first, None, &Artifacts::default()).await.unwrap(), Publication::Unchanged);
}

#[tokio::test]
async fn a_twin_may_follow_its_release() {
    let vendor = Vendor::with_release().await;
    let (third, artifacts) = release(3, "third");
    vendor.repository().publish(&third, None, &artifacts).await.unwrap();
    let twin = twin(&third);
    assert_eq!(vendor.repository().publish(&third, Some(&twin), &artifacts).await.unwrap(), Publication::Published);
    assert_eq!(vendor.repository().releases().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_not_the_next_release_is_refused_and_nothing_is_written() {
    let vendor = Vendor::with_release().await;
    vendor.publish(5, "fifth").await;
    let before = all(&vendor);
    let repository = vendor.repository();
    let (other, artifacts) = release(5, "another fifth");
    told(
        repository.publish(&other, None, &artifacts).await,
        ErrorKind::Conflict,
        "another release 5 is published, sha256:",
    );
    let (third, artifacts) = release(3, "third");
    let words = "release 5 is published, and 3 would come before it; publish it as a later one";
    told(repository.publish(&third, None, &artifacts).await, ErrorKind::Conflict, words);
    let (foreign, artifacts) = release_of("other", 7, b"seventh");
    let words = "this is a repository of `acme`, and the release is of `other`";
    told(repository.publish(&foreign, None, &artifacts).await, ErrorKind::Input, words);
    let (seventh, artifacts) = release(7, "seventh");
    let (ninth, _) = release(9, "ninth");
    let words = "release-9.json is not the twin of release-7.json";
    told(repository.publish(&seventh, Some(&ninth), &artifacts).await, ErrorKind::Input, words);
    let (foreign, _) = release_of("other", 8, b"eighth");
    let words = "release-8.json is not the twin of release-7.json";
    told(repository.publish(&seventh, Some(&foreign), &artifacts).await, ErrorKind::Input, words);
    told(repository.publish(&seventh, None, &Artifacts::default()).await, ErrorKind::Input, "is missing");
    assert_eq!(all(&vendor), before);
    repository.publish(&seventh, None, &artifacts).await.unwrap();
}

#[tokio::test]
async fn only_the_keys_of_the_root_file_sign() {
    let vendor = Vendor::with_release().await;
    let before = all(&vendor);
    let (third, artifacts) = release(3, "third");
    let bare = Repository::open(vendor.path()).unwrap();
    let credentials = ErrorKind::Credentials;
    told(bare.publish(&third, None, &artifacts).await, credentials, "the release key is missing");
    told(bare.refresh().await, credentials, "the online key is missing");
    let wrong = bare.clone().with_release_key(Arc::new(vendor.online.clone()));
    told(wrong.publish(&third, None, &artifacts).await, credentials, "is no release key of root file 1");
    let wrong = vendor.repository().with_online_key(Arc::new(SigningKey::generate().unwrap()));
    told(wrong.publish(&third, None, &artifacts).await, credentials, "is no online key of root file 1");
    told(wrong.refresh().await, credentials, "is no online key");
    told(wrong.renew().await, credentials, "is no online key");
    assert_eq!(all(&vendor), before);
}

#[tokio::test]
async fn a_refresh_needs_the_online_key_alone_and_holds_for_seven_days() {
    let vendor = Vendor::with_release().await;
    vendor.clock.set(300);
    let online = vendor.online.clone();
    let repository =
        Repository::open(vendor.path()).unwrap().with_clock(vendor.clock.clone()).with_online_key(Arc::new(online));
    repository.refresh().await.unwrap();
    for (name, version) in [("timestamp.json", 2), ("2.snapshot.json", 2), ("1.targets.json", 1)] {
        assert_eq!(read(&vendor, name)["signed"]["version"], version, "{name}");
    }
    assert_eq!(read(&vendor, "timestamp.json")["signed"]["expires"], "2027-11-18T08:00:00Z");
    vendor.customer("customer").decide(1.into()).await.unwrap();
    // A year later the release key must sign.
    vendor.clock.set(365);
    told(repository.refresh().await, ErrorKind::Expired, "the list of releases expired on 2028-01-15T08:00:00Z");
    told(repository.renew().await, ErrorKind::Credentials, "the release key is missing");
    vendor.repository().renew().await.unwrap();
    repository.refresh().await.unwrap();
    vendor.customer("customer").decide(1.into()).await.unwrap();
}

#[tokio::test]
async fn nothing_is_refreshed_before_something_is_published() {
    let vendor = Vendor::new().await;
    for result in [
        vendor.repository().refresh().await,
        vendor.repository().renew().await,
        vendor.repository().retire(1.into()).await,
    ] {
        told(result, ErrorKind::NotFound, "nothing is published in this repository yet");
    }
    assert!(vendor.repository().releases().unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_is_created_once_with_the_first_root_file() {
    let mut vendor = Vendor::new().await;
    told(Repository::create(vendor.path(), &vendor.root), ErrorKind::AlreadyExists, "there is a repository in");
    let second = vendor.change(Ok).await;
    let elsewhere = vendor.folder.0.join("elsewhere");
    told(Repository::open(&elsewhere), ErrorKind::NotFound, "there is no repository in");
    told(Repository::create(&elsewhere, &second), ErrorKind::Input, "and this is root file 2");
    told(Repository::open(&elsewhere), ErrorKind::NotFound, "there is no repository in");
    let created = Repository::create(&elsewhere, &vendor.root).unwrap();
    assert_eq!((created.folder(), created.root().unwrap()), (elsewhere.as_path(), vendor.root.clone()));
    // An empty repository takes the next root file without any other key.
    created.add_root(&second).await.unwrap();
    created.add_root(&second).await.unwrap();
    assert_eq!(created.root().unwrap(), second);
    told(created.add_root(&vendor.root).await, ErrorKind::Rejected, "root file 1 does not come after root file 2");
}

#[tokio::test]
async fn one_program_writes_at_a_time() {
    let vendor = Vendor::with_release().await;
    let lock = std::fs::File::open(vendor.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    told(vendor.repository().refresh().await, ErrorKind::Locked, "another program writes in");
    drop(lock);
    vendor.repository().refresh().await.unwrap();
}

#[tokio::test]
async fn what_its_keys_did_not_sign_is_not_signed_anew() {
    let vendor = Vendor::with_release().await;
    let whole = vendor.copy("whole");
    let (rejected, path) = (ErrorKind::Rejected, vendor.path());
    for (name, from, to, words) in [
        ("timestamp.json", "2027-", "2028-", "`timestamp.json` is not signed by the keys of the repository"),
        ("timestamp.json", "{", "", "`timestamp.json` cannot be read"),
        ("1.snapshot.json", "2027-", "2028-", "`1.snapshot.json` was changed since it was written"),
        ("1.targets.json", "2028-", "2029-", "`1.targets.json` was changed since it was written"),
        ("1.root.json", "2030-", "2031-", "root file 1 is not signed as it says itself"),
    ] {
        let text = std::fs::read_to_string(path.join(name)).unwrap();
        std::fs::write(path.join(name), text.replace(from, to)).unwrap();
        let error = Repository::open(&path).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        copied(&whole, &path);
    }
    std::fs::remove_file(path.join("1.targets.json")).unwrap();
    told(Repository::open(&path), rejected, "`1.targets.json` is missing; put the folder back");
    copied(&whole, &path);
    std::fs::rename(path.join("1.root.json"), path.join("2.root.json")).unwrap();
    told(Repository::open(&path), rejected, "`2.root.json` is root file 1");
    copied(&whole, &path);
    // A release that was changed in the folder is found when it is read.
    let file = files(&vendor).into_iter().find(|name| name.ends_with("release-1.json")).unwrap();
    std::fs::write(path.join(file), "{}").unwrap();
    let (third, artifacts) = release(3, "third");
    told(vendor.repository().publish(&third, None, &artifacts).await, rejected, "`release-1.json` was changed");
}

#[tokio::test]
async fn retired_releases_are_gone() {
    let vendor = Vendor::with_release().await;
    let (third, artifacts) = release(3, "third");
    let twin = twin(&third);
    vendor.repository().publish(&third, Some(&twin), &artifacts).await.unwrap();
    vendor.publish(5, "fifth").await;
    let count = |vendor: &Vendor, name: &str| read(vendor, name)["signed"]["targets"].as_object().unwrap().len();
    vendor.repository().retire(2.into()).await.unwrap();
    assert_eq!(count(&vendor, "4.targets.json"), 3);
    // The twin has the zip of the first, which stays.
    let verified = vendor.customer("customer").decide(4.into()).await.unwrap();
    assert!(verified.with_zips().await.is_ok());
    vendor.repository().retire(5.into()).await.unwrap();
    assert_eq!(count(&vendor, "5.targets.json"), 1);
    assert_eq!(vendor.repository().releases().unwrap().into_keys().collect::<Vec<_>>(), [5.into()]);
    vendor.customer("customer").decide(5.into()).await.unwrap();
}

#[tokio::test]
async fn a_repository_that_is_full_says_so_and_has_room_when_releases_are_retired() {
    let vendor = Vendor::with_release().await;
    forge(&vendor.path(), &vendor, |files| {
        for n in 0..4_800 {
            let entry = json!({ "length": 1, "hashes": { "sha256": "0".repeat(64) } });
            files.targets["targets"][format!("{n}.zip")] = entry;
        }
    });
    let before = all(&vendor);
    let (third, artifacts) = release(3, "third");
    let words = "bytes, and at most 524288 are taken; retire the earliest releases first";
    told(vendor.repository().publish(&third, None, &artifacts).await, ErrorKind::TooLarge, words);
    // The list is as it was; the files of the release that are there already belong to nothing.
    let same = |(name, _): &&(String, Vec<u8>)| !name.ends_with(".zip") && !name.ends_with("release-3.json");
    assert_eq!(all(&vendor).iter().filter(same).collect::<Vec<_>>(), before.iter().filter(same).collect::<Vec<_>>());
    vendor.repository().retire(1.into()).await.unwrap();
    vendor.repository().publish(&third, None, &artifacts).await.unwrap();
    vendor.customer("customer").decide(3.into()).await.unwrap();
}

#[tokio::test]
async fn a_release_that_is_too_large_is_refused_before_anything_is_written() {
    let vendor = Vendor::new().await;
    let mut artifacts = Artifacts::default();
    let code = artifacts.insert(b"zip".to_vec());
    let mut stack = Stack::builder("acme");
    stack.profile("code", Profile::new());
    let long = "x".repeat(3_000);
    for n in 0..180 {
        stack.live(format!("f{n}"), Function::new(code.clone(), "code").with_variable("LONG", &long));
    }
    let release = Release::new(stack.build().unwrap(), artifacts.clone()).unwrap();
    let release = PublishedRelease::new(1.into(), &release, Images::new()).unwrap();
    let words = "bytes, and at most 524288 are taken";
    told(vendor.repository().publish(&release, None, &artifacts).await, ErrorKind::TooLarge, words);
    assert_eq!(files(&vendor), ["1.root.json".to_owned()].into());
}
