//! Files of a repository that no honest program makes, signed by keys that somebody has.

use std::path::Path;

use alien_release::{PublicKey, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::vendor::Vendor;

/// What is signed: change it as you like.
pub(crate) struct Forged {
    pub(crate) targets: Value,
    pub(crate) snapshot: Value,
    pub(crate) timestamp: Value,
}

/// Changes what a repository in this folder says, and has it signed by the keys that the vendor has now.
pub(crate) fn forge(folder: &Path, vendor: &Vendor, change: impl FnOnce(&mut Forged)) {
    forge_with(folder, &vendor.release, &vendor.online, change);
}

/// The same, signed by these keys.
pub(crate) fn forge_with(folder: &Path, release: &SigningKey, online: &SigningKey, change: impl FnOnce(&mut Forged)) {
    let read = |name: &str| -> Value {
        let file: Value = serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
        file["signed"].clone()
    };
    let timestamp = read("timestamp.json");
    let snapshot = read(&format!("{}.snapshot.json", timestamp["meta"]["snapshot.json"]["version"]));
    let targets = read(&format!("{}.targets.json", snapshot["meta"]["targets.json"]["version"]));
    let mut forged = Forged { targets, snapshot, timestamp };
    change(&mut forged);
    let Forged { targets, mut snapshot, mut timestamp } = forged;
    let write = |name: String, signed: &Value, key: &SigningKey| {
        let text = signed_by(signed, &[key]);
        std::fs::write(folder.join(name), &text).unwrap();
        json!({ "version": signed["version"], "length": text.len(), "hashes": { "sha256": digest(text.as_bytes()) } })
    };
    snapshot["meta"]["targets.json"] = write(format!("{}.targets.json", targets["version"]), &targets, release);
    timestamp["meta"]["snapshot.json"] = write(format!("{}.snapshot.json", snapshot["version"]), &snapshot, online);
    write("timestamp.json".to_owned(), &timestamp, online);
}

/// A file, signed by these keys.
pub(crate) fn signed_by(signed: &Value, keys: &[&SigningKey]) -> String {
    let message = serde_json_canonicalizer::to_vec(signed).unwrap();
    let signature = |key: &&SigningKey| {
        let runtime = futures_util::future::FutureExt::now_or_never(alien_release::Signer::sign(*key, &message));
        json!({ "keyid": key_id(key.public()), "sig": hex(&runtime.unwrap().unwrap()) })
    };
    json!({ "signed": signed, "signatures": keys.iter().map(signature).collect::<Vec<_>>() }).to_string()
}

/// The id of a key in a repository: <https://theupdateframework.github.io/specification/latest/#keyid>.
pub(crate) fn key_id(key: &PublicKey) -> String {
    let key = json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": hex(key.as_bytes()) } });
    digest(&serde_json_canonicalizer::to_vec(&key).unwrap())
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
