//! Whether the vendor wrote an invitation, as it is.

use std::env;
use std::path::Path;

use alien_core::{Deployment, Invitation, Invited, KeyFingerprint, Problem, Rule};
use alien_release::{InvitationFile, PublicKey};

use crate::args::admin;
use crate::file;
use crate::output::{self, Failure};

/// The variable that names the vendor's key.
const VARIABLE: &str = "ALIEN_VENDOR_KEY";
const FLAG: &str = "--vendor-key";

/// How an invitation was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// The vendor's key signed it.
    By(KeyFingerprint),
    /// No key of the vendor's is known.
    Not {
        /// The SHA-256 of the file.
        digest: String,
        /// The fingerprint of whatever key signed it.
        signer: Option<String>,
    },
}

/// Reads an invitation, and verifies it if the vendor's key is known: from a flag, the environment, or the record of the last
/// set-up.
pub(super) fn read(
    args: &admin::Invited,
    previous: Result<Option<Deployment>, Failure>,
) -> Result<(Invitation, Checked, Option<Deployment>), Failure> {
    let path = &args.invitation;
    let refused = |error: alien_core::Error| file::within(path, error.problems());
    let given = file::text(path).and_then(|text| InvitationFile::read(&text).map_err(refused));
    let ((given, key), previous) = output::both(output::both(given, named(args)), previous)?;
    let recorded = previous.as_ref().and_then(|record| record.invitation.vendor_key.clone());
    if let (Some(key), Some(recorded)) = (&key, &recorded)
        && key != recorded
    {
        let what = format!("the vendor's key was {recorded} at the last set-up, and is {key} now");
        let help = "go on only if the vendor told you of its new key".to_owned();
        output::warn([&Problem::warning(Rule::Form, what, help).at(FLAG)]);
    }
    let (invitation, checked) = match key.or(recorded) {
        Some(key) => (given.verify(&key).map_err(refused)?, Checked::By(key)),
        None => {
            let signer = given.signer().map(PublicKey::fingerprint);
            let checked = Checked::Not { digest: given.digest().to_owned(), signer };
            (given.unverified(), checked)
        }
    };
    Ok((invitation, checked, previous))
}

/// The vendor's key that the admin names.
fn named(args: &admin::Invited) -> Result<Option<KeyFingerprint>, Failure> {
    let (given, at) = match &args.vendor_key {
        Some(given) => (Some(given.clone()), FLAG),
        None => (env::var(VARIABLE).ok(), VARIABLE),
    };
    let Some(given) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    let fingerprint = if given.starts_with("sha256:") {
        given
    } else {
        let path = Path::new(&given);
        let key: Result<PublicKey, _> = file::text(path)?.parse();
        key.map_err(|error| file::within(path, error.problems()))?.fingerprint()
    };
    let help = "name the file of the vendor's public key, or its fingerprint as the vendor told it";
    fingerprint.parse().map(Some).map_err(|error: alien_core::TextError| Failure::form(at, error.to_string(), help))
}

impl Checked {
    /// Tells the admin what to compare, if nothing was verified.
    pub(super) fn tell(&self, path: &Path) {
        let Self::Not { digest, signer } = self else { return };
        let (what, help) = match signer {
            Some(key) => (
                format!(
                    "it was not checked whether the vendor wrote it: it is signed by the key {key}, and its SHA-256 is {digest}"
                ),
                "compare the key with what the vendor told you in another way, and name it by `--vendor-key`",
            ),
            None => (
                format!(
                    "it was not checked whether the vendor wrote it: it is not signed, and its SHA-256 is {digest}"
                ),
                "compare that with what the vendor told you in another way, or ask for a signed invitation",
            ),
        };
        output::warn([&Problem::warning(Rule::Form, what, help.to_owned()).at(path.display().to_string())]);
    }

    /// What a question for consent adds.
    pub(super) fn doubt(&self) -> String {
        match self {
            Self::By(_) => String::new(),
            Self::Not { digest, .. } => format!(" by an invitation that was not checked ({digest})"),
        }
    }

    /// What the record keeps.
    pub(super) fn invited(&self, invitation: &Invitation) -> Invited {
        let vendor_key = match self {
            Self::By(key) => Some(key.clone()),
            Self::Not { .. } => None,
        };
        Invited { revision: invitation.revision, vendor_key }
    }
}
