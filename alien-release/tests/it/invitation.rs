//! Invitations: signed, verified, and altered in every place.

use alien_conformance::altered::altered;
use alien_core::{Code, DeploymentId, ErrorKind, Function, Invitation, KeyFingerprint, Kv, Profile, Stack, memory};
use alien_release::{InvitationFile, PublicKey, SigningKey, sign_invitation};
use serde_json::{Value, json};

use crate::keys::PLAIN;

fn key() -> SigningKey {
    SigningKey::from_pem(PLAIN).unwrap()
}

fn fingerprint(key: &PublicKey) -> KeyFingerprint {
    key.fingerprint().parse().unwrap()
}

fn invitation() -> Invitation {
    let mut stack = Stack::builder("shop");
    let data = stack.frozen("data", Kv::new());
    stack.live("api", Function::new(Code::zip(b"api"), "api").with_variable("MODE", "fast"));
    stack.profile("api", Profile::new().on(&data, [Kv::DATA_READ]));
    let id: DeploymentId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
    let (manager, root) = ("https://releases.vendor.example".parse(), format!("sha256:{}", "1".repeat(64)).parse());
    let stack = stack.build().unwrap();
    Invitation::pull::<memory::Memory>(id, manager.unwrap(), root.unwrap(), stack).unwrap().with_revision(7)
}

/// The same where releases are pushed.
fn pushed() -> Invitation {
    let pulled = invitation();
    Invitation::new(pulled.id, &memory::Target::new("acme").unwrap(), pulled.stack).unwrap().with_revision(7)
}

/// An invitation that is signed, as JSON.
async fn signed(key: &SigningKey) -> Value {
    written(invitation(), key).await
}

async fn written(invitation: Invitation, key: &SigningKey) -> Value {
    serde_json::to_value(sign_invitation(invitation, key).await.unwrap()).unwrap()
}

fn refused(text: &str, vendor: &KeyFingerprint) -> String {
    let error = InvitationFile::read(text).and_then(|file| file.verify(vendor)).unwrap_err();
    assert_eq!((error.kind(), error.problems().is_empty()), (ErrorKind::Input, false));
    error.to_string()
}

#[tokio::test]
async fn what_the_vendor_signed_is_read_as_it_was_signed() {
    let signed = sign_invitation(invitation(), &key()).await.unwrap();
    let mut unsigned = signed.clone();
    assert!(unsigned.signature.take().is_some());
    assert_eq!(unsigned, invitation());
    let text = serde_json::to_string_pretty(&signed).unwrap();
    let file = InvitationFile::read(&text).unwrap();
    assert_eq!(file.signer(), Some(key().public()));
    // The digest is that of the file, of which `sha256sum` prints the same.
    assert_eq!(file.digest(), Code::zip(text.as_bytes()).only().unwrap().digest());
    assert_eq!(file.clone().unverified(), signed);
    assert_eq!(file.verify(&fingerprint(key().public())).unwrap(), signed);
}

#[tokio::test]
async fn the_signature_is_over_canonical_json_for_this_purpose_alone() {
    let signed = signed(&key()).await;
    assert_eq!(signed["signature"]["signature"], SIGNATURE);
    assert_eq!(signed["signature"]["key"], key().public().to_string());
    // A signature for another purpose, or over another form, is none of this.
    let vendor = fingerprint(key().public());
    let form = Invitation::signed_form(&signed.to_string()).unwrap();
    assert!(!form.contains("signature") && form.starts_with(r#"{"cloud":"memory","delivery":{"#), "{form}");
    for (context, form) in [("alien/receipt", form.as_str()), ("alien/invitation", &signed.to_string())] {
        let mut other = signed.clone();
        other["signature"]["signature"] = json!(key().sign(context, form.as_bytes()).to_string());
        assert!(refused(&other.to_string(), &vendor).contains("was altered after the key"), "{context}");
    }
}

#[tokio::test]
async fn an_invitation_that_is_altered_in_any_place_is_refused() {
    let vendor = fingerprint(key().public());
    let [pulled, pushed] =
        [invitation(), pushed()].map(|invitation| async { altered(&written(invitation, &key()).await) });
    let all = [pulled.await, pushed.await].concat();
    assert!(all.len() > 100, "{}", all.len());
    let (mut read, mut unread) = (0, 0);
    for (place, altered) in all {
        let text = altered.to_string();
        let told = refused(&text, &vendor);
        if Invitation::from_json(&text).is_err() {
            unread += 1;
            continue;
        }
        read += 1;
        let expected = match place.as_str() {
            "" if altered.get("signature").is_none() => "the invitation is not signed",
            "/signature/key" | "/signature/signature" => "the invitation",
            _ => "the invitation was altered after the key sha256:",
        };
        assert!(told.contains(expected) && told.contains("do not use it"), "{place}: {told}");
        // What is altered is refused without a key too; only without its signature it is like any other.
        assert_eq!(InvitationFile::read(&text).is_ok(), altered.get("signature").is_none(), "{place}");
    }
    // So that it is the signature which refuses many, and the form of the file some.
    assert!(read > 40 && unread > 40, "{read} {unread}");
}

#[tokio::test]
async fn the_form_of_an_earlier_version_is_read_and_is_another_file() {
    let (mut signed, vendor) = (signed(&key()).await, fingerprint(key().public()));
    signed["version"] = json!(1);
    assert!(refused(&signed.to_string(), &vendor).contains("was altered"));
    signed.as_object_mut().unwrap().remove("signature");
    assert_eq!(InvitationFile::read(&signed.to_string()).unwrap().signer(), None);
    assert!(refused(&signed.to_string(), &vendor).contains("the invitation is not signed"));
}

#[tokio::test]
async fn spaces_and_the_order_of_fields_are_no_alteration() {
    let (signed, vendor) = (signed(&key()).await, fingerprint(key().public()));
    let fields = signed.as_object().unwrap();
    let reversed: Vec<String> =
        fields.iter().rev().map(|(name, value)| format!("\r\n\t\"{name}\" : {value:#}")).collect();
    let text = format!("{{{}}}\n", reversed.join(","));
    assert!(text.find("\"version\"") < text.find("\"cloud\""), "{text}");
    assert_eq!(InvitationFile::read(&text).unwrap().verify(&vendor).unwrap().revision, 7);
}

#[tokio::test]
async fn an_invitation_by_another_key_or_by_none_is_refused() {
    let (other, vendor) = (SigningKey::generate().unwrap(), fingerprint(key().public()));
    let theirs = signed(&other).await;
    let told = refused(&theirs.to_string(), &vendor);
    let both = format!("is signed by the key {}, and not by the vendor's, {vendor}", other.public().fingerprint());
    assert!(told.contains(&both), "{told}");
    // Somebody else's signature under the vendor's key, and the vendor's under somebody else's.
    let mut mixed = signed(&key()).await;
    mixed["signature"]["signature"] = theirs["signature"]["signature"].clone();
    assert!(refused(&mixed.to_string(), &vendor).contains("was altered"));
    let mut mixed = signed(&key()).await;
    mixed["signature"]["key"] = theirs["signature"]["key"].clone();
    assert!(refused(&mixed.to_string(), &vendor).contains("was altered"));
    let told = refused(&serde_json::to_string(&invitation()).unwrap(), &vendor);
    assert!(told.contains("is not signed") && told.contains("`alien invite --sign`"), "{told}");
}

#[tokio::test]
async fn a_signature_that_stands_there_otherwise_is_refused() {
    let (signed, vendor) = (signed(&key()).await, fingerprint(key().public()));
    let with = |field: &str, value: Value| {
        let mut other = signed.clone();
        other["signature"][field] = value;
        other.to_string()
    };
    let pem = key().public().to_string();
    for (text, words) in [
        (with("key", json!(pem.trim())), "its key is written in another way"),
        (with("key", json!(pem.replace('\n', "\r\n"))), "its key is written in another way"),
        (with("key", json!(PLAIN)), "its key is no Ed25519 key in PEM"),
        (with("signature", json!("AAAA")), "it is not an Ed25519 signature in Base64"),
        (with("signature", json!("")), "it is not an Ed25519 signature in Base64"),
    ] {
        let told = refused(&text, &vendor);
        assert!(told.contains(words) && told.contains("signature cannot be read"), "{told}");
        assert!(!told.contains("MC4CAQAw"), "a private key is told: {told}");
    }
}

#[tokio::test]
async fn signing_again_replaces_the_signature_and_a_number_that_is_not_exact_is_not_signed() {
    let once = sign_invitation(invitation(), &SigningKey::generate().unwrap()).await.unwrap();
    assert_eq!(sign_invitation(once, &key()).await.unwrap(), sign_invitation(invitation(), &key()).await.unwrap());
    let error = sign_invitation(invitation().with_revision(1 << 53), &key()).await.unwrap_err();
    assert!(error.to_string().contains("9007199254740992 is beyond 9007199254740991"), "{error}");
}

#[test]
fn a_fingerprint_is_a_digest() {
    let good = key().public().fingerprint();
    assert!(good.parse::<KeyFingerprint>().is_ok());
    for bad in [&good[7..], &good[..70], &good.to_uppercase(), &format!("{good}0"), "sha256:", ""] {
        assert!(bad.parse::<KeyFingerprint>().is_err(), "{bad}");
    }
}

/// By the key of the bytes 0 to 31, as Python's `json` and OpenSSL make it too.
const SIGNATURE: &str = "YLq1L5s0BAv/1Uaxxvo/jj03a8n7CBrdSi7ujsZDgGgnsD1wVFipVOGM4kfjZ16oo49HiqC6JhpqUY1jGNRiCQ==";
