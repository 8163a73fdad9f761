//! What registries answer, and what is kept of it.

use alien_conformance::stacks::of_function;
use alien_core::{Artifacts, Code, Images, Platform, PublishedRelease, Release};
use alien_release::{Credential, Registry};
use serde_json::json;

use crate::peer::*;

fn registry() -> Registry {
    Registry::new().with_plain_http_on_loopback()
}

fn digests(images: &Images, reference: &str, platform: Platform) -> Option<[String; 2]> {
    images.digests(reference, platform).map(|digests| [digests.manifest.clone(), digests.config.clone()])
}

#[tokio::test]
async fn an_index_gives_the_manifest_and_the_config_for_each_platform() {
    let peer = Peer::new().await;
    let [amd, arm, other] =
        ["amd64", "arm64", "s390x"].map(|architecture| peer.image("team/api", "linux", architecture));
    let fast = peer.config("team/api", &json!({ "os": "linux", "architecture": "amd64", "variant": "v3" }));
    let fast = peer.manifest("team/api", &manifest(&fast));
    let second = format!("sha256:{}", "0".repeat(64));
    let index = peer.manifest(
        "team/api",
        &index(&[
            entry("linux/s390x", &other[0]),
            entry("linux/amd64/v3", &fast),
            entry("linux/amd64", &amd[0]),
            entry("linux/amd64", &second),
            entry("linux/arm64/v8", &arm[0]),
            entry("unknown/unknown", &second),
            json!({ "digest": second, "size": 1 }),
        ]),
    );
    let reference = peer.reference("team/api", &index);
    let stack = stack(std::slice::from_ref(&reference));
    let images = registry().resolve(&stack).await.unwrap();
    assert_eq!(digests(&images, &reference, Platform::LinuxAmd64), Some(amd));
    assert_eq!(digests(&images, &reference, Platform::LinuxArm64), Some(arm));
    assert_eq!(images.iter().count(), 1);

    // It is what a release wants to know.
    PublishedRelease::new(1.into(), &Release::new(stack, Artifacts::default()).unwrap(), images).unwrap();

    // Everything was asked for by its digest, and by all names that there are for it.
    let seen = peer.seen();
    assert_eq!(seen.len(), 5);
    for Seen { target, accept, authorization } in seen {
        assert!(target.starts_with("/v2/team/api/") && target.contains("/sha256:"), "{target}");
        assert!(accept.contains(INDEX) && accept.contains(MANIFEST) && accept.contains("docker"), "{accept}");
        assert_eq!(authorization, None);
    }
}

#[tokio::test]
async fn a_plain_manifest_is_for_the_platform_of_its_config() {
    let peer = Peer::new().await;
    let amd = peer.image("api", "linux", "amd64");
    // As Docker writes it: other media types.
    let config = peer.config("docker", &json!({ "os": "linux", "architecture": "amd64", "config": {} }));
    let docker = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "digest": config },
        "layers": [],
    });
    let docker = [peer.manifest("docker", &docker), config];
    // A tag beside the digest is not asked for.
    let references = [peer.reference("api", &amd[0]), peer.reference("docker:latest", &docker[0])];
    let images = registry().resolve(&stack(&references)).await.unwrap();
    assert_eq!(digests(&images, &references[0], Platform::LinuxAmd64), Some(amd));
    assert_eq!(digests(&images, &references[0], Platform::LinuxArm64), None);
    assert_eq!(digests(&images, &references[1], Platform::LinuxAmd64), Some(docker));
}

#[tokio::test]
async fn an_image_that_the_stack_names_for_a_platform_is_resolved_for_that_platform() {
    let peer = Peer::new().await;
    let [amd, arm] = ["amd64", "arm64"].map(|architecture| peer.image("api", "linux", architecture));
    let repository = format!("{}/api", peer.host);
    let named = |amd: &str, arm: &str| {
        stack_of_platforms(&repository, [(Platform::LinuxAmd64, amd), (Platform::LinuxArm64, arm)])
    };
    let images = registry().resolve(&named(&amd[0], &arm[0])).await.unwrap();
    assert_eq!(digests(&images, &peer.reference("api", &amd[0]), Platform::LinuxAmd64), Some(amd.clone()));
    assert_eq!(digests(&images, &peer.reference("api", &arm[0]), Platform::LinuxArm64), Some(arm.clone()));

    let told = registry().resolve(&named(&arm[0], &amd[0])).await.unwrap_err();
    assert_eq!(told.as_slice().len(), 2);
    assert!(told.to_string().contains("there is no image for linux/arm64, only for linux/amd64"), "{told}");
    assert!(told.to_string().contains("there is no image for linux/amd64, only for linux/arm64"), "{told}");
}

#[tokio::test]
async fn a_stack_without_images_asks_nobody() {
    let images = Registry::new().resolve(&of_function(Code::zip(b"a zip"))).await.unwrap();
    assert_eq!(images, Images::new());
}

#[tokio::test]
async fn four_images_are_asked_for_at_the_same_time_and_not_more() {
    let peer = Peer::new().await;
    peer.together(4);
    let repositories: Vec<String> = (0..12).map(|n| format!("image-{n}")).collect();
    let references = repositories.iter().map(|name| peer.reference(name, &peer.image(name, "linux", "amd64")[0]));
    let images = registry().resolve(&stack(&references.collect::<Vec<_>>())).await.unwrap();
    assert_eq!((images.iter().count(), peer.most_at_work()), (12, 4));
}

#[tokio::test]
async fn a_blob_elsewhere_is_followed_to_without_the_credential() {
    let [peer, store] = [Peer::with_door(Door::Header("Bearer secret".to_owned(), "Bearer")).await, Peer::new().await];
    let [manifest, config] = peer.image("api", "linux", "amd64");
    let bytes = json!({ "os": "linux", "architecture": "amd64", "of": "api" }).to_string();
    store.set("/signed", Answer::Bytes(bytes.into()));
    let path = format!("/v2/api/blobs/{config}");
    peer.set(&path, Answer::Redirect(format!("http://{}/signed?signature=1", store.host)));
    let reference = peer.reference("api", &manifest);
    let registry = registry().with_credential(&peer.host, Credential::bearer("secret"));
    let images = registry.resolve(&stack(std::slice::from_ref(&reference))).await.unwrap();
    assert_eq!(digests(&images, &reference, Platform::LinuxAmd64), Some([manifest, config]));
    assert_eq!(store.seen().len(), 1);
    assert_eq!(store.seen()[0].authorization, None);
    assert!(peer.seen().iter().all(|seen| seen.authorization.as_deref() == Some("Bearer secret")));

    // Not to an address without TLS that is not on this machine.
    peer.set(&path, Answer::Redirect("http://store.example/signed?signature=1".to_owned()));
    let told = registry.resolve(&stack(std::slice::from_ref(&reference))).await.unwrap_err().to_string();
    assert!(told.contains("answers 307") && !told.contains("signature"), "{told}");
}

#[test]
fn a_resolution_can_be_moved_between_threads() {
    fn is_send<T: Send>(_: T) {}
    is_send(Registry::new().resolve(&of_function(Code::zip(b"a zip"))));
}
