//! `alien keys vendor` and `alien keys show`: the key that signs invitations.

use std::path::PathBuf;

use alien_release::{PublicKey, SigningKey};
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{make_folder, read, taken, text};
use crate::args::Shown;
use crate::args::keys::{ShowArgs, VendorArgs};
use crate::file::Replacement;
use crate::output::Failure;

/// The result of `alien keys vendor`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VendorKey {
    /// The file of the private key.
    private_key: PathBuf,
    /// Whether a passphrase encrypts it.
    encrypted: bool,
    /// The file of the public key.
    public_key: PathBuf,
    /// The fingerprint of the public key, which customers compare.
    fingerprint: String,
}

impl VendorKey {
    fn text(&self) -> String {
        let Self { private_key, encrypted, public_key, fingerprint } = self;
        let kept = if *encrypted {
            "keep it and its passphrase apart"
        } else {
            "it is not encrypted, so whoever reads it can sign as you; a passphrase (`--passphrase-file`) encrypts it"
        };
        let (private, public) = (private_key.display(), public_key.display());
        format!(
            "the private key is in `{private}`: keep it secret; {kept}\n\
             the public key is in `{public}`, and its fingerprint is {fingerprint}\n\
             1. tell customers the fingerprint, in another way than you send invitations\n\
             2. sign each invitation: `alien invite --sign {private}`\n\
             3. their admins verify it: `alien-deploy … --vendor-key {fingerprint}`",
        )
    }
}

pub(super) fn vendor(args: &VendorArgs, shown: Shown) -> Result<(), Failure> {
    let passphrase = args.passphrase.given()?;
    let (private, public) = (args.out.join("vendor.pem"), args.out.join("public").join("vendor.pem"));
    for path in [&private, &public] {
        if path.symlink_metadata().is_ok() {
            let what = "already exists, and a key is never overwritten";
            return Err(Failure::form(path.display().to_string(), what, "name another folder"));
        }
    }
    make_folder(&args.out.join("public"))?;
    let file = Replacement::of(&public)?;
    let key = SigningKey::generate()?;
    let saved = match &passphrase {
        Some(passphrase) => key.save_encrypted(&private, passphrase),
        None => key.save(&private),
    };
    saved?;
    file.write_bytes(key.public().to_string().as_bytes())?;
    let fingerprint = key.public().fingerprint();
    let (encrypted, private_key, public_key) = (passphrase.is_some(), private, public);
    shown.result(&VendorKey { private_key, encrypted, public_key, fingerprint }, VendorKey::text)
}

/// The result of `alien keys show`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Public {
    /// The fingerprint of the public key.
    fingerprint: String,
    /// The public key, in PEM.
    public_key: String,
}

pub(super) fn show(args: &ShowArgs, shown: Shown) -> Result<(), Failure> {
    let text = text(&args.file)?;
    let public = if text.contains("PRIVATE KEY-----") {
        *read(&args.file, &text, &args.passphrase)?.public()
    } else {
        taken(text.parse::<PublicKey>(), &args.file)?
    };
    let public = Public { fingerprint: public.fingerprint(), public_key: public.to_string() };
    shown.result(&public, |Public { fingerprint, public_key }| format!("{fingerprint}\n{}", public_key.trim_end()))
}
