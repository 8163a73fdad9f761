//! Signs invitations that are written.

use std::path::Path;

use alien_core::Invitation;
use alien_release::{InvitationFile, SigningKey, sign_invitation};

use super::file::open;
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
        Ok(Written(format!("{text}\n")))
    }
}

/// The text of an invitation's file.
pub(crate) struct Written(String);

impl Written {
    /// Writes the file, or prints it, and says what the customer's admin compares.
    pub(crate) fn to(&self, path: Option<&Path>) -> Result<(), Failure> {
        match path {
            Some(path) => self.write(path)?,
            None => output::bytes(self.0.as_bytes())?,
        }
        let file = InvitationFile::read(&self.0)?;
        output::note(match file.signer() {
            Some(key) => format!("signed by the key {}", key.fingerprint()),
            None => {
                format!("not signed; tell the customer its SHA-256 in another way than you send it: {}", file.digest())
            }
        });
        Ok(())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        Replacement::of(path)?.write_bytes(self.0.as_bytes())
    }
}
