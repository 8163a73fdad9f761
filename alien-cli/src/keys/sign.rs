//! Signs invitations that are written.

use std::path::{Path, PathBuf};

use alien_core::Invitation;
use alien_release::{InvitationFile, SigningKey, sign_invitation};
use schemars::JsonSchema;
use serde::Serialize;

use super::file::open;
use crate::args::Shown;
use crate::args::keys::{PassphraseArgs, SignArgs};
use crate::file::Replacement;
use crate::output::{self, Failure};

/// The key that signs invitations, if one is given.
pub(crate) struct Signing(Option<SigningKey>);

impl Signing {
    pub(crate) fn of(args: &SignArgs) -> Result<Self, Failure> {
        Self::with(args.sign.as_deref(), &args.passphrase)
    }

    pub(crate) fn with(key: Option<&Path>, passphrase: &PassphraseArgs) -> Result<Self, Failure> {
        key.map(|path| open(path, passphrase)).transpose().map(Self)
    }

    /// The file of an invitation, signed if there is a key.
    pub(crate) async fn written(&self, invitation: Invitation) -> Result<Written, Failure> {
        let invitation = match &self.0 {
            Some(key) => sign_invitation(invitation, key).await?,
            None => invitation,
        };
        let text = serde_json::to_string_pretty(&invitation).map_err(Failure::unwritten)?;
        Ok(Written { text: format!("{text}\n"), invitation })
    }
}

/// An invitation, and the text of its file.
pub(crate) struct Written {
    text: String,
    invitation: Invitation,
}

/// The result of `alien invite` and `alien deployments invite`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InvitationWritten")]
pub(crate) struct Invited {
    /// The file that the invitation was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// The SHA-256 of the file, `sha256:…`, if it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The fingerprint of the key that signed the invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    /// The invitation, as its file has it.
    invitation: Invitation,
}

impl Written {
    /// Writes the file, or prints it, and says what the customer's admin compares.
    pub(crate) fn to(self, path: Option<&Path>, shown: Shown) -> Result<(), Failure> {
        if let Some(path) = path {
            self.write(path)?;
        }
        let file = InvitationFile::read(&self.text)?;
        let signer = file.signer().map(|key| key.fingerprint());
        if shown.json {
            let digest = path.map(|_| file.digest().to_owned());
            return output::json(&Invited {
                file: path.map(Path::to_owned),
                digest,
                signer,
                invitation: self.invitation,
            });
        }
        if path.is_none() {
            output::bytes(self.text.as_bytes())?;
        }
        output::note(match signer {
            Some(key) => format!("signed by the key {key}"),
            None => {
                format!("not signed; tell the customer its SHA-256 in another way than you send it: {}", file.digest())
            }
        });
        Ok(())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        Replacement::of(path)?.write_bytes(self.text.as_bytes())
    }
}
