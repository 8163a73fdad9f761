//! The file of a private key, and its passphrase.

use std::env;
use std::fs;
use std::path::Path;

use alien_core::Error;
use alien_release::{Passphrase, SigningKey};
use zeroize::Zeroizing;

use crate::args::keys::PassphraseArgs;
use crate::file;
use crate::output::Failure;

/// The variable that holds a passphrase.
const VARIABLE: &str = "ALIEN_PASSPHRASE";

impl PassphraseArgs {
    /// The passphrase that was given: in a file, or in the environment.
    pub(super) fn given(&self) -> Result<Option<Passphrase>, Failure> {
        let Some(path) = &self.passphrase_file else {
            let text = env::var(VARIABLE).ok().filter(|text| !text.is_empty());
            return text.map(|text| taken(Passphrase::new(text), VARIABLE.as_ref())).transpose();
        };
        let mut text = file::text(path)?;
        // An editor ends the line.
        let length = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(length);
        taken(Passphrase::new(std::mem::take(&mut *text)), path).map(Some)
    }
}

/// Reads a private key.
pub(crate) fn open(path: &Path, passphrase: &PassphraseArgs) -> Result<SigningKey, Failure> {
    read(path, &text(path)?, passphrase)
}

/// The text of a file that may be a private key. It is wiped.
pub(super) fn text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    file::text(path)
}

pub(super) fn read(path: &Path, text: &str, passphrase: &PassphraseArgs) -> Result<SigningKey, Failure> {
    let key = match (SigningKey::is_encrypted(text), &passphrase.passphrase_file) {
        (false, None) => SigningKey::from_pem(text),
        // That a passphrase is of no use is told only where it was given for this key.
        _ => match passphrase.given()? {
            Some(passphrase) => SigningKey::from_encrypted_pem(text, &passphrase),
            None => {
                let help = format!("give its passphrase: `--passphrase-file`, or `{VARIABLE}`");
                return Err(Failure::form(path.display().to_string(), "it is encrypted", &help));
            }
        },
    };
    taken(key, path)
}

/// Names the file, or the variable, in what is wrong with it.
pub(super) fn taken<T>(read: Result<T, Error>, path: &Path) -> Result<T, Failure> {
    read.map_err(|error| match error.problems() {
        [] => error.into(),
        problems => file::within(path, problems),
    })
}

/// Makes the folder of a file that is to be written.
pub(super) fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| {
        Failure::form(folder.display().to_string(), format!("cannot be made: {error}"), "name another folder")
    })
}
