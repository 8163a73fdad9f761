//! `alien keys vendor` and `alien keys show`: the key that signs invitations.

use alien_release::{PublicKey, SigningKey};

use super::file::{make_folder, read, taken, text};
use crate::args::keys::{ShowArgs, VendorArgs};
use crate::file::Replacement;
use crate::output::{self, Failure};

pub(super) fn vendor(args: &VendorArgs) -> Result<(), Failure> {
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
    let kept = if passphrase.is_some() {
        "keep it and its passphrase apart"
    } else {
        "it is not encrypted, so whoever reads it can sign as you; a passphrase (`--passphrase-file`) encrypts it"
    };
    output::line(format_args!(
        "the private key is in `{}`: keep it secret; {kept}\n\
         the public key is in `{}`, and its fingerprint is {}\n\
         1. tell customers the fingerprint, in another way than you send invitations\n\
         2. sign each invitation: `alien invite --sign {}`\n\
         3. their admins verify it: `alien-deploy … --vendor-key {}`",
        private.display(),
        public.display(),
        key.public().fingerprint(),
        private.display(),
        key.public().fingerprint(),
    ))
}

pub(super) fn show(args: &ShowArgs) -> Result<(), Failure> {
    let text = text(&args.file)?;
    let public = if text.contains("PRIVATE KEY-----") {
        *read(&args.file, &text, &args.passphrase)?.public()
    } else {
        taken(text.parse::<PublicKey>(), &args.file)?
    };
    output::line(format_args!("{}\n{}", public.fingerprint(), public.to_string().trim_end()))
}
