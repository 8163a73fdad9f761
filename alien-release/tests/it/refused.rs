//! What is refused, and what is told of it.

use std::time::Duration;

use alien_core::Stack;
use alien_release::{ImageProblemKind as Kind, Registry, Unresolved};
use serde_json::{Value, json};

use crate::peer::*;

async fn refused(stack: &Stack) -> Unresolved {
    Registry::new().with_plain_http_on_loopback().resolve(stack).await.unwrap_err()
}

#[tokio::test]
async fn every_problem_of_every_image_is_told_at_once() {
    let peer = Peer::new().await;
    let amd = |repository: &str| peer.image(repository, "linux", "amd64");
    let path = |repository: &str, kind: &str, digest: &str| format!("/v2/{repository}/{kind}/{digest}");
    let zeros = format!("sha256:{}", "0".repeat(64));
    let mut wanted: Vec<(String, Kind, &str)> = Vec::new();
    let mut case = |repository: &str, digest: &str, kind, says| {
        wanted.push((peer.reference(repository, digest), kind, says));
    };

    case(
        "lost",
        &zeros,
        Kind::NotFound,
        "127.0.0.1 answers 404 Not Found: MANIFEST_UNKNOWN manifest unknown; push the image",
    );

    let [manifest_digest, config] = amd("lost-config");
    peer.set(&path("lost-config", "blobs", &config), Answer::Status(404, "not JSON".to_owned()));
    case("lost-config", &manifest_digest, Kind::NotFound, "127.0.0.1 answers 404 Not Found; push the image");

    peer.set(&path("down", "manifests", &zeros), Answer::Status(500, String::new()));
    case("down", &zeros, Kind::Unavailable, "answers 500 Internal Server Error; try again");
    peer.set(&path("busy", "manifests", &zeros), Answer::Status(429, String::new()));
    case("busy", &zeros, Kind::Unavailable, "answers 429 Too Many Requests; try again");
    peer.set(&path("tea", "manifests", &zeros), Answer::Status(418, String::new()));
    case("tea", &zeros, Kind::Unreadable, "answers 418");

    // Whatever else is well, the bytes are others.
    let [first, second] = [amd("swapped"), amd("other")];
    let other = manifest(&second[1]).to_string();
    peer.set(&path("swapped", "manifests", &first[0]), Answer::Bytes(other.into()));
    case("swapped", &first[0], Kind::Digest, "in the place of sha256:");
    let [manifest_digest, config] = amd("swapped-config");
    let other = json!({ "os": "linux", "architecture": "amd64" }).to_string();
    peer.set(&path("swapped-config", "blobs", &config), Answer::Bytes(other.into()));
    case("swapped-config", &manifest_digest, Kind::Digest, "in the place of sha256:");
    let [in_index, _] = amd("swapped-in-index");
    let listed = peer.manifest("swapped-in-index", &index(&[entry("linux/amd64", &in_index)]));
    peer.set(&path("swapped-in-index", "manifests", &in_index), Answer::Bytes(manifest(&zeros).to_string().into()));
    case("swapped-in-index", &listed, Kind::Digest, "linux/amd64: the registry answers sha256:");

    peer.set(&path("endless", "manifests", &zeros), Answer::Endless);
    case("endless", &zeros, Kind::Unreadable, "is larger than 4194304 bytes");
    let [manifest_digest, config] = amd("endless-config");
    peer.set(&path("endless-config", "blobs", &config), Answer::Endless);
    case("endless-config", &manifest_digest, Kind::Unreadable, "is larger than 4194304 bytes");

    let [windows, _] = peer.image("windows", "windows", "amd64");
    case("windows", &windows, Kind::Platform, "there is no image for linux/amd64, only for windows/amd64; build it");
    let [arm, _] = peer.image("arm", "linux", "arm64");
    let listed = peer.manifest("arm", &index(&[entry("linux/arm64/v8", &arm), entry("linux/amd64/v3", &zeros)]));
    case("arm", &listed, Kind::Platform, "only for linux/arm64/v8, linux/amd64/v3; build it");
    let empty = peer.manifest("empty", &index(&[]));
    case("empty", &empty, Kind::Platform, "there is no image for linux/amd64, only for none; build it");

    let [arm_alone, _] = peer.image("lying", "linux", "arm64");
    let listed = peer.manifest("lying", &index(&[entry("linux/amd64", &arm_alone)]));
    case("lying", &listed, Kind::Unreadable, "the index lists it for linux/amd64, and its config says linux/arm64");
    let inner = peer.manifest("nested", &index(&[]));
    let nested = peer.manifest("nested", &index(&[entry("linux/amd64", &inner)]));
    case("nested", &nested, Kind::Unreadable, "is an index within an index");

    let unreadable = |change: fn(&mut Value)| {
        let mut document = manifest(&zeros);
        change(&mut document);
        peer.manifest("odd", &document)
    };
    for (change, says) in [
        (
            (|document| document["manifests"] = json!([])) as fn(&mut Value),
            "its fields are not those of its media type",
        ),
        (|document| document["mediaType"] = INDEX.into(), "its fields are not those of its media type"),
        (|document| document["schemaVersion"] = 1.into(), "it is of schema version 1, and only 2 is read"),
        (
            |document| document["config"]["mediaType"] = "application/vnd.wasm\u{1b}".into(),
            "its config is `application/vnd.wasm`;",
        ),
        (|document| document["config"]["digest"] = "sha512:00".into(), "its config is not named by a SHA-256 digest"),
        (|document| *document = json!([]), "it is neither an index nor a manifest"),
    ] {
        case("odd", &unreadable(change), Kind::Unreadable, says);
    }
    let odd = peer.manifest("odd", &index(&[entry("linux/amd64", "../../secret")]));
    case("odd", &odd, Kind::Unreadable, "the index does not name the image for linux/amd64 by a SHA-256 digest");
    let many = peer.manifest("odd", &index(&vec![entry("linux/s390x", &zeros); 257]));
    case("odd", &many, Kind::Unreadable, "the index lists 257 images, and 256 are read");
    let config = peer.config("odd", &json!({ "os": "linux" }));
    case("odd", &peer.manifest("odd", &manifest(&config)), Kind::Unreadable, "its config does not say a platform");
    case(
        "Upper",
        &zeros,
        Kind::Reference,
        "`Upper` is not the name of an image in a registry; write `registry/name@sha256:…`",
    );

    // What is well is asked for as well, and is no problem.
    let well = peer.reference("well", &amd("well")[0]);
    let references: Vec<String> =
        wanted.iter().map(|(reference, ..)| reference.clone()).chain([well.clone()]).collect();
    let told = refused(&stack(&references)).await;
    let text = told.to_string();
    for (reference, kind, says) in &wanted {
        let problem = told.as_slice().iter().find(|problem| problem.reference == *reference);
        let problem = problem.unwrap_or_else(|| panic!("{reference} is no problem:\n{text}"));
        assert_eq!(problem.kind, *kind, "{problem:?}");
        let line = text.lines().find(|line| line.starts_with(&format!("`{reference}`: "))).unwrap();
        assert!(line.contains(says), "{line}\ndoes not say: {says}");
    }
    assert_eq!(told.as_slice().len(), wanted.len(), "{text}");
    assert!(!text.contains(&well) && !text.contains('\u{1b}'));
    assert!(told.as_slice().is_sorted_by_key(|problem| &problem.reference));
    let problems = told.problems();
    assert_eq!(problems.len(), wanted.len());
    assert!(problems.iter().all(|problem| problem.is_error() && problem.subject.is_some()));
}

#[tokio::test]
async fn a_document_of_4_mib_is_read_and_one_of_a_byte_more_is_not() {
    let peer = Peer::new().await;
    let [_, config] = peer.image("api", "linux", "amd64");
    let padded = |length: usize| {
        let mut bytes = manifest(&config).to_string().into_bytes();
        bytes.resize(length, b' ');
        let digest = sha256(&bytes);
        peer.set(&format!("/v2/api/manifests/{digest}"), Answer::Bytes(bytes.into()));
        peer.reference("api", &digest)
    };
    let [fits, large] = [0, 1].map(|more| padded(4 * 1024 * 1024 + more));
    let told = refused(&stack(&[fits, large.clone()])).await;
    assert_eq!(told.as_slice().len(), 1, "{told}");
    assert_eq!((&told.as_slice()[0].reference, told.as_slice()[0].kind), (&large, Kind::Unreadable));
}

#[tokio::test]
async fn an_image_has_a_problem_for_each_platform() {
    let peer = Peer::new().await;
    let zeros = format!("sha256:{}", "0".repeat(64));
    let ones = format!("sha256:{}", "1".repeat(64));
    let listed = peer.manifest("api", &index(&[entry("linux/amd64", &zeros), entry("linux/arm64", &ones)]));
    let told = refused(&stack(&[peer.reference("api", &listed)])).await;
    let lines: Vec<&str> = told.as_slice().iter().map(|problem| problem.what.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["linux/amd64", "linux/arm64"]);
}

#[tokio::test]
async fn an_image_that_is_not_pinned_is_not_asked_for() {
    let peer = Peer::new().await;
    let repository = format!("{}/api", peer.host);
    let document = json!({
        "version": Stack::VERSION,
        "name": "shop",
        "resources": [{
            "id": "api", "type": "container", "lifecycle": "live", "profile": "code",
            "code": { "images": { repository: "unpinned" } },
        }],
        "permissions": { "profiles": { "code": {} } },
    });
    let told = refused(&Stack::from_json(&document.to_string()).unwrap()).await;
    assert_eq!(told.as_slice()[0].kind, Kind::Reference);
    assert!(told.to_string().contains("the image is not pinned by digest"), "{told}");
    assert_eq!(peer.seen(), []);
}

#[tokio::test]
async fn a_registry_that_is_away_or_does_not_answer_is_told_by_its_host() {
    let peer = Peer::new().await;
    let zeros = format!("sha256:{}", "0".repeat(64));
    peer.set(&format!("/v2/slow/manifests/{zeros}"), Answer::Never);
    // A port that was free a moment ago.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let references = [peer.reference("slow", &zeros), format!("{away}/away@{zeros}")];
    let registry = Registry::new().with_plain_http_on_loopback().with_timeout(Duration::from_secs(1));
    let told = registry.resolve(&stack(&references)).await.unwrap_err();
    assert!(told.as_slice().iter().all(|problem| problem.kind == Kind::Unavailable), "{told}");
    assert!(told.to_string().contains("127.0.0.1 does not answer in time"), "{told}");
    assert!(told.to_string().contains("127.0.0.1 cannot be reached"), "{told}");
    assert!(told.to_string().to_lowercase().contains("connection refused"), "{told}");
}

#[tokio::test]
async fn without_the_option_this_machine_is_called_by_tls_too() {
    let peer = Peer::new().await;
    let [manifest, _] = peer.image("api", "linux", "amd64");
    let stack = stack(&[peer.reference("api", &manifest)]);
    let told = Registry::new().resolve(&stack).await.unwrap_err();
    assert_eq!(told.as_slice()[0].kind, Kind::Unavailable);
    assert_eq!(peer.seen(), [], "something was asked for without TLS");
}
