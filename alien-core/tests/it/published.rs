//! A release as it is published: one text for one release, read back by every later version.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use alien_conformance::stacks::{any_document, digest, of_function};
use alien_core::rollout::Sequence;
use alien_core::{
    AgentVersion, Artifacts, Code, Container, Function, ImageDigests, Images, Network, Platform, Problems, Profile,
    PublishedRelease, Release, Stack,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const REPOSITORY: &str = "registry.example.com/api";

/// The zips that generated code names.
const ZIPS: [&[u8]; 2] = [b"the bytes of a zip", b"another zip"];

/// What any image is on any platform.
fn resolved(stack: &Stack) -> Images {
    let mut images = Images::new();
    for (reference, platforms) in Images::needed(stack) {
        for platform in platforms {
            let digits = if platform == Platform::LinuxAmd64 { ['1', '2'] } else { ['3', '4'] };
            let [manifest, config] = digits.map(digest);
            images.insert(&reference, platform, ImageDigests { manifest, config });
        }
    }
    images
}

fn artifacts() -> Artifacts {
    ZIPS.map(Arc::from).into_iter().collect()
}

fn publish(sequence: u64, stack: Stack) -> PublishedRelease {
    let images = resolved(&stack);
    let release = Release::new(stack, artifacts()).unwrap();
    PublishedRelease::new(sequence.into(), &release, images).unwrap()
}

fn lines<T: std::fmt::Debug>(result: Result<T, Problems>) -> Vec<String> {
    result.unwrap_err().as_slice().iter().map(ToString::to_string).collect()
}

/// Any release: any stack whose code has any forms.
fn any_release() -> impl Strategy<Value = PublishedRelease> {
    let codes = proptest::collection::vec((0..5_usize, 0..16_u8), 8);
    (any_document(), codes, 1..=9_007_199_254_740_991_u64, any::<[u32; 3]>()).prop_map(
        |(mut document, codes, sequence, [major, minor, patch])| {
            // What is the customer's is not published.
            document["existing"] = json!({});
            let resources = document["resources"].as_array_mut().unwrap();
            for (resource, (form, digit)) in resources.iter_mut().zip(codes) {
                if resource.get("code").is_some() {
                    let digest = digest(char::from_digit(digit.into(), 16).unwrap());
                    // A container runs no zip.
                    let form = if resource["type"] == "container" { 1 + form % 2 * 2 } else { form };
                    let code = match form {
                        0 => Code::zip(ZIPS[usize::from(digit % 2)]),
                        1 => Code::image(REPOSITORY, &digest).unwrap(),
                        2 => Code::zip(ZIPS[0]).with_image("registry.example.com/\u{fb33}", &digest).unwrap(),
                        3 => Code::default().with_platform_image(REPOSITORY, Platform::LinuxArm64, &digest).unwrap(),
                        _ => Code::image("registry.example.com/\u{1f600}", &digest).unwrap(),
                    };
                    resource["code"] = json!(code);
                }
            }
            let stack = Stack::from_json(&document.to_string()).unwrap();
            publish(sequence, stack).with_least_agent(AgentVersion::new(major, minor, patch))
        },
    )
}

/// Checks that a JSON text has no space outside strings, and that the fields of each object rise by UTF-16 units. It reads
/// characters alone, and shares nothing with what wrote the text.
fn assert_canonical(text: &str) {
    let mut objects: Vec<Option<Vec<u16>>> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        assert!(!c.is_whitespace(), "a space outside strings in {text}");
        match c {
            '{' | '[' => objects.push(None),
            '}' | ']' => drop(objects.pop().unwrap()),
            '"' => {
                let mut string = String::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    string.push(if c == '\\' { chars.next().unwrap() } else { c });
                }
                if chars.peek() == Some(&':') {
                    let name: Vec<u16> = string.encode_utf16().collect();
                    let before = objects.last_mut().unwrap().replace(name.clone());
                    assert!(before.is_none_or(|before| before < name), "`{string}` is not in its place in {text}");
                }
            }
            _ => {}
        }
    }
    assert!(objects.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_release_is_read_back_as_it_was_written_and_always_has_the_same_bytes(release in any_release()) {
        let text = release.to_json();
        assert_canonical(&text);
        let read = PublishedRelease::from_json(&text).unwrap();
        prop_assert_eq!(&read, &release);
        prop_assert_eq!(read.to_json(), text);
        prop_assert_eq!(read.digest(), release.digest());

        // As a part of another document, in whatever order and with whatever spaces.
        let part = serde_json::to_string_pretty(&json!({ "release": release })).unwrap();
        let part: Value = serde_json::from_str(&part).unwrap();
        prop_assert_eq!(serde_json::from_value::<PublishedRelease>(part["release"].clone()).unwrap(), release);
    }

    #[test]
    fn a_changed_byte_is_refused_or_gives_another_digest(
        release in any_release(),
        place in any::<prop::sample::Index>(),
        byte in 0_u8..128,
    ) {
        let mut changed = release.to_json().into_bytes();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        if let Ok(changed) = String::from_utf8(changed)
            && let Ok(other) = PublishedRelease::from_json(&changed)
        {
            prop_assert_eq!(other.to_json(), changed);
            prop_assert_ne!(other.digest(), release.digest());
        }
    }
}

/// A release with every form of code, and its twin, with the content of another.
fn release_and_twin() -> [PublishedRelease; 2] {
    let mut stack = Stack::builder("shop");
    let network = stack.frozen("net", Network::new("10.30.0.0/16"));
    let code = Code::zip(ZIPS[0]).with_image(REPOSITORY, &digest('a')).unwrap();
    stack.live("api", Function::new(code, "code").with_variable("GREETING", "grüß \"Gott\"\n"));
    let code = Code::default()
        .with_platform_image("registry.example.com/worker", Platform::LinuxAmd64, &digest('b'))
        .unwrap()
        .with_platform_image("registry.example.com/worker", Platform::LinuxArm64, &digest('c'))
        .unwrap();
    stack.live("worker", Container::new(code, "code").with_network(&network));
    stack.profile("code", Profile::new());
    let stack = stack.build().unwrap();

    let mut images = resolved(&stack);
    let api = format!("{REPOSITORY}@{}", digest('a'));
    let [manifest, config] = ['5', '6'].map(digest);
    images.insert(api, Platform::LinuxArm64, ImageDigests { manifest, config });
    let release = Release::new(stack, artifacts()).unwrap();
    let release = PublishedRelease::new(3.into(), &release, images).unwrap();
    let release = release.with_least_agent("0.12.0".parse().unwrap());
    let twin = release.twin(&publish(1, of_function(Code::zip(ZIPS[1])))).unwrap();
    [release, twin]
}

/// A text with a field a line, to be looked at.
fn shown(release: &PublishedRelease) -> String {
    let value: Value = serde_json::from_str(&release.to_json()).unwrap();
    format!("{}\n{}\n{}\n{value:#}", release.file_name(), release.digest(), release.to_json())
}

#[test]
fn a_release_and_its_twin() {
    let [release, twin] = release_and_twin();
    insta::assert_snapshot!("release", shown(&release));
    insta::assert_snapshot!("twin", shown(&twin));
}

/// What earlier versions published. The folders are never written again.
#[test]
fn what_an_earlier_version_published_is_read_and_keeps_its_digest() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published");
    let read = |version: &str, name: &str, digest: &str| {
        let text = fs::read_to_string(folder.join(version).join(name)).unwrap();
        let release = PublishedRelease::from_json(&text).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert_eq!((release.file_name().as_str(), release.to_json()), (name, text));
        assert_eq!(release.digest(), digest);
        release
    };
    let release =
        read("v1", "release-3.json", "sha256:ad014f1145f8ad5fa4a05071e22803744326b3771c78f26e0b0f90efb77ec3d0");
    let twin = read("v1", "release-4.json", "sha256:5f9e1d718af73fcf8397323c9888083fb596f3e6f5c2c66d1055fbcc036ba456");

    assert_eq!((release.product().as_str(), release.content()), ("shop", Sequence::from(3)));
    assert_eq!(release.least_agent(), &AgentVersion::new(0, 12, 0));
    assert_eq!(release.zips().values().collect::<Vec<_>>(), [&18]);
    assert_eq!(release.images().iter().count(), 3);
    assert_eq!(release.stack(), release_and_twin()[0].stack());
    assert_eq!((twin.content(), twin.zips().values().sum::<u64>()), (Sequence::from(1), 11));
    assert_eq!(twin.stack(), release_and_twin()[1].stack());
}

#[test]
fn every_problem_of_a_release_is_told_at_once() {
    let platforms = |code: Code, amd, arm| {
        let code = code.with_platform_image("registry.example.com/both", Platform::LinuxAmd64, &digest(amd)).unwrap();
        code.with_platform_image("registry.example.com/both", Platform::LinuxArm64, &digest(arm)).unwrap()
    };
    let code = Code::zip(b"a zip that nobody has").with_image("registry.example.com/lost", &digest('0')).unwrap();
    let code = code.with_image("registry.example.com/arm-alone", &digest('1')).unwrap();
    let code = platforms(code, '2', '3').with_image("registry.example.com/odd", &digest('4')).unwrap();
    let unpinned = json!({ "images": { "registry.example.com/moving": "unpinned" } });
    let document = json!({
        "version": Stack::VERSION,
        "name": "shop",
        "resources": [
            { "id": "api", "type": "function", "lifecycle": "live", "profile": "code", "code": code },
            { "id": "job", "type": "function", "lifecycle": "live", "profile": "code", "code": unpinned },
            { "id": "net", "type": "network", "lifecycle": "frozen" },
        ],
        "existing": { "net": { "id": "vpc-0a1b2c3d4e5f60718" } },
        "permissions": { "profiles": { "code": {} } },
    });
    let stack = Stack::from_json(&document.to_string()).unwrap();
    let mut images = Images::new();
    let good = || ImageDigests { manifest: digest('5'), config: digest('6') };
    images
        .insert(format!("registry.example.com/arm-alone@{}", digest('1')), Platform::LinuxArm64, good())
        .insert(format!("registry.example.com/both@{}", digest('2')), Platform::LinuxAmd64, good())
        .insert(format!("registry.example.com/both@{}", digest('3')), Platform::LinuxAmd64, good())
        .insert("registry.example.com/not-of-the-stack", Platform::LinuxAmd64, good());
    let bad = ImageDigests { config: digest('6').to_uppercase(), ..good() };
    images.insert(format!("registry.example.com/odd@{}", digest('4')), Platform::LinuxAmd64, bad);

    let sequence = Sequence::from(1 << 53);
    let told = lines(PublishedRelease::new(sequence, &Release::partial(stack, artifacts()), images));
    insta::assert_snapshot!("problems", told.join("\n"));
}

/// The text of a file with something changed, in canonical form again.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(&release_and_twin()[0].to_json()).unwrap();
    change(&mut value);
    serde_json_canonicalizer::to_string(&value).unwrap()
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let text = changed(|file| {
        file["content"] = 3.into();
        file["product"] = "other".into();
        file["colour"] = "red".into();
        file["zips"] = json!({ "sha256:0": 1, digest('0'): 9_007_199_254_740_992_u64 });
        file["images"].as_object_mut().unwrap().insert("extra".to_owned(), json!({}));
    });
    insta::assert_snapshot!("file", lines(PublishedRelease::from_json(&text)).join("\n"));

    let text = changed(|file| {
        file["sequence"] = "three".into();
        file["leastAgent"] = "1.0".into();
        file["images"] = json!({ "registry.example.com/api": { "linux/s390x": {} } });
        file["zips"] = json!({ digest('0'): -1 });
        file["product"] = "Shop".into();
        file["stack"]["resources"][0]["colour"] = "red".into();
        file["stack"]["resources"][1]["lifecycle"] = "hot".into();
    });
    insta::assert_snapshot!("fields", lines(PublishedRelease::from_json(&text)).join("\n"));

    let told = lines(PublishedRelease::from_json(r#"{"content":"one"}"#));
    for field in ["version", "sequence", "content", "product", "stack", "zips", "images", "leastAgent"] {
        let count = told.iter().filter(|line| line.starts_with(&format!("error: `{field}`: "))).count();
        assert_eq!(count, 1, "{field}: {told:?}");
    }
    assert_eq!(told.len(), 8);
}

#[test]
fn a_newer_version_is_refused_by_name_whatever_is_new_in_it() {
    let newer = |version: Value| {
        changed(|file| {
            file["version"] = version;
            file["stack"]["version"] = 9.into();
            file["speed"] = "high".into();
        })
    };
    for version in [json!(2), json!(0), json!(1.5), json!("1")] {
        let told = lines(PublishedRelease::from_json(&newer(version.clone())));
        let says = format!("this is a release of version {version}, and this program reads version 1");
        assert!(told.len() == 1 && told[0].contains(&says), "{told:?}");
    }
}

#[test]
fn a_text_that_is_not_canonical_is_refused_with_the_place() {
    let text = release_and_twin()[0].to_json();
    let end = text.len();
    for (other, place) in [
        (format!("{text}\n"), end),
        (format!(" {text}"), 0),
        (text.replacen(r#""sequence":3"#, r#""sequence":3.0"#, 1), text.find(r#"3,"stack""#).unwrap() + 1),
        (text.replacen("ü", r"\u00fc", 1), text.find('ü').unwrap()),
        (text.replacen(r#""sequence":3,"#, "", 1).replacen('{', r#"{"sequence":3,"#, 1), 2),
    ] {
        let told = lines(PublishedRelease::from_json(&other));
        let says = format!("this is not canonical JSON (RFC 8785), from byte {place} on");
        assert!(told[0].contains(&says), "{told:?}");
    }
    let twice = text.replacen(r#""sequence":3"#, r#""sequence":3,"sequence":5"#, 1);
    let told = lines(PublishedRelease::from_json(&twice)).join("\n");
    assert!(told.contains("`sequence`: the field is written twice"), "{told}");
    for other in ["", "[]", "{", "null", "\u{feff}{}"] {
        assert!(PublishedRelease::from_json(other).is_err(), "{other}");
    }
}

#[test]
fn a_release_whose_stack_an_earlier_version_wrote_keeps_its_text() {
    // Version 1 of stacks wrote no version, and an image as one reference.
    let reference = format!("{REPOSITORY}@{}", digest('a'));
    let text = changed(|file| {
        file["images"] = json!({ &reference: { "linux/amd64": { "manifest": digest('1'), "config": digest('2') } } });
        file["zips"] = json!({});
        file["stack"] = json!({
            "name": "shop",
            "resources": [
                { "id": "api", "type": "function", "lifecycle": "live", "profile": "p", "code": { "image": reference } },
            ],
            "permissions": { "profiles": { "p": {} } },
        });
    });
    let release = PublishedRelease::from_json(&text).unwrap();
    assert_eq!(release.to_json(), text);
    assert_ne!(text, publish(3, release.stack().clone()).to_json());
    let part = serde_json::to_string(&release).unwrap();
    assert_eq!(serde_json::from_str::<PublishedRelease>(&part).unwrap().digest(), release.digest());
}

#[test]
fn a_twin_has_the_content_of_an_earlier_release_of_the_same_product() {
    let release = |sequence, zip: &[u8]| publish(sequence, of_function(Code::zip(zip)));
    let [first, third, fifth] = [(1, ZIPS[0]), (3, ZIPS[1]), (5, ZIPS[0])].map(|(n, zip)| release(n, zip));
    let first = first.with_least_agent(AgentVersion::new(0, 2, 0));
    let twin = third.twin(&first).unwrap();
    assert_eq!((twin.sequence(), twin.content()), (Sequence::from(4), Sequence::from(1)));
    assert_eq!((twin.stack(), twin.zips(), twin.images()), (first.stack(), first.zips(), first.images()));
    assert_eq!(twin.least_agent(), first.least_agent());
    assert_ne!(twin.digest(), first.digest());
    assert_eq!(PublishedRelease::from_json(&twin.to_json()).unwrap(), twin);
    // What was reverted to can be reverted to again.
    assert_eq!(fifth.twin(&twin).unwrap().content(), Sequence::from(1));

    let told = |result| lines(result).join("\n");
    assert!(told(first.twin(&third)).contains("release 3 is not earlier than release 1"));
    assert!(told(first.twin(&first)).contains("release 1 is not earlier than release 1"));
    assert!(told(twin.twin(&first)).contains("release 4 is a twin itself"));
    let mut other = Stack::builder("other");
    other.live("api", Function::new(Code::zip(ZIPS[0]), "api"));
    other.profile("api", Profile::new());
    let other = publish(9, other.build().unwrap());
    let told = lines(third.twin(&other));
    assert!(
        told.len() == 2 && told[0].contains("this is a release of `shop`, and the other is of `other`"),
        "{told:?}"
    );
    let last = release((1 << 53) - 1, ZIPS[0]);
    assert!(lines(last.twin(&first))[0].contains("9007199254740992 is above 9007199254740991"));
}
